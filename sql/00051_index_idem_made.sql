-- +goose Up
CREATE INDEX idem_made ON idem (made_ms);
