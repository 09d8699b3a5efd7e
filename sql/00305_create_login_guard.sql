-- +goose Up
CREATE TABLE login_guard (
  account_sha CHAR(64) NOT NULL PRIMARY KEY,
  failed INT NOT NULL,
  last_ms BIGINT NOT NULL,
  locked_until_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
