-- +goose Up
CREATE TABLE order_attribution (
  order_id BIGINT NOT NULL PRIMARY KEY,
  customer_id BIGINT NOT NULL,
  seller_id BIGINT NOT NULL,
  seller_level_id BIGINT NOT NULL,
  seller_cycle VARCHAR(16) NOT NULL,
  upline_id BIGINT NOT NULL,
  upline_level_id BIGINT NOT NULL,
  upline_cycle VARCHAR(16) NOT NULL,
  territory_id BIGINT NOT NULL,
  territory_level_id BIGINT NOT NULL,
  territory_cycle VARCHAR(16) NOT NULL,
  contract_id BIGINT NOT NULL,
  region_code INT NOT NULL,
  binding_id BIGINT NOT NULL,
  touch_id BIGINT NOT NULL,
  policy_version INT NOT NULL,
  reason VARCHAR(32) NOT NULL,
  decided_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
