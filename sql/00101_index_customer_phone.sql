-- +goose Up
CREATE INDEX customer_phone ON customer (phone_hash, id);
