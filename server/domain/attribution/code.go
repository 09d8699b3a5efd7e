package attribution

import (
	"context"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// CodeStatus says whether a promo code works.
type CodeStatus string

const (
	CodeActive     CodeStatus = "active"
	CodeIsDisabled CodeStatus = "disabled" // by an operator, with a reason; for good
)

// TargetKind says what a promo code leads to.
type TargetKind string

const (
	TargetShop     TargetKind = "shop" // no target: the home page
	TargetProduct  TargetKind = "product"
	TargetCampaign TargetKind = "campaign"
	TargetGroup    TargetKind = "group"
	TargetRound    TargetKind = "round"
)

// Valid says whether the kind is one of the five.
func (k TargetKind) Valid() bool {
	switch k {
	case TargetShop, TargetProduct, TargetCampaign, TargetGroup, TargetRound:
		return true
	default:
		return false
	}
}

// Target is where a promo code leads; ID is 0 for the shop.
type Target struct {
	Kind TargetKind
	ID   int64
}

const (
	// CodesMax is how many promo codes a distributor can have.
	CodesMax = 2000

	channelMax = 16 // runes
)

// Code is a promo code of one distributor.
type Code struct {
	ID          base.CodeID        `db:"id"`
	Text        string             `db:"code"`
	Distributor base.DistributorID `db:"distributor_id"`
	TargetKind  TargetKind         `db:"target_kind"`
	TargetID    int64              `db:"target_id"`
	Channel     string             `db:"channel"` // the distributor's own label
	Status      CodeStatus         `db:"status"`
	ExpiresMs   int64              `db:"expires_ms"` // 0: never
	MadeMs      int64              `db:"made_ms"`
	DisabledMs  int64              `db:"disabled_ms"`
	DisabledBy  string             `db:"disabled_by"`
	Reason      string             `db:"reason"`
}

// Target is where the code leads.
func (c Code) Target() Target { return Target{c.TargetKind, c.TargetID} }

// fault says why a code does not work at an instant; "" if it does.
func (c Code) fault(at time.Time) Reason {
	switch {
	case c.Status != CodeActive:
		return CodeDisabled
	case c.ExpiresMs != 0 && base.Ms(at) >= c.ExpiresMs:
		return CodeExpired
	default:
		return ""
	}
}

// Works says whether the code binds and is drawn at an instant.
func (c Code) Works(at time.Time) bool { return c.fault(at) == "" }

// MustWork returns nil for a working code, else the refusal that tells the person why.
func (c Code) MustWork(at time.Time) error {
	switch c.fault(at) {
	case CodeDisabled:
		return ErrCodeDisabled
	case CodeExpired:
		return ErrCodeExpired
	default:
		return nil
	}
}

const (
	codeColumns = `id, code, distributor_id, target_kind, target_id, channel, status, expires_ms, made_ms, disabled_ms, disabled_by, reason`

	codeByTextSQL = `SELECT ` + codeColumns + ` FROM promo_code WHERE code = ?`
	codeByIDSQL   = `SELECT ` + codeColumns + ` FROM promo_code WHERE id = ?`
	codeSameSQL   = `SELECT ` + codeColumns + ` FROM promo_code
WHERE distributor_id = ? AND target_kind = ? AND target_id = ? AND channel = ? AND expires_ms = ? AND status = 'active'
ORDER BY id LIMIT 1`
	codeListSQL = `SELECT ` + codeColumns + ` FROM promo_code
WHERE (? = 0 OR distributor_id = ?) AND id < ? ORDER BY id DESC LIMIT ? OFFSET ?`
	codeCountSQL  = `SELECT COUNT(*) FROM promo_code WHERE (? = 0 OR distributor_id = ?)`
	codeInsertSQL = `INSERT INTO promo_code (` + codeColumns + `)
VALUES (:id, :code, :distributor_id, :target_kind, :target_id, :channel, :status, :expires_ms, :made_ms, :disabled_ms, :disabled_by, :reason)`
	codeDisableSQL = `UPDATE promo_code SET status = 'disabled', disabled_ms = ?, disabled_by = ?, reason = ? WHERE id = ? AND status = 'active'`
)

// What this package refuses about codes.
var (
	ErrCodeNotFound = errs.E(errs.NotFound, "code.not_found", "没有找到该推广码", errs.EN("There is no such promo code."))
	ErrCodeDisabled = errs.E(errs.Conflict, "code.disabled", "该推广码已停用", errs.EN("The promo code is disabled."))
	ErrCodeExpired  = errs.E(errs.Conflict, "code.expired", "该推广码已过期，请重新生成", errs.EN("The promo code has expired. Make a new one."))
	ErrCodesFull    = errs.E(errs.Conflict, "code.too_many", "推广码数量已达上限，请使用已有的推广码", errs.EN("You have as many promo codes as you can have. Use one of them."))
	// ErrCodeTaken says that the random text is in use: the caller draws another one. No person sees it.
	ErrCodeTaken = errs.E(errs.Internal, "code.text_taken", "请重试", errs.EN("Try again."))
)

// NewCode is a promo code to be made.
type NewCode struct {
	ID          base.CodeID // minted by the caller
	Text        string      // of NewCodeText
	Distributor base.DistributorID
	Target      Target
	Channel     string
	Expires     time.Time // zero: never
}

func (n NewCode) check(now time.Time) error {
	e := errs.E(errs.Invalid, "code.invalid", "推广码资料有误，请检查标出的项目", errs.EN("Something about the promo code is wrong; see the fields."))
	if !n.Target.Kind.Valid() || (n.Target.Kind == TargetShop) != (n.Target.ID == 0) {
		errs.At("/target", "invalid", "shop, or a kind with the id of its target")(e)
	}
	if !isChannel(n.Channel) {
		errs.At("/channel", "invalid", "at most 16 letters, digits, - and _")(e)
	}
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		errs.At("/expires_at", "invalid", "a time to come")(e)
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

func isChannel(s string) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > channelMax {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// MakeCode returns the distributor's working code for the same target, channel and end, made now if there was none. An
// id that is there already returns its code. ErrCodeTaken asks for another text.
func MakeCode(ctx context.Context, tx *store.Tx, n NewCode) (Code, error) {
	if err := n.check(tx.Now()); err != nil {
		return Code{}, err
	}
	if old, err := oneCode(ctx, tx, codeByIDSQL, n.ID); err == nil {
		if old.Distributor != n.Distributor {
			return Code{}, ErrCodeNotFound
		}
		return old, nil
	} else if errs.CodeOf(err) != ErrCodeNotFound.Code {
		return Code{}, err
	}
	expires := base.Ms(n.Expires)
	same, err := oneCode(ctx, tx, codeSameSQL, n.Distributor, n.Target.Kind, n.Target.ID, n.Channel, expires)
	if err == nil || errs.CodeOf(err) != ErrCodeNotFound.Code {
		return same, err
	}
	count, err := CountCodes(ctx, tx, n.Distributor)
	if err != nil {
		return Code{}, err
	}
	if count >= CodesMax {
		return Code{}, ErrCodesFull
	}
	c := Code{
		ID: n.ID, Text: n.Text, Distributor: n.Distributor, TargetKind: n.Target.Kind, TargetID: n.Target.ID,
		Channel: n.Channel, Status: CodeActive, ExpiresMs: expires, MadeMs: tx.NowMs(),
	}
	err = tx.Insert(ctx, codeInsertSQL, c)
	if store.IsDup(err) {
		return Code{}, ErrCodeTaken
	}
	if err != nil {
		return Code{}, fmt.Errorf("write promo code: %w", err)
	}
	return c, nil
}

// CodeByText finds a promo code, or ErrCodeNotFound.
func CodeByText(ctx context.Context, q store.Q, text string) (Code, error) {
	return oneCode(ctx, q, codeByTextSQL, text)
}

// CodeOf returns a promo code, or ErrCodeNotFound.
func CodeOf(ctx context.Context, q store.Q, id base.CodeID) (Code, error) {
	return oneCode(ctx, q, codeByIDSQL, id)
}

func oneCode(ctx context.Context, q store.Q, query string, args ...any) (Code, error) {
	var c Code
	err := q.Get(ctx, &c, query, args...)
	if store.NotFound(err) {
		return Code{}, ErrCodeNotFound
	}
	if err != nil {
		return Code{}, fmt.Errorf("read promo code: %w", err)
	}
	return c, nil
}

const lastID = 1<<63 - 1

// CodeFilter says which codes to list: of a distributor (0: everybody's), Limit of those below Before (0: from the
// newest), after the first Offset.
type CodeFilter struct {
	Distributor base.DistributorID
	Before      base.CodeID
	Offset      int
	Limit       int
}

// Codes lists codes, newest first.
func Codes(ctx context.Context, q store.Q, f CodeFilter) ([]Code, error) {
	if f.Before == 0 {
		f.Before = lastID
	}
	var rows []Code
	if err := q.Select(ctx, &rows, codeListSQL, f.Distributor, f.Distributor, f.Before, f.Limit, f.Offset); err != nil {
		return nil, fmt.Errorf("list promo codes: %w", err)
	}
	return rows, nil
}

// CountCodes counts a distributor's codes (0: everybody's).
func CountCodes(ctx context.Context, q store.Q, distributor base.DistributorID) (n int64, err error) {
	if err := q.Get(ctx, &n, codeCountSQL, distributor, distributor); err != nil {
		return 0, fmt.Errorf("count promo codes: %w", err)
	}
	return n, nil
}

// Disable is an operator's word against a code.
type Disable struct {
	ID     base.CodeID
	By     base.Actor
	Reason string
}

// DisableCode stops a code for good. One that is disabled already is ErrCodeDisabled.
func DisableCode(ctx context.Context, tx *store.Tx, d Disable) error {
	ok, err := tx.ExecOne(ctx, codeDisableSQL, tx.NowMs(), d.By.String(), d.Reason, d.ID)
	if err != nil {
		return fmt.Errorf("disable promo code: %w", err)
	}
	if !ok {
		return ErrCodeDisabled
	}
	return nil
}
