-- +goose Up
CREATE TABLE admin_session (
  id BIGINT NOT NULL PRIMARY KEY,
  token_sha CHAR(64) NOT NULL UNIQUE,
  admin_id BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  seen_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  ended_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
