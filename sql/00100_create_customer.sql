-- +goose Up
CREATE TABLE customer (
  id BIGINT NOT NULL PRIMARY KEY,
  openid VARCHAR(64) NOT NULL UNIQUE,
  unionid VARCHAR(64) NOT NULL,
  phone_enc VARCHAR(255) NOT NULL,
  phone_hash VARCHAR(64) NOT NULL,
  nickname VARCHAR(64) NOT NULL,
  last_order_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  erased_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
