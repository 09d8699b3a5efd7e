-- +goose Up
CREATE INDEX statement_state ON statement (state, distributor_id);
