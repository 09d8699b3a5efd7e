package attribution

import (
	"context"
	"errors"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/region"
	"fenxiao/server/store"
)

// Payee is somebody who earns of an order, with the level and cycle of that moment; ID 0 is nobody.
type Payee struct {
	ID    base.DistributorID
	Level base.LevelID
	Cycle base.Cycle
}

// Frozen is who earns an order and why, decided when it was created and never changed. There is one upline and no
// other: a further one cannot be written.
type Frozen struct {
	Order     base.OrderID
	Customer  base.CustomerID
	Seller    Payee
	Upline    Payee // only while that payee is on
	Territory Payee
	Contract  base.ContractID // of the territory
	Region    region.Code     // by which the contract was found
	Decision                  // its Seller is Seller.ID, unless nobody earns
	DecidedMs int64
}

type frozenRow struct {
	Order          base.OrderID       `db:"order_id"`
	Customer       base.CustomerID    `db:"customer_id"`
	Seller         base.DistributorID `db:"seller_id"`
	SellerLevel    base.LevelID       `db:"seller_level_id"`
	SellerCycle    base.Cycle         `db:"seller_cycle"`
	Upline         base.DistributorID `db:"upline_id"`
	UplineLevel    base.LevelID       `db:"upline_level_id"`
	UplineCycle    base.Cycle         `db:"upline_cycle"`
	Territory      base.DistributorID `db:"territory_id"`
	TerritoryLevel base.LevelID       `db:"territory_level_id"`
	TerritoryCycle base.Cycle         `db:"territory_cycle"`
	Contract       base.ContractID    `db:"contract_id"`
	Region         region.Code        `db:"region_code"`
	Binding        base.BindingID     `db:"binding_id"`
	Touch          base.TouchID       `db:"touch_id"`
	PolicyVersion  int                `db:"policy_version"`
	Reason         string             `db:"reason"`
	DecidedMs      int64              `db:"decided_ms"`
}

const (
	frozenSQL = `
SELECT order_id, customer_id, seller_id, seller_level_id, seller_cycle, upline_id, upline_level_id, upline_cycle,
territory_id, territory_level_id, territory_cycle, contract_id, region_code, binding_id, touch_id, policy_version, reason, decided_ms
FROM order_attribution WHERE order_id = ?`
	freezeSQL = `
INSERT INTO order_attribution (order_id, customer_id, seller_id, seller_level_id, seller_cycle, upline_id, upline_level_id,
upline_cycle, territory_id, territory_level_id, territory_cycle, contract_id, region_code, binding_id, touch_id,
policy_version, reason, decided_ms)
VALUES (:order_id, :customer_id, :seller_id, :seller_level_id, :seller_cycle, :upline_id, :upline_level_id,
:upline_cycle, :territory_id, :territory_level_id, :territory_cycle, :contract_id, :region_code, :binding_id, :touch_id,
:policy_version, :reason, :decided_ms)`
)

// ErrNotFrozen says that an order has no attribution.
var ErrNotFrozen = errs.E(errs.NotFound, "attribution.not_found", "没有找到该订单的归属记录", errs.EN("The order has no attribution."))

var errFrozen = errors.New("attribution: the order's attribution is frozen already")

// Freeze stores who earns an order, once, in the transaction that creates the order.
func Freeze(ctx context.Context, tx *store.Tx, f Frozen) error {
	r := frozenRow{
		f.Order, f.Customer, f.Seller.ID, f.Seller.Level, f.Seller.Cycle, f.Upline.ID, f.Upline.Level, f.Upline.Cycle,
		f.Territory.ID, f.Territory.Level, f.Territory.Cycle, f.Contract, f.Region, f.Binding, f.Touch,
		f.PolicyVersion, f.Reason, tx.NowMs(),
	}
	err := tx.Insert(ctx, freezeSQL, r)
	if store.IsDup(err) {
		return fmt.Errorf("%w: %s", errFrozen, f.Order)
	}
	if err != nil {
		return fmt.Errorf("write attribution: %w", err)
	}
	return nil
}

// OfOrder returns who earns an order, or ErrNotFrozen.
func OfOrder(ctx context.Context, q store.Q, order base.OrderID) (Frozen, error) {
	var r frozenRow
	err := q.Get(ctx, &r, frozenSQL, order)
	if store.NotFound(err) {
		return Frozen{}, ErrNotFrozen
	}
	if err != nil {
		return Frozen{}, fmt.Errorf("read attribution: %w", err)
	}
	return Frozen{
		Order: r.Order, Customer: r.Customer, Seller: Payee{r.Seller, r.SellerLevel, r.SellerCycle},
		Upline:    Payee{r.Upline, r.UplineLevel, r.UplineCycle},
		Territory: Payee{r.Territory, r.TerritoryLevel, r.TerritoryCycle},
		Contract:  r.Contract, Region: r.Region, DecidedMs: r.DecidedMs,
		Decision: Decision{r.Seller, r.Binding, r.Touch, r.PolicyVersion, r.Reason},
	}, nil
}

// Evidence is all the stored rows from which a decision about an order can be told.
type Evidence struct {
	Frozen  Frozen
	Policy  Policy   // of the frozen version
	Binding *Binding // that was in force; nil: none
	Touch   *Touch   // that won, or that made the binding; nil: none
	Code    *Code    // of the touch
	Recent  []Touch  // that were in the window
}

// EvidenceOf reads the rows behind an order's attribution, or returns ErrNotFrozen.
func EvidenceOf(ctx context.Context, q store.Q, order base.OrderID) (e Evidence, err error) {
	if e.Frozen, err = OfOrder(ctx, q, order); err != nil {
		return e, err
	}
	if e.Policy, err = policyVersion(ctx, q, e.Frozen.PolicyVersion); err != nil {
		return e, err
	}
	touch := e.Frozen.Touch
	if e.Frozen.Binding != 0 {
		b, ok, err := oneBinding(ctx, q, bindingByIDSQL, e.Frozen.Binding)
		if err != nil {
			return e, err
		}
		if ok {
			e.Binding = &b
			if touch == 0 {
				touch = b.Touch
			}
		}
	}
	if touch != 0 {
		if err := e.addTouch(ctx, q, touch); err != nil {
			return e, err
		}
	}
	e.Recent, err = recentTouches(ctx, q, window{e.Frozen.Customer, base.Time(e.Frozen.DecidedMs), e.Policy.TouchWindowDays})
	return e, err
}

func (e *Evidence) addTouch(ctx context.Context, q store.Q, id base.TouchID) error {
	t, ok, err := touchOf(ctx, q, id)
	if err != nil || !ok {
		return err
	}
	e.Touch = &t
	c, err := CodeOf(ctx, q, t.Code)
	if errs.CodeOf(err) == ErrCodeNotFound.Code {
		return nil
	}
	if err == nil {
		e.Code = &c
	}
	return err
}
