package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
	"fenxiao/server/view"
)

// Outlook is a distributor's money, what it waits for, and whether some of it can be withdrawn now.
type Outlook struct {
	Wallet  ledger.Wallet
	Pending money.Fen
	Parts   []view.PendingPart
	Policy  withdrawal.Policy // within the distributor's level
	Today   withdrawal.Day
	Most    money.Fen // the most that can be asked for now; 0 with Blocked
	Blocked error     // why nothing can be withdrawn now
}

// WithdrawalOutlook reads a distributor's money. Other people's withdrawals of the day are not looked at: the shop's
// budget decides when somebody asks.
func (f *Flow) WithdrawalOutlook(ctx context.Context, d base.DistributorID) (o Outlook, err error) {
	q, now := f.DB.Q(), f.DB.Clock.Now()
	if o.Wallet, err = ledger.WalletOf(ctx, q, d); err != nil {
		return o, err
	}
	if o.Pending, err = ledger.PendingOf(ctx, q, d); err != nil {
		return o, err
	}
	if o.Parts, err = view.PendingParts(ctx, q, d); err != nil {
		return o, err
	}
	terms, err := f.withdrawalTerms(ctx, q, now)
	if err != nil {
		return o, err
	}
	payee, person, err := payeeOf(ctx, q, d)
	if err != nil {
		return o, err
	}
	if o.Policy, err = withinLevel(ctx, q, terms.Policy, person); err != nil {
		return o, err
	}
	if o.Today, err = withdrawal.DayOf(ctx, q, d, base.DayOf(now)); err != nil {
		return o, err
	}
	o.Most = min(payee.Available, o.Policy.MaxFen, o.Policy.DailyAmountFen-o.Today.Taken)
	switch {
	case o.Today.Count >= o.Policy.DailyCount:
		o.Blocked = o.Policy.CountError()
	case o.Policy.DailyAmountFen-o.Today.Taken < o.Policy.MinFen:
		o.Blocked = o.Policy.DayAmountError()
	}
	if refusal := o.Policy.Check(payee, max(o.Most, min(o.Policy.MinFen, o.Policy.MaxFen)), now); refusal != nil {
		o.Blocked = refusal // what comes first in the order of the checks
	}
	if o.Blocked != nil {
		o.Most = 0
	}
	return o, nil
}

// Evidence is what a decision about a withdrawal is made by: the signs as they are now.
func (f *Flow) Evidence(ctx context.Context, w withdrawal.Withdrawal) ([]withdrawal.Sign, error) {
	q, now := f.DB.Q(), f.DB.Clock.Now()
	terms, err := f.withdrawalTerms(ctx, q, now)
	if err != nil {
		return nil, err
	}
	payee, person, err := payeeOf(ctx, q, w.Distributor)
	if err != nil {
		return nil, err
	}
	policy, err := withinLevel(ctx, q, terms.Policy, person) // as at the request
	if err != nil {
		return nil, err
	}
	return riskSigns(ctx, q, riskScope{policy, payee, w.Distributor, w.ID, now})
}
