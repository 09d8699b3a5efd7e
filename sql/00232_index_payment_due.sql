-- +goose Up
CREATE INDEX payment_due ON payment (state, next_ms);
