package main

import (
	"context"
	"fmt"
	"log/slog"
)

func runMigrate(ctx context.Context, c *call) error {
	f := c.flags()
	var d databaseFlags
	d.add(f)
	if err := c.parse(f, 1); err != nil {
		return err
	}
	if len(c.words) == 0 || c.words[0] != "up" && c.words[0] != "status" {
		return c.misused("say up or status")
	}
	open := d.open
	if c.words[0] == "status" {
		open = d.openExisting
	}
	_, db, err := open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	if c.words[0] == "up" {
		n, err := db.Migrate(ctx)
		if err == nil {
			fmt.Fprintf(c.out, "applied %d migrations\n", n)
		}
		return err
	}
	list, err := db.MigrationStatuses(ctx)
	if err != nil {
		return err
	}
	pending := 0
	for _, m := range list {
		state := "applied"
		if !m.Applied {
			state = "pending"
			pending++
		}
		fmt.Fprintf(c.out, "%-8s %s\n", state, m.File)
	}
	fmt.Fprintf(c.out, "%d migrations, %d pending\n", len(list), pending)
	return nil
}
