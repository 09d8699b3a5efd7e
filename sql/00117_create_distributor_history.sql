-- +goose Up
CREATE TABLE distributor_history (
  id BIGINT NOT NULL PRIMARY KEY,
  distributor_id BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  actor VARCHAR(64) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  from_value VARCHAR(64) NOT NULL,
  to_value VARCHAR(64) NOT NULL,
  reason VARCHAR(500) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
