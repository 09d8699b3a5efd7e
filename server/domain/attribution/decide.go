package attribution

import (
	"context"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// Why an order goes to whom. Stored with the order.
const (
	ByBinding         = "binding"              // to the distributor the customer is bound to
	ByTouch           = "last_touch"           // no binding: to the last touch in the window
	ByTouchHolderGone = "last_touch_suspended" // bound, but that distributor earns nothing now
	ByOwnPurchase     = "own_purchase"         // the buyer is a distributor, and the policy lets that earn
	NobodyOwnPurchase = "own_purchase_excluded"
	NobodyHolderGone  = "holder_suspended" // bound, that distributor earns nothing now, and no touch is in the window
	NobodyFound       = "none"             // no binding, no touch in the window
	NobodyTouchesEarn = "touch_suspended"  // no binding, and nobody of those touched earns now
	NobodySelfIdle    = "self_suspended"   // an own purchase would earn, but the buyer is suspended or closed
)

// DecideInput is what a decision about a new order needs.
type DecideInput struct {
	Customer base.CustomerID
	Self     base.DistributorID // the distributor that the customer is, unless closed; 0: none
	At       time.Time
	// Earns says whether orders placed now may earn a distributor something: active, not suspended or closed.
	Earns func(base.DistributorID) (bool, error)
}

// Decision is who earns an order by relationship, with the evidence. Seller 0 is nobody.
type Decision struct {
	Seller        base.DistributorID
	Binding       base.BindingID // in force when it was decided, also if it did not win
	Touch         base.TouchID   // that won; 0: no touch decided
	PolicyVersion int
	Reason        string
}

// Decide says who earns an order placed at in.At. The binding wins; without one, or while its distributor earns
// nothing, the last touch inside the window; else nobody. Nobody ever earns the order of a distributor, but, by
// setting, that distributor.
func Decide(ctx context.Context, q store.Q, in DecideInput) (Decision, error) {
	policy, version, err := CurrentPolicy(ctx, q, in.At)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{PolicyVersion: version}
	if in.Self != 0 {
		return decideOwn(d, policy, in)
	}
	b, bound, err := ActiveRow(ctx, q, in.Customer)
	if err != nil {
		return Decision{}, err
	}
	bound = bound && !policy.Lapsed(b, in.At)
	if bound {
		d.Binding = b.ID
		earns, err := in.Earns(b.Distributor)
		if err != nil {
			return Decision{}, err
		}
		if earns {
			d.Seller, d.Reason = b.Distributor, ByBinding
			return d, nil
		}
	}
	touches, err := recentTouches(ctx, q, window{in.Customer, in.At, policy.TouchWindowDays})
	if err != nil {
		return Decision{}, err
	}
	return decideByTouch(d, touches, in.Earns)
}

func decideOwn(d Decision, policy Policy, in DecideInput) (Decision, error) {
	if !policy.OwnPurchase {
		d.Reason = NobodyOwnPurchase
		return d, nil
	}
	earns, err := in.Earns(in.Self)
	if err != nil {
		return Decision{}, err
	}
	d.Reason = NobodySelfIdle
	if earns {
		d.Seller, d.Reason = in.Self, ByOwnPurchase
	}
	return d, nil
}

// decideByTouch gives the order to the newest touch whose distributor earns.
func decideByTouch(d Decision, touches []Touch, earns func(base.DistributorID) (bool, error)) (Decision, error) {
	asked := map[base.DistributorID]bool{}
	for _, t := range touches {
		if asked[t.Distributor] {
			continue
		}
		asked[t.Distributor] = true
		ok, err := earns(t.Distributor)
		if err != nil {
			return Decision{}, err
		}
		if !ok {
			continue
		}
		d.Seller, d.Touch, d.Reason = t.Distributor, t.ID, ByTouch
		if d.Binding != 0 {
			d.Reason = ByTouchHolderGone
		}
		return d, nil
	}
	switch {
	case d.Binding != 0:
		d.Reason = NobodyHolderGone
	case len(touches) > 0:
		d.Reason = NobodyTouchesEarn
	default:
		d.Reason = NobodyFound
	}
	return d, nil
}
