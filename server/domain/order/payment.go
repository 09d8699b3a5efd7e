package order

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

// PaymentState is where a payment stands, as far as we know.
type PaymentState string

const (
	PaymentOpen     PaymentState = "open"     // may be paid
	PaymentCaptured PaymentState = "captured" // WeChat has the money
	PaymentClosed   PaymentState = "closed"   // will not be paid
)

// paymentMoves is the whole life of a payment. WeChat's word wins over ours: a closed one that was paid after all is
// captured.
var paymentMoves = map[PaymentState][]PaymentState{
	PaymentOpen:   {PaymentCaptured, PaymentClosed},
	PaymentClosed: {PaymentCaptured},
}

// CanBecome says whether a payment may go from s to the state to.
func (s PaymentState) CanBecome(to PaymentState) bool { return slices.Contains(paymentMoves[s], to) }

// Payment is one number under which a customer may pay an order. An order has at most one that is open, so that no two
// taps make two payable numbers, and at most one that counts.
type Payment struct {
	ID            base.PaymentID `db:"id"`
	Order         base.OrderID   `db:"order_id"`
	OpenOrder     *base.OrderID  `db:"open_order_id"`     // = Order while open
	CountingOrder *base.OrderID  `db:"counting_order_id"` // = Order if this is the payment that paid it
	OutTradeNo    string         `db:"out_trade_no"`
	TransactionID *string        `db:"transaction_id"` // WeChat's, once captured
	State         PaymentState   `db:"state"`
	Amount        money.Fen      `db:"amount_fen"`
	Refunded      money.Fen      `db:"refunded_fen"` // approved, never above Amount
	Payer         string         `db:"payer_openid"`
	Params        string         `db:"params"` // JSON of the wechat.PrepayRequest, the same for all tries
	PrepayID      string         `db:"prepay_id"`
	PrepayMs      int64          `db:"prepay_ms"`  // when WeChat gave it
	CalledMs      int64          `db:"called_ms"`  // when WeChat was last asked to open it
	ClosingMs     int64          `db:"closing_ms"` // since when it is being closed: no further Prepay
	CreatedMs     int64          `db:"created_ms"`
	CapturedMs    int64          `db:"captured_ms"` // WeChat's time of success
	ClosedMs      int64          `db:"closed_ms"`
	NextMs        int64          `db:"next_ms"` // when to ask WeChat about it
	Tries         int            `db:"tries"`
}

// Counts says whether this payment is the one that paid its order.
func (p Payment) Counts() bool { return p.CountingOrder != nil }

// Transaction is WeChat's number, or "".
func (p Payment) Transaction() string {
	if p.TransactionID == nil {
		return ""
	}
	return *p.TransactionID
}

// Request is what WeChat is asked with, each time the same.
func (p Payment) Request() (r wechat.PrepayRequest, err error) {
	if err = json.Unmarshal([]byte(p.Params), &r); err != nil {
		err = fmt.Errorf("read parameters of %s: %w", p.ID, err)
	}
	return r, err
}

const (
	paymentColumns = `id, order_id, open_order_id, counting_order_id, out_trade_no, transaction_id, state, amount_fen, refunded_fen, payer_openid,
params, prepay_id, prepay_ms, called_ms, closing_ms, created_ms, captured_ms, closed_ms, next_ms, tries`
	insertPaymentSQL = `INSERT INTO payment (` + paymentColumns + `)
VALUES (:id, :order_id, :open_order_id, :counting_order_id, :out_trade_no, :transaction_id, :state, :amount_fen, :refunded_fen, :payer_openid,
:params, :prepay_id, :prepay_ms, :called_ms, :closing_ms, :created_ms, :captured_ms, :closed_ms, :next_ms, :tries)`
	paymentByIDSQL     = `SELECT ` + paymentColumns + ` FROM payment WHERE id = ?`
	openPaymentSQL     = `SELECT ` + paymentColumns + ` FROM payment WHERE open_order_id = ?`
	countingPaymentSQL = `SELECT ` + paymentColumns + ` FROM payment WHERE counting_order_id = ?`
	paymentsOfSQL      = `SELECT ` + paymentColumns + ` FROM payment WHERE order_id = ? ORDER BY id`
	paymentsByNoSQL    = `SELECT ` + paymentColumns + ` FROM payment WHERE out_trade_no IN (?) ORDER BY id`
	paymentByTxSQL     = `SELECT ` + paymentColumns + ` FROM payment WHERE transaction_id = ?`
	lockByNoSQL        = `SELECT ` + columns + ` FROM shop_order WHERE id IN (SELECT order_id FROM payment WHERE out_trade_no IN (?)) ORDER BY id /*! FOR UPDATE */`
	callSQL            = `UPDATE payment SET called_ms = ?, next_ms = ?, tries = 0 WHERE id = ? AND state = 'open' AND closing_ms = 0`
	prepaidSQL         = `UPDATE payment SET prepay_id = ?, prepay_ms = ? WHERE id = ?`
	closingSQL         = `UPDATE payment SET closing_ms = ? WHERE id = ? AND state = 'open'`
	closeSQL           = `UPDATE payment SET state = ?, open_order_id = NULL, closed_ms = ? WHERE id = ? AND state = ?`
	duePaymentsSQL     = `SELECT ` + paymentColumns + ` FROM payment WHERE state = 'open' AND next_ms > 0 AND next_ms <= ? ORDER BY next_ms, id LIMIT ?`
	askLaterSQL        = `UPDATE payment SET next_ms = ?, tries = tries + 1 WHERE id = ? AND state = 'open'`
	chargeSQL          = `UPDATE payment SET refunded_fen = refunded_fen + ? WHERE id = ? AND state = 'captured' AND refunded_fen + ? <= amount_fen`
)

var errPaymentMoved = errs.E(errs.Conflict, "payment.moved", "支付状态已变化，请刷新后再试", errs.EN("The payment has moved on. Reload and try again."))

// OpenPayment returns the open payment of an order, made from p if there is none. The caller has locked the order.
func OpenPayment(ctx context.Context, tx *store.Tx, p Payment, request wechat.PrepayRequest) (Payment, error) {
	there, ok, err := OpenPaymentOf(ctx, tx, p.Order)
	if err != nil || ok {
		return there, err
	}
	params, err := json.Marshal(request)
	if err != nil {
		return Payment{}, fmt.Errorf("open payment: %w", err)
	}
	p.OpenOrder, p.OutTradeNo, p.State, p.Params, p.CreatedMs = &p.Order, request.OutTradeNo, PaymentOpen, string(params), tx.NowMs()
	if err := tx.Insert(ctx, insertPaymentSQL, p); err != nil {
		return Payment{}, fmt.Errorf("open payment: %w", err)
	}
	return p, nil
}

// OpenPaymentOf returns an order's open payment, if it has one.
func OpenPaymentOf(ctx context.Context, q store.Q, id base.OrderID) (Payment, bool, error) {
	return onePayment(ctx, q, openPaymentSQL, id)
}

// CountingPayment returns the payment that paid an order. An order of 0.00 has none.
func CountingPayment(ctx context.Context, q store.Q, id base.OrderID) (Payment, bool, error) {
	return onePayment(ctx, q, countingPaymentSQL, id)
}

// PaymentByTransaction finds a captured payment by WeChat's number.
func PaymentByTransaction(ctx context.Context, q store.Q, transaction string) (Payment, bool, error) {
	return onePayment(ctx, q, paymentByTxSQL, transaction)
}

// PaymentByID finds a payment.
func PaymentByID(ctx context.Context, q store.Q, id base.PaymentID) (Payment, bool, error) {
	return onePayment(ctx, q, paymentByIDSQL, id)
}

func onePayment(ctx context.Context, q store.Q, query string, arg any) (Payment, bool, error) {
	var p Payment
	err := q.Get(ctx, &p, query, arg)
	if store.NotFound(err) {
		return Payment{}, false, nil
	}
	if err != nil {
		return Payment{}, false, fmt.Errorf("read payment: %w", err)
	}
	return p, true, nil
}

// Payments returns all payments of an order, oldest first.
func Payments(ctx context.Context, q store.Q, id base.OrderID) ([]Payment, error) {
	var out []Payment
	err := q.Select(ctx, &out, paymentsOfSQL, id)
	return out, err
}

// NoteCall records that WeChat is about to be asked to open a payment, and says whether it may still be: not once it is
// being closed. It is asked about again at nextMs.
func NoteCall(ctx context.Context, tx *store.Tx, id base.PaymentID, nextMs int64) (bool, error) {
	return tx.ExecOne(ctx, callSQL, tx.NowMs(), nextMs, id)
}

// SetPrepay keeps the prepay id that WeChat gave.
func SetPrepay(ctx context.Context, tx *store.Tx, id base.PaymentID, prepayID string) error {
	_, err := tx.Exec(ctx, prepaidSQL, prepayID, tx.NowMs(), id)
	return err
}

// StartClosing stops further calls that would open a payment. It says whether the payment was still open.
func StartClosing(ctx context.Context, tx *store.Tx, id base.PaymentID) (bool, error) {
	return tx.ExecOne(ctx, closingSQL, tx.NowMs(), id)
}

// ClosePayment moves a payment from open to closed, and says whether it was open.
func ClosePayment(ctx context.Context, tx *store.Tx, id base.PaymentID) (bool, error) {
	return tx.ExecOne(ctx, closeSQL, PaymentClosed, tx.NowMs(), id, PaymentOpen)
}

// DuePayments returns open payments that WeChat should be asked about.
func DuePayments(ctx context.Context, q store.Q, nowMs int64, limit int) ([]Payment, error) {
	var out []Payment
	err := q.Select(ctx, &out, duePaymentsSQL, nowMs, limit)
	return out, err
}

// AskLater puts off the next question about an open payment.
func AskLater(ctx context.Context, tx *store.Tx, id base.PaymentID, nextMs int64) error {
	_, err := tx.Exec(ctx, askLaterSQL, nextMs, id)
	return err
}

// LockByNumbers locks the orders of some payments and then reads the payments: in two round trips, however many they
// are. Everything that changes a payment holds its order's lock, so that what is read stays true.
func LockByNumbers(ctx context.Context, tx *store.Tx, outTradeNos []string) ([]Order, []Payment, error) {
	var orders []Order
	if err := selectIn(ctx, tx, &orders, lockByNoSQL, outTradeNos); err != nil {
		return nil, nil, err
	}
	var payments []Payment
	return orders, payments, selectIn(ctx, tx, &payments, paymentsByNoSQL, outTradeNos)
}

// Capture is a payment that WeChat has the money of.
type Capture struct {
	Payment     base.PaymentID
	Order       base.OrderID
	Transaction string
	Payer       string
	AtMs        int64 // WeChat's time of success
	Counts      bool  // it pays its order; else it has to go back
}

// CapturePayments moves payments to captured, all in one statement. The caller has locked their orders and knows that
// they are not captured.
func CapturePayments(ctx context.Context, tx *store.Tx, list []Capture) error {
	if len(list) == 0 {
		return nil
	}
	var args []any
	column := func(value func(Capture) any) {
		for _, c := range list {
			args = append(args, c.Payment, value(c))
		}
	}
	column(func(c Capture) any { return c.Transaction })
	column(func(c Capture) any { return c.Payer })
	column(func(c Capture) any { return c.AtMs })
	column(func(c Capture) any {
		if c.Counts {
			return c.Order
		}
		return nil
	})
	for _, c := range list {
		args = append(args, c.Payment)
	}
	n, err := tx.Exec(ctx, captureSQL(len(list)), args...)
	if err != nil {
		return fmt.Errorf("capture payments: %w", err)
	}
	if int(n) != len(list) {
		return errPaymentMoved
	}
	return nil
}

func captureSQL(n int) string {
	each := "CASE id" + strings.Repeat(" WHEN ? THEN ?", n) + " END"
	return "UPDATE payment SET state = 'captured', open_order_id = NULL, next_ms = 0, transaction_id = " + each + ", payer_openid = " + each +
		", captured_ms = " + each + ", counting_order_id = " + each +
		" WHERE id IN (?" + strings.Repeat(", ?", n-1) + ") AND state IN ('open', 'closed')"
}

// chargePayment counts a refund against its payment, or returns ErrExceeds.
func chargePayment(ctx context.Context, tx *store.Tx, id base.PaymentID, amount money.Fen) error {
	ok, err := tx.ExecOne(ctx, chargeSQL, amount, id, amount)
	if err == nil && !ok {
		err = ErrExceeds
	}
	return err
}
