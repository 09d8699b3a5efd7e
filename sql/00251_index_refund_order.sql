-- +goose Up
CREATE INDEX refund_order ON refund (order_id, id);
