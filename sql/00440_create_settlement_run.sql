-- +goose Up
CREATE TABLE settlement_run (
  id BIGINT NOT NULL PRIMARY KEY,
  cycle VARCHAR(16) NOT NULL,
  period INT NOT NULL,
  from_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  next_payee BIGINT NOT NULL,
  statement_count BIGINT NOT NULL,
  total_fen BIGINT NOT NULL,
  started_ms BIGINT NOT NULL,
  drafted_ms BIGINT NOT NULL,
  UNIQUE (cycle, period)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
