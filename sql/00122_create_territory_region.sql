-- +goose Up
CREATE TABLE territory_region (
  contract_id BIGINT NOT NULL,
  region_code INT NOT NULL,
  from_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  PRIMARY KEY (contract_id, region_code)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
