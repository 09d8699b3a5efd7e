-- +goose Up
CREATE INDEX order_line_sku ON order_line (sku_id, order_id);
