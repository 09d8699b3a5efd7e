-- +goose Up
CREATE TABLE people_lock (
  name VARCHAR(32) NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
