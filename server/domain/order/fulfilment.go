package order

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// FulfilmentState is where a parcel stands.
type FulfilmentState string

const (
	Allocated FulfilmentState = "allocated" // to be sent from a warehouse
	Shipped   FulfilmentState = "shipped"
	Received  FulfilmentState = "received"
	Dropped   FulfilmentState = "cancelled" // nothing of it is left to send: it went in other parcels, or was refunded
)

// fulfilmentMoves is the whole life of a parcel.
var fulfilmentMoves = map[FulfilmentState][]FulfilmentState{
	Allocated: {Shipped, Dropped},
	Shipped:   {Received},
}

// CanBecome says whether a parcel may go from s to the state to.
func (s FulfilmentState) CanBecome(to FulfilmentState) bool {
	return slices.Contains(fulfilmentMoves[s], to)
}

// Fulfilment is some quantities of some lines that go together. An order's goods are allocated when it is paid; each
// parcel takes its quantities out of what is allocated.
type Fulfilment struct {
	ID          base.FulfilmentID `db:"id"`
	Order       base.OrderID      `db:"order_id"`
	Warehouse   int64             `db:"warehouse_id"`
	State       FulfilmentState   `db:"state"`
	Carrier     string            `db:"carrier"` // WeChat's code of the express company; empty for pick-up
	TrackingNo  string            `db:"tracking_no"`
	AllocatedMs int64             `db:"allocated_ms"`
	ShippedMs   int64             `db:"shipped_ms"`
	ShippedBy   string            `db:"shipped_by"`
	DueMs       int64             `db:"due_ms"` // when it is received by itself
	ReceivedMs  int64             `db:"received_ms"`
	ReceivedBy  string            `db:"received_by"`
	CancelledMs int64             `db:"cancelled_ms"`
	Lines       []FulfilmentLine  `db:"-"`
}

// FulfilmentLine is a quantity of one line.
type FulfilmentLine struct {
	Fulfilment base.FulfilmentID `db:"fulfilment_id"`
	Line       base.LineID       `db:"line_id"`
	Qty        int64             `db:"qty"`
}

// qtyOf is how much of a line a parcel has.
func (f Fulfilment) qtyOf(line base.LineID) int64 {
	for _, l := range f.Lines {
		if l.Line == line {
			return l.Qty
		}
	}
	return 0
}

const (
	fulfilmentColumns = `id, order_id, warehouse_id, state, carrier, tracking_no, allocated_ms, shipped_ms, shipped_by, due_ms, received_ms, received_by, cancelled_ms`
	insertFulfilSQL   = `INSERT INTO fulfilment (` + fulfilmentColumns + `)
VALUES (:id, :order_id, :warehouse_id, :state, :carrier, :tracking_no, :allocated_ms, :shipped_ms, :shipped_by, :due_ms, :received_ms, :received_by, :cancelled_ms)`
	insertFulfilLineSQL = `INSERT INTO fulfilment_line (fulfilment_id, line_id, qty) VALUES (:fulfilment_id, :line_id, :qty)`
	fulfilmentsOfSQL    = `SELECT ` + fulfilmentColumns + ` FROM fulfilment WHERE order_id IN (?) AND state <> 'cancelled' ORDER BY order_id, id`
	fulfilmentByIDSQL   = `SELECT ` + fulfilmentColumns + ` FROM fulfilment WHERE id = ?`
	fulfilLinesSQL      = `
SELECT l.fulfilment_id, l.line_id, l.qty FROM fulfilment_line l JOIN fulfilment f ON f.id = l.fulfilment_id
WHERE f.order_id IN (?) AND f.state <> 'cancelled' AND l.qty > 0 ORDER BY l.fulfilment_id, l.line_id`
	takeSQL = `
UPDATE fulfilment_line SET qty = qty - ? WHERE fulfilment_id = ? AND line_id = ? AND qty >= ?`
	dropFulfilSQL    = `UPDATE fulfilment SET state = ?, cancelled_ms = ? WHERE id = ? AND state = ?`
	receiveFulfilSQL = `UPDATE fulfilment SET state = ?, received_ms = ?, received_by = ? WHERE id = ? AND state = ?`
	receiveLineSQL   = `UPDATE order_line SET received_qty = received_qty + ? WHERE id = ? AND received_qty + ? <= qty`
	lineReceivedSQL  = `UPDATE order_line SET received_ms = ? WHERE id = ? AND received_ms = 0`
	dueFulfilSQL     = `SELECT ` + fulfilmentColumns + ` FROM fulfilment WHERE state = 'shipped' AND due_ms <= ? ORDER BY due_ms, id LIMIT ?`
)

// What this package refuses about parcels.
var (
	ErrNothingToShip = errs.E(errs.Conflict, "order.nothing_to_ship", "没有待发货的商品，或数量超过待发数量，请刷新后再试",
		errs.EN("Nothing is left to ship, or you ship more than is left. Reload and try again."))
	ErrNothingToReceive = errs.E(errs.Conflict, "order.nothing_to_receive", "没有待收货的包裹", errs.EN("No parcel is waiting to be received."))
	ErrParcel           = errs.E(errs.Invalid, "order.parcel_invalid", "包裹信息有误：快递公司为微信编码，运单号为 1 到 64 位字母、数字或连字符",
		errs.EN("The parcel is wrong: the carrier is WeChat's code, the tracking number has 1 to 64 letters, digits or hyphens."))
)

var errFulfilment = fmt.Errorf("order: parcel has moved")

// Allocate makes the goods of orders that have just been paid ready to be sent: one parcel to be for each order, in two
// statements for all. Lines are of these orders only.
func Allocate(ctx context.Context, tx *store.Tx, warehouse int64, lines []Line) error {
	var heads []Fulfilment
	rows := make([]FulfilmentLine, 0, len(lines))
	at := map[base.OrderID]base.FulfilmentID{}
	for _, l := range lines {
		id, there := at[l.Order]
		if !there {
			id = base.FulfilmentID(tx.NextID())
			at[l.Order] = id
			heads = append(heads, Fulfilment{ID: id, Order: l.Order, Warehouse: warehouse, State: Allocated, AllocatedMs: tx.NowMs()})
		}
		rows = append(rows, FulfilmentLine{id, l.ID, l.Qty})
	}
	if err := tx.Insert(ctx, insertFulfilSQL, heads); err != nil {
		return fmt.Errorf("allocate goods: %w", err)
	}
	if err := tx.Insert(ctx, insertFulfilLineSQL, rows); err != nil {
		return fmt.Errorf("allocate goods: %w", err)
	}
	return nil
}

// Fulfilments returns the parcels of one or more orders with their quantities, oldest first; those that are cancelled
// are left out.
func Fulfilments(ctx context.Context, q store.Q, orders ...base.OrderID) ([]Fulfilment, error) {
	var out []Fulfilment
	if err := selectIn(ctx, q, &out, fulfilmentsOfSQL, orders); err != nil {
		return nil, err
	}
	var lines []FulfilmentLine
	if err := selectIn(ctx, q, &lines, fulfilLinesSQL, orders); err != nil {
		return nil, err
	}
	for _, l := range lines {
		// Outside of a snapshot a parcel may have come between the two statements; the next read has it.
		i := slices.IndexFunc(out, func(f Fulfilment) bool { return f.ID == l.Fulfilment })
		if i >= 0 {
			out[i].Lines = append(out[i].Lines, l)
		}
	}
	return out, nil
}

// FulfilmentByID finds a parcel, without its quantities.
func FulfilmentByID(ctx context.Context, q store.Q, id base.FulfilmentID) (Fulfilment, bool, error) {
	var f Fulfilment
	err := q.Get(ctx, &f, fulfilmentByIDSQL, id)
	if store.NotFound(err) {
		return Fulfilment{}, false, nil
	}
	return f, err == nil, err
}

// Parcel is goods on their way to a customer.
type Parcel struct {
	ID         base.FulfilmentID // minted by the caller, who keeps it for every retry
	Order      base.OrderID
	Carrier    string           // empty for pick-up
	TrackingNo string           // likewise
	Lines      []FulfilmentLine // Fulfilment is not looked at; none: all that is left
	DueMs      int64            // when it is received by itself
	By         base.Actor
}

// Check refuses a parcel whose carrier and number are not such, for the way of delivery.
func (p Parcel) Check(d Delivery) error {
	if d == PickUp && p.Carrier == "" && p.TrackingNo == "" {
		return nil
	}
	if !isCode(p.Carrier, 1, 32) || !isCode(p.TrackingNo, 1, 64) {
		return ErrParcel
	}
	return nil
}

func isCode(s string, shortest, longest int) bool {
	return len(s) >= shortest && len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// Ship takes a parcel's quantities out of what is allocated and stores it as shipped. The caller has locked the order
// and read its parcels. It returns the parcel with its quantities, or ErrNothingToShip.
func Ship(ctx context.Context, tx *store.Tx, p Parcel, parcels []Fulfilment) (Fulfilment, error) {
	from, ok := allocatedOf(parcels)
	if !ok {
		return Fulfilment{}, ErrNothingToShip
	}
	if len(p.Lines) == 0 {
		p.Lines = from.Lines
	}
	out := Fulfilment{
		ID: p.ID, Order: p.Order, Warehouse: from.Warehouse, State: Shipped, Carrier: p.Carrier, TrackingNo: p.TrackingNo,
		AllocatedMs: from.AllocatedMs, ShippedMs: tx.NowMs(), ShippedBy: p.By.String(), DueMs: p.DueMs,
	}
	taken := make([]FulfilmentLine, len(p.Lines))
	for i, l := range p.Lines {
		taken[i] = FulfilmentLine{p.ID, l.Line, l.Qty}
	}
	if err := take(ctx, tx, from, taken); err != nil {
		return Fulfilment{}, err
	}
	out.Lines = taken
	if err := tx.Insert(ctx, insertFulfilSQL, out); err != nil {
		return Fulfilment{}, fmt.Errorf("write parcel: %w", err)
	}
	if err := tx.Insert(ctx, insertFulfilLineSQL, taken); err != nil {
		return Fulfilment{}, fmt.Errorf("write parcel: %w", err)
	}
	return out, nil
}

func allocatedOf(parcels []Fulfilment) (Fulfilment, bool) {
	i := slices.IndexFunc(parcels, func(f Fulfilment) bool { return f.State == Allocated })
	if i < 0 {
		return Fulfilment{}, false
	}
	return parcels[i], true
}

// take removes quantities from what is allocated; once nothing is left the allocation is over.
func take(ctx context.Context, tx *store.Tx, from Fulfilment, lines []FulfilmentLine) error {
	var left, taken int64
	for _, l := range from.Lines {
		left += l.Qty
	}
	seen := map[base.LineID]bool{}
	for _, l := range lines {
		if l.Qty < 1 || seen[l.Line] {
			return ErrNothingToShip
		}
		seen[l.Line] = true
		ok, err := tx.ExecOne(ctx, takeSQL, l.Qty, from.ID, l.Line, l.Qty)
		if err != nil {
			return fmt.Errorf("take from allocated goods: %w", err)
		}
		if !ok {
			return ErrNothingToShip
		}
		taken += l.Qty
	}
	if taken < left {
		return nil
	}
	return parcelMoved(tx.ExecOne(ctx, dropFulfilSQL, Dropped, tx.NowMs(), from.ID, Allocated))
}

func parcelMoved(ok bool, err error) error {
	if err == nil && !ok {
		err = errFulfilment
	}
	return err
}

// Receive marks parcels as received and adds their quantities to the lines. The caller has locked the order.
func Receive(ctx context.Context, tx *store.Tx, parcels []Fulfilment, by base.Actor) error {
	for _, f := range parcels {
		if err := parcelMoved(tx.ExecOne(ctx, receiveFulfilSQL, Received, tx.NowMs(), by.String(), f.ID, Shipped)); err != nil {
			return fmt.Errorf("receive parcel: %w", err)
		}
		for _, l := range f.Lines {
			if err := parcelMoved(tx.ExecOne(ctx, receiveLineSQL, l.Qty, l.Line, l.Qty)); err != nil {
				return fmt.Errorf("receive line: %w", err)
			}
		}
	}
	return nil
}

// Arrived marks the lines of which nothing is on its way any more, and returns those that were not marked before; all
// says that nothing of the order is. Parcels are read after the change that may have done it.
func Arrived(ctx context.Context, tx *store.Tx, lines []Line, parcels []Fulfilment) (fresh []Line, all bool, err error) {
	all = true
	for _, l := range lines {
		waiting := false
		for _, f := range parcels {
			waiting = waiting || (f.State == Allocated || f.State == Shipped) && f.qtyOf(l.ID) > 0
		}
		if waiting {
			all = false
			continue
		}
		if l.ReceivedMs != 0 {
			continue
		}
		ok, err := tx.ExecOne(ctx, lineReceivedSQL, tx.NowMs(), l.ID)
		if err != nil {
			return nil, false, fmt.Errorf("mark line received: %w", err)
		}
		if ok {
			l.ReceivedMs = tx.NowMs()
			fresh = append(fresh, l)
		}
	}
	return fresh, all, nil
}

// DueToReceive returns parcels that are received by themselves now, the longest waiting first.
func DueToReceive(ctx context.Context, q store.Q, nowMs int64, limit int) ([]Fulfilment, error) {
	var out []Fulfilment
	err := q.Select(ctx, &out, dueFulfilSQL, nowMs, limit)
	return out, err
}

// DeliveryState is how far an order's delivery is.
type DeliveryState string

const (
	DeliveredNone DeliveryState = "none"
	DeliveredPart DeliveryState = "part"
	DeliveredAll  DeliveryState = "all"
)

// ShippedState says how much of an order was sent.
func ShippedState(parcels []Fulfilment) DeliveryState {
	return share(parcels, func(f Fulfilment) bool { return f.State == Shipped || f.State == Received })
}

// ReceivedState says how much of an order was received.
func ReceivedState(parcels []Fulfilment) DeliveryState {
	return share(parcels, func(f Fulfilment) bool { return f.State == Received })
}

func share(parcels []Fulfilment, has func(Fulfilment) bool) DeliveryState {
	some, rest := false, false
	for _, f := range parcels {
		some, rest = some || has(f), rest || !has(f)
	}
	switch {
	case some && rest:
		return DeliveredPart
	case some:
		return DeliveredAll
	default:
		return DeliveredNone
	}
}
