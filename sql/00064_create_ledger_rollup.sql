-- +goose Up
CREATE TABLE ledger_rollup (
  account VARCHAR(20) NOT NULL,
  owner_id BIGINT NOT NULL,
  mark_id BIGINT NOT NULL,
  balance_fen BIGINT NOT NULL,
  made_ms BIGINT NOT NULL,
  PRIMARY KEY (account, owner_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
