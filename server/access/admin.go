package access

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// States of an admin.
const (
	Active   = "active"
	Disabled = "disabled"
)

const (
	nameRunesMax   = 40
	oneTimeLen     = 16
	adminListMax   = 500
	sessionTokenSz = 32
)

var accountForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{2,47}$`)

// What the management of admins refuses.
var (
	ErrNoAdmin = errs.E(errs.NotFound, "admin.not_found", "没有这个管理员",
		errs.EN("There is no such admin."))
	ErrAccountTaken = errs.E(errs.Conflict, "admin.account_taken", "该账号已被使用，请换一个",
		errs.EN("This account name is taken. Choose another."), errs.At("/account", "taken", "taken"))
	ErrBadAccount = errs.E(errs.Invalid, "admin.bad_account", "账号须为 3 到 48 位小写字母、数字或 . _ @ -，并以字母或数字开头",
		errs.EN("An account is 3 to 48 of a-z 0-9 . _ @ - and begins with a letter or digit."), errs.At("/account", "form", "3 to 48 of a-z 0-9 . _ @ -"))
	ErrBadName = errs.E(errs.Invalid, "admin.bad_name", "姓名须为 1 到 40 个字",
		errs.EN("A name has 1 to 40 characters."), errs.At("/name", "length", "1 to 40 characters"))
	ErrBadRole = errs.E(errs.Invalid, "admin.bad_role", "没有这个角色",
		errs.EN("There is no such role."), errs.At("/role", "unknown", "unknown role"))
	ErrNeedsTOTP = errs.E(errs.Invalid, "admin.totp_required", "该角色涉及资金，必须绑定动态验证码",
		errs.EN("This role handles money and needs a one-time code."))
	ErrLastOwner = errs.E(errs.Conflict, "admin.last_owner", "至少要保留一位启用中的所有者",
		errs.EN("At least one active owner must remain."))
	ErrAdminChanged = errs.E(errs.Conflict, "admin.changed", "该管理员刚被他人修改，请刷新后再试",
		errs.EN("This admin was just changed by somebody else. Reload and try again."))
)

// Admins keeps admins, their log-ins and sessions.
type Admins struct {
	db     *store.DB
	box    *crypt.Box
	token  []byte
	hasher *hasher
}

// NewAdmins returns the keeper of admins. The token key signs the CSRF tokens.
func NewAdmins(db *store.DB, box *crypt.Box, tokenKey []byte) *Admins {
	return &Admins{db: db, box: box, token: tokenKey, hasher: newHasher()}
}

// Admin is one admin, without secrets.
type Admin struct {
	ID         base.AdminID `db:"id"`
	Account    string       `db:"account"`
	Name       string       `db:"name"`
	Role       Role         `db:"role"`
	State      string       `db:"state"`
	MustChange bool         `db:"must_change"`
	HasTOTP    bool         `db:"has_totp"`
	CreatedMs  int64        `db:"created_ms"`
	ChangedMs  int64        `db:"changed_ms"`
	Version    int          `db:"version"`
}

type adminRow struct {
	Admin
	PasswordHash string `db:"password_hash"`
	TOTP         string `db:"totp_enc"`
	TOTPNext     string `db:"totp_next_enc"`
	TOTPStep     int64  `db:"totp_step"`
}

const (
	adminColumns = `id, account, name, role, state, must_change, CASE WHEN totp_enc = '' THEN 0 ELSE 1 END AS has_totp,
created_ms, changed_ms, version`
	rowColumns = adminColumns + `, password_hash, totp_enc, totp_next_enc, totp_step`

	adminListSQL      = `SELECT ` + adminColumns + ` FROM admin ORDER BY id LIMIT ?`
	adminByIDSQL      = `SELECT ` + rowColumns + ` FROM admin WHERE id = ?`
	adminByAccountSQL = `SELECT ` + rowColumns + ` FROM admin WHERE account = ?`

	adminInsertSQL = `
INSERT INTO admin (id, account, name, role, state, password_hash, must_change, totp_enc, totp_next_enc, totp_step, created_ms, changed_ms, version)
VALUES (?, ?, ?, ?, 'active', ?, 1, ?, '', 0, ?, ?, 1)`

	adminResetSQL = `
UPDATE admin SET password_hash = ?, must_change = 1, totp_enc = ?, totp_next_enc = '', totp_step = 0, changed_ms = ?, version = version + 1
WHERE id = ?`

	adminChangeSQL = `
UPDATE admin SET name = ?, role = ?, state = ?, changed_ms = ?, version = version + 1
WHERE id = ? AND version = ?`

	ownersSQL = `SELECT id FROM admin WHERE role = 'owner' AND state = 'active' ORDER BY id /*! FOR UPDATE */`

	recoveryInsertSQL = `INSERT INTO admin_recovery (admin_id, code_sha, used_ms) VALUES (:admin_id, :code_sha, 0)`
	recoveryDropSQL   = `DELETE FROM admin_recovery WHERE admin_id = ?`
)

// List returns the admins, oldest first.
func (a *Admins) List(ctx context.Context) ([]Admin, error) {
	var out []Admin
	err := a.db.Q().Select(ctx, &out, adminListSQL, adminListMax)
	return out, err
}

// Get returns one admin, or ErrNoAdmin.
func (a *Admins) Get(ctx context.Context, id base.AdminID) (Admin, error) {
	r, err := findAdmin(ctx, a.db.Q(), adminByIDSQL, id)
	return r.Admin, err
}

// Find returns the admin of an account, or ErrNoAdmin.
func (a *Admins) Find(ctx context.Context, account string) (Admin, error) {
	r, err := findAdmin(ctx, a.db.Q(), adminByAccountSQL, normal(account))
	return r.Admin, err
}

func findAdmin(ctx context.Context, q store.Q, query string, arg any) (adminRow, error) {
	var r adminRow
	err := q.Get(ctx, &r, query, arg)
	if store.NotFound(err) {
		return r, ErrNoAdmin
	}
	if err != nil {
		return r, fmt.Errorf("read admin: %w", err)
	}
	return r, nil
}

func normal(account string) string { return strings.ToLower(strings.TrimSpace(account)) }

// NewAdmin is what an admin begins with.
type NewAdmin struct {
	By          base.Actor
	Account     string
	Name        string
	Role        Role
	WithoutTOTP bool // only for roles that do not handle money
}

// Credentials are shown once, to be handed over.
type Credentials struct {
	Admin         Admin
	Password      string // works once: it must be changed at the first log-in
	TOTP          TOTP   // empty without
	RecoveryCodes []string
}

// Create makes an admin with a one-time password and, as a rule, a second factor.
func (a *Admins) Create(ctx context.Context, n NewAdmin) (Credentials, error) {
	n.Account, n.Name = normal(n.Account), strings.TrimSpace(n.Name)
	if !accountForm.MatchString(n.Account) {
		return Credentials{}, ErrBadAccount
	}
	if err := checkAdmin(n.Name, n.Role); err != nil {
		return Credentials{}, err
	}
	if n.WithoutTOTP && n.Role.HandlesMoney() {
		return Credentials{}, ErrNeedsTOTP
	}
	c, s, err := a.newCredentials(ctx, n.Account, !n.WithoutTOTP)
	if err != nil {
		return Credentials{}, err
	}
	id, entry := base.AdminID(a.db.Mint.Next()), a.db.Mint.Next()
	err = a.db.InTx(ctx, "access.create_admin", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, adminInsertSQL, id, n.Account, n.Name, n.Role, s.hash, s.totp, tx.NowMs(), tx.NowMs())
		if store.IsDup(err) {
			return ErrAccountTaken
		}
		if err != nil {
			return fmt.Errorf("create admin: %w", err)
		}
		if err := putRecovery(ctx, tx, id, s.recovery); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: n.By, Action: "admin.create", Object: id.String(),
			After: summary{n.Account, n.Name, n.Role, Active}, RequestID: reqid.Of(ctx)})
	})
	if err != nil {
		return Credentials{}, err
	}
	c.Admin, err = a.Get(ctx, id)
	return c, err
}

// Reset gives an admin a new one-time password, a new second factor (if there was one, or the role needs it) and new
// recovery codes; all sessions end and a lock is lifted.
func (a *Admins) Reset(ctx context.Context, by base.Actor, account string) (Credentials, error) {
	admin, err := a.Find(ctx, account)
	if err != nil {
		return Credentials{}, err
	}
	c, s, err := a.newCredentials(ctx, admin.Account, admin.HasTOTP || admin.Role.HandlesMoney())
	if err != nil {
		return Credentials{}, err
	}
	entry := a.db.Mint.Next()
	err = a.db.InTx(ctx, "access.reset_admin", func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, adminResetSQL, s.hash, s.totp, tx.NowMs(), admin.ID); err != nil {
			return fmt.Errorf("reset admin: %w", err)
		}
		if err := putRecovery(ctx, tx, admin.ID, s.recovery); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, admin.ID, 0); err != nil {
			return err
		}
		if err := forgiveAttempts(ctx, tx, admin.Account); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: by, Action: "admin.reset", Object: admin.ID.String(), RequestID: reqid.Of(ctx)})
	})
	if err != nil {
		return Credentials{}, err
	}
	c.Admin, err = a.Get(ctx, admin.ID)
	return c, err
}

// Change is what somebody wants to make of an admin, as seen at a version.
type Change struct {
	By      base.Actor
	ID      base.AdminID
	Version int
	Name    string
	Role    Role
	State   string // active or disabled
}

type summary struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Role    Role   `json:"role"`
	State   string `json:"state"`
}

// Change renames an admin, gives another role, disables or enables. A new role or state ends the sessions. The last
// active owner stays one.
func (a *Admins) Change(ctx context.Context, ch Change) (Admin, error) {
	ch.Name = strings.TrimSpace(ch.Name)
	if err := checkAdmin(ch.Name, ch.Role); err != nil {
		return Admin{}, err
	}
	if ch.State != Active && ch.State != Disabled {
		return Admin{}, errs.E(errs.Invalid, "admin.bad_state", "状态只能是启用或停用", errs.EN("A state is active or disabled."), errs.At("/state", "unknown", "active or disabled"))
	}
	entry := a.db.Mint.Next()
	err := a.db.InTx(ctx, "access.change_admin", func(ctx context.Context, tx *store.Tx) error {
		var owners []base.AdminID
		if err := tx.Select(ctx, &owners, ownersSQL); err != nil {
			return fmt.Errorf("lock owners: %w", err)
		}
		old, err := findAdmin(ctx, tx, adminByIDSQL, ch.ID)
		if err != nil {
			return err
		}
		if ch.Role.HandlesMoney() && !old.HasTOTP {
			return ErrNeedsTOTP
		}
		leaves := old.Role == Owner && old.State == Active && (ch.Role != Owner || ch.State != Active)
		if leaves && len(owners) <= 1 {
			return ErrLastOwner
		}
		ok, err := tx.ExecOne(ctx, adminChangeSQL, ch.Name, ch.Role, ch.State, tx.NowMs(), ch.ID, ch.Version)
		if err == nil && !ok {
			err = ErrAdminChanged
		}
		if err != nil {
			return err
		}
		if old.Role != ch.Role || old.State != ch.State {
			if err := endSessions(ctx, tx, ch.ID, 0); err != nil {
				return err
			}
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: ch.By, Action: "admin.change", Object: ch.ID.String(),
			Before: summary{old.Account, old.Name, old.Role, old.State}, After: summary{old.Account, ch.Name, ch.Role, ch.State}, RequestID: reqid.Of(ctx)})
	})
	if err != nil {
		return Admin{}, err
	}
	return a.Get(ctx, ch.ID)
}

func checkAdmin(name string, role Role) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > nameRunesMax {
		return ErrBadName
	}
	if !role.Valid() {
		return ErrBadRole
	}
	return nil
}

type stored struct {
	hash, totp string
	recovery   []string
}

func (a *Admins) newCredentials(ctx context.Context, account string, withTOTP bool) (c Credentials, s stored, err error) {
	c.Password = crypt.Password(oneTimeLen)
	if s.hash, err = a.hasher.hash(ctx, c.Password); err != nil {
		return c, s, err
	}
	if !withTOTP {
		return c, s, nil
	}
	if c.TOTP, err = newTOTP(account); err != nil {
		return c, s, fmt.Errorf("make one-time code secret: %w", err)
	}
	s.totp = a.box.Seal(totpPlace, c.TOTP.Secret)
	c.RecoveryCodes, s.recovery = newRecoveryCodes()
	return c, s, nil
}

type recoveryRow struct {
	Admin base.AdminID `db:"admin_id"`
	SHA   string       `db:"code_sha"`
}

// putRecovery replaces an admin's recovery codes.
func putRecovery(ctx context.Context, tx *store.Tx, id base.AdminID, hashes []string) error {
	if _, err := tx.Exec(ctx, recoveryDropSQL, id); err != nil {
		return fmt.Errorf("drop recovery codes: %w", err)
	}
	rows := make([]recoveryRow, len(hashes))
	for i, h := range hashes {
		rows[i] = recoveryRow{id, h}
	}
	if err := tx.Insert(ctx, recoveryInsertSQL, rows); err != nil {
		return fmt.Errorf("store recovery codes: %w", err)
	}
	return nil
}
