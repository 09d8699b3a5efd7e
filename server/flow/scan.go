package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
)

// ScanInput is a touch as the mini-program reports it.
type ScanInput struct {
	Touch    base.TouchID // minted by the caller, who keeps it for every retry
	Kind     attribution.TouchKind
	Raw      string          // the scene, the link, or the code
	Customer base.CustomerID // 0: not logged in; the app reports again after the log-in
}

// Scanned is whose code it is and what was decided.
type Scanned struct {
	Touch attribution.Touch
	Code  *attribution.Code        // nil: none of ours
	Owner *distributor.Distributor // of the code; nil with it
}

// Scan records a touch and binds the customer if the policy says so. Reports of one customer take turns by the
// customer's row, so that two scans at the same instant make one binding.
func (f *Flow) Scan(ctx context.Context, in ScanInput) (s Scanned, err error) {
	if !in.Kind.Valid() {
		return Scanned{}, attribution.ErrTouchKind
	}
	binding := base.BindingID(f.DB.Mint.Next())
	err = f.DB.InTx(ctx, "flow.scan", func(ctx context.Context, tx *store.Tx) error {
		s, err = scan(ctx, tx, in, binding)
		return err
	})
	return s, err
}

func scan(ctx context.Context, tx *store.Tx, in ScanInput, binding base.BindingID) (Scanned, error) {
	v := attribution.Visit{Touch: in.Touch, NewBinding: binding, Kind: in.Kind, Raw: in.Raw, Customer: in.Customer}
	s, err := whoseCode(ctx, tx, in.Raw)
	if err != nil {
		return Scanned{}, err
	}
	if s.Owner != nil {
		v.Code, v.Owner = s.Code, attribution.OwnerState(s.Owner.Status)
	}
	if in.Customer != 0 {
		if err := aboutCustomer(ctx, tx, &v); err != nil {
			return Scanned{}, err
		}
	}
	s.Touch, err = attribution.Report(ctx, tx, v)
	return s, err
}

// whoseCode finds the code in what the app received, and its distributor.
func whoseCode(ctx context.Context, q store.Q, raw string) (Scanned, error) {
	text, ok := attribution.DecodeScene(raw)
	if !ok {
		return Scanned{}, nil
	}
	code, err := attribution.CodeByText(ctx, q, text)
	if errs.CodeOf(err) == attribution.ErrCodeNotFound.Code {
		return Scanned{}, nil
	}
	if err != nil {
		return Scanned{}, err
	}
	owner, err := distributor.Get(ctx, q, code.Distributor)
	if err != nil {
		return Scanned{}, err
	}
	return Scanned{Code: &code, Owner: &owner}, nil
}

// aboutCustomer locks the customer and fills in what the decision depends on.
func aboutCustomer(ctx context.Context, tx *store.Tx, v *attribution.Visit) error {
	c, err := crm.Lock(ctx, tx, v.Customer)
	if err != nil {
		return err
	}
	v.LastOrder = c.LastOrder()
	self, is, err := distributor.ByCustomer(ctx, tx, v.Customer)
	if err != nil {
		return err
	}
	if is {
		v.Self = self.ID
	}
	b, bound, err := attribution.ActiveRow(ctx, tx, v.Customer)
	if err != nil || !bound {
		return err
	}
	holder, err := distributor.Get(ctx, tx, b.Distributor)
	if err != nil {
		return err
	}
	v.Binding, v.Holder = &b, attribution.OwnerState(holder.Status)
	return nil
}

// PutBindingPolicy stores a new version of how customers are bound, and returns its number.
func (f *Flow) PutBindingPolicy(ctx context.Context, p attribution.Policy, by base.Actor, reason string) (version int, err error) {
	if reason, err = checkReason(reason); err != nil {
		return 0, err
	}
	err = f.DB.InTx(ctx, "flow.put_binding_policy", func(ctx context.Context, tx *store.Tx) error {
		before, _, err := attribution.CurrentPolicy(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		version, err = putSetting(ctx, tx, setting.Change{Name: attribution.PolicySetting, Value: p, Actor: by, Reason: reason}, before)
		return err
	})
	return version, err
}
