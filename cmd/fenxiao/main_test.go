package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
	"fenxiao/server/store/storetest/testservers"
)

var update = flag.Bool("update", false, "write the golden files anew")

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// fenxiao runs a command line without a process of its own.
func fenxiao(t *testing.T, words ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), words, &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// settings is a configuration file that keeps its keys in the test's folder.
func settings(t *testing.T, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := "secret:\n  key_file: " + filepath.Join(dir, "keys.json") + "\n" + strings.Join(more, "\n")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// kept reads a file that a command must leave as it is.
func kept(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}

func TestHelp_Golden(t *testing.T) {
	t.Parallel()
	help := fenxiao(t, "help")
	require.Equal(t, exitOK, help.code)
	text := help.out
	for _, c := range commands {
		r := fenxiao(t, c.name, "-h")
		require.Equal(t, exitOK, r.code, c.name)
		require.Empty(t, r.err, "who asks for help reads it where results come out")
		require.Equal(t, r, fenxiao(t, c.name, "--help"))
		text += "\n" + strings.Repeat("=", 20) + " fenxiao " + c.name + " -h\n" + r.out
	}
	const file = "testdata/help.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	require.Equal(t, kept(t, file), text, "make golden writes it anew; read the difference before committing it")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 125, line)
	}
	for _, word := range []string{"--help", "-h"} {
		require.Equal(t, help, fenxiao(t, word))
	}
}

func TestExit_WrongUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words []string
		says  string
	}{
		"no such command":     {[]string{"stroy"}, `there is no command "stroy"`},
		"no such flag":        {[]string{"story", "--loud"}, "-loud"},
		"flag without value":  {[]string{"audit", "--db"}, "needs an argument"},
		"a word too many":     {[]string{"audit", "now"}, `"now" is one word too many`},
		"no language":         {[]string{"story", "--lang", "fr"}, "--lang is zh or en"},
		"too many days":       {[]string{"demo", "--days", "367"}, "--days is 1 to 366"},
		"days that are none":  {[]string{"demo", "--days", "x"}, "invalid value"},
		"migrate what":        {[]string{"migrate"}, "say up or status"},
		"migrate down":        {[]string{"migrate", "down"}, "say up or status"},
		"jobs what":           {[]string{"jobs"}, "say list, or run NAME"},
		"jobs run what":       {[]string{"jobs", "run"}, "say list, or run NAME"},
		"admin what":          {[]string{"admin"}, "say create, reset or code"},
		"admin who":           {[]string{"admin", "create", "--role", "owner"}, "--login NAME is missing"},
		"admin as what":       {[]string{"admin", "create", "--login", "boss"}, "--role is one of owner"},
		"admin as nothing":    {[]string{"admin", "create", "--login", "boss", "--role", "king"}, "--role is one of owner"},
		"wxsim where":         {[]string{"wxsim"}, "--dir DIR is missing"},
		"two databases":       {[]string{"audit", "--db", "a.db", "--dsn", "x@/y"}, "give --db or --dsn, not both"},
		"no database":         {[]string{"audit"}, "no database"},
		"nonsense as address": {[]string{"audit", "--dsn", "nonsense"}, "db.dsn"},
		"no such settings":    {[]string{"audit", "--config", "/nowhere/config.yaml"}, "/nowhere/config.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fenxiao(t, c.words...)
			require.Equal(t, exitUsage, r.code)
			require.Contains(t, r.err, c.says)
			require.Empty(t, r.out)
		})
	}
	none := fenxiao(t)
	require.Equal(t, exitUsage, none.code)
	require.Equal(t, fenxiao(t, "help").out, none.out)
}

// TestExit_OutOfReach: what is not there, or does not answer, is never taken for a proof that failed.
func TestExit_OutOfReach(t *testing.T) {
	t.Parallel()
	const nobody = "somebody:geheim@tcp(127.0.0.1:1)/fenxiao"
	absent := filepath.Join(t.TempDir(), "absent.db")
	for _, words := range [][]string{
		{"audit"}, {"audit", "--json"}, {"migrate", "status"}, {"jobs", "list"}, {"jobs", "run", "audit"}, {"admin", "reset", "--login", "boss"},
	} {
		r := fenxiao(t, append(words, "--db", absent)...)
		require.Equal(t, exitUsage, r.code, words)
		require.Contains(t, r.err, "no database", words)
		require.NoFileExists(t, absent, words)
	}
	for _, words := range [][]string{
		{"audit"}, {"migrate", "up"}, {"migrate", "status"}, {"jobs", "list"}, {"story"}, {"story", "--json"},
		{"admin", "create", "--login", "boss", "--role", "owner"},
	} {
		r := fenxiao(t, append(words, "--dsn", nobody, "--config", settings(t))...)
		require.Equal(t, exitUsage, r.code, words)
		require.Contains(t, r.err, "refused", words)
		require.NotContains(t, r.err, "geheim", "the password is nobody's business")
		require.Empty(t, r.out, words)
	}
	r := fenxiao(t, "migrate", "up", "--db", filepath.Join(t.TempDir(), "no", "such", "folder.db"))
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.err, "folder.db")
	r = fenxiao(t, "story", "--redis", "127.0.0.1:1", "--db", filepath.Join(t.TempDir(), "story.db"))
	require.Equal(t, exitUsage, r.code, r.out)
	require.Equal(t, exitUsage, fenxiao(t, "health", "--url", "http://127.0.0.1:1/healthz").code)
	require.Equal(t, exitUsage, fenxiao(t, "serve", "--db", absent, "--config", settings(t)).code)
	require.NoFileExists(t, absent, "without WeChat's settings nothing is begun")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer s.Close()
	require.Equal(t, exitOK, fenxiao(t, "health", "--url", s.URL).code)
	status = http.StatusServiceUnavailable
	r := fenxiao(t, "health", "--url", s.URL)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.out, "503")
}

func TestMigrate_UpAndStatus(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shop.db")
	empty, err := store.Open(t.Context(), store.Options{File: file, Clock: clock.System{}})
	require.NoError(t, err)
	require.NoError(t, empty.Close())
	before := fenxiao(t, "migrate", "status", "--db", file)
	require.Equal(t, exitOK, before.code, before.err)
	require.Contains(t, before.out, "pending  00010_create_node.sql\n")
	require.NotContains(t, before.out, "applied  ")
	unready := fenxiao(t, "audit", "--db", file)
	require.Equal(t, exitUsage, unready.code, "nothing can be proved of tables that are not there")
	require.NotEmpty(t, unready.err)

	up := fenxiao(t, "migrate", "--db", file, "up")
	require.Equal(t, exitOK, up.code, up.err)
	require.Regexp(t, `^applied \d{2,} migrations\n$`, up.out)
	require.Equal(t, "applied 0 migrations\n", fenxiao(t, "migrate", "up", "--db", file).out)
	after := fenxiao(t, "migrate", "status", "--db", file)
	require.Regexp(t, `\n\d+ migrations, 0 pending\n$`, after.out)
	require.NotContains(t, after.out, "pending  0")
}

func TestAdmin_CreateAndReset(t *testing.T) {
	t.Parallel()
	file, cfg := storetest.SQLiteFile(t), settings(t)
	made := fenxiao(t, "admin", "create", "--login", "boss", "--role", "owner", "--db", file, "--config", cfg)
	require.Equal(t, exitOK, made.code, made.err)
	require.Contains(t, made.out, "log-in          boss  (owner)\n")
	password := regexp.MustCompile(`password        (\S{12,})`).FindStringSubmatch(made.out)
	secret := regexp.MustCompile(`one-time codes  ([A-Z2-7]{16,})\n`).FindStringSubmatch(made.out)
	require.NotNil(t, password, made.out)
	require.NotNil(t, secret, made.out)
	require.NotContains(t, kept(t, file), password[1], "it is shown once and not kept")

	again := fenxiao(t, "admin", "create", "--login", "boss", "--role", "finance", "--db", file, "--config", cfg)
	require.Equal(t, exitUsage, again.code)
	require.Contains(t, again.err, "admin.account_taken")
	require.Empty(t, again.out)
	bad := fenxiao(t, "admin", "create", "--login", "The Boss", "--role", "owner", "--db", file, "--config", cfg)
	require.Equal(t, exitUsage, bad.code)
	require.Contains(t, bad.err, "admin.bad_account")

	reset := fenxiao(t, "admin", "reset", "--login", "boss", "--db", file, "--config", cfg)
	require.Equal(t, exitOK, reset.code, reset.err)
	require.NotContains(t, reset.out, password[1])
	require.NotContains(t, reset.out, secret[1])
	nobody := fenxiao(t, "admin", "reset", "--login", "nobody", "--db", file, "--config", cfg)
	require.Equal(t, exitUsage, nobody.code)
	require.Contains(t, nobody.err, "admin.not_found")

	code := fenxiao(t, "admin", "code", "--secret", secret[1])
	require.Equal(t, exitOK, code.code, code.err)
	require.Regexp(t, `\b\d{6}\b`, code.out)
	require.Equal(t, exitUsage, fenxiao(t, "admin", "code", "--secret", "0!").code)
}

// TestStory_AuditAndJobs plays the story and looks at what it left.
func TestStory_AuditAndJobs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "story.db")
	require.NoError(t, os.WriteFile(file, nil, 0o600)) // as mktemp makes it
	told := fenxiao(t, "story", "--json", "--lang", "en", "--db", file)
	require.Equal(t, exitOK, told.code, told.err)
	lines := strings.Split(strings.TrimSpace(told.out), "\n")
	require.Greater(t, len(lines), 20)
	for _, line := range lines[:len(lines)-1] {
		step := object(t, line)
		require.Len(t, step, 3)
		require.Equal(t, true, step["ok"], line)
		require.NotEmpty(t, step["step"])
		require.Contains(t, step, "figures")
	}
	last := object(t, lines[len(lines)-1])
	require.Len(t, last, 2)
	require.Equal(t, "ok", last["result"])
	require.NotEmpty(t, last["audit"])

	content := kept(t, file)
	again := fenxiao(t, "story", "--json", "--db", file)
	require.Equal(t, exitUsage, again.code)
	require.Empty(t, again.out)
	require.Contains(t, again.err, file)
	require.Equal(t, content, kept(t, file), "nothing is written into it")

	proof := fenxiao(t, "audit", "--db", file, "--json")
	require.Equal(t, exitOK, proof.code, proof.err)
	audit, ok := last["audit"].([]any)
	require.True(t, ok)
	results := strings.Split(strings.TrimSpace(proof.out), "\n")
	require.Len(t, results, len(audit), "the same proof")
	for _, line := range results {
		r := object(t, line)
		require.NotZero(t, r["invariant"])
		require.NotEmpty(t, r["name"])
		require.NotEmpty(t, r["figures"], line)
		require.NotContains(t, r, "wrong", line)
	}
	plain := fenxiao(t, "audit", "--db", file)
	require.Equal(t, exitOK, plain.code)
	require.NotContains(t, plain.out, "FAIL")
	require.Equal(t, content, kept(t, file), "an audit writes nothing")
	jobsOf(t, file)
	brokenAudit(t, file)
}

func object(t *testing.T, line string) map[string]any {
	t.Helper()
	out := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(line), &out), line)
	return out
}

func jobsOf(t *testing.T, file string) {
	t.Helper()
	cfg := settings(t)
	list := fenxiao(t, "jobs", "list", "--db", file, "--config", cfg)
	require.Equal(t, exitOK, list.code, list.err)
	for _, name := range []string{"close_unpaid", "ripen", "draft_statements", "pay_out", "audit"} {
		require.Regexp(t, `(?m)^`+name+` +\S+ +\S`, list.out)
	}
	done := fenxiao(t, "jobs", "run", "ripen", "--db", file, "--config", cfg)
	require.Equal(t, exitOK, done.code, done.err)
	require.Equal(t, "ripen: done 0\n", done.out)
	none := fenxiao(t, "jobs", "run", "nonsense", "--db", file, "--config", cfg)
	require.Equal(t, exitUsage, none.code)
	require.Contains(t, none.err, "nonsense")
}

// brokenAudit takes a unit of stock away by hand.
func brokenAudit(t *testing.T, file string) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{File: file, Clock: clock.System{}})
	require.NoError(t, err)
	require.NoError(t, db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE stock SET on_hand = on_hand - 1`)
		return err
	}))
	require.NoError(t, db.Close())
	r := fenxiao(t, "audit", "--db", file)
	require.Equal(t, exitFailed, r.code)
	require.Regexp(t, `FAIL 7 .*\n +stock \d+ 1: want \d+ 0 0, got \d+ 0 0\n`, r.out)
	require.Empty(t, r.err)
	r = fenxiao(t, "audit", "--json", "--db", file)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.out, `"wrong":[{"subject":"stock `)
}

// TestStory_DatabaseOnAServer: one that has tables is refused, whoever's they are, and stays as it is.
func TestStory_DatabaseOnAServer(t *testing.T) {
	t.Parallel()
	dsn, ok := testservers.NewDatabase(t)
	if !ok {
		return
	}
	db, err := store.Open(t.Context(), store.Options{DSN: dsn, Clock: clock.System{}})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE somebodys (id BIGINT)`)
		return err
	}))
	r := fenxiao(t, "story", "--dsn", dsn)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.err, "empty database")
	require.Empty(t, r.out)
	var tables []string
	require.NoError(t, db.Q().Select(t.Context(), &tables, `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()`))
	require.Equal(t, []string{"somebodys"}, tables)
}

// TestWxsim_RunsUntilTheSignal also looks for the files that any WeChat Pay client needs.
func TestWxsim_RunsUntilTheSignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &watched{until: "merchant.json", seen: cancel}
	var errOut bytes.Buffer
	require.Equal(t, exitOK, run(ctx, []string{"wxsim", "--addr", "127.0.0.1:0", "--dir", dir}, out, &errOut), errOut.String())
	require.ErrorIs(t, context.Cause(ctx), context.Canceled, "it said that it was ready: %s", errOut.String())
	for _, name := range []string{"apiclient_key.pem", "apiclient_cert.pem", "wechatpay_pub_key.pem"} {
		require.Contains(t, kept(t, filepath.Join(dir, name)), "-----BEGIN ", name)
	}
	m := object(t, kept(t, filepath.Join(dir, "merchant.json")))
	for _, name := range []string{"appid", "app_secret", "mchid", "serial_no", "public_key_id", "api_v3_key", "base_url"} {
		require.NotEmpty(t, m[name], name)
	}
}

// watched calls seen once a text was printed.
type watched struct {
	mu    sync.Mutex
	text  strings.Builder
	until string
	seen  func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.until) {
		w.seen()
	}
	return len(p), nil
}
