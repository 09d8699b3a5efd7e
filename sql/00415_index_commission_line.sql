-- +goose Up
CREATE INDEX commission_line ON commission (line_id);
