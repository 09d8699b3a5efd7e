-- +goose Up
CREATE TABLE job_lease (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  owner VARCHAR(64) NOT NULL,
  until_ms BIGINT NOT NULL,
  ran_ms BIGINT NOT NULL,
  result VARCHAR(500) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
