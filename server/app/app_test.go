package app_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fenxiao/config"
	"fenxiao/server/app"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are those of a shop on one machine, in a folder of the test's own.
func settings(t *testing.T) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.Addr, cfg.HTTP.MetricsAddr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.DB.File = storetest.SQLiteFile(t)
	cfg.Secret.KeyFile = filepath.Join(t.TempDir(), "keys.json")
	return cfg
}

func open(t *testing.T, cfg config.Config) *app.App {
	t.Helper()
	a, err := app.New(t.Context(), cfg, app.Deps{WeChat: wechat.Unset{}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(context.WithoutCancel(t.Context())) })
	return a
}

func TestRun_ServesAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	addr, err := a.Listen(t.Context())
	require.NoError(t, err)
	require.Equal(t, "http://"+addr+"/notify/wechat-pay", a.Flow.Shop.NotifyURL, "a port that the system chose is the one that WeChat is told")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	require.Contains(t, ask(t, addr, "/readyz"), `"status":"ready"`)
	require.Contains(t, ask(t, a.MetricsAddress(), "/metrics"), "fenxiao_http_requests_total")
	stop()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("does not end")
	}
	_, err = net.DialTimeout("tcp", addr, time.Second)
	require.Error(t, err)
}

// ask makes one request on a connection that ends with it.
func ask(t *testing.T, addr, path string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}

func TestNew_RefusesAndTakesNothing(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		fit  func(*config.Config)
		want string
	}{
		{"no private key", func(c *config.Config) { c.WeChat.PrivateKeyFile = "/nowhere/key.pem" }, "wechat.private_key_file"},
		{"Redis that is not there", func(c *config.Config) { c.Redis.Addr = "127.0.0.1:1" }, "redis is unavailable"},
		{"key file that is none", func(c *config.Config) { c.Secret.KeyFile = os.DevNull }, "key"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t)
			cfg.DB.File = filepath.Join(t.TempDir(), "new.db")
			c.fit(&cfg)
			_, err := app.New(t.Context(), cfg, app.Deps{Log: slog.New(slog.DiscardHandler)})
			require.ErrorContains(t, err, c.want)
			require.NoFileExists(t, cfg.DB.File, "a mistake in the settings makes no database")
		})
	}
}

func TestListen_PortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	cfg := settings(t)
	cfg.HTTP.Addr = taken.Addr().String()
	_, err = open(t, cfg).Listen(t.Context())
	require.ErrorContains(t, err, "listen")
}

func TestJobs_TableAndIntervals(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Jobs.Intervals = map[string]time.Duration{"ripen": 7 * time.Second}
	a := open(t, cfg)
	seen := map[string]bool{}
	for _, j := range a.Jobs.Jobs {
		require.Regexp(t, regexp.MustCompile(`^[a-z_]{1,40}$`), j.Name, "the API runs jobs by such names")
		require.False(t, seen[j.Name], "two jobs named %s", j.Name)
		seen[j.Name] = true
		require.NotEmpty(t, j.About, j.Name)
		require.False(t, strings.HasSuffix(j.About, "."), j.Name)
		require.Positive(t, j.Limit, j.Name)
		if j.Name == "ripen" {
			require.Equal(t, 7*time.Second, j.Every)
		}
		_, err := a.Jobs.RunNamed(t.Context(), j.Name)
		require.NoError(t, err, "%s in an empty shop", j.Name)
	}
	for _, name := range []string{"close_unpaid", "receive_due", "ripen", "pay_out", "query_payouts", "outbox", "roll_up", "audit"} {
		require.True(t, seen[name], name)
	}
}
