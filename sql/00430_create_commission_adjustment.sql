-- +goose Up
CREATE TABLE commission_adjustment (
  id BIGINT NOT NULL PRIMARY KEY,
  payee_id BIGINT NOT NULL,
  cycle VARCHAR(16) NOT NULL,
  amount_fen BIGINT NOT NULL,
  statement_id BIGINT NOT NULL,
  reason VARCHAR(500) NOT NULL,
  state VARCHAR(16) NOT NULL,
  requested_ms BIGINT NOT NULL,
  requested_by VARCHAR(64) NOT NULL,
  decided_ms BIGINT NOT NULL,
  decided_by VARCHAR(64) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
