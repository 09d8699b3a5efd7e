package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/store/storetest/testservers"
)

func TestRun(t *testing.T) {
	t.Parallel()
	if _, ok := testservers.MariaDB(t); !ok {
		return
	}
	out := filepath.Join(t.TempDir(), "env")
	code := run([]string{"sh", "-c", `echo "$FENXIAO_TEST_MARIADB $FENXIAO_TEST_REDIS $FENXIAO_TEST_REQUIRE $TMPDIR" > ` + out + `; exit 7`})
	require.Equal(t, 7, code, "the command's exit code")
	env, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Regexp(t, `^root@\S+/ 127\.0\.0\.1:\d+ 1 /\S+\n$`, string(env))

	left, err := filepath.Glob(filepath.Join(os.TempDir(), "fenxiao-test-*"))
	require.NoError(t, err)
	for _, dir := range left {
		require.NotContains(t, string(env), dir+"/", "the folder is gone afterwards")
	}
}

func TestRun_noSuchCommand(t *testing.T) {
	t.Parallel()
	if _, ok := testservers.MariaDB(t); !ok {
		return
	}
	require.Equal(t, exitCannotRun, run([]string{"/no/such/command"}))
}
