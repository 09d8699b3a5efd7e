package access

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/crypt"
	"fenxiao/server/store"
)

// Identity is who a session's token stands for.
type Identity struct {
	Session    int64        `db:"session_id"`
	Admin      base.AdminID `db:"admin_id"`
	Account    string       `db:"account"`
	Role       Role         `db:"role"`
	MustChange bool         `db:"must_change"`
	SeenMs     int64        `db:"seen_ms"`
}

// May says whether the admin has a permission now. With a one-time password only what concerns the own log-in.
func (i Identity) May(permission string) bool {
	if i.MustChange && permission != AdminSelf {
		return false
	}
	return i.Role.May(permission)
}

const (
	identitySQL = `
SELECT s.id AS session_id, s.admin_id, s.seen_ms, a.account, a.role, a.must_change
FROM admin_session s JOIN admin a ON a.id = s.admin_id
WHERE s.token_sha = ? AND s.ended_ms = 0 AND s.expires_ms > ? AND s.seen_ms > ? AND a.state = 'active'`

	seenSQL        = `UPDATE admin_session SET seen_ms = ? WHERE id = ? AND ended_ms = 0 AND seen_ms < ?`
	endSQL         = `UPDATE admin_session SET ended_ms = ? WHERE id = ? AND ended_ms = 0`
	endOthersSQL   = `UPDATE admin_session SET ended_ms = ? WHERE admin_id = ? AND ended_ms = 0 AND id <> ?`
	sessionsOldSQL = `SELECT id FROM admin_session WHERE expires_ms < ? ORDER BY expires_ms LIMIT ?`
	sessionDropSQL = `DELETE FROM admin_session WHERE id = ?`
	guardsOldSQL   = `SELECT account_sha FROM login_guard WHERE last_ms < ? ORDER BY last_ms LIMIT ?`
	guardDropSQL   = `DELETE FROM login_guard WHERE account_sha = ? AND last_ms < ?`
)

// Authenticate finds whom a session's token stands for, or ErrNoSession, and keeps the session alive.
func (a *Admins) Authenticate(ctx context.Context, token string) (Identity, error) {
	var i Identity
	now := a.db.Clock.Now()
	err := a.db.Q().Get(ctx, &i, identitySQL, crypt.Hash(token), now.UnixMilli(), now.Add(-SessionIdle).UnixMilli())
	if store.NotFound(err) {
		return i, ErrNoSession
	}
	if err != nil {
		return i, fmt.Errorf("read session: %w", err)
	}
	if now.Sub(base.Time(i.SeenMs)) < seenEvery {
		return i, nil
	}
	err = a.db.InTx(ctx, "access.session_seen", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, seenSQL, tx.NowMs(), i.Session, tx.NowMs())
		return err
	})
	return i, err
}

// Logout ends a session.
func (a *Admins) Logout(ctx context.Context, session int64) error {
	return a.db.InTx(ctx, "access.logout", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, endSQL, tx.NowMs(), session)
		return err
	})
}

// endSessions ends an admin's sessions but one (0: all).
func endSessions(ctx context.Context, tx *store.Tx, id base.AdminID, except int64) error {
	if _, err := tx.Exec(ctx, endOthersSQL, tx.NowMs(), id, except); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

const purgeRowsMax = 1000

// Purge forgets admin sessions that ended by their time and guards of accounts that nobody tried for a day, at most
// 1,000 each, and says how many.
func (a *Admins) Purge(ctx context.Context) (int, error) {
	now := a.db.Clock.Now()
	forget := now.Add(-guardForget).UnixMilli()
	var sessions []int64
	if err := a.db.Q().Select(ctx, &sessions, sessionsOldSQL, now.UnixMilli(), purgeRowsMax); err != nil {
		return 0, fmt.Errorf("find old sessions: %w", err)
	}
	var guards []string
	if err := a.db.Q().Select(ctx, &guards, guardsOldSQL, forget, purgeRowsMax); err != nil {
		return 0, fmt.Errorf("find old log-in guards: %w", err)
	}
	if len(sessions)+len(guards) == 0 {
		return 0, nil
	}
	err := a.db.InTx(ctx, "access.purge", func(ctx context.Context, tx *store.Tx) error {
		for _, id := range sessions {
			if _, err := tx.Exec(ctx, sessionDropSQL, id); err != nil {
				return err
			}
		}
		for _, sha := range guards {
			if _, err := tx.Exec(ctx, guardDropSQL, sha, forget); err != nil {
				return err
			}
		}
		return nil
	})
	return len(sessions) + len(guards), err
}
