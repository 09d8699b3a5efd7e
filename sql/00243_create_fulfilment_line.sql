-- +goose Up
CREATE TABLE fulfilment_line (
  fulfilment_id BIGINT NOT NULL,
  line_id BIGINT NOT NULL,
  qty BIGINT NOT NULL,
  PRIMARY KEY (fulfilment_id, line_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
