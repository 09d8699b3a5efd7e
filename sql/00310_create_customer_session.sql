-- +goose Up
CREATE TABLE customer_session (
  id BIGINT NOT NULL PRIMARY KEY,
  customer_id BIGINT NOT NULL,
  generation INT NOT NULL,
  created_ms BIGINT NOT NULL,
  rotated_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  ended_ms BIGINT NOT NULL,
  ended_reason VARCHAR(32) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
