// Package attribution owns who earns an order and why: promo codes, touches, bindings, and the attribution frozen on
// each order with its evidence.
package attribution

import (
	"context"
	"time"

	"fenxiao/server/base/errs"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
)

// PolicySetting is the name of the setting of type Policy.
const PolicySetting = "binding_policy"

// Mode says what another distributor's scan does to a binding.
type Mode string

const (
	Protected Mode = "protected" // replaces it once the protection is over
	Life      Mode = "life"      // nothing; and it does not lapse
	LastScan  Mode = "last_scan" // replaces it
)

const day = 24 * time.Hour

// Policy says how customers are bound. The version in force at a moment decides about all bindings, older ones too.
type Policy struct {
	Mode            Mode `json:"mode"`
	ProtectDays     int  `json:"protect_days"`      // after the binding or the last order since, in mode protected
	LapseDays       int  `json:"lapse_days"`        // without an order, after which a binding is over; not in mode life
	RebindIdleDays  int  `json:"rebind_idle_days"`  // since the last order of somebody who has no binding, before one can be made
	TouchWindowDays int  `json:"touch_window_days"` // how long a touch can win an order without a binding
	OwnPurchase     bool `json:"own_purchase"`      // a distributor's own order earns
}

// DefaultPolicy is in force until an operator stores another.
func DefaultPolicy() Policy {
	return Policy{Mode: Protected, ProtectDays: 30, LapseDays: 180, RebindIdleDays: 90, TouchWindowDays: 7}
}

const (
	daysMax   = 3650
	windowMax = 90
)

// Validate refuses a policy that contradicts itself, pointing at each wrong field.
func (p Policy) Validate() error {
	e := errs.E(errs.Invalid, "binding_policy.invalid", "绑定规则有误，请检查标出的项目", errs.EN("Something about the binding policy is wrong; see the fields."))
	if p.Mode != Protected && p.Mode != Life && p.Mode != LastScan {
		errs.At("/mode", "invalid", "protected, life or last_scan")(e)
	}
	if p.ProtectDays < 0 || p.ProtectDays > daysMax {
		errs.At("/protect_days", "invalid", "0 to 3650")(e)
	}
	if p.LapseDays < 1 || p.LapseDays > daysMax || p.LapseDays < p.ProtectDays {
		errs.At("/lapse_days", "invalid", "1 to 3650, and not below protect_days")(e)
	}
	if p.RebindIdleDays < 0 || p.RebindIdleDays > daysMax {
		errs.At("/rebind_idle_days", "invalid", "0 to 3650")(e)
	}
	if p.TouchWindowDays < 0 || p.TouchWindowDays > windowMax {
		errs.At("/touch_window_days", "invalid", "0 to 90")(e)
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

// CurrentPolicy returns the policy in force at an instant and its version; 0 is the default.
func CurrentPolicy(ctx context.Context, q store.Q, at time.Time) (Policy, int, error) {
	return setting.Current(ctx, q, PolicySetting, at, DefaultPolicy())
}

// ProtectedUntil is when another distributor's scan may replace a binding; the zero time is never.
func (p Policy) ProtectedUntil(b Binding) time.Time {
	switch p.Mode {
	case Life:
		return time.Time{}
	case LastScan:
		return b.Anchor()
	default:
		return b.Anchor().Add(time.Duration(p.ProtectDays) * day)
	}
}

// LapsesAt is when a binding is over without a further order; the zero time is never.
func (p Policy) LapsesAt(b Binding) time.Time {
	if p.Mode == Life {
		return time.Time{}
	}
	return b.Anchor().Add(time.Duration(p.LapseDays) * day)
}

// Lapsed says whether a binding is over at an instant.
func (p Policy) Lapsed(b Binding, at time.Time) bool {
	end := p.LapsesAt(b)
	return !end.IsZero() && !at.Before(end)
}

func (p Policy) protects(b Binding, at time.Time) bool {
	until := p.ProtectedUntil(b)
	return until.IsZero() || at.Before(until)
}

// recentBuyer says whether somebody without a binding has ordered too lately to be bound.
func (p Policy) recentBuyer(lastOrder, at time.Time) bool {
	return !lastOrder.IsZero() && at.Before(lastOrder.Add(time.Duration(p.RebindIdleDays)*day))
}

func policyVersion(ctx context.Context, q store.Q, version int) (Policy, error) {
	return setting.Version(ctx, q, PolicySetting, version, DefaultPolicy())
}
