-- +goose Up
CREATE INDEX binding_customer ON binding (customer_id, id);
