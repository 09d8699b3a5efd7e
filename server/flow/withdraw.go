package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
	"fenxiao/server/view"
)

// WithdrawInput is a distributor's wish.
type WithdrawInput struct {
	ID          base.WithdrawalID // minted by the caller, who keeps it for every retry
	Distributor base.DistributorID
	Amount      money.Fen
}

// Why a repeated request is refused.
var (
	ErrWithdrawalID = errs.E(errs.Conflict, "withdrawal.id_used", "这次请求的编号已用于另一笔提现，请重新发起",
		errs.EN("This request's number belongs to another withdrawal. Start again."))
	ErrStartAgain = errs.E(errs.Conflict, "withdrawal.start_again", "上一次申请没有成功，请重新发起提现",
		errs.EN("The last try did not succeed. Start a new withdrawal."))
)

// RequestWithdrawal holds the amount and records the request, or does neither. The same id again returns what is there.
// The day's allowance is taken in Redis first, because that is cheap; the update that takes the hold decides.
func (f *Flow) RequestWithdrawal(ctx context.Context, in WithdrawInput) (withdrawal.Withdrawal, error) {
	w, found, err := f.withdrawalOf(ctx, in)
	if err != nil || found {
		return w, err
	}
	wish, err := f.wish(ctx, in)
	if err != nil {
		return withdrawal.Withdrawal{}, err
	}
	if err := f.takeAllowance(ctx, wish); err != nil {
		return withdrawal.Withdrawal{}, err
	}
	err = f.DB.InTx(ctx, "flow.request_withdrawal", func(ctx context.Context, tx *store.Tx) error {
		return wish.record(ctx, tx)
	})
	return f.requested(ctx, in, wish, err)
}

// withdrawalOf finds the withdrawal that an id was used for before.
func (f *Flow) withdrawalOf(ctx context.Context, in WithdrawInput) (w withdrawal.Withdrawal, found bool, err error) {
	w, err = withdrawal.Get(ctx, f.DB.Q(), in.ID)
	switch {
	case errors.Is(err, withdrawal.ErrNotFound):
		return w, false, nil
	case err != nil:
		return w, false, err
	case w.Distributor != in.Distributor || w.Amount != in.Amount:
		return withdrawal.Withdrawal{}, false, ErrWithdrawalID
	}
	return w, true, nil
}

// wish is a request with what was decided about it before the transaction.
type wish struct {
	withdrawal.Request
	policy withdrawal.Policy
	auto   bool // approved without a person
}

func (f *Flow) wish(ctx context.Context, in WithdrawInput) (wish, error) {
	q, now := f.DB.Q(), f.DB.Clock.Now()
	terms, err := f.withdrawalTerms(ctx, q, now)
	if err != nil {
		return wish{}, err
	}
	payee, person, err := payeeOf(ctx, q, in.Distributor)
	if err != nil {
		return wish{}, err
	}
	if terms.Policy, err = withinLevel(ctx, q, terms.Policy, person); err != nil {
		return wish{}, err
	}
	if err := terms.Policy.Check(payee, in.Amount, now); err != nil {
		return wish{}, err
	}
	signs, err := riskSigns(ctx, q, riskScope{terms.Policy, payee, in.Distributor, in.ID, now})
	if err != nil {
		return wish{}, err
	}
	risk, err := withdrawal.EncodeSigns(signs)
	if err != nil {
		return wish{}, err
	}
	return wish{
		Request: withdrawal.Request{
			ID: in.ID, Distributor: in.Distributor, Quote: terms.Policy.Quote(in.Amount), PolicyVersion: terms.PolicyVersion,
			Tax: terms.Tax, TaxVersion: terms.TaxVersion, OpenID: person.OpenID, Risk: risk, Day: base.DayOf(now),
		},
		policy: terms.Policy,
		auto: len(signs) == 0 && in.Amount < terms.Policy.AutoApproveBelowFen && terms.Tax.Chosen() &&
			payee.Status == withdrawal.PayeeActive,
	}, nil
}

// withinLevel narrows the shop's limits down to those of the distributor's level.
func withinLevel(ctx context.Context, q store.Q, p withdrawal.Policy, person view.Payee) (withdrawal.Policy, error) {
	if person.Distributor == 0 {
		return p, nil // nobody's: the check of the status comes first
	}
	d, err := distributor.Get(ctx, q, person.Distributor)
	if err != nil {
		return p, err
	}
	return p.Within(d.Level.Rights.WithdrawOnceMax, d.Level.Rights.WithdrawDayMax), nil
}

// record does all of it in one transaction, the row that others may want too last.
func (w wish) record(ctx context.Context, tx *store.Tx) error {
	if err := withdrawal.Create(ctx, tx, w.Request); err != nil {
		return err
	}
	if w.auto {
		if err := withdrawal.AutoApprove(ctx, tx, w.ID, withdrawal.Terms{Tax: w.Tax, TaxVersion: w.TaxVersion}); err != nil {
			return err
		}
	}
	if err := withdrawal.TakeDay(ctx, tx, w.Request, w.policy); err != nil {
		return err
	}
	err := ledger.Hold(ctx, tx, ledger.Move{
		Kind: "withdrawal_hold", Ref: "hold:" + w.ID.String(), Distributor: w.Distributor, Amount: w.Quote.Amount,
	})
	if errors.Is(err, ledger.ErrInsufficient) { // it was there when we looked
		now, err := ledger.WalletOf(ctx, tx, w.Distributor)
		if err != nil {
			return err
		}
		return withdrawal.InsufficientError(now.Available)
	}
	return err
}

// requested settles the allowance by how the transaction ended. One whose outcome is unknown keeps it: the sweep gives
// it back when no withdrawal has come of it.
func (f *Flow) requested(ctx context.Context, in WithdrawInput, w wish, txErr error) (withdrawal.Withdrawal, error) {
	none := withdrawal.Withdrawal{}
	ctx = context.WithoutCancel(ctx) // what was taken is given back even if the caller has gone
	switch {
	case txErr == nil:
		if err := f.Allowances.KeepAllowance(ctx, w.entry()); err != nil {
			f.Log.WarnContext(ctx, "keep withdrawal allowance", "withdrawal", w.ID, "error", err)
		}
		return withdrawal.Get(ctx, f.DB.Q(), in.ID)
	case store.IsDup(txErr):
		got, found, err := f.withdrawalOf(ctx, in)
		if err == nil && !found {
			err = ErrStartAgain
		}
		return got, err
	case errors.Is(txErr, store.ErrUnknown):
		got, found, err := f.withdrawalOf(ctx, in)
		if err == nil && found {
			return got, nil
		}
		return none, later(txErr)
	}
	f.giveBackAllowance(ctx, w.Day, w.ID)
	return none, txErr
}

// later is ErrTryLater with its cause for the log.
func later(cause error) error {
	e := *withdrawal.ErrTryLater
	errs.Cause(cause)(&e)
	return &e
}

// payeeOf reads what the checks want to know about a distributor.
func payeeOf(ctx context.Context, q store.Q, id base.DistributorID) (withdrawal.Payee, view.Payee, error) {
	person, found, err := view.PayeeOf(ctx, q, id)
	if err != nil || !found {
		return withdrawal.Payee{}, person, err // no status: not a distributor
	}
	wallet, err := ledger.WalletOf(ctx, q, id)
	if err != nil {
		return withdrawal.Payee{}, person, fmt.Errorf("read wallet: %w", err)
	}
	return withdrawal.Payee{
		Status: withdrawal.PayeeStatus(person.Status), Named: person.RealNameEnc != "", NameChangedAt: base.Time(person.NameChangedMs),
		Available: wallet.Available, Debt: wallet.Debt,
	}, person, nil
}

type riskScope struct {
	policy      withdrawal.Policy
	payee       withdrawal.Payee
	distributor base.DistributorID
	but         base.WithdrawalID // the withdrawal that is judged
	now         time.Time
}

// riskSigns reads the evidence and judges it.
func riskSigns(ctx context.Context, q store.Q, s riskScope) ([]withdrawal.Sign, error) {
	r := s.policy.Risk
	since := s.now.AddDate(0, 0, -r.LookbackDays)
	own, err := withdrawal.FiguresOf(ctx, q, withdrawal.Window{
		Distributor: s.distributor, But: s.but, SinceMs: base.Ms(since), LatelyMs: base.Ms(s.now.AddDate(0, 0, -r.VelocityDays)),
	})
	if err != nil {
		return nil, err
	}
	orders, err := view.RiskOf(ctx, q, view.RiskScope{Seller: s.distributor, Since: since, Quick: time.Duration(r.QuickMinutes) * time.Minute})
	if err != nil {
		return nil, err
	}
	return s.policy.Signs(withdrawal.Facts{
		Suspended: s.payee.Status == withdrawal.PayeeSuspended, PaidBefore: own.Paid, NameChangedAt: s.payee.NameChangedAt,
		Orders: orders.Orders, Sold: orders.Sold, Refunded: orders.Refunded, TopCustomers: orders.TopCustomers,
		QuickOrders: orders.QuickOrders, Recent: own.Recent, Lately: own.Lately + 1,
	}, s.now), nil
}

// WithdrawalTerms are the two settings in force.
type WithdrawalTerms struct {
	Policy        withdrawal.Policy
	PolicyVersion int
	Tax           withdrawal.TaxPolicy // zero: not chosen yet
	TaxVersion    int
}

func (f *Flow) withdrawalTerms(ctx context.Context, q store.Q, at time.Time) (t WithdrawalTerms, err error) {
	t.Policy, t.PolicyVersion, err = setting.Current(ctx, q, withdrawal.PolicySetting, at, withdrawal.Default())
	if err == nil {
		t.Tax, t.TaxVersion, err = setting.Current(ctx, q, withdrawal.TaxPolicySetting, at, withdrawal.TaxPolicy{})
	}
	return t, err
}

func (w wish) entry() redisx.AllowanceEntry {
	return redisx.AllowanceEntry{WithdrawalID: w.ID.String(), Distributor: w.Distributor.String(), Day: w.Day, Amount: w.Quote.Amount}
}
