-- +goose Up
CREATE INDEX shop_order_customer ON shop_order (customer_id, id);
