-- +goose Up
CREATE TABLE admin_recovery (
  admin_id BIGINT NOT NULL,
  code_sha CHAR(64) NOT NULL,
  used_ms BIGINT NOT NULL,
  PRIMARY KEY (admin_id, code_sha)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
