package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"

	"fenxiao/server/base/crypt"
)

const (
	requestTimeoutMax = 50 * time.Second // under the 60 s lease of an idempotency key
	bodyBytesMin      = 1 << 10
	bodyBytesMax      = 16 << 20
	keepAliveMax      = time.Hour
)

var (
	redisPrefix = regexp.MustCompile(`^[a-z0-9:_-]{1,40}$`)
	jobName     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)
	digits      = regexp.MustCompile(`^[0-9]{1,32}$`)
)

// Validate refuses nonsense; the error names each setting and what is wrong with it, and no secret.
func (c Config) Validate() error {
	var v faults
	c.HTTP.validate(&v)
	c.DB.validate(&v)
	c.Redis.validate(&v)
	c.WeChat.validate(&v)
	c.Secret.validate(&v)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	for name, every := range c.Jobs.Intervals {
		v.check(jobName.MatchString(name), "jobs.intervals", "%.40q is no name of a job", name)
		v.within("jobs.intervals."+name, every, 100*time.Millisecond, 24*time.Hour)
	}
	return errors.Join(v...)
}

// RequireWeChat refuses to serve without what WeChat and WeChat Pay need.
func (c Config) RequireWeChat() error {
	var v faults
	for _, s := range []struct{ name, value string }{
		{"wechat.app_id", c.WeChat.AppID},
		{"wechat.app_secret", c.WeChat.AppSecret.Reveal()},
		{"wechat.mch_id", c.WeChat.MchID},
		{"wechat.serial_no", c.WeChat.SerialNo},
		{"wechat.private_key_file", c.WeChat.PrivateKeyFile},
		{"wechat.public_key_id", c.WeChat.PublicKeyID},
		{"wechat.public_key_file", c.WeChat.PublicKeyFile},
		{"wechat.api_v3_key", c.WeChat.APIV3Key.Reveal()},
	} {
		v.check(s.value != "", s.name, "is missing; docs/operations says where WeChat shows it")
	}
	return errors.Join(v...)
}

// Keys gives the program's secrets: those of the configuration, or those of the key file, which is made when absent.
func (k Keys) Keys() (crypt.Keys, error) {
	if len(k.FieldKeys) == 0 {
		return crypt.LoadOrCreateKeys(k.KeyFile)
	}
	return crypt.ParseKeys(k.reveal(), k.IndexKey.Reveal(), k.TokenKey.Reveal())
}

func (k Keys) reveal() []string {
	out := make([]string, len(k.FieldKeys))
	for i, s := range k.FieldKeys {
		out[i] = s.Reveal()
	}
	return out
}

type faults []error

func (v *faults) check(ok bool, name, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Errorf("%s %s", name, fmt.Sprintf(format, args...)))
	}
}

func (v *faults) oneOf(name, value string, allowed ...string) {
	v.check(slices.Contains(allowed, value), name, "is %.40q; it may be %s", value, strings.Join(allowed, ", "))
}

func (v *faults) within(name string, d, least, most time.Duration) {
	v.check(d >= least && d <= most, name, "is %s; it may be %s to %s (write a unit: 30s, 2m)", d, least, most)
}

func (v *faults) address(name, value string) {
	_, port, err := net.SplitHostPort(value)
	n, perr := strconv.Atoi(port)
	v.check(err == nil && perr == nil && n >= 0 && n <= 65535, name, "is %.60q; it must be host:port", value)
}

func (v *faults) base(name, value string) {
	u, err := url.Parse(value)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(value, "/")
	v.check(ok, name, "must be http(s)://host[:port][/path] without a slash at the end")
}

func (h HTTP) validate(v *faults) {
	v.address("http.addr", h.Addr)
	if h.MetricsAddr != "" {
		v.address("http.metrics_addr", h.MetricsAddr)
		v.check(h.MetricsAddr != h.Addr || strings.HasSuffix(h.Addr, ":0"), "http.metrics_addr", "is the same as http.addr")
	}
	v.base("http.public_url", h.PublicURL)
	for _, p := range h.TrustedProxies {
		_, err := netip.ParsePrefix(p)
		_, aerr := netip.ParseAddr(p)
		v.check(err == nil || aerr == nil, "http.trusted_proxies", "has %.40q; each must be an address or a range such as 10.0.0.0/8", p)
	}
	v.within("http.read_header_timeout", h.ReadHeaderTimeout, 100*time.Millisecond, time.Minute)
	v.within("http.body_timeout", h.BodyTimeout, 100*time.Millisecond, time.Minute)
	v.within("http.request_timeout", h.RequestTimeout, 100*time.Millisecond, requestTimeoutMax)
	v.within("http.idle_timeout", h.IdleTimeout, time.Second, keepAliveMax)
	v.within("http.drain_delay", h.DrainDelay, 0, time.Minute)
	v.within("http.shutdown_timeout", h.ShutdownTimeout, time.Second, 5*time.Minute)
	v.check(h.BodyMaxBytes >= bodyBytesMin && h.BodyMaxBytes <= bodyBytesMax, "http.body_max_bytes", "is %d; it may be %d to %d", h.BodyMaxBytes, bodyBytesMin, bodyBytesMax)
	v.check(h.RatePerMinute >= 0 && h.RatePerMinute <= 1_000_000, "http.rate_per_minute", "is %d; it may be 0 (off) to 1000000", h.RatePerMinute)
	v.check(h.RateBurst >= 1 && h.RateBurst <= 1_000_000, "http.rate_burst", "is %d; it may be 1 to 1000000", h.RateBurst)
}

func (d DB) validate(v *faults) {
	v.check(d.File == "" || d.DSN == "", "db.file", "and db.dsn are both set; only one may be")
	v.check(!strings.HasPrefix(d.File, ":memory:"), "db.file", "is in memory; it must be a file")
	if d.DSN != "" {
		cfg, err := mysql.ParseDSN(d.DSN.Reveal()) // its error may quote the password: not shown
		v.check(err == nil, "db.dsn", "must be user:password@tcp(host:port)/name")
		v.check(err != nil || cfg.DBName != "", "db.dsn", "names no database; it must be user:password@tcp(host:port)/name")
	}
}

func (r Redis) validate(v *faults) {
	if r.Addr != "" {
		v.address("redis.addr", r.Addr)
	}
	v.check(r.Addr != "" || r.Password == "", "redis.password", "is set and redis.addr is not")
	v.check(redisPrefix.MatchString(r.Prefix), "redis.prefix", "is %.60q; it must be 1 to 40 of a-z 0-9 : _ -", r.Prefix)
}

func (w WeChat) validate(v *faults) {
	v.base("wechat.api_base", w.APIBase)
	v.base("wechat.pay_base", w.PayBase)
	if w.NotifyBase != "" {
		v.base("wechat.notify_base", w.NotifyBase)
	}
	v.check(w.MchID == "" || digits.MatchString(w.MchID), "wechat.mch_id", "is %.40q; it must be digits", w.MchID)
	v.check(w.APIV3Key == "" || len(w.APIV3Key.Reveal()) == 32, "wechat.api_v3_key", "has %d bytes; WeChat Pay's has 32", len(w.APIV3Key.Reveal()))
	v.oneOf("wechat.env_version", w.EnvVersion, "release", "trial", "develop")
	v.check(digits.MatchString(w.TransferSceneID), "wechat.transfer_scene_id", "is %.40q; it must be digits, 1005 for commissions", w.TransferSceneID)
	types := map[string]bool{}
	for _, i := range w.TransferReportInfos {
		n, m := utf8.RuneCountInString(i.Type), utf8.RuneCountInString(i.Content)
		v.check(n >= 1 && n <= 15 && m >= 1 && m <= 32, "wechat.transfer_report_infos", "has %.40q: a type may have 15 characters, a content 32", i.Type)
		types[i.Type] = true
	}
	if w.TransferSceneID == "1005" {
		v.check(len(types) == 2 && types["岗位类型"] && types["报酬说明"], "wechat.transfer_report_infos", "must have exactly 岗位类型 and 报酬说明 for scene 1005")
	}
}

func (k Keys) validate(v *faults) {
	if len(k.FieldKeys) == 0 {
		v.check(k.KeyFile != "", "secret.key_file", "is empty and secret.field_keys too; one of them is needed")
		v.check(k.IndexKey == "" && k.TokenKey == "", "secret.field_keys", "is empty and secret.index_key or secret.token_key is not; set all three or none")
		return
	}
	if _, err := crypt.ParseKeys(k.reveal(), k.IndexKey.Reveal(), k.TokenKey.Reveal()); err != nil {
		v.check(false, "secret", "has wrong keys: %s", err)
	}
}
