package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"fenxiao/server/audit"
)

func runAudit(ctx context.Context, c *call) error {
	f := c.flags()
	var d databaseFlags
	d.add(f)
	asJSON := f.Bool("json", false, "one object per line")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	_, db, err := d.openExisting(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.CheckMigrated(ctx); err != nil {
		return err
	}
	report, err := audit.Run(ctx, db)
	if err != nil {
		return err
	}
	if err := printAudit(c.out, report, *asJSON); err != nil {
		return err
	}
	if !report.OK() {
		return errFailed
	}
	return nil
}

func printAudit(w io.Writer, report audit.Report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		for _, r := range report.Results {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range report.Results {
		mark := "ok  "
		if !r.OK() {
			mark = "FAIL"
		}
		figures := make([]string, len(r.Figures))
		for i, f := range r.Figures {
			figures[i] = fmt.Sprintf("%s=%d", f.Label, f.Value)
		}
		fmt.Fprintf(w, "%s %d  %s（%s）  %s\n", mark, r.Invariant, r.Name, r.Chinese, strings.Join(figures, " "))
		for _, bad := range r.Wrong {
			fmt.Fprintf(w, "       %s: want %s, got %s\n", bad.Subject, bad.Want, bad.Got)
		}
	}
	return nil
}
