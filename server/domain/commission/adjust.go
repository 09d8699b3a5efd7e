package commission

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// AdjustmentState is where an adjustment stands.
type AdjustmentState string

const (
	AdjustmentRequested AdjustmentState = "requested"
	AdjustmentApproved  AdjustmentState = "approved"
	AdjustmentRejected  AdjustmentState = "rejected"
)

// adjustmentMoves is the whole life of an adjustment.
var adjustmentMoves = map[AdjustmentState][]AdjustmentState{
	AdjustmentRequested: {AdjustmentApproved, AdjustmentRejected},
}

// Adjustment is a difference that two people agree to give or take, with a reason.
type Adjustment struct {
	ID          base.CommissionID  `db:"id"` // also of the commission row it becomes
	Payee       base.DistributorID `db:"payee_id"`
	Cycle       base.Cycle         `db:"cycle"`
	Amount      money.Fen          `db:"amount_fen"`   // negative: taken
	Statement   base.StatementID   `db:"statement_id"` // whose dispute it settles; 0: none
	Reason      string             `db:"reason"`
	State       AdjustmentState    `db:"state"`
	RequestedMs int64              `db:"requested_ms"`
	RequestedBy string             `db:"requested_by"`
	DecidedMs   int64              `db:"decided_ms"`
	DecidedBy   string             `db:"decided_by"`
}

const (
	adjustmentColumns   = `id, payee_id, cycle, amount_fen, statement_id, reason, state, requested_ms, requested_by, decided_ms, decided_by`
	insertAdjustmentSQL = `INSERT INTO commission_adjustment (` + adjustmentColumns + `)
VALUES (:id, :payee_id, :cycle, :amount_fen, :statement_id, :reason, :state, :requested_ms, :requested_by, :decided_ms, :decided_by)`
	adjustmentSQL      = `SELECT ` + adjustmentColumns + ` FROM commission_adjustment WHERE id = ?`
	listAdjustmentsSQL = `SELECT ` + adjustmentColumns + ` FROM commission_adjustment WHERE (? = '' OR state = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`
	moveAdjustmentSQL  = `UPDATE commission_adjustment SET state = ?, decided_ms = ?, decided_by = ? WHERE id = ? AND state = ? AND requested_by <> ?`
)

var (
	// ErrAdjustmentInvalid says that the adjustment is of nothing, too large, or has no reason.
	ErrAdjustmentInvalid = errs.E(errs.Invalid, "commission.adjustment_invalid", "请填写不为零的调整金额和 500 字以内的原因",
		errs.EN("An adjustment needs an amount other than zero and a reason of at most 500 characters."))
	// ErrAdjustmentMoved says that it was decided already.
	ErrAdjustmentMoved = errs.E(errs.Conflict, "commission.adjustment_moved", "该调整已被处理，请刷新查看", errs.EN("This adjustment was decided already."))
	// ErrSamePerson says that the second person is the first one.
	ErrSamePerson = errs.E(errs.Forbidden, "commission.second_person_required", "需由另一位管理员复核，不能由提交人自己通过",
		errs.EN("A second admin has to agree; it cannot be the one who asked."))
)

const reasonMax = 500

// RequestAdjustment records what somebody wants adjusted. With an id that is there already it returns that one.
func RequestAdjustment(ctx context.Context, tx *store.Tx, a Adjustment, by base.Actor) (Adjustment, error) {
	if there, err := AdjustmentByID(ctx, tx, a.ID); err == nil || errs.CodeOf(err) != ErrNotFound.Code {
		return there, err
	}
	amount := max(a.Amount, -a.Amount)
	a.Reason = strings.TrimSpace(a.Reason)
	if amount <= 0 || amount > ruleAmountMax || a.Reason == "" || utf8.RuneCountInString(a.Reason) > reasonMax || a.Payee == 0 || !a.Cycle.Valid() {
		return Adjustment{}, ErrAdjustmentInvalid
	}
	a.State, a.RequestedMs, a.RequestedBy, a.DecidedMs, a.DecidedBy = AdjustmentRequested, tx.NowMs(), by.String(), 0, ""
	if err := tx.Insert(ctx, insertAdjustmentSQL, a); err != nil {
		return Adjustment{}, fmt.Errorf("request adjustment: %w", err)
	}
	return a, nil
}

// AdjustmentByID reads one.
func AdjustmentByID(ctx context.Context, q store.Q, id base.CommissionID) (Adjustment, error) {
	var a Adjustment
	err := q.Get(ctx, &a, adjustmentSQL, id)
	if store.NotFound(err) {
		return a, ErrNotFound
	}
	return a, err
}

// Adjustments lists them, newest first, at most 101.
func Adjustments(ctx context.Context, q store.Q, state AdjustmentState, before base.CommissionID, limit int) ([]Adjustment, error) {
	var out []Adjustment
	err := q.Select(ctx, &out, listAdjustmentsSQL, state, state, before, before, pageOf(limit))
	return out, err
}

// DecideAdjustment approves or rejects. Approving needs a second person; it writes the commission row, ripe when made.
func DecideAdjustment(ctx context.Context, tx *store.Tx, id base.CommissionID, to AdjustmentState, by base.Actor) (Adjustment, error) {
	a, err := AdjustmentByID(ctx, tx, id)
	if err != nil {
		return a, err
	}
	if err := moveAdjustment(ctx, tx, &a, to, by); err != nil {
		return a, err
	}
	if to != AdjustmentApproved {
		return a, nil
	}
	err = tx.Insert(ctx, insertRowSQL, Row{
		ID: a.ID, Share: base.ShareID(a.ID), Payee: a.Payee, Cycle: a.Cycle, Kind: Adjusted, Amount: a.Amount,
		AccruedMs: tx.NowMs(), DueMs: tx.NowMs(), RipeMs: tx.NowMs(), Period: base.PeriodOf(a.Cycle, tx.Now()).First,
	})
	if err != nil {
		return a, fmt.Errorf("write adjustment: %w", err)
	}
	return a, nil
}

func moveAdjustment(ctx context.Context, tx *store.Tx, a *Adjustment, to AdjustmentState, by base.Actor) error {
	if !canMove(adjustmentMoves, a.State, to) {
		return ErrAdjustmentMoved
	}
	other := by.String()
	if to == AdjustmentApproved && a.RequestedBy == other {
		return ErrSamePerson
	}
	differs := ""
	if to == AdjustmentApproved {
		differs = other
	}
	ok, err := tx.ExecOne(ctx, moveAdjustmentSQL, to, tx.NowMs(), other, a.ID, a.State, differs)
	if err == nil && !ok {
		err = ErrAdjustmentMoved
	}
	if err == nil {
		a.State, a.DecidedMs, a.DecidedBy = to, tx.NowMs(), other
	}
	return err
}
