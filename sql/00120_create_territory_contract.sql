-- +goose Up
CREATE TABLE territory_contract (
  id BIGINT NOT NULL PRIMARY KEY,
  distributor_id BIGINT NOT NULL,
  document_no VARCHAR(64) NOT NULL,
  from_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  made_ms BIGINT NOT NULL,
  made_by VARCHAR(64) NOT NULL,
  ended_ms BIGINT NOT NULL,
  ended_by VARCHAR(64) NOT NULL,
  end_reason VARCHAR(500) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
