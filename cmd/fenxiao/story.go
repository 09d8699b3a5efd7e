package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"fenxiao/config"
	"fenxiao/server/base/crypt"
	"fenxiao/server/play/story"
)

func runStory(ctx context.Context, c *call) error {
	f := c.flags()
	var d databaseFlags
	d.add(f)
	d.addRedis(f)
	unhappy := f.Bool("unhappy", false, "also play the unhappy ways")
	lang := f.String("lang", "zh", "`LANG` to tell it in, zh or en")
	asJSON := f.Bool("json", false, "one object per line: {step, ok, figures}, the last {result, audit}")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	if *lang != "zh" && *lang != "en" {
		return c.misused("--lang is zh or en")
	}
	cfg, err := d.config()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "fenxiao-story")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if cfg.DB.File == "" && cfg.DB.DSN == "" {
		cfg.DB.File = filepath.Join(work, "story.db")
	}
	if err := checkEmpty(ctx, &d, cfg); err != nil {
		return err
	}
	cfg.Secret = config.Keys{KeyFile: filepath.Join(work, "keys.json")}
	cfg.Redis.Prefix = "story:" + crypt.Password(12) + ":"
	err = story.Run(ctx, story.Options{
		Config: cfg, Out: c.out, Unhappy: *unhappy, English: *lang == "en", JSON: *asJSON, Log: slog.New(slog.DiscardHandler),
	})
	if errors.Is(err, story.ErrFailed) {
		return errFailed
	}
	return err
}

// checkEmpty refuses a database that has anything in it, before anything is written.
func checkEmpty(ctx context.Context, d *databaseFlags, cfg config.Config) error {
	if file := cfg.DB.File; file != "" {
		if info, err := os.Stat(file); err == nil && info.Size() > 0 {
			return fmt.Errorf("the story needs a database of its own: %s is there already", file)
		}
		return nil
	}
	d.dsn = cfg.DB.DSN.Reveal()
	_, db, err := d.open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	empty, err := db.Empty(ctx)
	if err == nil && !empty {
		err = errors.New("the story needs an empty database; this one has tables")
	}
	return err
}
