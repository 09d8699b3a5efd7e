package access

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

const (
	attemptsMax = 5
	lockTime    = 15 * time.Minute
	guardForget = 24 * time.Hour
)

// ErrLocked says that an account had too many failures; it is also said of accounts that do not exist.
var ErrLocked = errs.E(errs.Limited, "auth.locked", "登录失败次数过多，账号已临时锁定，请 15 分钟后再试",
	errs.EN("Too many failed log-ins. The account is locked; try again in 15 minutes."), errs.After(lockTime))

const (
	guardSQL       = `SELECT failed, last_ms, locked_until_ms FROM login_guard WHERE account_sha = ? /*! FOR UPDATE */`
	guardInsertSQL = `INSERT INTO login_guard (account_sha, failed, last_ms, locked_until_ms) VALUES (?, 1, ?, 0)`
	guardUpdateSQL = `UPDATE login_guard SET failed = ?, last_ms = ?, locked_until_ms = ? WHERE account_sha = ?`
	guardResetSQL  = `UPDATE login_guard SET failed = 0, locked_until_ms = 0 WHERE account_sha = ?`
)

// takeAttempt counts an attempt before it is made, so that many at once are no way around the limit; a success
// takes the count back. Unknown accounts are counted too: the lock tells nothing about which exist.
func (a *Admins) takeAttempt(ctx context.Context, account string) error {
	sha := crypt.Hash(account)
	take := func() error {
		return a.db.InTx(ctx, "access.take_attempt", func(ctx context.Context, tx *store.Tx) error {
			return countAttempt(ctx, tx, sha)
		})
	}
	err := take()
	if store.IsDup(err) { // two first attempts at once
		err = take()
	}
	return err
}

func countAttempt(ctx context.Context, tx *store.Tx, sha string) error {
	var g struct {
		Failed int   `db:"failed"`
		Last   int64 `db:"last_ms"`
		Locked int64 `db:"locked_until_ms"`
	}
	err := tx.Get(ctx, &g, guardSQL, sha)
	if store.NotFound(err) {
		_, err := tx.Exec(ctx, guardInsertSQL, sha, tx.NowMs())
		return err
	}
	if err != nil {
		return fmt.Errorf("read log-in guard: %w", err)
	}
	now := tx.Now()
	switch {
	case g.Locked > now.UnixMilli():
		return ErrLocked
	case g.Locked > 0 || now.Sub(base.Time(g.Last)) > guardForget:
		g.Failed = 0
	}
	g.Failed, g.Locked = g.Failed+1, 0
	if g.Failed >= attemptsMax {
		g.Locked = now.Add(lockTime).UnixMilli()
	}
	_, err = tx.Exec(ctx, guardUpdateSQL, g.Failed, now.UnixMilli(), g.Locked, sha)
	return err
}

func forgiveAttempts(ctx context.Context, tx *store.Tx, account string) error {
	_, err := tx.Exec(ctx, guardResetSQL, crypt.Hash(account))
	return err
}
