-- +goose Up
CREATE INDEX admin_session_admin ON admin_session (admin_id, ended_ms);
