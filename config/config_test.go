package config_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDefault_IsValid(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", nil)
	require.NoError(t, err)
	require.Equal(t, config.Default(), c)
}

func TestExample_EqualsDefaultsAndExplainsEverySetting(t *testing.T) {
	t.Parallel()
	c, err := config.Load("config.example.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, config.Default(), c)

	raw, err := os.ReadFile("config.example.yaml")
	require.NoError(t, err)
	lines, section := strings.Split(string(raw), "\n"), ""
	seen := map[string]bool{}
	for i, line := range lines {
		if m := regexp.MustCompile(`^([a-z]+):$`).FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		if m := regexp.MustCompile(`^  ([a-z0-9_]+):`).FindStringSubmatch(line); m != nil {
			seen[section+"."+m[1]] = true
			require.True(t, strings.HasPrefix(lines[i-1], "  # "), "%s.%s has no comment above it", section, m[1])
		}
	}
	for _, name := range config.Names() {
		require.True(t, seen[name], "%s is not in the example", name)
	}
	require.Len(t, seen, len(config.Names()))
}

func TestLoad_FileThenEnvironment(t *testing.T) {
	t.Parallel()
	path := write(t, "http:\n  addr: \":80\"\n  idle_timeout: 5m\ndb:\n  file: a.db\nwechat:\n  app_id: wx1\njobs:\n  intervals:\n    settle: 30s\n")
	c, err := config.Load(path, []string{
		"PATH=/bin", "FENXIAO_HTTP_ADDR=:81", "FENXIAO_DSN=root:pw@tcp(h:3306)/shop", "FENXIAO_REDIS_ADDR=h:6379",
		"FENXIAO_REDIS_PASSWORD=geheim", "FENXIAO_WECHAT_APP_SECRET=s3", "FENXIAO_HTTP_TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1",
		"FENXIAO_TEST_REDIS=x", "FENXIAO_CONFIG=" + path, "FENXIAO_JOBS_ENABLED=false",
	})
	require.NoError(t, err)
	require.Equal(t, ":81", c.HTTP.Addr)
	require.Equal(t, 5*time.Minute, c.HTTP.IdleTimeout)
	require.Empty(t, c.DB.File)
	require.Equal(t, "root:pw@tcp(h:3306)/shop", c.DB.DSN.Reveal())
	require.Equal(t, "geheim", c.Redis.Password.Reveal())
	require.False(t, c.Redis.Embedded())
	require.Equal(t, "wx1", c.WeChat.AppID)
	require.Equal(t, "s3", c.WeChat.AppSecret.Reveal())
	require.Equal(t, []string{"10.0.0.0/8", "127.0.0.1"}, c.HTTP.TrustedProxies)
	require.Equal(t, 30*time.Second, c.Jobs.Intervals["settle"])
	require.False(t, c.Jobs.Enabled)
}

func TestLoad_RefusesNonsenseByName(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, tt := range []struct{ name, yaml, env, want string }{
		{"unknown key", "http:\n  adr: x\n", "", "http.adr"},
		{"unknown section", "htp:\n  addr: x\n", "", "htp.addr"},
		{"unknown variable", "", "FENXIAO_WECHAT_APPID=x", "FENXIAO_WECHAT_APPID"},
		{"nested variable", "", "FENXIAO_JOBS_INTERVALS=x", "FENXIAO_JOBS_INTERVALS"},
		{"type", "http:\n  body_max_bytes: lots\n", "", "body_max_bytes"},
		{"not yaml", "http: [", "", "c.yaml"},
		{"address", "http:\n  addr: nowhere\n", "", "http.addr"},
		{"duration without unit", "http:\n  idle_timeout: 5\n", "", "http.idle_timeout"},
		{"request timeout too long", "http:\n  request_timeout: 2m\n", "", "http.request_timeout"},
		{"public url", "http:\n  public_url: ftp://x\n", "", "http.public_url"},
		{"proxy", "http:\n  trusted_proxies: [everybody]\n", "", "http.trusted_proxies"},
		{"both databases", "db:\n  file: a\n  dsn: r@tcp(h:1)/x\n", "", "db.file"},
		{"dsn", "", "FENXIAO_DSN=hunter2", "db.dsn"},
		{"dsn without database", "", "FENXIAO_DSN=root:hunter2@tcp(h:1)/", "db.dsn"},
		{"password without server", "redis:\n  password: hunter2\n", "", "redis.password"},
		{"prefix", "redis:\n  prefix: \"a b\"\n", "", "redis.prefix"},
		{"api v3 key", "wechat:\n  api_v3_key: hunter2\n", "", "wechat.api_v3_key"},
		{"report infos", "wechat:\n  transfer_report_infos: []\n", "", "wechat.transfer_report_infos"},
		{"half the keys", "secret:\n  token_key: hunter2\n", "", "secret.field_keys"},
		{"bad key", "secret:\n  field_keys: [\"k1:hunter2\"]\n  index_key: " + key + "\n  token_key: " + key + "\n", "", "field key k1"},
		{"level", "log:\n  level: loud\n", "", "log.level"},
		{"job interval", "jobs:\n  intervals:\n    settle: 1ms\n", "", "jobs.intervals.settle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := ""
			if tt.yaml != "" {
				path = write(t, tt.yaml)
			}
			_, err := config.Load(path, []string{tt.env})
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	_, err := config.Load("/nowhere/c.yaml", nil)
	require.Error(t, err)
}

func TestRequireWeChat_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.WeChat.AppID = "wx1"
	err := c.RequireWeChat()
	require.ErrorContains(t, err, "wechat.api_v3_key")
	require.NotContains(t, err.Error(), "wechat.app_id")
}

func TestKeys_FromFileOrSettings(t *testing.T) {
	t.Parallel()
	k := config.Keys{KeyFile: filepath.Join(t.TempDir(), "k.json")}
	a, err := k.Keys()
	require.NoError(t, err)
	b, err := k.Keys()
	require.NoError(t, err)
	require.Equal(t, a, b)
	enc := base64.StdEncoding.EncodeToString
	set := config.Keys{
		FieldKeys: []config.Secret{config.Secret("k1:" + enc(a.Field[0].Bytes))},
		IndexKey:  config.Secret(enc(a.Index)), TokenKey: config.Secret(enc(a.Token)),
	}
	c, err := set.Keys()
	require.NoError(t, err)
	require.Equal(t, a, c)
}

func TestSecret_NeverPrints(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.DB.DSN, c.WeChat.APIV3Key = "hunter2", "hunter2"
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "secret", c.DB.DSN)
	j, err := json.Marshal(c)
	require.NoError(t, err)
	all := log.String() + string(j) + fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, c.DB.DSN, c.DB.DSN, c.DB.DSN)
	require.NotContains(t, all, "hunter2")
	require.NotContains(t, all, fmt.Sprintf("%x", "hunter2"))
	require.Contains(t, all, "***")
}
