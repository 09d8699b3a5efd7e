-- +goose Up
CREATE TABLE level (
  id BIGINT NOT NULL PRIMARY KEY,
  code VARCHAR(32) NOT NULL UNIQUE,
  name_zh VARCHAR(64) NOT NULL,
  name_en VARCHAR(64) NOT NULL,
  rank_no INT NOT NULL,
  cycle VARCHAR(16) NOT NULL,
  rights TEXT NOT NULL,
  duties TEXT NOT NULL,
  active INT NOT NULL,
  version INT NOT NULL,
  made_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
