-- +goose Up
CREATE TABLE stock (
  sku_id BIGINT NOT NULL,
  warehouse_id BIGINT NOT NULL,
  on_hand BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  in_transit BIGINT NOT NULL,
  PRIMARY KEY (sku_id, warehouse_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
