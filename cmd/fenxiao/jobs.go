package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"fenxiao/jobs"
	"fenxiao/server/app"
	"fenxiao/server/wechat"
)

func runJobs(ctx context.Context, c *call) error {
	f := c.flags()
	var d databaseFlags
	d.add(f)
	d.addRedis(f)
	if err := c.parse(f, 2); err != nil {
		return err
	}
	if len(c.words) == 0 || c.words[0] != "list" && (c.words[0] != "run" || len(c.words) != 2) {
		return c.misused("say list, or run NAME")
	}
	cfg, err := d.config()
	if err != nil {
		return err
	}
	if err := errors.Join(requireDatabase(cfg), mustExist(cfg)); err != nil {
		return err
	}
	deps := app.Deps{Log: newLog(c.errOut, cfg.Log)}
	if cfg.RequireWeChat() != nil {
		deps.WeChat = wechat.Unset{} // jobs that do not need it can be run all the same
	}
	shop, err := app.New(ctx, cfg, deps)
	if err != nil {
		return err
	}
	defer shop.Close(context.WithoutCancel(ctx))
	if c.words[0] == "list" {
		return listJobs(ctx, c, shop)
	}
	n, err := shop.Jobs.RunNamed(ctx, c.words[1])
	if errors.Is(err, jobs.ErrUnknown) {
		return err
	}
	fmt.Fprintf(c.out, "%s: done %d\n", c.words[1], n)
	if err != nil {
		fmt.Fprintln(c.errOut, err)
		return errFailed
	}
	return nil
}

func listJobs(ctx context.Context, c *call, shop *app.App) error {
	ran, err := jobs.Statuses(ctx, shop.DB.Q())
	if err != nil {
		return err
	}
	results := map[string]string{}
	for _, s := range ran {
		results[s.Name] = s.Result
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, j := range shop.Jobs.Jobs {
		every := j.Every.String()
		if j.Every == 0 {
			every = "nightly"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", j.Name, every, j.About, results[j.Name])
	}
	return w.Flush()
}
