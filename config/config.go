// Package config reads the program's settings once: defaults, then a YAML file, then the environment. What a shop
// decides (limits, policies, rules) is not here: it is data with versions in the database.
package config

import "time"

// Config is every setting of the program.
type Config struct {
	HTTP   HTTP   `koanf:"http"`
	DB     DB     `koanf:"db"`
	Redis  Redis  `koanf:"redis"`
	WeChat WeChat `koanf:"wechat"`
	Secret Keys   `koanf:"secret"`
	Log    Log    `koanf:"log"`
	Jobs   Jobs   `koanf:"jobs"`
}

// HTTP is how the program is reached.
type HTTP struct {
	Addr              string        `koanf:"addr"`
	MetricsAddr       string        `koanf:"metrics_addr"`
	PublicURL         string        `koanf:"public_url"`
	TrustedProxies    []string      `koanf:"trusted_proxies"`
	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout"`
	BodyTimeout       time.Duration `koanf:"body_timeout"`
	RequestTimeout    time.Duration `koanf:"request_timeout"`
	IdleTimeout       time.Duration `koanf:"idle_timeout"`
	DrainDelay        time.Duration `koanf:"drain_delay"`
	ShutdownTimeout   time.Duration `koanf:"shutdown_timeout"`
	BodyMaxBytes      int64         `koanf:"body_max_bytes"`
	RatePerMinute     int           `koanf:"rate_per_minute"`
	RateBurst         int           `koanf:"rate_burst"`
}

// DB is where the truth is: a SQLite file, or the DSN of MySQL, MariaDB or TiDB.
type DB struct {
	File string `koanf:"file"`
	DSN  Secret `koanf:"dsn"`
}

// Redis is the server for limits and counters; without an address an embedded one runs in the process.
type Redis struct {
	Addr     string `koanf:"addr"`
	Password Secret `koanf:"password"`
	Prefix   string `koanf:"prefix"`
}

// Embedded says that no Redis server was named.
func (r Redis) Embedded() bool { return r.Addr == "" }

// WeChat is the mini-program and the merchant account.
type WeChat struct {
	AppID               string       `koanf:"app_id"`
	AppSecret           Secret       `koanf:"app_secret"`
	MchID               string       `koanf:"mch_id"`
	SerialNo            string       `koanf:"serial_no"`
	PrivateKeyFile      string       `koanf:"private_key_file"`
	PublicKeyID         string       `koanf:"public_key_id"`
	PublicKeyFile       string       `koanf:"public_key_file"`
	APIV3Key            Secret       `koanf:"api_v3_key"`
	APIBase             string       `koanf:"api_base"`
	PayBase             string       `koanf:"pay_base"`
	NotifyBase          string       `koanf:"notify_base"`
	EnvVersion          string       `koanf:"env_version"`
	TransferSceneID     string       `koanf:"transfer_scene_id"`
	TransferReportInfos []ReportInfo `koanf:"transfer_report_infos"`
}

// ReportInfo is one line that WeChat wants to know about transfers of a scene.
type ReportInfo struct {
	Type    string `koanf:"type"`
	Content string `koanf:"content"`
}

// Keys are the program's own secrets; see crypt.ParseKeys and crypt.LoadOrCreateKeys.
type Keys struct {
	KeyFile   string   `koanf:"key_file"`
	FieldKeys []Secret `koanf:"field_keys"`
	IndexKey  Secret   `koanf:"index_key"`
	TokenKey  Secret   `koanf:"token_key"`
}

// Log is what is written to standard error.
type Log struct {
	Level  string `koanf:"level"`
	Format string `koanf:"format"`
}

// Jobs is the work that is done without being asked.
type Jobs struct {
	Enabled   bool                     `koanf:"enabled"`
	Intervals map[string]time.Duration `koanf:"intervals"`
}

// Default is what holds where nothing else is said.
func Default() Config {
	return Config{
		HTTP: HTTP{
			Addr:              "127.0.0.1:8080",
			MetricsAddr:       "127.0.0.1:9090",
			PublicURL:         "http://127.0.0.1:8080",
			TrustedProxies:    []string{},
			ReadHeaderTimeout: 5 * time.Second,
			BodyTimeout:       10 * time.Second,
			RequestTimeout:    30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			DrainDelay:        0,
			ShutdownTimeout:   30 * time.Second,
			BodyMaxBytes:      1 << 20,
			RatePerMinute:     600,
			RateBurst:         100,
		},
		Redis: Redis{Prefix: "fenxiao:"},
		WeChat: WeChat{
			APIBase:         "https://api.weixin.qq.com",
			PayBase:         "https://api.mch.weixin.qq.com",
			EnvVersion:      "release",
			TransferSceneID: "1005",
			TransferReportInfos: []ReportInfo{
				{Type: "岗位类型", Content: "分销员"},
				{Type: "报酬说明", Content: "商品推广佣金"},
			},
		},
		Secret: Keys{KeyFile: "fenxiao.keys.json", FieldKeys: []Secret{}},
		Log:    Log{Level: "info", Format: "text"},
		Jobs:   Jobs{Enabled: true, Intervals: map[string]time.Duration{}},
	}
}
