package live_test

import (
	"crypto/sha1" //nolint:gosec // WeChat Pay encrypts names with OAEP over SHA-1
	"hash"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/live"
)

func newSHA1() hash.Hash { return sha1.New() } //nolint:gosec // as above

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	_, err := live.New(config(t, ""))
	require.NoError(t, err, "the real hosts are the default")
	for _, good := range []string{"https://wechat.example", "https://wechat.example:8443/", "http://127.0.0.1:8090", "http://localhost:8090", "http://[::1]:8090"} {
		_, err := live.New(config(t, good))
		require.NoError(t, err, good)
	}
	for name, spoil := range map[string]func(*live.Config){
		"no app id":        func(c *live.Config) { c.AppID = "" },
		"no secret":        func(c *live.Config) { c.AppSecret = "" },
		"no merchant":      func(c *live.Config) { c.MchID = "" },
		"no serial":        func(c *live.Config) { c.SerialNo = "" },
		"no key id":        func(c *live.Config) { c.PublicKeyID = "" },
		"short APIv3 key":  func(c *live.Config) { c.APIV3Key = "short-k3y" },
		"no private key":   func(c *live.Config) { c.PrivateKeyPEM = []byte("s3cret-k3y") },
		"wrong key":        func(c *live.Config) { c.PrivateKeyPEM = c.PublicKeyPEM },
		"no public key":    func(c *live.Config) { c.PublicKeyPEM = nil },
		"odd certificate":  func(c *live.Config) { c.PlatformCertsPEM = c.PublicKeyPEM },
		"http elsewhere":   func(c *live.Config) { c.PayBaseURL = "http://wechat.example" },
		"http, mini":       func(c *live.Config) { c.MiniBaseURL = "http://10.0.0.1" },
		"path":             func(c *live.Config) { c.PayBaseURL = "https://wechat.example/pay" },
		"query":            func(c *live.Config) { c.PayBaseURL = "https://wechat.example?x=1" },
		"password":         func(c *live.Config) { c.PayBaseURL = "https://u:p@wechat.example" },
		"no scheme":        func(c *live.Config) { c.PayBaseURL = "wechat.example" },
		"another protocol": func(c *live.Config) { c.PayBaseURL = "ftp://wechat.example" },
	} {
		cfg := config(t, "")
		spoil(&cfg)
		_, err := live.New(cfg)
		require.Error(t, err, name)
		for _, secret := range []string{appSecret, "short-k3y", "s3cret-k3y", "u:p"} {
			require.NotContains(t, err.Error(), secret, name)
		}
	}
}
