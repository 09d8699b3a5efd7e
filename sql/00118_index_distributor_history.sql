-- +goose Up
CREATE INDEX distributor_history_distributor ON distributor_history (distributor_id, id);
