-- +goose Up
CREATE INDEX shop_order_state ON shop_order (state, id);
