package access

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// How long an admin's session lasts without and with use.
const (
	SessionIdle = 30 * time.Minute
	SessionMax  = 12 * time.Hour

	seenEvery = time.Minute // a session in use is written at most this often
)

// What a log-in or a session can be refused for.
var (
	ErrBadCredentials = errs.E(errs.Unauthorized, "auth.bad_credentials", "账号、密码或动态验证码不正确",
		errs.EN("The account, the password or the one-time code is wrong."))
	ErrNoSession = errs.E(errs.Unauthorized, "auth.session_expired", "登录已过期，请重新登录",
		errs.EN("Your session has ended. Please log in again."))
	ErrMustChange = errs.E(errs.Forbidden, "auth.password_change_required", "请先修改一次性密码，再继续操作",
		errs.EN("Change the one-time password first."))
)

// Login is what a person types.
type Login struct {
	Account  string
	Password string
	Code     string // one-time code or a recovery code; "" without a second factor
}

// Session is a log-in that succeeded. The token is shown to the browser once and kept as a hash.
type Session struct {
	Token   string
	CSRF    string
	Expires time.Time // at the latest
	Admin   Admin
}

const (
	sessionInsertSQL = `
INSERT INTO admin_session (id, token_sha, admin_id, created_ms, seen_ms, expires_ms, ended_ms) VALUES (?, ?, ?, ?, ?, ?, 0)`

	useStepSQL     = `UPDATE admin SET totp_step = ? WHERE id = ? AND totp_step < ?`
	useRecoverySQL = `UPDATE admin_recovery SET used_ms = ? WHERE admin_id = ? AND code_sha = ? AND used_ms = 0`
	rehashSQL      = `UPDATE admin SET password_hash = ? WHERE id = ? AND password_hash = ?`
)

// Login checks account, password and second factor and opens a session. All that is wrong is ErrBadCredentials, after
// the same work; five failures lock the account (ErrLocked).
func (a *Admins) Login(ctx context.Context, l Login) (Session, error) {
	l.Account = normal(l.Account)
	if len(l.Account) > 64 || len(l.Password) > passwordBytesMax || len(l.Code) > 64 {
		return Session{}, ErrBadCredentials
	}
	if err := a.takeAttempt(ctx, l.Account); err != nil {
		return Session{}, err
	}
	r, fresh, err := a.checkPasswordOf(ctx, l.Account, l.Password)
	if err != nil {
		return Session{}, err
	}
	s := Session{Token: crypt.Token(sessionTokenSz), Admin: r.Admin}
	s.CSRF = a.csrf(s.Token)
	id, entry := a.db.Mint.Next(), a.db.Mint.Next()
	err = a.db.InTx(ctx, "access.login", func(ctx context.Context, tx *store.Tx) error {
		if err := a.useSecondFactor(ctx, tx, r, l.Code); err != nil {
			return err
		}
		s.Expires = tx.Now().Add(SessionMax)
		_, err := tx.Exec(ctx, sessionInsertSQL, id, crypt.Hash(s.Token), r.ID, tx.NowMs(), tx.NowMs(), s.Expires.UnixMilli())
		if err != nil {
			return fmt.Errorf("open session: %w", err)
		}
		if fresh != "" {
			if _, err := tx.Exec(ctx, rehashSQL, fresh, r.ID, r.PasswordHash); err != nil {
				return err
			}
		}
		if err := forgiveAttempts(ctx, tx, l.Account); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: base.Admin(r.ID), Action: "admin.login", Object: r.ID.String(), RequestID: reqid.Of(ctx)})
	})
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// checkPasswordOf does the same work for accounts that exist and those that do not. fresh is a new hash to store, where
// the old one was made with lower costs.
func (a *Admins) checkPasswordOf(ctx context.Context, account, password string) (r adminRow, fresh string, err error) {
	r, err = findAdmin(ctx, a.db.Q(), adminByAccountSQL, account)
	unknown := errs.CodeOf(err) == ErrNoAdmin.Code
	if err != nil && !unknown {
		return r, "", err
	}
	hash := r.PasswordHash
	if unknown {
		hash = a.hasher.dummy
	}
	ok, stale, err := a.hasher.check(ctx, hash, password)
	if err != nil {
		return r, "", err
	}
	if !ok || unknown || r.State != Active {
		return r, "", ErrBadCredentials
	}
	if stale {
		fresh, err = a.hasher.hash(ctx, password)
	}
	return r, fresh, err
}

// useSecondFactor takes a code, each at most once.
func (a *Admins) useSecondFactor(ctx context.Context, tx *store.Tx, r adminRow, code string) error {
	if r.TOTP == "" {
		return nil
	}
	secret, err := a.box.Open(totpPlace, r.TOTP)
	if err != nil {
		return fmt.Errorf("read one-time code secret: %w", err)
	}
	var used bool
	if step := totpStep(secret, code, tx.Now()); step > 0 {
		used, err = tx.ExecOne(ctx, useStepSQL, step, r.ID, step)
	} else if code != "" {
		used, err = tx.ExecOne(ctx, useRecoverySQL, tx.NowMs(), r.ID, recoveryHash(code))
	}
	if err == nil && !used {
		err = ErrBadCredentials
	}
	return err
}

// csrf is a token that only who has the session's token, or the server, can know; it needs no storage.
func (a *Admins) csrf(token string) string {
	return hex.EncodeToString(crypt.MAC(a.token, "csrf", token))
}

// CSRF is the value of X-CSRF-Token that goes with a session's token.
func (a *Admins) CSRF(token string) string { return a.csrf(token) }

// CheckCSRF says whether a CSRF token belongs to the session's token.
func (a *Admins) CheckCSRF(token, csrf string) bool {
	return crypt.Equal([]byte(a.csrf(token)), []byte(csrf))
}
