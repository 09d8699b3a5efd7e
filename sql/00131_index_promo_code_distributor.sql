-- +goose Up
CREATE INDEX promo_code_distributor ON promo_code (distributor_id, id);
