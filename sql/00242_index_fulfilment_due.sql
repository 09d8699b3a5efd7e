-- +goose Up
CREATE INDEX fulfilment_due ON fulfilment (state, due_ms);
