package flow

import (
	"context"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// AdjustmentRequest is a difference that an operator wants to give (or, negative, to take), with a reason. An upheld
// dispute names its statement, which stays as it is.
type AdjustmentRequest struct {
	ID          base.CommissionID // minted by the caller, who keeps it for every retry
	Distributor base.DistributorID
	Amount      money.Fen
	Statement   base.StatementID // 0: none
	Reason      string
	By          base.Actor
}

// RequestAdjustment records the request; it moves no money until a second person approves.
func (f *Flow) RequestAdjustment(ctx context.Context, in AdjustmentRequest) (a commission.Adjustment, err error) {
	err = f.DB.InTx(ctx, "flow.request_adjustment", func(ctx context.Context, tx *store.Tx) error {
		d, err := distributor.Get(ctx, tx, in.Distributor)
		if err != nil {
			return err
		}
		if in.Statement != 0 {
			s, err := settlement.ByID(ctx, tx, in.Statement)
			if err != nil || s.Distributor != in.Distributor {
				return settlement.ErrNotFound
			}
		}
		a, err = commission.RequestAdjustment(ctx, tx, commission.Adjustment{
			ID: in.ID, Payee: in.Distributor, Cycle: d.Level.Cycle, Amount: in.Amount, Statement: in.Statement, Reason: in.Reason,
		}, in.By)
		if err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: "adjustment.request", Object: a.ID.String(), Reason: a.Reason, After: adjustmentFacts(a),
		})
	})
	return a, err
}

// AdjustmentDecision is somebody's word on a requested adjustment.
type AdjustmentDecision struct {
	ID      base.CommissionID
	Approve bool
	By      base.Actor
	Reason  string
}

// DecideAdjustment approves or rejects. Approved by a second person, it is ripe at once and pending until this period's
// statement is posted.
func (f *Flow) DecideAdjustment(ctx context.Context, in AdjustmentDecision) (a commission.Adjustment, err error) {
	to, action := commission.AdjustmentRejected, "adjustment.reject"
	if in.Approve {
		to, action = commission.AdjustmentApproved, "adjustment.approve"
	}
	err = f.DB.InTx(ctx, "flow.decide_adjustment", func(ctx context.Context, tx *store.Tx) error {
		before, err := commission.AdjustmentByID(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		if a, err = commission.DecideAdjustment(ctx, tx, in.ID, to, in.By); err != nil {
			return err
		}
		if in.Approve {
			if err := ledger.Post(ctx, tx, adjustmentTxn(a)); err != nil {
				return err
			}
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: action, Object: a.ID.String(), Reason: in.Reason, Before: adjustmentFacts(before), After: adjustmentFacts(a),
		})
	})
	return a, err
}

func adjustmentTxn(a commission.Adjustment) ledger.Txn {
	from, to := ledger.Platform(ledger.CommissionExpense), ledger.Of(ledger.Pending, a.Payee)
	if a.Amount < 0 {
		from, to = to, from
	}
	return ledger.Txn{Kind: "adjustment", Ref: "adjust:" + a.ID.String(), Postings: []ledger.Posting{{From: from, To: to, Amount: max(a.Amount, -a.Amount)}}}
}

type adjustmentFact struct {
	Payee  base.DistributorID         `json:"distributor_id"`
	Amount money.Fen                  `json:"amount_fen"`
	State  commission.AdjustmentState `json:"state"`
}

func adjustmentFacts(a commission.Adjustment) adjustmentFact {
	return adjustmentFact{a.Payee, a.Amount, a.State}
}

// HoldRequest keeps commissions from ripening: those of an order line, or of a distributor (for 30 days at most).
type HoldRequest struct {
	ID          commission.HoldID // minted by the caller, who keeps it for every retry
	Line        base.LineID       // one of the two is set
	Distributor base.DistributorID
	Until       time.Time // zero: a line's until released, a distributor's for 30 days
	Reason      string
	By          base.Actor
}

// HoldCommissions holds for an investigation or a complaint.
func (f *Flow) HoldCommissions(ctx context.Context, in HoldRequest) (held []commission.Held, err error) {
	reason, err := checkReason(in.Reason)
	if err != nil {
		return nil, err
	}
	h := commission.HoldInput{Scope: commission.HoldLine, ScopeIDs: commission.LinesOf(in.Line), Ref: in.ID.String(), Reason: reason, Until: in.Until, Actor: in.By}
	if in.Distributor != 0 {
		h.Scope, h.ScopeIDs = commission.HoldDistributor, []int64{int64(in.Distributor)}
	}
	if (in.Line == 0) == (in.Distributor == 0) {
		return nil, commission.ErrHoldInvalid
	}
	err = f.DB.InTx(ctx, "flow.hold_commissions", func(ctx context.Context, tx *store.Tx) error {
		if err := commission.Hold(ctx, tx, h); err != nil {
			return err
		}
		if held, err = commission.HoldsByRef(ctx, tx, h.Ref); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: tx.NextID(), Actor: in.By, Action: "commission.hold", Object: h.Ref, Reason: reason, After: held})
	})
	return held, err
}

// HoldRelease ends a hold that an operator made.
type HoldRelease struct {
	ID     commission.HoldID
	By     base.Actor
	Reason string
}

// ReleaseHold lets commissions ripen again.
func (f *Flow) ReleaseHold(ctx context.Context, in HoldRelease) (held []commission.Held, err error) {
	reason, err := checkReason(in.Reason)
	if err != nil {
		return nil, err
	}
	err = f.DB.InTx(ctx, "flow.release_hold", func(ctx context.Context, tx *store.Tx) error {
		released, err := commission.ReleaseHold(ctx, tx, in.ID.String())
		if err != nil {
			return err
		}
		if held, err = commission.HoldsByRef(ctx, tx, in.ID.String()); err != nil {
			return err
		}
		if len(held) == 0 {
			return commission.ErrNotFound
		}
		if !released {
			return nil // ended before: nothing to log
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: tx.NextID(), Actor: in.By, Action: "commission.release_hold", Object: in.ID.String(), Reason: reason, After: held})
	})
	return held, err
}
