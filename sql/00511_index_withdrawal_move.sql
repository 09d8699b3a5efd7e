-- +goose Up
CREATE INDEX withdrawal_move_of ON withdrawal_move (withdrawal_id, id);
