-- +goose Up
CREATE TABLE refund_attempt (
  out_refund_no VARCHAR(64) NOT NULL PRIMARY KEY,
  refund_id BIGINT NOT NULL,
  attempt_no INT NOT NULL,
  state VARCHAR(16) NOT NULL,
  made_ms BIGINT NOT NULL,
  UNIQUE (refund_id, attempt_no)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
