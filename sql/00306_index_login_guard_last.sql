-- +goose Up
CREATE INDEX login_guard_last ON login_guard (last_ms);
