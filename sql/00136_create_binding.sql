-- +goose Up
CREATE TABLE binding (
  id BIGINT NOT NULL PRIMARY KEY,
  customer_id BIGINT NOT NULL,
  active_customer_id BIGINT UNIQUE,
  distributor_id BIGINT NOT NULL,
  since_ms BIGINT NOT NULL,
  anchor_ms BIGINT NOT NULL,
  ended_ms BIGINT NOT NULL,
  end_reason VARCHAR(32) NOT NULL,
  touch_id BIGINT NOT NULL,
  policy_version INT NOT NULL,
  reason VARCHAR(32) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
