package order

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// RefundState is where a refund stands.
type RefundState string

const (
	RefundRequested  RefundState = "requested"  // waits for a decision; holds the lines' commissions
	RefundApproved   RefundState = "approved"   // owed: booked everywhere here, to be sent to WeChat
	RefundProcessing RefundState = "processing" // WeChat has it
	RefundDone       RefundState = "done"       // the customer has the money
	RefundRejected   RefundState = "rejected"
	RefundWithdrawn  RefundState = "withdrawn" // by the customer, before a decision
	RefundAbnormal   RefundState = "abnormal"  // the customer's card cannot take it; still owed, somebody has to act
	RefundClosed     RefundState = "closed"    // WeChat gave up on the number; still owed, an operator tries again
)

// refundMoves is the whole life of a refund.
var refundMoves = map[RefundState][]RefundState{
	RefundRequested:  {RefundApproved, RefundRejected, RefundWithdrawn},
	RefundApproved:   {RefundProcessing, RefundDone, RefundAbnormal, RefundClosed},
	RefundProcessing: {RefundDone, RefundAbnormal, RefundClosed},
	RefundAbnormal:   {RefundDone, RefundClosed},
	RefundClosed:     {RefundApproved, RefundDone},
}

// Valid says whether the state is one of these.
func (s RefundState) Valid() bool {
	return slices.Contains([]RefundState{RefundRequested, RefundApproved, RefundProcessing, RefundDone, RefundRejected,
		RefundWithdrawn, RefundAbnormal, RefundClosed}, s)
}

// CanBecome says whether a refund may go from s to the state to.
func (s RefundState) CanBecome(to RefundState) bool { return slices.Contains(refundMoves[s], to) }

// RefundKind is why money goes back.
type RefundKind string

const (
	AfterSale   RefundKind = "after_sale"
	Goodwill    RefundKind = "goodwill"     // by an operator, without goods
	LatePayment RefundKind = "late_payment" // paid after the order was cancelled, or paid twice
	Adopted     RefundKind = "adopted"      // made outside, at WeChat
)

// Refund is money that goes back to a customer.
type Refund struct {
	ID           base.RefundID  `db:"id"`
	Order        base.OrderID   `db:"order_id"`
	Payment      base.PaymentID `db:"payment_id"`    // 0: of an order of 0.00
	OpenOrder    *base.OrderID  `db:"open_order_id"` // = Order while a customer's request waits: one at a time
	Kind         RefundKind     `db:"kind"`
	State        RefundState    `db:"state"`
	Amount       money.Fen      `db:"amount_fen"`  // all of it, freight included
	Freight      money.Fen      `db:"freight_fen"` // of it
	GoodsBack    int            `db:"goods_back"`  // 1: the goods are sent back
	Restock      int            `db:"restock"`     // 1: and are fit for sale again
	Reason       string         `db:"reason"`
	RejectReason string         `db:"reject_reason"`
	OutRefundNo  *string        `db:"out_refund_no"` // the number of the present attempt
	AttemptNo    int            `db:"attempt_no"`
	WeChatID     string         `db:"wechat_refund_id"`
	FailReason   string         `db:"fail_reason"` // what WeChat last said against it
	RequestedMs  int64          `db:"requested_ms"`
	RequestedBy  string         `db:"requested_by"`
	ApprovedMs   int64          `db:"approved_ms"` // first approved; 0: never
	DecidedMs    int64          `db:"decided_ms"`
	DecidedBy    string         `db:"decided_by"`
	SentMs       int64          `db:"sent_ms"`
	DoneMs       int64          `db:"done_ms"`
	NextMs       int64          `db:"next_ms"` // when to send it or ask about it
	Tries        int            `db:"tries"`
	Version      int            `db:"version"`
	Lines        []RefundLine   `db:"-"`
}

// RefundLine is the part of one line.
type RefundLine struct {
	Refund    base.RefundID `db:"refund_id"`
	Line      base.LineID   `db:"line_id"`
	Qty       int64         `db:"qty"`
	Unshipped int64         `db:"unshipped_qty"` // of Qty, what had not been sent when it was approved
	Amount    money.Fen     `db:"amount_fen"`
}

// Number is the present attempt's number at WeChat, or "".
func (r Refund) Number() string {
	if r.OutRefundNo == nil {
		return ""
	}
	return *r.OutRefundNo
}

// HoldRef is the reference under which an open request holds commissions.
func (r Refund) HoldRef() string { return "refund:" + r.ID.String() }

const (
	refundColumns = `id, order_id, payment_id, open_order_id, kind, state, amount_fen, freight_fen, goods_back, restock, reason, reject_reason,
out_refund_no, attempt_no, wechat_refund_id, fail_reason, requested_ms, requested_by, approved_ms, decided_ms, decided_by, sent_ms, done_ms,
next_ms, tries, version`
	insertRefundSQL = `INSERT INTO refund (` + refundColumns + `)
VALUES (:id, :order_id, :payment_id, :open_order_id, :kind, :state, :amount_fen, :freight_fen, :goods_back, :restock, :reason, :reject_reason,
:out_refund_no, :attempt_no, :wechat_refund_id, :fail_reason, :requested_ms, :requested_by, :approved_ms, :decided_ms, :decided_by, :sent_ms, :done_ms,
:next_ms, :tries, :version)`
	insertRefundLineSQL = `INSERT INTO refund_line (refund_id, line_id, qty, unshipped_qty, amount_fen)
VALUES (:refund_id, :line_id, :qty, :unshipped_qty, :amount_fen)`
	insertAttemptSQL  = `INSERT INTO refund_attempt (out_refund_no, refund_id, attempt_no, state, made_ms) VALUES (?, ?, ?, ?, ?)`
	attemptStateSQL   = `UPDATE refund_attempt SET state = ? WHERE out_refund_no = ?`
	refundByIDSQL     = `SELECT ` + refundColumns + ` FROM refund WHERE id = ?`
	refundsOfSQL      = `SELECT ` + refundColumns + ` FROM refund WHERE order_id = ? ORDER BY id`
	refundByNumberSQL = `SELECT ` + refundColumns + ` FROM refund WHERE id = (SELECT refund_id FROM refund_attempt WHERE out_refund_no = ?)`
	refundLinesSQL    = `SELECT refund_id, line_id, qty, unshipped_qty, amount_fen FROM refund_line WHERE refund_id IN (?) ORDER BY refund_id, line_id`
	openOnLinesSQL    = `
SELECT COUNT(*) FROM refund_line l JOIN refund r ON r.id = l.refund_id WHERE r.state = 'requested' AND l.qty > 0 AND l.line_id IN (?)`
	refundFilterSQL = ` FROM refund WHERE (? = 0 OR order_id = ?) AND (? = '' OR state = ?) AND (? = '' OR kind = ?)`
	refundListSQL   = `SELECT ` + refundColumns + refundFilterSQL + ` AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ? OFFSET ?`
	refundCountSQL  = `SELECT COUNT(*)` + refundFilterSQL
	refundMineSQL   = `
SELECT ` + refundColumns + ` FROM refund WHERE order_id IN (SELECT id FROM shop_order WHERE customer_id = ?) AND kind <> 'goodwill'
AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`
	dueRefundsSQL = `SELECT ` + refundColumns + ` FROM refund WHERE state = ? AND next_ms <= ? ORDER BY next_ms, id LIMIT ?`
	approveSQL    = `
UPDATE refund SET state = ?, open_order_id = NULL, restock = ?, out_refund_no = ?, attempt_no = 1, approved_ms = ?, decided_ms = ?, decided_by = ?,
done_ms = ?, next_ms = ?, version = version + 1 WHERE id = ? AND state = ?`
	rejectSQL = `
UPDATE refund SET state = ?, open_order_id = NULL, reject_reason = ?, decided_ms = ?, decided_by = ?, version = version + 1 WHERE id = ? AND state = ?`
	againSQL = `
UPDATE refund SET state = ?, out_refund_no = ?, attempt_no = attempt_no + 1, next_ms = ?, tries = 0, fail_reason = '', version = version + 1
WHERE id = ? AND state = ?`
	refundMoveSQL = `
UPDATE refund SET state = ?, wechat_refund_id = CASE WHEN ? = '' THEN wechat_refund_id ELSE ? END, fail_reason = ?,
sent_ms = CASE WHEN sent_ms = 0 THEN ? ELSE sent_ms END, done_ms = ?, next_ms = ?, tries = 0, version = version + 1 WHERE id = ? AND state = ?`
	refundLaterSQL = `UPDATE refund SET next_ms = ?, tries = tries + 1, fail_reason = ? WHERE id = ? AND state = ?`
	unshippedSQL   = `UPDATE refund_line SET unshipped_qty = ? WHERE refund_id = ? AND line_id = ?`
	chargeLineSQL  = `
UPDATE order_line SET refunded_fen = refunded_fen + ?, refunded_qty = refunded_qty + ?
WHERE id = ? AND order_id = ? AND refunded_fen + ? <= net_fen AND refunded_qty + ? <= qty`
	chargeOrderSQL = `
UPDATE shop_order SET refunded_fen = refunded_fen + ?, freight_refunded_fen = freight_refunded_fen + ?, version = version + 1
WHERE id = ? AND refunded_fen + ? <= total_fen AND freight_refunded_fen + ? <= freight_fen`
)

// What this package refuses about refunds.
var (
	ErrRefundNotFound = errs.E(errs.NotFound, "refund.not_found", "没有找到该退款", errs.EN("There is no such refund."))
	ErrRefundMoved    = errs.E(errs.Conflict, "refund.state_moved", "退款状态已变化，请刷新后再试", errs.EN("The refund has moved on. Reload and try again."))
	ErrRefundOpen     = errs.E(errs.Conflict, "refund.already_open", "该订单已有处理中的退款申请，请等待处理或先撤回",
		errs.EN("A request for this order is waiting. Wait for the decision or withdraw it."))
	ErrLineDisputed = errs.E(errs.Conflict, "order.refund_open", "要发货的商品有待处理的退款申请，请先处理该申请",
		errs.EN("A refund was asked for these goods. Decide about it before shipping."))
)

// RequestRefund stores a refund in state requested with its lines. Of two customer's requests for one order at once one
// gets ErrRefundOpen.
func RequestRefund(ctx context.Context, tx *store.Tx, r Refund, give Give) (Refund, error) {
	r.State, r.Amount, r.Freight, r.RequestedMs, r.Version = RefundRequested, give.Total, give.Freight, tx.NowMs(), 1
	return insertRefund(ctx, tx, r, give)
}

func insertRefund(ctx context.Context, tx *store.Tx, r Refund, give Give) (Refund, error) {
	err := tx.Insert(ctx, insertRefundSQL, r)
	if store.IsDup(err) {
		return Refund{}, ErrRefundOpen
	}
	if err != nil {
		return Refund{}, fmt.Errorf("write refund: %w", err)
	}
	for _, l := range give.Lines {
		r.Lines = append(r.Lines, RefundLine{Refund: r.ID, Line: l.Line, Qty: l.Qty, Amount: l.Amount})
	}
	if err := tx.Insert(ctx, insertRefundLineSQL, r.Lines); err != nil {
		return Refund{}, fmt.Errorf("write refund lines: %w", err)
	}
	return r, nil
}

// RefundByID returns a refund with its lines, or ErrRefundNotFound.
func RefundByID(ctx context.Context, q store.Q, id base.RefundID) (Refund, error) {
	r, ok, err := oneRefund(ctx, q, refundByIDSQL, id)
	if err == nil && !ok {
		err = ErrRefundNotFound
	}
	return r, err
}

// RefundByNumber finds a refund by the number of any of its attempts.
func RefundByNumber(ctx context.Context, q store.Q, outRefundNo string) (Refund, bool, error) {
	return oneRefund(ctx, q, refundByNumberSQL, outRefundNo)
}

func oneRefund(ctx context.Context, q store.Q, query string, arg any) (Refund, bool, error) {
	var r Refund
	err := q.Get(ctx, &r, query, arg)
	if store.NotFound(err) {
		return Refund{}, false, nil
	}
	if err != nil {
		return Refund{}, false, fmt.Errorf("read refund: %w", err)
	}
	list := []Refund{r}
	err = withRefundLines(ctx, q, list)
	return list[0], true, err
}

// Refunds returns the refunds of an order with their lines, oldest first.
func Refunds(ctx context.Context, q store.Q, id base.OrderID) ([]Refund, error) {
	return manyRefunds(ctx, q, refundsOfSQL, id)
}

func manyRefunds(ctx context.Context, q store.Q, query string, args ...any) ([]Refund, error) {
	var out []Refund
	if err := q.Select(ctx, &out, query, args...); err != nil {
		return nil, fmt.Errorf("read refunds: %w", err)
	}
	return out, withRefundLines(ctx, q, out)
}

func withRefundLines(ctx context.Context, q store.Q, list []Refund) error {
	wanted := make([]base.RefundID, len(list))
	for i, r := range list {
		wanted[i] = r.ID
	}
	var lines []RefundLine
	if err := selectIn(ctx, q, &lines, refundLinesSQL, wanted); err != nil {
		return err
	}
	for _, l := range lines {
		i := slices.Index(wanted, l.Refund)
		list[i].Lines = append(list[i].Lines, l)
	}
	return nil
}

// RefundFilter narrows a list of refunds; what is empty does not.
type RefundFilter struct {
	Order  base.OrderID
	State  RefundState
	Kind   RefundKind
	Before base.RefundID
	Offset int
	Limit  int
}

func (f RefundFilter) args() []any {
	return []any{f.Order, f.Order, f.State, f.State, f.Kind, f.Kind}
}

// ListRefunds returns refunds, newest first.
func ListRefunds(ctx context.Context, q store.Q, f RefundFilter) ([]Refund, error) {
	return manyRefunds(ctx, q, refundListSQL, append(f.args(), f.Before, f.Before, f.Limit, f.Offset)...)
}

// CountRefunds counts what ListRefunds would return without its limit and cursor.
func CountRefunds(ctx context.Context, q store.Q, f RefundFilter) (n int, err error) {
	err = q.Get(ctx, &n, refundCountSQL, f.args()...)
	return n, err
}

// RefundsOfCustomer returns the refunds of a customer's orders, newest first.
func RefundsOfCustomer(ctx context.Context, q store.Q, customer base.CustomerID, before base.RefundID, limit int) ([]Refund, error) {
	return manyRefunds(ctx, q, refundMineSQL, customer, before, before, limit)
}

// DueRefunds returns refunds in a state that are to be sent or asked about, the longest waiting first.
func DueRefunds(ctx context.Context, q store.Q, s RefundState, nowMs int64, limit int) ([]Refund, error) {
	return manyRefunds(ctx, q, dueRefundsSQL, s, nowMs, limit)
}

// Disputed says whether an open request asks for goods of some lines.
func Disputed(ctx context.Context, q store.Q, lines []base.LineID) (bool, error) {
	var n []int
	err := selectIn(ctx, q, &n, openOnLinesSQL, lines)
	return len(n) > 0 && n[0] > 0, err
}
