-- +goose Up
CREATE INDEX fulfilment_order ON fulfilment (order_id, id);
