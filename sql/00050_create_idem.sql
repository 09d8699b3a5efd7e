-- +goose Up
CREATE TABLE idem (
  scope VARCHAR(120) NOT NULL,
  idem_key VARCHAR(64) NOT NULL,
  body_sha CHAR(64) NOT NULL,
  op_id BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL,
  owner BIGINT NOT NULL,
  lease_until_ms BIGINT NOT NULL,
  status INT NOT NULL,
  answer MEDIUMTEXT NOT NULL,
  made_ms BIGINT NOT NULL,
  PRIMARY KEY (scope, idem_key)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
