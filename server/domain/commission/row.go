package commission

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// RowKind is what a commission row does.
type RowKind string

const (
	Accrual       RowKind = "accrual"
	ReversalEarly RowKind = "reversal_early" // before its statement's period ended: on the same statement
	ReversalLate  RowKind = "reversal_late"  // after: taken from available, then debt
	Adjusted      RowKind = "adjustment"
)

// Row is one commission row. It is written once; only DueMs (once), and RipeMs with Period (once), are set later.
type Row struct {
	ID        base.CommissionID  `db:"id"`
	Share     base.ShareID       `db:"share_id"` // of an adjustment: its own id, because it has no share
	Order     base.OrderID       `db:"order_id"`
	Line      base.LineID        `db:"line_id"`
	Tier      base.Tier          `db:"tier"`
	Revision  int                `db:"revision"`
	Payee     base.DistributorID `db:"payee_id"`
	Cycle     base.Cycle         `db:"cycle"`
	Kind      RowKind            `db:"kind"`
	Amount    money.Fen          `db:"amount_fen"` // negative for reversals
	Refund    base.RefundID      `db:"refund_id"`
	Refunded  money.Fen          `db:"refunded_fen"` // of the line so far, of a reversal
	Base      money.Fen          `db:"base_fen"`     // of the line
	AccruedMs int64              `db:"accrued_ms"`   // when the row was written
	DueMs     int64              `db:"due_ms"`       // it ripens no earlier; 0: goods not received yet
	RipeMs    int64              `db:"ripe_ms"`      // 0: not ripe; a late reversal has its own moment
	Period    base.BusinessDay   `db:"period"`       // first day of the period of RipeMs; 0: not ripe
}

// ErrNotFound says that there is no such commission, share or rule.
var ErrNotFound = errs.E(errs.NotFound, "commission.not_found", "没有找到该记录，请刷新后再试", errs.EN("There is no such record."))

const (
	rowColumns   = `id, share_id, order_id, line_id, tier, revision, payee_id, cycle, kind, amount_fen, refund_id, refunded_fen, base_fen, accrued_ms, due_ms, ripe_ms, period`
	insertRowSQL = `INSERT INTO commission (` + rowColumns + `) VALUES (:id, :share_id, :order_id, :line_id, :tier, :revision, :payee_id, :cycle,
	:kind, :amount_fen, :refund_id, :refunded_fen, :base_fen, :accrued_ms, :due_ms, :ripe_ms, :period)`
	rowsOfOrderSQL = `SELECT ` + rowColumns + ` FROM commission WHERE order_id = ? ORDER BY id`
	rowsOfShareSQL = `SELECT ` + rowColumns + ` FROM commission WHERE share_id = ? ORDER BY id`
	rowByIDSQL     = `SELECT ` + rowColumns + ` FROM commission WHERE id = ?`
)

// RowsOf lists all commission rows of an order, oldest first.
func RowsOf(ctx context.Context, q store.Q, order base.OrderID) ([]Row, error) {
	var rows []Row
	err := q.Select(ctx, &rows, rowsOfOrderSQL, order)
	return rows, err
}

// RowsOfShare lists an accrual with its reversals, oldest first.
func RowsOfShare(ctx context.Context, q store.Q, share base.ShareID) ([]Row, error) {
	var rows []Row
	err := q.Select(ctx, &rows, rowsOfShareSQL, share)
	return rows, err
}

// RowByID reads one row.
func RowByID(ctx context.Context, q store.Q, id base.CommissionID) (Row, error) {
	var r Row
	err := q.Get(ctx, &r, rowByIDSQL, id)
	if store.NotFound(err) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read commission %s: %w", id, err)
	}
	return r, nil
}

// Filter says which rows an admin wants to see; zero fields do not filter.
type Filter struct {
	Order  base.OrderID
	Payee  base.DistributorID
	Kind   RowKind
	Before base.CommissionID // rows older than this one; 0: from the newest
	Limit  int
}

const listRowsSQL = `SELECT ` + rowColumns + ` FROM commission
WHERE (? = 0 OR order_id = ?) AND (? = 0 OR payee_id = ?) AND (? = '' OR kind = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`

// listMax is a page of 100 and one more row, which says that there is another page.
const listMax = 101

// pageOf bounds the length of a list; 0 is the most there may be.
func pageOf(limit int) int {
	if limit < 1 || limit > listMax {
		return listMax
	}
	return limit
}

// List returns rows, newest first, at most 101.
func List(ctx context.Context, q store.Q, f Filter) ([]Row, error) {
	var rows []Row
	err := q.Select(ctx, &rows, listRowsSQL, f.Order, f.Order, f.Payee, f.Payee, f.Kind, f.Kind, f.Before, f.Before, pageOf(f.Limit))
	return rows, err
}
