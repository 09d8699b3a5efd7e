// Package order owns orders with their lines, payments, parcels and refunds, and knows how each of them may move. It
// computes prices and refunds purely; what else happens at each moment (stock, commissions, the ledger) is joined to it
// in flow.
package order

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/base/region"
	"fenxiao/server/store"
)

// State is where an order stands. How far its delivery is follows from its parcels.
type State string

const (
	Created   State = "created"
	Paid      State = "paid"
	Completed State = "completed" // all of it received or refunded
	Cancelled State = "cancelled" // before it was paid
)

// moves is the whole life of an order. What is not here cannot happen.
var moves = map[State][]State{
	Created: {Paid, Cancelled},
	Paid:    {Completed},
}

// Valid says whether the state is one of the four.
func (s State) Valid() bool { return s == Created || s == Paid || s == Completed || s == Cancelled }

// CanBecome says whether an order may go from s to the state to.
func (s State) CanBecome(to State) bool { return slices.Contains(moves[s], to) }

// Delivery is how an order reaches its customer.
type Delivery string

const (
	Courier Delivery = "courier"
	PickUp  Delivery = "pickup"
)

// Valid says whether the way is one of the two.
func (d Delivery) Valid() bool { return d == Courier || d == PickUp }

// AddressPlace is where an address is sealed: the argument of crypt.Box.
const AddressPlace = "shop_order.address"

// Bounds of an order.
const (
	LinesMax  = 50
	QtyMax    = 999 // units of one line
	RemarkMax = 200 // characters
)

// Order is what a customer ordered.
type Order struct {
	ID              base.OrderID    `db:"id"`
	Customer        base.CustomerID `db:"customer_id"`
	State           State           `db:"state"`
	Goods           money.Fen       `db:"goods_fen"` // of the lines, before discounts
	Discount        money.Fen       `db:"discount_fen"`
	Freight         money.Fen       `db:"freight_fen"`
	Total           money.Fen       `db:"total_fen"`
	Refunded        money.Fen       `db:"refunded_fen"` // of goods and freight, approved
	FreightRefunded money.Fen       `db:"freight_refunded_fen"`
	Pricing         string          `db:"pricing"` // JSON of Terms
	PolicyVersion   int             `db:"policy_version"`
	Delivery        Delivery        `db:"delivery"`
	Region          region.Code     `db:"region_code"`
	AddressEnc      string          `db:"address_enc"`
	Remark          string          `db:"remark"`
	CreatedMs       int64           `db:"created_ms"`
	ExpiresMs       int64           `db:"expires_ms"`
	CloseMs         int64           `db:"close_ms"` // when the job tries to close it; later than ExpiresMs after failed tries
	CloseTries      int             `db:"close_tries"`
	PaidMs          int64           `db:"paid_ms"`
	CompletedMs     int64           `db:"completed_ms"`
	CancelledMs     int64           `db:"cancelled_ms"`
	CancelReason    string          `db:"cancel_reason"`
	CancelledBy     string          `db:"cancelled_by"`
	Uploaded        string          `db:"shipping_uploaded"` // what of its shipping WeChat knows, see Upload
	Version         int             `db:"version"`
}

// Line is one SKU of an order.
type Line struct {
	ID            base.LineID    `db:"id"`
	Order         base.OrderID   `db:"order_id"`
	No            int            `db:"line_no"` // from 1
	Product       base.ProductID `db:"product_id"`
	SKU           base.SKUID     `db:"sku_id"`
	Name          string         `db:"name"`
	Category      string         `db:"category"`
	Qty           int64          `db:"qty"`
	Price         money.Fen      `db:"price_fen"` // of one
	Gross         money.Fen      `db:"gross_fen"`
	Discount      money.Fen      `db:"discount_fen"`
	Net           money.Fen      `db:"net_fen"`  // what is paid for the line: the base of its commissions
	Cost          money.Fen      `db:"cost_fen"` // of the whole line; −1: not known
	AftersaleDays int            `db:"aftersale_days"`
	ReceivedQty   int64          `db:"received_qty"`
	ReceivedMs    int64          `db:"received_ms"` // when nothing of it was on its way any more; 0: not yet
	Refunded      money.Fen      `db:"refunded_fen"`
	RefundedQty   int64          `db:"refunded_qty"`
}

// AftersaleEnd is when a received line's after-sale window is over.
func (l Line) AftersaleEnd() time.Time {
	return base.Time(l.ReceivedMs).Add(time.Duration(l.AftersaleDays) * 24 * time.Hour)
}

const (
	columns = `id, customer_id, state, goods_fen, discount_fen, freight_fen, total_fen, refunded_fen, freight_refunded_fen, pricing, policy_version,
delivery, region_code, address_enc, remark, created_ms, expires_ms, close_ms, close_tries, paid_ms, completed_ms, cancelled_ms, cancel_reason, cancelled_by,
shipping_uploaded, version`
	lineColumns = `id, order_id, line_no, product_id, sku_id, name, category, qty, price_fen, gross_fen, discount_fen, net_fen, cost_fen,
aftersale_days, received_qty, received_ms, refunded_fen, refunded_qty`
	byIDSQL    = `SELECT ` + columns + ` FROM shop_order WHERE id = ?`
	lockSQL    = byIDSQL + ` /*! FOR UPDATE */`
	linesOfSQL = `SELECT ` + lineColumns + ` FROM order_line WHERE order_id IN (?) ORDER BY order_id, line_no`
	insertSQL  = `INSERT INTO shop_order (` + columns + `)
VALUES (:id, :customer_id, :state, :goods_fen, :discount_fen, :freight_fen, :total_fen, :refunded_fen, :freight_refunded_fen, :pricing, :policy_version,
:delivery, :region_code, :address_enc, :remark, :created_ms, :expires_ms, :close_ms, :close_tries, :paid_ms, :completed_ms, :cancelled_ms, :cancel_reason, :cancelled_by,
:shipping_uploaded, :version)`
	insertLineSQL = `INSERT INTO order_line (` + lineColumns + `)
VALUES (:id, :order_id, :line_no, :product_id, :sku_id, :name, :category, :qty, :price_fen, :gross_fen, :discount_fen, :net_fen, :cost_fen,
:aftersale_days, :received_qty, :received_ms, :refunded_fen, :refunded_qty)`
	filterSQL = ` FROM shop_order WHERE (? = 0 OR customer_id = ?) AND (? = '' OR state = ?) AND created_ms >= ? AND (? = 0 OR created_ms < ?)`
	listSQL   = `SELECT ` + columns + filterSQL + ` AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ? OFFSET ?`
	countSQL  = `SELECT COUNT(*)` + filterSQL
	mineSQL   = `SELECT ` + columns + ` FROM shop_order WHERE customer_id = ? AND (? = '' OR state = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`
	dueSQL    = `SELECT id FROM shop_order WHERE state = 'created' AND close_ms <= ? ORDER BY close_ms, id LIMIT ?`
	wishSQL   = `UPDATE shop_order SET cancel_reason = ?, cancelled_by = ?, close_ms = ? WHERE id = ? AND state = 'created'`
	laterSQL  = `UPDATE shop_order SET close_ms = ?, close_tries = close_tries + 1 WHERE id = ? AND state = 'created'`
	paidSQL   = `UPDATE shop_order SET state = 'paid', paid_ms = ?, version = version + 1 WHERE id IN (?) AND state = 'created'`
	cancelSQL = `UPDATE shop_order SET state = ?, cancelled_ms = ?, cancel_reason = ?, cancelled_by = ?, version = version + 1 WHERE id = ? AND state = ?`
	finishSQL = `UPDATE shop_order SET state = ?, completed_ms = ?, version = version + 1 WHERE id = ? AND state = ?`
)

// What this package refuses about orders.
var (
	ErrNotFound = errs.E(errs.NotFound, "order.not_found", "没有找到该订单", errs.EN("There is no such order."))
	ErrMoved    = errs.E(errs.Conflict, "order.state_moved", "订单状态已变化，请刷新后再试", errs.EN("The order has moved on. Reload and try again."))
	ErrNotPaid  = errs.E(errs.Conflict, "order.not_paid", "订单尚未付款，不能进行此操作", errs.EN("The order is not paid."))
	ErrExpired  = errs.E(errs.Conflict, "order.expired", "订单已超过付款时间，请重新下单", errs.EN("The time to pay is over. Please order again."))
	ErrIsPaid   = errs.E(errs.Conflict, "order.already_paid", "订单已付款，无需再次支付；如需取消请申请退款",
		errs.EN("The order is paid already. To undo it, ask for a refund."))
	ErrIsCancelled = errs.E(errs.Conflict, "order.cancelled", "订单已取消，请重新下单", errs.EN("The order was cancelled. Please order again."))
	ErrLine        = errs.E(errs.NotFound, "order.line_not_found", "没有找到该订单商品", errs.EN("The order has no such line."))
)

// NewLine is a line before it has a price share.
type NewLine struct {
	ID            base.LineID
	Product       base.ProductID
	SKU           base.SKUID
	Name          string
	Category      string
	Qty           int64
	Price         money.Fen
	Cost          money.Fen // of one; −1: not known
	AftersaleDays int
}

// NewOrder is an order to be stored. Priced is what Price said of its lines and terms.
type NewOrder struct {
	ID            base.OrderID
	Customer      base.CustomerID
	Lines         []NewLine
	Terms         Terms
	Priced        Priced
	PolicyVersion int
	Delivery      Delivery
	Region        region.Code
	AddressEnc    string
	Remark        string
	ExpiresMs     int64
}

// Create stores an order in state created with its lines.
func Create(ctx context.Context, tx *store.Tx, in NewOrder) (Order, []Line, error) {
	if utf8.RuneCountInString(in.Remark) > RemarkMax || !utf8.ValidString(in.Remark) || !in.Delivery.Valid() || len(in.Lines) != len(in.Priced.Lines) {
		return Order{}, nil, fmt.Errorf("create order %s: input out of bounds", in.ID)
	}
	terms, err := json.Marshal(in.Terms)
	if err != nil {
		return Order{}, nil, fmt.Errorf("create order: %w", err)
	}
	o := Order{
		ID: in.ID, Customer: in.Customer, State: Created, Goods: in.Priced.Goods, Discount: in.Priced.Discount, Freight: in.Priced.Freight,
		Total: in.Priced.Total, Pricing: string(terms), PolicyVersion: in.PolicyVersion, Delivery: in.Delivery, Region: in.Region,
		AddressEnc: in.AddressEnc, Remark: in.Remark, CreatedMs: tx.NowMs(), ExpiresMs: in.ExpiresMs, CloseMs: in.ExpiresMs, Version: 1,
	}
	lines := make([]Line, len(in.Lines))
	for i, l := range in.Lines {
		cost := l.Cost
		if cost >= 0 {
			if cost, err = cost.Times(l.Qty); err != nil {
				return Order{}, nil, fmt.Errorf("create order: %w", err)
			}
		}
		p := in.Priced.Lines[i]
		lines[i] = Line{
			ID: l.ID, Order: in.ID, No: i + 1, Product: l.Product, SKU: l.SKU, Name: l.Name, Category: l.Category, Qty: l.Qty, Price: l.Price,
			Gross: p.Gross, Discount: p.Discount, Net: p.Net, Cost: cost, AftersaleDays: l.AftersaleDays,
		}
	}
	if err := tx.Insert(ctx, insertSQL, o); err != nil {
		return Order{}, nil, fmt.Errorf("write order: %w", err)
	}
	if err := tx.Insert(ctx, insertLineSQL, lines); err != nil {
		return Order{}, nil, fmt.Errorf("write order lines: %w", err)
	}
	return o, lines, nil
}

// Get returns an order, or ErrNotFound.
func Get(ctx context.Context, q store.Q, id base.OrderID) (Order, error) {
	return one(ctx, q, byIDSQL, id)
}

// Lock returns an order and keeps its row locked until the transaction ends. Everything that changes an order, its
// payments, parcels or refunds takes this lock first.
func Lock(ctx context.Context, tx *store.Tx, id base.OrderID) (Order, error) {
	return one(ctx, tx, lockSQL, id)
}

func one(ctx context.Context, q store.Q, query string, arg any) (Order, error) {
	var o Order
	err := q.Get(ctx, &o, query, arg)
	if store.NotFound(err) {
		return Order{}, ErrNotFound
	}
	if err != nil {
		return Order{}, fmt.Errorf("read order: %w", err)
	}
	return o, nil
}

// Lines returns the lines of one or more orders, by order and number.
func Lines(ctx context.Context, q store.Q, orders ...base.OrderID) ([]Line, error) {
	var out []Line
	return out, selectIn(ctx, q, &out, linesOfSQL, orders)
}

// selectIn runs a query whose first placeholder is a list; an empty one selects nothing.
func selectIn[T any](ctx context.Context, q store.Q, dest any, query string, list []T, more ...any) error {
	if len(list) == 0 {
		return nil
	}
	query, args, err := store.In(query, append([]any{list}, more...)...)
	if err == nil {
		err = q.Select(ctx, dest, query, args...)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", strings.Fields(query[strings.Index(query, "FROM"):])[1], err)
	}
	return nil
}

// Filter narrows a list of orders; what is empty does not.
type Filter struct {
	Customer base.CustomerID
	State    State
	FromMs   int64 // created at or after
	UntilMs  int64 // created before
	Before   base.OrderID
	Offset   int
	Limit    int
}

func (f Filter) args() []any {
	return []any{f.Customer, f.Customer, f.State, f.State, f.FromMs, f.UntilMs, f.UntilMs}
}

// List returns orders, newest first.
func List(ctx context.Context, q store.Q, f Filter) ([]Order, error) {
	var out []Order
	err := q.Select(ctx, &out, listSQL, append(f.args(), f.Before, f.Before, f.Limit, f.Offset)...)
	return out, err
}

// Mine returns a customer's orders, newest first; an empty state is all.
func Mine(ctx context.Context, q store.Q, f Filter) ([]Order, error) {
	var out []Order
	err := q.Select(ctx, &out, mineSQL, f.Customer, f.State, f.State, f.Before, f.Before, f.Limit)
	return out, err
}

// Count counts what List would return without its limit and cursor.
func Count(ctx context.Context, q store.Q, f Filter) (n int, err error) {
	err = q.Get(ctx, &n, countSQL, f.args()...)
	return n, err
}

// DueToClose returns unpaid orders whose time is over, the longest waiting first.
func DueToClose(ctx context.Context, q store.Q, nowMs int64, limit int) ([]base.OrderID, error) {
	var out []base.OrderID
	err := q.Select(ctx, &out, dueSQL, nowMs, limit)
	return out, err
}

// CloseLater puts off the next try to close an unpaid order, so that one that cannot be closed does not hold up others.
func CloseLater(ctx context.Context, tx *store.Tx, id base.OrderID, atMs int64) error {
	_, err := tx.Exec(ctx, laterSQL, atMs, id)
	return err
}

// WishCancel notes that an order is to be cancelled as soon as its payment is certainly closed, and by whom.
func WishCancel(ctx context.Context, tx *store.Tx, id base.OrderID, by base.Actor, reason string) error {
	_, err := tx.Exec(ctx, wishSQL, reason, by.String(), tx.NowMs(), id)
	return err
}

// MarkPaid moves orders, whose rows the caller has locked, from created to paid in one statement.
func MarkPaid(ctx context.Context, tx *store.Tx, orders []base.OrderID) error {
	if len(orders) == 0 {
		return nil
	}
	query, args, err := store.In(paidSQL, tx.NowMs(), orders)
	if err != nil {
		return fmt.Errorf("mark orders paid: %w", err)
	}
	n, err := tx.Exec(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("mark orders paid: %w", err)
	}
	if int(n) != len(orders) {
		return ErrMoved
	}
	return nil
}

// Cancel moves an order from created to cancelled, or returns ErrMoved. Who wished it before, and why, stays.
func Cancel(ctx context.Context, tx *store.Tx, o Order, by base.Actor, reason string) error {
	actor := by.String()
	if o.CancelledBy != "" {
		actor, reason = o.CancelledBy, o.CancelReason
	}
	return moved(tx.ExecOne(ctx, cancelSQL, Cancelled, tx.NowMs(), reason, actor, o.ID, Created))
}

// Complete moves an order from paid to completed, or returns ErrMoved.
func Complete(ctx context.Context, tx *store.Tx, id base.OrderID) error {
	return moved(tx.ExecOne(ctx, finishSQL, Completed, tx.NowMs(), id, Paid))
}

func moved(ok bool, err error) error {
	if err == nil && !ok {
		err = ErrMoved
	}
	return err
}
