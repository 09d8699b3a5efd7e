-- +goose Up
CREATE INDEX commission_refund ON commission (refund_id);
