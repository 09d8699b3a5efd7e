-- +goose Up
CREATE INDEX territory_contract_distributor ON territory_contract (distributor_id, id);
