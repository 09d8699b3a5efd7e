-- +goose Up
CREATE TABLE withdrawal_day (
  distributor_id BIGINT NOT NULL,
  day INT NOT NULL,
  taken_count INT NOT NULL,
  taken_fen BIGINT NOT NULL,
  PRIMARY KEY (distributor_id, day)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
