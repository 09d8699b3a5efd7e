package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/pquerna/otp/totp"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
)

func runAdmin(ctx context.Context, c *call) error {
	f := c.flags()
	var d databaseFlags
	d.add(f)
	login := f.String("login", "", "`NAME` to log in with")
	name := f.String("name", "", "how the admin is shown, a `TEXT`; without it the log-in name")
	role := f.String("role", "", "`ROLE`, one of owner, operations, finance, warehouse, customer_service, auditor")
	secret := f.String("secret", "", "with code: the `SECRET` of the second factor")
	if err := c.parse(f, 1); err != nil {
		return err
	}
	switch {
	case len(c.words) == 0 || !slices.Contains([]string{"create", "reset", "code"}, c.words[0]):
		return c.misused("say create, reset or code")
	case c.words[0] == "code":
		return printCode(c, *secret)
	}
	if *login == "" {
		return c.misused("--login NAME is missing")
	}
	open := d.open
	if c.words[0] == "reset" {
		open = d.openExisting
	} else if !access.Role(*role).Valid() {
		return c.misused("--role is one of owner, operations, finance, warehouse, customer_service, auditor")
	}
	cfg, db, err := open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	keys, err := cfg.Secret.Keys()
	if err != nil {
		return err
	}
	box, err := crypt.NewBox(keys)
	if err != nil {
		return err
	}
	node, err := db.LeaseNode(ctx, "admin-"+crypt.Token(9))
	if err != nil {
		return err
	}
	defer node.Release(context.WithoutCancel(ctx))
	admins := access.NewAdmins(db, box, keys.Token)
	var made access.Credentials
	if c.words[0] == "reset" {
		made, err = admins.Reset(ctx, base.System, *login)
	} else {
		if *name == "" {
			*name = *login
		}
		made, err = admins.Create(ctx, access.NewAdmin{By: base.System, Account: *login, Name: *name, Role: access.Role(*role)})
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, `log-in          %s  (%s)
password        %s  (works once: it is changed at the first log-in)
one-time codes  %s
                %s
recovery codes  %s
This is shown once. Hand it over on a safe way.
`, made.Admin.Account, made.Admin.Role, made.Password, made.TOTP.Secret, made.TOTP.URI, strings.Join(made.RecoveryCodes, " "))
	return nil
}

// printCode is for scripts and for trying the API by hand, where no authenticator is.
func printCode(c *call, secret string) error {
	code, err := totp.GenerateCode(secret, clock.Wall())
	if err != nil {
		return c.misused("--secret is no secret of one-time codes")
	}
	fmt.Fprintln(c.out, code)
	return nil
}
