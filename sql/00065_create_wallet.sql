-- +goose Up
CREATE TABLE wallet (
  distributor_id BIGINT NOT NULL PRIMARY KEY,
  available_fen BIGINT NOT NULL,
  withdrawing_fen BIGINT NOT NULL,
  debt_fen BIGINT NOT NULL,
  opened_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
