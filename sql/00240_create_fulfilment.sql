-- +goose Up
CREATE TABLE fulfilment (
  id BIGINT NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  warehouse_id BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL,
  carrier VARCHAR(32) NOT NULL,
  tracking_no VARCHAR(64) NOT NULL,
  allocated_ms BIGINT NOT NULL,
  shipped_ms BIGINT NOT NULL,
  shipped_by VARCHAR(64) NOT NULL,
  due_ms BIGINT NOT NULL,
  received_ms BIGINT NOT NULL,
  received_by VARCHAR(64) NOT NULL,
  cancelled_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
