package commission

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/ids"
	"fenxiao/server/store"
)

// HoldScope is what a hold keeps from ripening.
type HoldScope string

const (
	HoldLine        HoldScope = "line"        // all commissions of an order line: an open after-sale request, a complaint
	HoldDistributor HoldScope = "distributor" // all unripe commissions of a distributor: an investigation
)

type holdKind struct{}

func (holdKind) Prefix() string { return "ho" }

// HoldID is the id of a hold that an operator makes; shown, it is the hold's reference.
type HoldID = ids.ID[holdKind]

// distributorHoldMax is how long a distributor's commissions may be held unless the hold is renewed.
const distributorHoldMax = 30 * 24 * time.Hour

// Held is a hold as it is stored. While one is in force no row it covers ripens.
type Held struct {
	ID         int64     `db:"id" json:"-"`
	Scope      HoldScope `db:"scope" json:"scope"`
	ScopeID    int64     `db:"scope_id" json:"scope_id"`
	Ref        string    `db:"ref" json:"ref"` // of what holds it, "refund:rf…"
	Reason     string    `db:"reason" json:"reason"`
	Actor      string    `db:"actor" json:"-"`
	FromMs     int64     `db:"from_ms" json:"from_ms"`
	UntilMs    int64     `db:"until_ms" json:"until_ms"` // 0: until released
	ReleasedMs int64     `db:"released_ms" json:"released_ms"`
}

// HoldInput asks for one hold per thing in ScopeIDs, all under one reference.
type HoldInput struct {
	Scope    HoldScope
	ScopeIDs []int64
	Ref      string
	Reason   string
	Until    time.Time // zero: until released; a distributor's ends after 30 days at the latest
	Actor    base.Actor
}

// LinesOf turns lines into ScopeIDs.
func LinesOf(lines ...base.LineID) []int64 {
	out := make([]int64, len(lines))
	for i, l := range lines {
		out[i] = int64(l)
	}
	return out
}

const (
	heldColumns   = `id, scope, scope_id, ref, reason, actor, from_ms, until_ms, released_ms`
	insertHeldSQL = `INSERT INTO commission_hold (` + heldColumns + `) VALUES (:id, :scope, :scope_id, :ref, :reason, :actor, :from_ms, :until_ms, :released_ms)`
	lockHeldSQL   = `SELECT id FROM commission WHERE line_id IN (?) AND kind = 'accrual' ORDER BY share_id /*! FOR UPDATE */`
	heldByRefSQL  = `SELECT ` + heldColumns + ` FROM commission_hold WHERE ref = ? ORDER BY id`
	heldOfSQL     = `SELECT ` + heldColumns + ` FROM commission_hold WHERE scope = ? AND scope_id = ? ORDER BY id DESC LIMIT 100`
	releaseSQL    = `UPDATE commission_hold SET released_ms = ? WHERE ref = ? AND released_ms = 0`
	renewSQL      = `UPDATE commission_hold SET until_ms = ? WHERE ref = ? AND released_ms = 0`
)

// ErrHoldInvalid says that the hold is not one.
var ErrHoldInvalid = errs.E(errs.Invalid, "commission.hold_invalid", "暂扣须写明对象、编号和原因；对分销员的暂扣最长 30 天，到期可续",
	errs.EN("A hold needs its objects, a reference and a reason; a distributor is held for 30 days at most, which may be renewed."))

// Hold keeps rows from ripening. A reference that is there already is a no-op.
func Hold(ctx context.Context, tx *store.Tx, in HoldInput) error {
	until := in.Until
	if in.Scope == HoldDistributor && until.IsZero() {
		until = tx.Now().Add(distributorHoldMax)
	}
	if in.Scope != HoldLine && in.Scope != HoldDistributor || len(in.ScopeIDs) == 0 || in.Ref == "" || len(in.Ref) > 64 ||
		in.Reason == "" || !holdUntilOK(in.Scope, until, tx.Now()) {
		return ErrHoldInvalid
	}
	there, err := HoldsByRef(ctx, tx, in.Ref)
	if err != nil || len(there) > 0 {
		return err
	}
	if in.Scope == HoldLine {
		if err := lockLines(ctx, tx, in.ScopeIDs); err != nil {
			return err
		}
	}
	rows := make([]Held, len(in.ScopeIDs))
	for i, id := range in.ScopeIDs {
		rows[i] = Held{tx.NextID(), in.Scope, id, in.Ref, in.Reason, in.Actor.String(), tx.NowMs(), base.Ms(until), 0}
	}
	if err := tx.Insert(ctx, insertHeldSQL, rows); err != nil {
		return fmt.Errorf("hold commissions: %w", err)
	}
	return nil
}

// lockLines locks the accruals of lines, as Ripen does: of a hold and a ripening at the same instant, the second one
// sees the first.
func lockLines(ctx context.Context, tx *store.Tx, lines []int64) error {
	query, args, err := store.In(lockHeldSQL, lines)
	if err == nil {
		var locked []base.CommissionID
		err = tx.Select(ctx, &locked, query, args...)
	}
	if err != nil {
		return fmt.Errorf("hold commissions: %w", err)
	}
	return nil
}

func holdUntilOK(scope HoldScope, until, now time.Time) bool {
	if until.IsZero() {
		return true
	}
	return until.After(now) && (scope == HoldLine || !until.After(now.Add(distributorHoldMax)))
}

// HoldsByRef lists the holds under a reference.
func HoldsByRef(ctx context.Context, q store.Q, ref string) ([]Held, error) {
	var there []Held
	if err := q.Select(ctx, &there, heldByRefSQL, ref); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	return there, nil
}

// HoldsOf lists the holds of a line or distributor, newest first.
func HoldsOf(ctx context.Context, q store.Q, scope HoldScope, id int64) ([]Held, error) {
	var there []Held
	err := q.Select(ctx, &there, heldOfSQL, scope, id)
	return there, err
}

// ReleaseHold ends the holds under a reference and says whether there were any in force.
func ReleaseHold(ctx context.Context, tx *store.Tx, ref string) (bool, error) {
	n, err := tx.Exec(ctx, releaseSQL, tx.NowMs(), ref)
	if err != nil {
		return false, fmt.Errorf("release hold: %w", err)
	}
	return n > 0, nil
}

// RenewHold moves the end of the holds under a reference, and says whether there were any.
func RenewHold(ctx context.Context, tx *store.Tx, ref string, until time.Time) (bool, error) {
	if !holdUntilOK(HoldDistributor, until, tx.Now()) || until.IsZero() {
		return false, ErrHoldInvalid
	}
	n, err := tx.Exec(ctx, renewSQL, base.Ms(until), ref)
	return n > 0, err
}
