-- +goose Up
CREATE TABLE stock_move (
  id BIGINT NOT NULL PRIMARY KEY,
  sku_id BIGINT NOT NULL,
  warehouse_id BIGINT NOT NULL,
  kind VARCHAR(16) NOT NULL,
  ref VARCHAR(64) NOT NULL,
  on_hand_delta BIGINT NOT NULL,
  reserved_delta BIGINT NOT NULL,
  in_transit_delta BIGINT NOT NULL,
  reason VARCHAR(500) NOT NULL,
  actor VARCHAR(64) NOT NULL,
  at_ms BIGINT NOT NULL,
  UNIQUE (sku_id, warehouse_id, kind, ref)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
