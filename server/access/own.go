package access

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// What an admin's change of the own log-in can be refused for.
var (
	ErrWrongPassword = errs.E(errs.Invalid, "auth.wrong_password", "当前密码不正确",
		errs.EN("The current password is wrong."), errs.At("/password", "wrong", "wrong password"))
	ErrSamePassword = errs.E(errs.Invalid, "auth.same_password", "新密码不能与当前密码相同",
		errs.EN("The new password must differ from the current one."), errs.At("/new_password", "same", "must differ"))
	ErrNoEnrolment = errs.E(errs.Conflict, "auth.no_enrolment", "请先获取新的动态验证码密钥",
		errs.EN("Ask for a new one-time code secret first."))
	ErrWrongCode = errs.E(errs.Invalid, "auth.wrong_code", "动态验证码不正确，请用最新的 6 位数字再试",
		errs.EN("The one-time code is wrong. Try the newest 6 digits."), errs.At("/code", "wrong", "wrong code"))
)

const (
	passwordSQL = `
UPDATE admin SET password_hash = ?, must_change = 0, changed_ms = ?, version = version + 1 WHERE id = ? AND password_hash = ?`
	totpNextSQL = `UPDATE admin SET totp_next_enc = ? WHERE id = ?`
	totpSetSQL  = `
UPDATE admin SET totp_enc = ?, totp_next_enc = '', totp_step = ?, changed_ms = ?, version = version + 1
WHERE id = ? AND totp_next_enc = ?`
)

// ChangePassword is an admin's change of the own password. Other sessions end.
func (a *Admins) ChangePassword(ctx context.Context, who Identity, old, fresh string) error {
	r, err := a.confirm(ctx, who, old)
	if err != nil {
		return err
	}
	if old == fresh {
		return ErrSamePassword
	}
	if err := checkPassword(fresh, r.Account); err != nil {
		return err
	}
	hash, err := a.hasher.hash(ctx, fresh)
	if err != nil {
		return err
	}
	entry := a.db.Mint.Next()
	return a.db.InTx(ctx, "access.change_password", func(ctx context.Context, tx *store.Tx) error {
		ok, err := tx.ExecOne(ctx, passwordSQL, hash, tx.NowMs(), who.Admin, r.PasswordHash)
		if err == nil && !ok {
			err = ErrWrongPassword // changed at the same instant
		}
		if err != nil {
			return err
		}
		if err := endSessions(ctx, tx, who.Admin, who.Session); err != nil {
			return err
		}
		if err := forgiveAttempts(ctx, tx, r.Account); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: base.Admin(who.Admin), Action: "admin.change_password", Object: who.Admin.String(), RequestID: reqid.Of(ctx)})
	})
}

// BeginTOTP makes a new one-time code secret for the own log-in; the old one works until ConfirmTOTP.
func (a *Admins) BeginTOTP(ctx context.Context, who Identity, password string) (TOTP, error) {
	r, err := a.confirm(ctx, who, password)
	if err != nil {
		return TOTP{}, err
	}
	t, err := newTOTP(r.Account)
	if err != nil {
		return TOTP{}, fmt.Errorf("make one-time code secret: %w", err)
	}
	sealed := a.box.Seal(totpPlace, t.Secret)
	err = a.db.InTx(ctx, "access.begin_totp", func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, totpNextSQL, sealed, who.Admin); err != nil {
			return err
		}
		return forgiveAttempts(ctx, tx, r.Account)
	})
	return t, err
}

// ConfirmTOTP puts the new secret in force, proven by one of its codes, and returns new recovery codes, shown once.
func (a *Admins) ConfirmTOTP(ctx context.Context, who Identity, code string) ([]string, error) {
	shown, hashes := newRecoveryCodes()
	entry := a.db.Mint.Next()
	err := a.db.InTx(ctx, "access.confirm_totp", func(ctx context.Context, tx *store.Tx) error {
		r, err := findAdmin(ctx, tx, adminByIDSQL, who.Admin)
		if err != nil {
			return err
		}
		secret, err := a.box.Open(totpPlace, r.TOTPNext)
		if err != nil {
			return fmt.Errorf("read one-time code secret: %w", err)
		}
		if secret == "" {
			return ErrNoEnrolment
		}
		step := totpStep(secret, code, tx.Now())
		if step == 0 {
			return ErrWrongCode
		}
		ok, err := tx.ExecOne(ctx, totpSetSQL, r.TOTPNext, step, tx.NowMs(), who.Admin, r.TOTPNext)
		if err == nil && !ok {
			err = ErrNoEnrolment
		}
		if err != nil {
			return err
		}
		if err := putRecovery(ctx, tx, who.Admin, hashes); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: base.Admin(who.Admin), Action: "admin.change_totp", Object: who.Admin.String(), RequestID: reqid.Of(ctx)})
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// confirm checks the password of who is logged in; a wrong one counts like a failed log-in, so that a session left
// open is no way to guess it.
func (a *Admins) confirm(ctx context.Context, who Identity, password string) (adminRow, error) {
	if len(password) > passwordBytesMax {
		return adminRow{}, ErrWrongPassword
	}
	if err := a.takeAttempt(ctx, who.Account); err != nil {
		return adminRow{}, err
	}
	r, _, err := a.checkPasswordOf(ctx, who.Account, password)
	if errs.CodeOf(err) == ErrBadCredentials.Code {
		err = ErrWrongPassword
	}
	return r, err
}
