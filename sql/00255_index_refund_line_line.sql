-- +goose Up
CREATE INDEX refund_line_line ON refund_line (line_id);
