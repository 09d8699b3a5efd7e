-- +goose Up
CREATE INDEX stock_move_ref ON stock_move (ref);
