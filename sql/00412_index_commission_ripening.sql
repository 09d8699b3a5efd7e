-- +goose Up
CREATE INDEX commission_ripening ON commission (ripe_ms, due_ms);
