-- +goose Up
CREATE TABLE admin (
  id BIGINT NOT NULL PRIMARY KEY,
  account VARCHAR(64) NOT NULL UNIQUE,
  name VARCHAR(64) NOT NULL,
  role VARCHAR(32) NOT NULL,
  state VARCHAR(16) NOT NULL,
  password_hash VARCHAR(200) NOT NULL,
  must_change INT NOT NULL,
  totp_enc VARCHAR(255) NOT NULL,
  totp_next_enc VARCHAR(255) NOT NULL,
  totp_step BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  version INT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
