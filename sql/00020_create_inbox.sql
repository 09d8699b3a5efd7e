-- +goose Up
CREATE TABLE inbox (
  id BIGINT NOT NULL PRIMARY KEY,
  source VARCHAR(32) NOT NULL,
  event_id VARCHAR(128) NOT NULL,
  kind VARCHAR(64) NOT NULL,
  ref VARCHAR(64) NOT NULL,
  body TEXT NOT NULL,
  received_ms BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL,
  applied_ms BIGINT NOT NULL,
  tries INT NOT NULL,
  next_ms BIGINT NOT NULL,
  outcome VARCHAR(500) NOT NULL,
  UNIQUE (source, event_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
