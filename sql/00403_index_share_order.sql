-- +goose Up
CREATE INDEX share_order ON share (order_id);
