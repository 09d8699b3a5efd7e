-- +goose Up
CREATE INDEX refund_due ON refund (state, next_ms);
