-- +goose Up
CREATE INDEX commission_rule_scope ON commission_rule (scope_kind, scope_id);
