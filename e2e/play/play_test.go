// Package play_test plays the story and a short demo, as a newcomer would, on every database.
package play_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/config"
	"fenxiao/server/audit"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/play/demo"
	"fenxiao/server/play/story"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest/testservers"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func tell(t *testing.T, cfg config.Config) string {
	t.Helper()
	cfg.Secret.KeyFile = filepath.Join(t.TempDir(), "keys.json")
	var out bytes.Buffer
	err := story.Run(t.Context(), story.Options{Config: cfg, Out: &out, Unhappy: true, JSON: true, Log: quiet()})
	require.NoError(t, err, out.String())
	return out.String()
}

// requireStory checks the contract of --json: a step per line, the last with the result and the audit.
func requireStory(t *testing.T, out string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Greater(t, len(lines), 40)
	for _, line := range lines[:len(lines)-1] {
		var step struct {
			Step    string            `json:"step"`
			OK      bool              `json:"ok"`
			Figures map[string]string `json:"figures"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &step), line)
		require.NotEmpty(t, step.Step)
		require.True(t, step.OK, line)
		require.NotNil(t, step.Figures)
	}
	var last struct {
		Result string         `json:"result"`
		Audit  []audit.Result `json:"audit"`
	}
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	require.Equal(t, "ok", last.Result)
	require.NotEmpty(t, last.Audit)
	for _, r := range last.Audit {
		require.True(t, r.OK(), "%+v", r)
	}
}

func TestStory_SQLiteAndEmbeddedRedis(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.DB.File = filepath.Join(t.TempDir(), "story.db")
	requireStory(t, tell(t, cfg))
}

func TestStory_MariaDBAndRedis(t *testing.T) {
	t.Parallel()
	dsn, ok := testservers.NewDatabase(t)
	if !ok {
		return
	}
	redis, ok := testservers.Redis(t)
	if !ok {
		return
	}
	cfg := config.Default()
	cfg.DB.DSN = config.Secret(dsn)
	cfg.Redis.Addr, cfg.Redis.Prefix = redis, "story-test:"+crypt.Password(12)+":"
	requireStory(t, tell(t, cfg))
}

// TestStory_IsTheSameOnEveryDatabase compares every figure of the two.
func TestStory_IsTheSameOnEveryDatabase(t *testing.T) {
	t.Parallel()
	dsn, ok := testservers.NewDatabase(t)
	if !ok {
		return
	}
	onFile, onServer := config.Default(), config.Default()
	onFile.DB.File = filepath.Join(t.TempDir(), "story.db")
	onServer.DB.DSN = config.Secret(dsn)
	require.Equal(t, figures(t, tell(t, onFile)), figures(t, tell(t, onServer)))
}

// figures keeps the money of each step; ids differ from run to run.
func figures(t *testing.T, out string) (money []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		var step struct {
			Step    string            `json:"step"`
			Figures map[string]string `json:"figures"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &step))
		for label, value := range step.Figures {
			if !strings.HasPrefix(value, "¥") {
				delete(step.Figures, label)
			}
		}
		b, err := json.Marshal(step)
		require.NoError(t, err)
		money = append(money, string(b))
	}
	return money
}

// TestDemo_GoesOn makes a few days, is cut off in the middle, and goes on where it was.
func TestDemo_GoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(until string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		out := &watched{until: until, seen: cancel}
		require.NoError(t, demo.Run(ctx, demo.Options{Addr: "127.0.0.1:0", Dir: dir, Days: 12, Out: out, Log: quiet()}))
		require.Contains(t, out.String(), until)
		return out.String()
	}
	run(" 4/12 ")
	second := run("Ctrl-C")
	require.NotContains(t, second, " 4/12 ", "what was made is not made again")
	third := run("Ctrl-C")
	require.NotContains(t, third, "making data", "nothing is left to make")
	require.Contains(t, third, "boss")

	db, err := store.Open(t.Context(), store.Options{File: filepath.Join(dir, "demo.db"), Clock: clock.System{}})
	require.NoError(t, err)
	defer db.Close()
	report, err := audit.Run(t.Context(), db)
	require.NoError(t, err)
	require.True(t, report.OK(), "%+v", report)
	var orders int
	require.NoError(t, db.Q().Get(t.Context(), &orders, `SELECT COUNT(*) FROM shop_order WHERE paid_ms > 0`))
	require.Greater(t, orders, 12)
}

// watched ends a run when a text was printed.
type watched struct {
	bytes.Buffer
	until string
	seen  func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.until) {
		w.seen()
	}
	return n, err
}
