-- +goose Up
CREATE INDEX distributor_application_state ON distributor_application (state, id);
