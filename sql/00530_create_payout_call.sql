-- +goose Up
CREATE TABLE payout_call (
  id BIGINT NOT NULL PRIMARY KEY,
  withdrawal_id BIGINT NOT NULL,
  kind VARCHAR(16) NOT NULL,
  started_ms BIGINT NOT NULL,
  ended_ms BIGINT NOT NULL,
  class VARCHAR(16) NOT NULL,
  status INT NOT NULL,
  code VARCHAR(64) NOT NULL,
  message VARCHAR(500) NOT NULL,
  wechat_state VARCHAR(32) NOT NULL,
  request_id VARCHAR(128) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
