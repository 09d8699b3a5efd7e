-- +goose Up
CREATE TABLE outbox (
  id BIGINT NOT NULL PRIMARY KEY,
  kind VARCHAR(32) NOT NULL,
  ref VARCHAR(64) NOT NULL,
  body TEXT NOT NULL,
  made_ms BIGINT NOT NULL,
  due_ms BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL,
  lease_until_ms BIGINT NOT NULL,
  owner VARCHAR(64) NOT NULL,
  tries INT NOT NULL,
  done_ms BIGINT NOT NULL,
  error VARCHAR(500) NOT NULL,
  UNIQUE (kind, ref)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
