package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

const (
	envPrefix = "FENXIAO_"
	envTest   = "FENXIAO_TEST_"  // the test run's servers: no settings
	envFile   = "FENXIAO_CONFIG" // names the file, for the commands
	keyDBFile = "db.file"
	keyDSN    = "db.dsn"
	keyInfos  = "wechat.transfer_report_infos"
)

// Load reads the settings: the defaults, over them the YAML file (none for ""), over that the environment, given as
// os.Environ has it. FENXIAO_WECHAT_APP_ID is wechat.app_id; FENXIAO_DB and FENXIAO_DSN are db.file and db.dsn; lists
// are split at commas. A name that is no setting is an error. The result is validated.
func Load(path string, environ []string) (Config, error) {
	c, known := Default(), settings()
	if path != "" {
		k := koanf.New(".")
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
		}
		if err := apply(k, known, &c, path); err != nil {
			return Config{}, err
		}
	}
	k, err := fromEnviron(known, environ)
	if err != nil {
		return Config{}, err
	}
	// A database named in the environment replaces the file's, whichever kind that was.
	if k.Exists(keyDBFile) != k.Exists(keyDSN) {
		c.DB = DB{}
	}
	if err := apply(k, known, &c, "environment"); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

func fromEnviron(known map[string]setting, environ []string) (*koanf.Koanf, error) {
	var unknown []string
	k := koanf.New(".")
	err := k.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if name == envFile || strings.HasPrefix(name, envTest) {
				return "", nil
			}
			key, ok := envKey(known, name)
			switch {
			case !ok:
				unknown = append(unknown, name)
				return "", nil
			case known[key].list:
				return key, strings.Split(value, ",")
			default:
				return key, value
			}
		},
	}), nil)
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("environment: %s is no setting; config.example.yaml lists all", unknown[0])
	}
	return k, nil
}

// envKey finds the setting that a variable names: its section is the part before the first underscore that makes one.
func envKey(known map[string]setting, name string) (string, bool) {
	name = strings.TrimPrefix(name, envPrefix)
	switch name {
	case "DB":
		return keyDBFile, true
	case "DSN":
		return keyDSN, true
	}
	section, key, _ := strings.Cut(strings.ToLower(name), "_")
	key = section + "." + key
	s, ok := known[key]
	return key, ok && !s.nested
}

// apply puts what k holds over c.
func apply(k *koanf.Koanf, known map[string]setting, c *Config, source string) error {
	for _, key := range k.Keys() {
		if !isSetting(known, key) {
			return fmt.Errorf("%s: %s is no setting; config.example.yaml lists all", source, key)
		}
	}
	if k.Exists(keyInfos) { // the list replaces the default and does not mix with it
		c.WeChat.TransferReportInfos = nil
	}
	if err := k.Unmarshal("", c); err != nil {
		return fmt.Errorf("%s: a setting cannot be read: %s", source, plain(err))
	}
	return nil
}

// plain names the settings that the decoder could not read and leaves out the values, which may be secrets.
func plain(err error) string {
	var names []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if _, rest, ok := strings.Cut(line, "'"); ok {
			if name, _, ok := strings.Cut(rest, "'"); ok {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return "its type is not what config.example.yaml shows"
	}
	return strings.Join(names, ", ") + " (config.example.yaml shows the type)"
}
