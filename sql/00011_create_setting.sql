-- +goose Up
CREATE TABLE setting (
  name VARCHAR(64) NOT NULL,
  version INT NOT NULL,
  body TEXT NOT NULL,
  from_ms BIGINT NOT NULL,
  made_ms BIGINT NOT NULL,
  actor VARCHAR(64) NOT NULL,
  reason VARCHAR(500) NOT NULL,
  PRIMARY KEY (name, version)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
