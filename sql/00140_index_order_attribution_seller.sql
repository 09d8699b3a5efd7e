-- +goose Up
CREATE INDEX order_attribution_seller ON order_attribution (seller_id, order_id);
