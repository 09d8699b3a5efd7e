-- +goose Up
CREATE INDEX customer_session_expires ON customer_session (expires_ms);
