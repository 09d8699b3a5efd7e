-- +goose Up
CREATE TABLE sku (
  id BIGINT NOT NULL PRIMARY KEY,
  product_id BIGINT NOT NULL,
  position INT NOT NULL,
  name VARCHAR(100) NOT NULL,
  price_fen BIGINT NOT NULL,
  cost_fen BIGINT NOT NULL,
  status VARCHAR(16) NOT NULL,
  version INT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
