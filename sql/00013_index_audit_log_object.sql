-- +goose Up
CREATE INDEX audit_log_object ON audit_log (object, id);
