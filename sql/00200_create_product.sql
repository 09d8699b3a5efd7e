-- +goose Up
CREATE TABLE product (
  id BIGINT NOT NULL PRIMARY KEY,
  name VARCHAR(100) NOT NULL,
  category VARCHAR(64) NOT NULL,
  summary VARCHAR(500) NOT NULL,
  detail TEXT NOT NULL,
  image_url VARCHAR(500) NOT NULL,
  status VARCHAR(16) NOT NULL,
  aftersale_days INT NOT NULL,
  early_from_ms BIGINT NOT NULL,
  early_until_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  version INT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
