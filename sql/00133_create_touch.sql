-- +goose Up
CREATE TABLE touch (
  id BIGINT NOT NULL PRIMARY KEY,
  kind VARCHAR(16) NOT NULL,
  customer_id BIGINT NOT NULL,
  raw VARCHAR(64) NOT NULL,
  code_id BIGINT NOT NULL,
  distributor_id BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  bound INT NOT NULL,
  reason VARCHAR(32) NOT NULL,
  binding_id BIGINT NOT NULL,
  policy_version INT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
