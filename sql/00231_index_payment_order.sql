-- +goose Up
CREATE INDEX payment_order ON payment (order_id);
