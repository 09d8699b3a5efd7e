-- +goose Up
CREATE INDEX distributor_upline ON distributor (upline_id, id);
