package attribution

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// Visit is a touch that is reported, with what other domains know about those in it. The customer's row is locked by
// the caller, so that visits of one customer take turns; the unique key stands behind that.
type Visit struct {
	Touch      base.TouchID // minted by the caller
	NewBinding base.BindingID
	Kind       TouchKind
	Raw        string // what the app received
	Code       *Code  // what it names; nil: none of ours
	Owner      OwnerState

	Customer  base.CustomerID // 0: not logged in
	LastOrder time.Time
	Self      base.DistributorID // the distributor that the customer is; 0: none
	Binding   *Binding           // of ActiveRow; nil: none
	Holder    OwnerState         // of the binding's distributor
}

// ErrTouchKind says that there is no such act.
var ErrTouchKind = errs.E(errs.Invalid, "touch.kind_invalid", "无法识别的触达类型", errs.EN("There is no such kind of touch."))

// Report records a touch and binds the customer if the policy says so. A touch that is there already is returned as it
// was decided.
func Report(ctx context.Context, tx *store.Tx, v Visit) (Touch, error) {
	if !v.Kind.Valid() {
		return Touch{}, ErrTouchKind
	}
	if old, ok, err := touchOf(ctx, tx, v.Touch); err != nil || ok {
		return old, err
	}
	policy, version, err := CurrentPolicy(ctx, tx, tx.Now())
	if err != nil {
		return Touch{}, err
	}
	d := policy.judge(v.facts(tx.Now()))
	t := Touch{
		ID: v.Touch, Kind: v.Kind, Customer: v.Customer, AtMs: tx.NowMs(),
		Bound: d.bind, Reason: d.reason, PolicyVersion: version,
	}
	if v.Code == nil {
		t.Raw = clipRaw(v.Raw)
	} else {
		t.Code = v.Code.ID
		if v.Code.Works(tx.Now()) {
			t.Distributor = v.Code.Distributor
		}
	}
	if d.endOld != "" {
		if err := endBinding(ctx, tx, *v.Binding, d.endOld); err != nil {
			return Touch{}, err
		}
	}
	if d.bind {
		t.Binding = v.NewBinding
		if err := bind(ctx, tx, v, t); err != nil {
			return Touch{}, err
		}
	}
	if err := tx.Insert(ctx, touchInsertSQL, t); err != nil {
		return Touch{}, fmt.Errorf("write touch: %w", err)
	}
	return t, nil
}

func (v Visit) facts(now time.Time) facts {
	f := facts{
		kind: v.Kind, customer: v.Customer, self: v.Self, ownerIs: v.Owner, lastOrder: v.LastOrder,
		binding: v.Binding, holderIs: v.Holder, now: now,
	}
	if v.Code == nil {
		f.codeFault = CodeUnknown
	} else {
		f.codeFault, f.owner = v.Code.fault(now), v.Code.Distributor
	}
	return f
}

func bind(ctx context.Context, tx *store.Tx, v Visit, t Touch) error {
	active := int64(v.Customer)
	err := tx.Insert(ctx, bindingInsertSQL, Binding{
		ID: v.NewBinding, Customer: v.Customer, ActiveCustomer: &active, Distributor: v.Code.Distributor,
		SinceMs: tx.NowMs(), AnchorMs: tx.NowMs(), Touch: t.ID, PolicyVersion: t.PolicyVersion, Reason: t.Reason,
	})
	if err != nil {
		return fmt.Errorf("write binding: %w", err)
	}
	return nil
}
