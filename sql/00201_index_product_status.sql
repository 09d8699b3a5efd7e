-- +goose Up
CREATE INDEX product_status ON product (status, id);
