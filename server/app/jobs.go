package app

import (
	"context"
	"fmt"
	"time"

	"fenxiao/jobs"
	"fenxiao/server/audit"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/store/outbox"
)

// jobTable lists what is done without being asked, in the order in which work makes work. Intervals may be set in the
// configuration by name.
func (a *App) jobTable(owner string) []jobs.Job {
	f := a.Flow
	drainer := &outbox.Drainer{DB: a.DB, Owner: owner, Senders: map[string]outbox.Send{
		flow.AlarmKind: f.SendAlarm, flow.ShippingKind: f.SendShipping,
	}, OnError: func(it outbox.Item, tries int, err error) {
		a.log.Warn("send", "kind", it.Kind, "ref", it.Ref, "tries", tries, "error", err)
		if tries == outbox.AlarmTries {
			f.Alarm("outbox.stuck", it.Kind+" "+it.Ref)
		}
	}}
	list := []jobs.Job{
		{Name: "close_unpaid", About: "ask WeChat, then close orders that were not paid in time", Every: 10 * time.Second, Limit: 50, Run: f.CloseUnpaid},
		{Name: "query_payments", About: "ask WeChat about payments whose notification has not come", Every: time.Minute, Limit: 50, Run: f.QueryPayments},
		{Name: "send_refunds", About: "send approved refunds to WeChat", Every: 5 * time.Second, Limit: 50, Run: f.SendRefunds},
		{Name: "query_refunds", About: "ask WeChat about refunds under way", Every: time.Minute, Limit: 50, Run: f.QueryRefunds},
		{Name: "receive_due", About: "take parcels as received when their time is over", Every: time.Minute, Limit: 100, Run: f.ReceiveDue},
		{Name: "ripen", About: "ripen commissions whose after-sale window is over", Every: time.Minute, Limit: 500, Run: f.Ripen},
		{Name: "draft_statements", About: "draft statements of periods that have ended", Every: 5 * time.Minute, Limit: 500, Run: f.DraftStatements},
		{Name: "open_statements", About: "open drafted statements to dispute", Every: time.Minute, Limit: 500, Run: f.OpenStatements},
		{Name: "confirm_statements", About: "confirm undisputed statements whose time is over", Every: time.Minute, Limit: 500, Run: f.ConfirmDue},
		{Name: "post_statements", About: "post confirmed statements to the ledger", Every: time.Minute, Limit: 200, Run: f.PostStatements},
		{Name: "pay_out", About: "send approved withdrawals to WeChat", Every: 5 * time.Second, Limit: 20, Run: f.PayOut},
		{Name: "query_payouts", About: "ask WeChat about transfers under way", Every: 30 * time.Second, Limit: 50, Run: f.QueryPayouts},
		{Name: "outbox", About: "tell WeChat what it wants to know, such as shipping information", Every: 5 * time.Second, Limit: 50, Run: drainer.Run},
		{Name: "roll_up", About: "fold ledger entries into roll-ups", Every: time.Minute, Limit: 100_000, Run: func(ctx context.Context, limit int) (int, error) {
			return ledger.RollUp(ctx, a.DB, limit)
		}},
		{Name: "purge", About: "forget sessions and idempotency keys that have ended", Every: time.Hour, Limit: 1, Run: a.purge},
		{Name: "audit", About: "prove the invariants over the whole database", Limit: 1, Run: a.audit},
	}
	for i, j := range list {
		if every, ok := a.cfg.Jobs.Intervals[j.Name]; ok {
			list[i].Every = every
		}
	}
	return list
}

// purge does one round and asks for no further batch: the rest is there the next hour.
func (a *App) purge(ctx context.Context, _ int) (int, error) {
	if _, err := a.Admins.Purge(ctx); err != nil {
		return 0, err
	}
	if _, err := a.Customers.Purge(ctx); err != nil {
		return 0, err
	}
	_, err := a.Idem.Purge(ctx)
	return 0, err
}

// audit alarms for every invariant that does not hold.
func (a *App) audit(ctx context.Context, _ int) (int, error) {
	report, err := audit.Run(ctx, a.DB)
	if err != nil {
		return 0, err
	}
	for _, r := range report.Results {
		if !r.OK() {
			a.Flow.Alarm("audit.failed", fmt.Sprintf("%d %s: %s", r.Invariant, r.Name, r.Wrong[0].Subject))
		}
	}
	return 0, nil
}
