-- +goose Up
CREATE TABLE withdrawal_move (
  id BIGINT NOT NULL PRIMARY KEY,
  withdrawal_id BIGINT NOT NULL,
  from_state VARCHAR(16) NOT NULL,
  to_state VARCHAR(16) NOT NULL,
  what VARCHAR(32) NOT NULL,
  actor VARCHAR(64) NOT NULL,
  reason VARCHAR(500) NOT NULL,
  at_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
