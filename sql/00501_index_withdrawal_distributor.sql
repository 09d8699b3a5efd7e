-- +goose Up
CREATE INDEX withdrawal_distributor ON withdrawal (distributor_id, id);
