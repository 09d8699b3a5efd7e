-- +goose Up
CREATE INDEX outbox_waiting ON outbox (state, due_ms, id);
