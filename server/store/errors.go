package store

import (
	"errors"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
)

// IsDup says that an INSERT or UPDATE met a row with the same primary or unique key.
func IsDup(err error) bool {
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return m.Number == 1062
	}
	var s *sqlite.Error
	return errors.As(err, &s) && (s.Code() == 1555 || s.Code() == 2067) // CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE
}

// conflicts are the errors after which MySQL, MariaDB, Galera or TiDB have rolled back and ask to try again: deadlock,
// lock wait, record changed since last read; TiDB: for update conflict, lock resolve, schema changed, write conflict.
var conflicts = map[uint16]bool{1213: true, 1205: true, 1020: true, 8002: true, 8022: true, 8028: true, 9007: true}

func retryable(err error) bool {
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return conflicts[m.Number]
	}
	var s *sqlite.Error
	return errors.As(err, &s) && s.Code()&0xff == 5 // SQLITE_BUSY
}
