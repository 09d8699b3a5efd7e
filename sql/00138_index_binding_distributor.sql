-- +goose Up
CREATE INDEX binding_distributor ON binding (distributor_id, id);
