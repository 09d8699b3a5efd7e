// Package sqlfiles holds the migrations: one portable set for SQLite, MySQL, MariaDB and TiDB, one DDL statement a file.
package sqlfiles

import "embed"

// FS holds the migrations, goose's NNNNN_verb_noun.sql.
//
//go:embed *.sql
var FS embed.FS
