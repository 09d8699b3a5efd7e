-- +goose Up
CREATE INDEX payout_call_of ON payout_call (withdrawal_id, id);
