-- +goose Up
CREATE INDEX distributor_application_customer ON distributor_application (customer_id, id);
