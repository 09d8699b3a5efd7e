-- +goose Up
CREATE INDEX distributor_person ON distributor (id_no_hash, id);
