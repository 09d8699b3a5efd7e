-- +goose Up
CREATE TABLE payment (
  id BIGINT NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  open_order_id BIGINT NULL UNIQUE,
  counting_order_id BIGINT NULL UNIQUE,
  out_trade_no VARCHAR(32) NOT NULL UNIQUE,
  transaction_id VARCHAR(64) NULL UNIQUE,
  state VARCHAR(16) NOT NULL,
  amount_fen BIGINT NOT NULL,
  refunded_fen BIGINT NOT NULL,
  payer_openid VARCHAR(64) NOT NULL,
  params TEXT NOT NULL,
  prepay_id VARCHAR(128) NOT NULL,
  prepay_ms BIGINT NOT NULL,
  called_ms BIGINT NOT NULL,
  closing_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  captured_ms BIGINT NOT NULL,
  closed_ms BIGINT NOT NULL,
  next_ms BIGINT NOT NULL,
  tries INT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
