-- +goose Up
CREATE TABLE distributor_application (
  id BIGINT NOT NULL PRIMARY KEY,
  customer_id BIGINT NOT NULL,
  open_customer_id BIGINT UNIQUE,
  state VARCHAR(16) NOT NULL,
  upline_id BIGINT NOT NULL,
  agreement_version VARCHAR(32) NOT NULL,
  agreed_ms BIGINT NOT NULL,
  made_ms BIGINT NOT NULL,
  decided_ms BIGINT NOT NULL,
  decided_by VARCHAR(64) NOT NULL,
  reason VARCHAR(500) NOT NULL,
  distributor_id BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
