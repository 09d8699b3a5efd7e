-- +goose Up
CREATE TABLE order_line (
  id BIGINT NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  line_no INT NOT NULL,
  product_id BIGINT NOT NULL,
  sku_id BIGINT NOT NULL,
  name VARCHAR(220) NOT NULL,
  category VARCHAR(64) NOT NULL,
  qty BIGINT NOT NULL,
  price_fen BIGINT NOT NULL,
  gross_fen BIGINT NOT NULL,
  discount_fen BIGINT NOT NULL,
  net_fen BIGINT NOT NULL,
  cost_fen BIGINT NOT NULL,
  aftersale_days INT NOT NULL,
  received_qty BIGINT NOT NULL,
  received_ms BIGINT NOT NULL,
  refunded_fen BIGINT NOT NULL,
  refunded_qty BIGINT NOT NULL,
  UNIQUE (order_id, line_no)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
