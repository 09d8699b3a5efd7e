-- +goose Up
CREATE INDEX commission_hold_scope ON commission_hold (scope, scope_id);
