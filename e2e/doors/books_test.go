package doors_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"fenxiao/server/store"
)

// notBooks are the tables that a refused request may touch: what was refused, and who is knocking.
var notBooks = []string{
	"idem",             // keys and the answers they get again, refusals too
	"login_guard",      // failed log-ins are counted
	"admin_session",    // when a session was last used
	"customer_session", // likewise
	"goose_db_version",
	"node", // the process's lease
}

const (
	tablesSQLite = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
	tablesMySQL  = `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name`
)

// tables lists the tables that are the shop's books.
func tables(t *testing.T, db *store.DB) []string {
	t.Helper()
	query := tablesMySQL
	if db.Dialect == store.SQLite {
		query = tablesSQLite
	}
	var all []string
	require.NoError(t, db.Q().Select(t.Context(), &all, query))
	require.Greater(t, len(all), 40)
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(notBooks, name) })
}

// books is a fingerprint of every table.
func books(t *testing.T, db *store.DB, names []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range names {
		var rows []string
		err := db.Q().Each(t.Context(), "SELECT * FROM "+name, func(r *sqlx.Rows) error {
			row := map[string]any{}
			err := r.MapScan(row)
			for column, v := range row {
				if b, ok := v.([]byte); ok {
					row[column] = string(b)
				}
			}
			if name == "admin" {
				delete(row, "totp_step") // the walker's own log-ins use codes up
			}
			rows = append(rows, fmt.Sprint(row))
			return err
		})
		require.NoError(t, err, name)
		slices.Sort(rows)
		sum := sha256.New()
		for _, r := range rows {
			sum.Write([]byte(r))
		}
		out[name] = fmt.Sprintf("%d rows %s", len(rows), hex.EncodeToString(sum.Sum(nil))[:12])
	}
	return out
}
