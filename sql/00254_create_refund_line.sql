-- +goose Up
CREATE TABLE refund_line (
  refund_id BIGINT NOT NULL,
  line_id BIGINT NOT NULL,
  qty BIGINT NOT NULL,
  unshipped_qty BIGINT NOT NULL,
  amount_fen BIGINT NOT NULL,
  PRIMARY KEY (refund_id, line_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
