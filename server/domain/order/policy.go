package order

import (
	"context"
	"time"

	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
)

// PolicySetting is the name of the order policy among the settings.
const PolicySetting = "order"

// Policy is what the shop decides about orders.
type Policy struct {
	CloseMinutes       int         `json:"close_minutes"`         // an order that is not paid closes after so long
	FreightFlat        money.Fen   `json:"freight_flat_fen"`      // per order by courier
	FreightFreeFrom    money.Fen   `json:"freight_free_from_fen"` // no freight from this much for goods, after discounts; 0: always freight
	Reductions         []Reduction `json:"reductions"`            // spend so much, pay so much less; the largest that applies
	ReceiveCourierDays int         `json:"receive_courier_days"`  // received by itself so long after shipping
	ReceivePickupDays  int         `json:"receive_pickup_days"`   // likewise after it lay ready
	AftersaleDays      int         `json:"aftersale_days"`        // window of products that have none of their own
}

// Reduction takes Off from an order whose goods cost From or more.
type Reduction struct {
	From money.Fen `json:"from_fen"`
	Off  money.Fen `json:"off_fen"`
}

// DefaultPolicy is in force until an operator stores another: no freight, no reductions.
func DefaultPolicy() Policy {
	return Policy{CloseMinutes: 30, ReceiveCourierDays: 10, ReceivePickupDays: 2, AftersaleDays: 7}
}

const (
	closeMinutesMin = 5 // WeChat wants a payment to be open for a minute at least
	closeMinutesMax = 24 * 60
	reductionsMax   = 20
	receiveDaysMax  = 60
	freightMax      = 1_000_00
)

// Validate refuses a policy that makes no sense, pointing at each wrong field.
func (p Policy) Validate() error {
	e := errs.E(errs.Invalid, "order_policy.invalid", "订单规则有误，请检查标出的项目", errs.EN("Something about the order policy is wrong; see the fields."))
	bad := func(wrong bool, pointer, detail string) {
		if wrong {
			errs.At(pointer, "invalid", detail)(e)
		}
	}
	bad(p.CloseMinutes < closeMinutesMin || p.CloseMinutes > closeMinutesMax, "/close_minutes", "5 to 1440")
	bad(p.FreightFlat < 0 || p.FreightFlat > freightMax, "/freight_flat_fen", "0 to 100000")
	bad(p.FreightFreeFrom < 0 || p.FreightFreeFrom > money.Max, "/freight_free_from_fen", "not negative")
	bad(len(p.Reductions) > reductionsMax, "/reductions", "at most 20")
	for _, r := range p.Reductions {
		bad(r.Off < 1 || r.From < r.Off || r.From > money.Max, "/reductions", "off is positive and at most from")
	}
	bad(p.ReceiveCourierDays < 1 || p.ReceiveCourierDays > receiveDaysMax, "/receive_courier_days", "1 to 60")
	bad(p.ReceivePickupDays < 1 || p.ReceivePickupDays > receiveDaysMax, "/receive_pickup_days", "1 to 60")
	bad(p.AftersaleDays < 0 || p.AftersaleDays > 365, "/aftersale_days", "0 to 365")
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

// CurrentPolicy returns the policy in force at an instant and its version; 0 is the default.
func CurrentPolicy(ctx context.Context, q store.Q, at time.Time) (Policy, int, error) {
	return setting.Current(ctx, q, PolicySetting, at, DefaultPolicy())
}

// Terms are what applies to an order of this worth: the reduction, and the freight.
func (p Policy) Terms(goods money.Fen, d Delivery) Terms {
	var best Reduction
	for _, r := range p.Reductions {
		if goods >= r.From && r.Off > best.Off {
			best = r
		}
	}
	t := Terms{Freight: Freight{Flat: p.FreightFlat, FreeFrom: p.FreightFreeFrom, PickUp: d == PickUp}}
	if best.Off > 0 {
		t.Discounts = []Discount{{
			ZH: "满 " + best.From.String() + " 减 " + best.Off.String(), EN: best.Off.String() + " off from " + best.From.String(), Amount: best.Off,
		}}
	}
	return t
}

// ReceiveAfter is how long after shipping an order is received by itself.
func (p Policy) ReceiveAfter(d Delivery) time.Duration {
	days := p.ReceiveCourierDays
	if d == PickUp {
		days = p.ReceivePickupDays
	}
	return time.Duration(days) * 24 * time.Hour
}
