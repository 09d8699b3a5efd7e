-- +goose Up
CREATE INDEX touch_customer ON touch (customer_id, at_ms);
