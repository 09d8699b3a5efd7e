-- +goose Up
CREATE INDEX customer_session_customer ON customer_session (customer_id, ended_ms);
