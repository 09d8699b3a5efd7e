-- +goose Up
CREATE INDEX fulfilment_line_line ON fulfilment_line (line_id);
