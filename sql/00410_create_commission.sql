-- +goose Up
CREATE TABLE commission (
  id BIGINT NOT NULL PRIMARY KEY,
  share_id BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  line_id BIGINT NOT NULL,
  tier VARCHAR(16) NOT NULL,
  revision INT NOT NULL,
  payee_id BIGINT NOT NULL,
  cycle VARCHAR(16) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  amount_fen BIGINT NOT NULL,
  refund_id BIGINT NOT NULL,
  refunded_fen BIGINT NOT NULL,
  base_fen BIGINT NOT NULL,
  accrued_ms BIGINT NOT NULL,
  due_ms BIGINT NOT NULL,
  ripe_ms BIGINT NOT NULL,
  period INT NOT NULL,
  UNIQUE (share_id, kind, refund_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
