-- +goose Up
CREATE INDEX withdrawal_due ON withdrawal (state, next_ms, id);
