-- +goose Up
CREATE TABLE distributor (
  id BIGINT NOT NULL PRIMARY KEY,
  customer_id BIGINT NOT NULL UNIQUE,
  level_id BIGINT NOT NULL,
  status VARCHAR(16) NOT NULL,
  upline_id BIGINT NOT NULL,
  application_id BIGINT NOT NULL,
  agreement_version VARCHAR(32) NOT NULL,
  agreed_ms BIGINT NOT NULL,
  admitted_ms BIGINT NOT NULL,
  status_ms BIGINT NOT NULL,
  real_name_enc VARCHAR(512) NOT NULL,
  id_no_enc VARCHAR(512) NOT NULL,
  id_no_hash VARCHAR(64) NOT NULL,
  named_ms BIGINT NOT NULL,
  name_changed_ms BIGINT NOT NULL,
  version INT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
