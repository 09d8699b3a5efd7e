-- +goose Up
CREATE INDEX admin_session_expires ON admin_session (expires_ms);
