-- +goose Up
CREATE INDEX territory_region_code ON territory_region (region_code, from_ms);
