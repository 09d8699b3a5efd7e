-- +goose Up
CREATE TABLE commission_hold (
  id BIGINT NOT NULL PRIMARY KEY,
  scope VARCHAR(16) NOT NULL,
  scope_id BIGINT NOT NULL,
  ref VARCHAR(64) NOT NULL,
  reason VARCHAR(500) NOT NULL,
  actor VARCHAR(64) NOT NULL,
  from_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  released_ms BIGINT NOT NULL,
  UNIQUE (ref, scope, scope_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
