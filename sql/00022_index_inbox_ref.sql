-- +goose Up
CREATE INDEX inbox_ref ON inbox (ref, id);
