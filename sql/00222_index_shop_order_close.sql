-- +goose Up
CREATE INDEX shop_order_close ON shop_order (state, close_ms);
