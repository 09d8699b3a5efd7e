-- +goose Up
CREATE TABLE ledger_entry (
  id BIGINT NOT NULL PRIMARY KEY,
  tx_id BIGINT NOT NULL,
  account VARCHAR(20) NOT NULL,
  owner_id BIGINT NOT NULL,
  amount_fen BIGINT NOT NULL,
  at_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
