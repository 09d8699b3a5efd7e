// Package inventory owns stock: how much of a SKU lies in a warehouse, how much of that is promised to orders, and every
// movement that made it so. Nothing is ever negative, and a movement under a reference that is there already is not made
// twice.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// WarehouseID names a warehouse.
type WarehouseID int64

// Main is the warehouse that orders are sent from.
const Main WarehouseID = 1

// Kind is why stock moved.
type Kind string

const (
	Reserve Kind = "reserve" // an order was placed: promised, still there
	Release Kind = "release" // the promise is off: cancelled, or refunded before it was sent
	Commit  Kind = "commit"  // sent: no longer there, no longer promised
	Restock Kind = "restock" // came back from a customer, fit for sale
	Receive Kind = "receive" // came from a supplier
	Adjust  Kind = "adjust"  // a count found another quantity
)

// Kinds lists all of them.
var Kinds = []Kind{Reserve, Release, Commit, Restock, Receive, Adjust}

// QtyMax bounds one movement's quantity.
const QtyMax = 1_000_000

// delta is what one movement of a quantity does.
func (k Kind) delta(qty int64) (onHand, reserved int64) {
	switch k {
	case Reserve:
		return 0, qty
	case Release:
		return 0, -qty
	case Commit:
		return -qty, -qty
	default:
		return qty, 0
	}
}

// Item is a quantity of one SKU. It is positive; of an Adjust it may be negative.
type Item struct {
	SKU base.SKUID
	Qty int64
}

// Move is one business event that moves stock. (SKU, warehouse, Kind, Ref) is unique.
type Move struct {
	Kind      Kind
	Ref       string // id of the order, parcel, refund or entry behind it
	Warehouse WarehouseID
	Items     []Item // each SKU once
	Reason    string
	Actor     base.Actor
}

// Stock is what lies in a warehouse.
type Stock struct {
	SKU       base.SKUID  `db:"sku_id"`
	Warehouse WarehouseID `db:"warehouse_id"`
	OnHand    int64       `db:"on_hand"`
	Reserved  int64       `db:"reserved"`
	InTransit int64       `db:"in_transit"`
}

// Free is what can still be promised.
func (s Stock) Free() int64 { return s.OnHand - s.Reserved }

// Movement is a stored movement.
type Movement struct {
	ID             int64       `db:"id"`
	SKU            base.SKUID  `db:"sku_id"`
	Warehouse      WarehouseID `db:"warehouse_id"`
	Kind           Kind        `db:"kind"`
	Ref            string      `db:"ref"`
	OnHandDelta    int64       `db:"on_hand_delta"`
	ReservedDelta  int64       `db:"reserved_delta"`
	InTransitDelta int64       `db:"in_transit_delta"`
	Reason         string      `db:"reason"`
	Actor          string      `db:"actor"`
	AtMs           int64       `db:"at_ms"`
}

const (
	moveColumns = `id, sku_id, warehouse_id, kind, ref, on_hand_delta, reserved_delta, in_transit_delta, reason, actor, at_ms`
	insertSQL   = `INSERT INTO stock_move (` + moveColumns + `)
VALUES (:id, :sku_id, :warehouse_id, :kind, :ref, :on_hand_delta, :reserved_delta, :in_transit_delta, :reason, :actor, :at_ms)`
	openSQL = `INSERT INTO stock (sku_id, warehouse_id, on_hand, reserved, in_transit) VALUES (?, ?, 0, 0, 0)`
	moveSQL = `
UPDATE stock SET on_hand = on_hand + ?, reserved = reserved + ?
WHERE sku_id = ? AND warehouse_id = ? AND on_hand + ? >= 0 AND reserved + ? >= 0 AND on_hand + ? - reserved - ? >= 0`
	stockColumns = `sku_id, warehouse_id, on_hand, reserved, in_transit`
	ofSQL        = `SELECT ` + stockColumns + ` FROM stock WHERE sku_id IN (?) ORDER BY sku_id, warehouse_id`
	movesSQL     = `SELECT ` + moveColumns + ` FROM stock_move WHERE sku_id = ? AND (? = 0 OR warehouse_id = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`
	byRefSQL     = `SELECT ` + moveColumns + ` FROM stock_move WHERE kind = ? AND ref = ? AND warehouse_id = ? ORDER BY id`
	refMovesSQL  = `SELECT ` + moveColumns + ` FROM stock_move WHERE ref = ? ORDER BY id`
)

// What this package refuses.
var (
	// ErrShort says that not enough is free. Its parameter sku tells of what.
	ErrShort = errs.E(errs.Conflict, "stock.insufficient", "库存不足，请减少数量或选择其他商品",
		errs.EN("Not enough in stock. Take fewer or choose something else."))
	ErrInvalid = errs.E(errs.Invalid, "stock.invalid", "库存数量有误，请检查后再提交", errs.EN("The stock entry is wrong: check SKUs, quantities and the reason."))
	ErrTwice   = errs.E(errs.Conflict, "stock.ref_used", "该单据已登记过另一笔出入库，请换一个单号",
		errs.EN("Another stock movement is booked under this reference. Use another one."))
)

var errMove = errors.New("inventory: movement cannot be booked")

func (m Move) check() error {
	if !slices.Contains(Kinds, m.Kind) || m.Ref == "" || len(m.Ref) > 64 || m.Warehouse == 0 || len(m.Items) == 0 {
		return fmt.Errorf("%w: %s %q with %d items", errMove, m.Kind, m.Ref, len(m.Items))
	}
	if utf8.RuneCountInString(m.Reason) > 500 || !utf8.ValidString(m.Reason) || strings.TrimSpace(m.Reason) != m.Reason {
		return ErrInvalid
	}
	seen := map[base.SKUID]bool{}
	for _, it := range m.Items {
		qty := it.Qty
		if m.Kind == Adjust && qty < 0 {
			qty = -qty
		}
		if it.SKU == 0 || seen[it.SKU] || qty < 1 || qty > QtyMax {
			return ErrInvalid
		}
		seen[it.SKU] = true
	}
	return nil
}

// Book moves stock: all items or, with ErrShort, none. A movement that was booked before under the same reference is a
// no-op. The rows that many want are touched last and in one order, so that they are held briefly and never in a circle.
func Book(ctx context.Context, tx *store.Tx, m Move) error {
	if err := m.check(); err != nil {
		return err
	}
	m.Items = slices.SortedFunc(slices.Values(m.Items), func(a, b Item) int { return int(min(1, max(-1, int64(a.SKU)-int64(b.SKU)))) })
	rows := make([]Movement, len(m.Items))
	for i, it := range m.Items {
		onHand, reserved := m.Kind.delta(it.Qty)
		rows[i] = Movement{tx.NextID(), it.SKU, m.Warehouse, m.Kind, m.Ref, onHand, reserved, 0, m.Reason, m.Actor.String(), tx.NowMs()}
	}
	err := tx.Insert(ctx, insertSQL, rows)
	if store.IsDup(err) {
		return sameAsBefore(ctx, tx, m, rows)
	}
	if err != nil {
		return fmt.Errorf("write stock movement: %w", err)
	}
	for _, r := range rows {
		if err := apply(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// sameAsBefore says that a repeat is one; other quantities under a used reference are refused.
func sameAsBefore(ctx context.Context, tx *store.Tx, m Move, rows []Movement) error {
	var there []Movement
	if err := tx.Select(ctx, &there, byRefSQL, m.Kind, m.Ref, m.Warehouse); err != nil {
		return fmt.Errorf("read stock movements: %w", err)
	}
	for _, r := range rows {
		if !slices.ContainsFunc(there, func(t Movement) bool {
			return t.SKU == r.SKU && t.OnHandDelta == r.OnHandDelta && t.ReservedDelta == r.ReservedDelta
		}) {
			return ErrTwice
		}
	}
	return nil
}

func apply(ctx context.Context, tx *store.Tx, r Movement) error {
	ok, err := tx.ExecOne(ctx, moveSQL, r.OnHandDelta, r.ReservedDelta, r.SKU, r.Warehouse, r.OnHandDelta, r.ReservedDelta, r.OnHandDelta, r.ReservedDelta)
	if err == nil && !ok && r.OnHandDelta > 0 {
		// The first goods of this SKU in this warehouse: make its row. Somebody else may be making it too.
		if _, err = tx.Exec(ctx, openSQL, r.SKU, r.Warehouse); err == nil || store.IsDup(err) {
			ok, err = tx.ExecOne(ctx, moveSQL, r.OnHandDelta, r.ReservedDelta, r.SKU, r.Warehouse, r.OnHandDelta, r.ReservedDelta, r.OnHandDelta, r.ReservedDelta)
		}
	}
	if err != nil {
		return fmt.Errorf("move stock: %w", err)
	}
	if ok {
		return nil
	}
	if r.Kind == Reserve || r.Kind == Adjust {
		return errs.E(ErrShort.Kind, ErrShort.Code, ErrShort.Message, errs.EN(ErrShort.English), errs.Param("sku", r.SKU.String()))
	}
	return fmt.Errorf("%w: %s of %s under %s exceeds what is there", errMove, r.Kind, r.SKU, r.Ref)
}

// Of returns the stock of some SKUs, in all warehouses.
func Of(ctx context.Context, q store.Q, skus []base.SKUID) ([]Stock, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	query, args, err := store.In(ofSQL, skus)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	var out []Stock
	if err := q.Select(ctx, &out, query, args...); err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return out, nil
}

// FreeOf sums what can still be promised of some SKUs in the warehouse that orders are sent from.
func FreeOf(ctx context.Context, q store.Q, skus []base.SKUID) (map[base.SKUID]int64, error) {
	stocks, err := Of(ctx, q, skus)
	if err != nil {
		return nil, err
	}
	out := make(map[base.SKUID]int64, len(skus))
	for _, s := range stocks {
		if s.Warehouse == Main {
			out[s.SKU] = s.Free()
		}
	}
	return out, nil
}

// History asks for the movements of a SKU.
type History struct {
	SKU       base.SKUID
	Warehouse WarehouseID // 0: all
	Before    int64       // older than this movement; 0: the newest
	Limit     int
}

// Movements lists what happened to a SKU, newest first.
func Movements(ctx context.Context, q store.Q, h History) ([]Movement, error) {
	var out []Movement
	err := q.Select(ctx, &out, movesSQL, h.SKU, h.Warehouse, h.Warehouse, h.Before, h.Before, h.Limit)
	return out, err
}

// ByRef lists the movements of one order, parcel, refund or entry.
func ByRef(ctx context.Context, q store.Q, ref string) ([]Movement, error) {
	var out []Movement
	err := q.Select(ctx, &out, refMovesSQL, ref)
	return out, err
}
