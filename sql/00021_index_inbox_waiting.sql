-- +goose Up
CREATE INDEX inbox_waiting ON inbox (state, next_ms, id);
