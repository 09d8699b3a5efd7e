-- +goose Up
CREATE INDEX commission_settling ON commission (cycle, period, payee_id, kind, amount_fen);
