-- +goose Up
CREATE TABLE promo_code (
  id BIGINT NOT NULL PRIMARY KEY,
  code VARCHAR(12) NOT NULL UNIQUE,
  distributor_id BIGINT NOT NULL,
  target_kind VARCHAR(16) NOT NULL,
  target_id BIGINT NOT NULL,
  channel VARCHAR(32) NOT NULL,
  status VARCHAR(16) NOT NULL,
  expires_ms BIGINT NOT NULL,
  made_ms BIGINT NOT NULL,
  disabled_ms BIGINT NOT NULL,
  disabled_by VARCHAR(64) NOT NULL,
  reason VARCHAR(500) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
