package view

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// OriginScope says whose withdrawal is looked at, how much it is, and when it was asked for.
type OriginScope struct {
	Withdrawal  base.WithdrawalID
	Distributor base.DistributorID
	Amount      money.Fen
	RequestedMs int64
}

// Origin is where the money of a withdrawal comes from.
type Origin struct {
	After      money.Fen // what was available just after the request
	Statements []OriginStatement
}

// OriginStatement is a statement whose money is in a withdrawal.
type OriginStatement struct {
	ID         base.StatementID `db:"id"`
	Cycle      base.Cycle       `db:"cycle"`
	First      base.BusinessDay `db:"period"`
	Total      money.Fen        `db:"total_fen"`
	DebtRepaid money.Fen        `db:"debt_repaid_fen"`
	PostedMs   int64            `db:"posted_ms"`
	Taken      money.Fen        `db:"-"` // the part of it that is in the withdrawal
	OrderCount int64            `db:"-"`
	Orders     []OriginOrder    `db:"-"` // those with the largest commissions
}

// OriginOrder is an order whose commissions stand on a statement.
type OriginOrder struct {
	ID          base.OrderID    `db:"order_id"` // 0: adjustments, which have no order
	Commission  money.Fen       `db:"commission_fen"`
	TakenBack   money.Fen       `db:"taken_back_fen"` // of this payee's commissions, to this day
	Customer    base.CustomerID `db:"customer_id"`
	Total       money.Fen       `db:"total_fen"`
	Refunded    money.Fen       `db:"refunded_fen"`
	OpenRefunds int64           `db:"open_refunds"` // asked for, or approved and not with the customer yet
	CreatedMs   int64           `db:"created_ms"`
}

// RefundState says in a word how far an order is refunded: none, open, part, full.
func (o OriginOrder) RefundState() string {
	switch {
	case o.OpenRefunds > 0:
		return "open"
	case o.Refunded == 0:
		return "none"
	case o.Refunded < o.Total:
		return "part"
	default:
		return "full"
	}
}

const (
	originStatementsMax = 50 // statements looked at
	originOrdersMax     = 20 // orders shown of each

	availableAfterSQL = `
SELECT COALESCE(SUM(e.amount_fen), 0) FROM ledger_entry e WHERE e.account = 'available' AND e.owner_id = ? AND e.id <= (
  SELECT COALESCE(MAX(h.id), 0) FROM ledger_tx t JOIN ledger_entry h ON h.tx_id = t.id WHERE t.ref = ?)`
	originStatementsSQL = `
SELECT id, cycle, period, total_fen, debt_repaid_fen, posted_ms FROM statement
WHERE distributor_id = ? AND state = 'posted' AND posted_ms <= ? AND total_fen > debt_repaid_fen ORDER BY posted_ms DESC, id DESC LIMIT ?`
	originCountSQL  = `SELECT COUNT(DISTINCT order_id) FROM commission WHERE cycle = ? AND period = ? AND payee_id = ? AND kind <> 'reversal_late'`
	originOrdersSQL = `
SELECT p.order_id, p.commission_fen, COALESCE(o.customer_id, 0) AS customer_id, COALESCE(o.total_fen, 0) AS total_fen,
  COALESCE(o.refunded_fen, 0) AS refunded_fen, COALESCE(o.created_ms, 0) AS created_ms,
  (SELECT COALESCE(SUM(-r.amount_fen), 0) FROM commission r WHERE r.order_id = p.order_id AND r.payee_id = ? AND r.kind IN ('reversal_early', 'reversal_late')) AS taken_back_fen,
  (SELECT COUNT(*) FROM refund f WHERE f.order_id = p.order_id AND f.state NOT IN ('done', 'rejected', 'withdrawn')) AS open_refunds
FROM (SELECT order_id, SUM(amount_fen) AS commission_fen FROM commission
  WHERE cycle = ? AND period = ? AND payee_id = ? AND kind IN ('accrual', 'adjustment') GROUP BY order_id) p
LEFT JOIN shop_order o ON o.id = p.order_id ORDER BY p.commission_fen DESC, p.order_id LIMIT ?`
)

// OriginOf says which statements and orders the money of a withdrawal comes from, as if what came first had left first.
// Fen have no names, so this is where to look and not a proof; the refunds are as they are now.
func OriginOf(ctx context.Context, q store.Q, s OriginScope) (o Origin, err error) {
	if err := q.Get(ctx, &o.After, availableAfterSQL, s.Distributor, "hold:"+s.Withdrawal.String()); err != nil {
		return o, fmt.Errorf("read the balance at the request: %w", err)
	}
	var posted []OriginStatement
	if err := q.Select(ctx, &posted, originStatementsSQL, s.Distributor, s.RequestedMs, originStatementsMax); err != nil {
		return o, fmt.Errorf("list the statements behind a withdrawal: %w", err)
	}
	o.Statements = taken(posted, o.After, s.Amount)
	for i := range o.Statements {
		if err := o.Statements[i].load(ctx, q, s.Distributor); err != nil {
			return o, err
		}
	}
	return o, nil
}

// taken finds the statements, newest first, that an amount is made of when what stays is the newest.
func taken(posted []OriginStatement, stays, amount money.Fen) []OriginStatement {
	var out []OriginStatement
	for _, p := range posted {
		credited := p.Total - p.DebtRepaid
		left := min(stays, credited)
		stays -= left
		p.Taken = min(amount, credited-left)
		amount -= p.Taken
		if p.Taken > 0 {
			out = append(out, p)
		}
	}
	return out
}

func (s *OriginStatement) load(ctx context.Context, q store.Q, payee base.DistributorID) error {
	if err := q.Get(ctx, &s.OrderCount, originCountSQL, s.Cycle, s.First, payee); err != nil {
		return fmt.Errorf("count the orders of statement %s: %w", s.ID, err)
	}
	if err := q.Select(ctx, &s.Orders, originOrdersSQL, payee, s.Cycle, s.First, payee, originOrdersMax); err != nil {
		return fmt.Errorf("list the orders of statement %s: %w", s.ID, err)
	}
	return nil
}
