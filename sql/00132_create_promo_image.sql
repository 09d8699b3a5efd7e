-- +goose Up
CREATE TABLE promo_image (
  code VARCHAR(12) NOT NULL,
  page VARCHAR(128) NOT NULL,
  width INT NOT NULL,
  env VARCHAR(16) NOT NULL,
  image MEDIUMBLOB NOT NULL,
  made_ms BIGINT NOT NULL,
  PRIMARY KEY (code, page, width, env)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
