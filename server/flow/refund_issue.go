package flow

import (
	"cmp"
	"context"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
)

// RefundIssue is a refund that an operator makes without a request.
type RefundIssue struct {
	ID        base.RefundID // minted by the caller, who keeps it for every retry
	Order     base.OrderID
	Kind      order.RefundKind // AfterSale or Goodwill
	Ask       order.Ask
	GoodsBack bool
	Restock   bool
	Reason    string
	By        base.Actor
}

// CreateRefund makes a refund and approves it, in one step. With the id of a refund that is there it returns that one.
func (f *Flow) CreateRefund(ctx context.Context, in RefundIssue) (order.Refund, error) {
	if in.Kind != order.AfterSale && in.Kind != order.Goodwill {
		return order.Refund{}, order.ErrAsk
	}
	var r order.Refund
	err := f.DB.InTx(ctx, "flow.create_refund", func(ctx context.Context, tx *store.Tx) error {
		o, there, err := refundable(ctx, tx, in.ID, in.Order, 0)
		if err != nil || there != nil {
			if there != nil {
				r = *there
			}
			return err
		}
		r, err = requestRefund(ctx, tx, o, newRefund{
			id: in.ID, kind: in.Kind, ask: in.Ask, goodsBack: in.GoodsBack, reason: in.Reason, by: in.By,
		})
		if err == nil {
			r, err = f.issue(ctx, tx, o, r, order.Decision{By: in.By, Restock: in.Restock})
		}
		return err
	})
	return r, err
}

// ApproveRefund issues a requested refund. Approved twice it is issued once; of two that together exceed what was paid
// one is refused with order.ErrExceeds.
func (f *Flow) ApproveRefund(ctx context.Context, in RefundDecision) (order.Refund, error) {
	var r order.Refund
	err := f.DB.InTx(ctx, "flow.approve_refund", func(ctx context.Context, tx *store.Tx) (err error) {
		var o order.Order
		if r, o, err = lockRefund(ctx, tx, in); err != nil {
			return err
		}
		if r.State != order.RefundRequested {
			return order.ErrRefundMoved
		}
		r, err = f.issue(ctx, tx, o, r, order.Decision{By: in.By, Restock: in.Restock})
		return err
	})
	return r, err
}

// issue approves a refund and does all that follows from it here: it is owed from now on, whatever becomes of it at
// WeChat. The caller has locked the order. Stock and wallets, which others want too, come last.
func (f *Flow) issue(ctx context.Context, tx *store.Tx, o order.Order, r order.Refund, d order.Decision) (order.Refund, error) {
	lines, err := order.Lines(ctx, tx, o.ID)
	if err != nil {
		return r, err
	}
	parcels, err := order.Fulfilments(ctx, tx, o.ID)
	if err != nil {
		return r, err
	}
	before := r
	if r, err = order.Approve(ctx, tx, r, order.Goods{Lines: lines, Parcels: parcels}, d); err != nil {
		return r, err
	}
	if err := auditRefund(ctx, tx, before, "refund.approve", RefundDecision{By: d.By, Reason: r.Reason}); err != nil {
		return r, err
	}
	if _, err := commission.ReleaseHold(ctx, tx, r.HoldRef()); err != nil {
		return r, err
	}
	late, err := bookRefund(ctx, tx, r)
	if err != nil {
		return r, err
	}
	if err := arrive(ctx, tx, o); err != nil {
		return r, err
	}
	if err := tellLastParcel(ctx, tx, o, r); err != nil {
		return r, err
	}
	if err := moveRefundedStock(ctx, tx, r, d.By); err != nil {
		return r, err
	}
	return r, f.clawBack(ctx, tx, r, late)
}

// bookRefund reverses the commissions of what was refunded and books refund and early reversals. The late ones are
// returned, because they lock wallets.
func bookRefund(ctx context.Context, tx *store.Tx, r order.Refund) (late map[base.DistributorID]money.Fen, err error) {
	txns := []ledger.Txn{}
	if r.Amount > 0 {
		txns = append(txns, refundTxn(r))
	}
	reversals, err := reverse(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	early := ledger.Txn{Kind: "reversal", Ref: "reversal:" + r.ID.String()}
	late = map[base.DistributorID]money.Fen{}
	for _, v := range reversals {
		if v.Late {
			late[v.Payee] += v.Amount
			continue
		}
		early.Postings = append(early.Postings, ledger.Posting{
			From: ledger.Of(ledger.Pending, v.Payee), To: ledger.Platform(ledger.CommissionExpense), Amount: v.Amount,
		})
	}
	if len(early.Postings) > 0 {
		txns = append(txns, early)
	}
	return late, ledger.Post(ctx, tx, txns...)
}

func reverse(ctx context.Context, tx *store.Tx, r order.Refund) ([]commission.Reversal, error) {
	lines, err := order.Lines(ctx, tx, r.Order)
	if err != nil {
		return nil, err
	}
	in := commission.ReverseInput{Order: r.Order, Refund: r.ID}
	for _, l := range lines {
		part := slices.IndexFunc(r.Lines, func(rl order.RefundLine) bool { return rl.Line == l.ID })
		if part < 0 || r.Lines[part].Amount == 0 {
			continue
		}
		in.Lines = append(in.Lines, commission.RefundedLine{Line: l.ID, RefundedSoFar: l.Refunded, Base: l.Net})
	}
	if len(in.Lines) == 0 {
		return nil, nil
	}
	return commission.Reverse(ctx, tx, in)
}

// clawBack takes late reversals from the wallets, in one order.
func (f *Flow) clawBack(ctx context.Context, tx *store.Tx, r order.Refund, late map[base.DistributorID]money.Fen) error {
	payees := make([]base.DistributorID, 0, len(late))
	for payee := range late {
		payees = append(payees, payee)
	}
	slices.SortFunc(payees, func(a, b base.DistributorID) int { return cmp.Compare(a, b) })
	for _, payee := range payees {
		err := f.takeBack(ctx, tx, ledger.Move{
			Kind: "clawback", Ref: "clawback:" + r.ID.String() + ":" + payee.String(), Other: ledger.Platform(ledger.CommissionExpense),
			Distributor: payee, Amount: late[payee],
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tellLastParcel tells WeChat that nothing more will be sent, if what was left of a part-shipped order was refunded.
func tellLastParcel(ctx context.Context, tx *store.Tx, o order.Order, r order.Refund) error {
	if !slices.ContainsFunc(r.Lines, func(l order.RefundLine) bool { return l.Unshipped > 0 }) {
		return nil
	}
	parcels, err := order.Fulfilments(ctx, tx, o.ID)
	if err != nil || order.ShippedState(parcels) != order.DeliveredAll {
		return err
	}
	return tellShipping(ctx, tx, o, r.ID.String())
}

// moveRefundedStock gives back what is refunded: goods that were not sent are no longer promised, goods that came back
// fit for sale are there again.
func moveRefundedStock(ctx context.Context, tx *store.Tx, r order.Refund, by base.Actor) error {
	lines, err := order.Lines(ctx, tx, r.Order)
	if err != nil {
		return err
	}
	release := inventory.Move{Kind: inventory.Release, Ref: r.ID.String(), Warehouse: inventory.Main, Actor: by}
	restock := inventory.Move{Kind: inventory.Restock, Ref: r.ID.String(), Warehouse: inventory.Main, Actor: by}
	for _, part := range r.Lines {
		l := lines[slices.IndexFunc(lines, func(l order.Line) bool { return l.ID == part.Line })]
		if part.Unshipped > 0 {
			release.Items = append(release.Items, inventory.Item{SKU: l.SKU, Qty: part.Unshipped})
		}
		if back := part.Qty - part.Unshipped; r.Restock == 1 && back > 0 {
			restock.Items = append(restock.Items, inventory.Item{SKU: l.SKU, Qty: back})
		}
	}
	for _, m := range []inventory.Move{release, restock} {
		if len(m.Items) == 0 {
			continue
		}
		if err := inventory.Book(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// RetryRefund gives a refund that WeChat closed a new number, under which it is sent again.
func (f *Flow) RetryRefund(ctx context.Context, in RefundDecision) (order.Refund, error) {
	var r order.Refund
	err := f.DB.InTx(ctx, "flow.retry_refund", func(ctx context.Context, tx *store.Tx) (err error) {
		if r, _, err = lockRefund(ctx, tx, in); err != nil {
			return err
		}
		before := r
		if r, err = order.RetryRefund(ctx, tx, r); err != nil {
			return err
		}
		return auditRefund(ctx, tx, before, "refund.retry", in)
	})
	return r, err
}
