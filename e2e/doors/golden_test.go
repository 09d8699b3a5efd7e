package doors_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/play"
)

var update = flag.Bool("update", false, "write the golden files anew")

const root = "../.."

// golden compares with a file that people read, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "make golden writes it")
	if string(want) == got {
		return
	}
	line, old, now := difference(string(want), got)
	t.Fatalf("%s is not what the program has (line %d):\n - %s\n + %s\n`make golden` writes it anew; read the difference before committing it",
		path, line, old, now)
}

// difference is the first line in which two texts differ.
func difference(a, b string) (line int, x, y string) {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(la), len(lb)) {
		x, y = at(la, i), at(lb, i)
		if x != y {
			return i + 1, x, y
		}
	}
	return 0, "", ""
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(end)"
}

// TestOpenAPI_Golden keeps the documents beside the code: whoever changes a door sees in the diff what clients see.
func TestOpenAPI_Golden(t *testing.T) {
	t.Parallel()
	s := shop.Open(t, shop.Options{})
	for _, audience := range audiences {
		kind, doc, err := play.NewClient(s.Base, "reader").Raw(t.Context(), "/openapi/"+audience+".json")
		require.NoError(t, err)
		require.Equal(t, "application/openapi+json", kind)
		golden(t, filepath.Join(root, "docs/openapi", audience+".json"), string(doc))
	}
}
