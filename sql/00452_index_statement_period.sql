-- +goose Up
CREATE INDEX statement_period ON statement (cycle, period, distributor_id);
