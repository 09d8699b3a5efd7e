-- +goose Up
CREATE INDEX commission_payee ON commission (payee_id, id);
