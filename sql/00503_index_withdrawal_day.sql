-- +goose Up
CREATE INDEX withdrawal_of_day ON withdrawal (day, id);
