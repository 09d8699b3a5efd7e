package testservers_test

import (
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/store/storetest/testservers"
)

func TestNewDatabase(t *testing.T) {
	t.Parallel()
	first, ok := testservers.NewDatabase(t)
	if !ok {
		return // already said, and a failure where servers are required
	}
	second, ok := testservers.NewDatabase(t)
	require.True(t, ok)
	require.NotEqual(t, first, second)

	db, err := sql.Open("mysql", first)
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	var name, charset string
	require.NoError(t, db.QueryRow("SELECT DATABASE(), @@character_set_database").Scan(&name, &charset))
	require.True(t, strings.HasPrefix(name, "fenxiao_test_"))
	require.Equal(t, "utf8mb4", charset)
}

func TestStartMariaDB_ownServerStops(t *testing.T) {
	t.Parallel()
	if _, ok := testservers.MariaDB(t); !ok {
		return
	}
	// A folder deep enough that no socket fits into an address.
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	s, err := testservers.StartMariaDB(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(s.Kill)

	db, err := sql.Open("mysql", s.DSN)
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	require.NoError(t, db.Ping())
	require.NoError(t, s.Stop())
	require.Error(t, db.Ping())
	require.NoError(t, s.Stop(), "a second stop does nothing")
}

func TestStartRedis_sameAddressAgain(t *testing.T) {
	t.Parallel()
	if _, ok := testservers.Redis(t); !ok {
		return
	}
	s, err := testservers.StartRedis(t.Context(), t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(s.Kill)
	s.Kill()
	_, err = net.DialTimeout("tcp", s.Addr, time.Second)
	require.Error(t, err)

	again, err := testservers.StartRedis(t.Context(), t.TempDir(), s.Addr)
	require.NoError(t, err)
	t.Cleanup(again.Kill)
	require.Equal(t, s.Addr, again.Addr)
	require.NoError(t, again.Stop())
}
