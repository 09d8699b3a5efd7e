package adminapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/order"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

// bank is a till whose WeChat can make transfers too: each waits for its payee until a test says otherwise.
type bank struct {
	*till
	bills map[string]*wechat.Transfer
}

func (b *bank) Transfer(_ context.Context, r wechat.TransferRequest) (wechat.Transfer, error) {
	if err := r.Check(); err != nil {
		return wechat.Transfer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bills[r.OutBillNo] = &wechat.Transfer{
		MchID: "1900000001", OutBillNo: r.OutBillNo, TransferBillNo: "W" + r.OutBillNo, State: wechat.TransferWaitConfirm, Amount: r.Amount, OpenID: r.OpenID,
	}
	return wechat.Transfer{OutBillNo: r.OutBillNo, TransferBillNo: "W" + r.OutBillNo, State: wechat.TransferWaitConfirm, PackageInfo: "package"}, nil
}

func (b *bank) QueryTransfer(_ context.Context, no string) (wechat.Transfer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.bills[no], nil
}

// vault is the desk of a shop in which a distributor has earned money.
type vault struct {
	*goods
	clock *clock.Manual
	bank  *bank
	li    distributor.Distributor
}

func newVault(t *testing.T, s *desk, c *clock.Manual) *vault {
	t.Helper()
	v := &vault{goods: newGoods(t, s, c), clock: c}
	redis, err := redisx.Open(t.Context(), redisx.Options{Embedded: true, Now: c.Now})
	require.NoError(t, err)
	t.Cleanup(func() { redis.Close() })
	v.bank = &bank{s.flow.Pay.(*till), map[string]*wechat.Transfer{}}
	s.flow.Pay, s.flow.Allowances = v.bank, redis
	s.flow.Shop.TransferScene, s.flow.Shop.TransferJob, s.flow.Shop.TransferNote = wechat.SceneCommission, "分销员", "佣金"
	a := s.apply("openid-of-li")
	v.li, err = s.flow.Approve(t.Context(), flow.DecideApplication{ID: a.ID, By: base.Admin(1)})
	require.NoError(t, err)
	_, err = s.flow.SetRealName(t.Context(), flow.RealNameInput{ID: v.li.ID, RealName: "李明", By: base.Distributor(v.li.ID)})
	require.NoError(t, err)
	return v
}

// earned is a paid order of 300.00 that brings Li 10 % of each line, received at once.
func (v *vault) earned() order.Detail {
	v.t.Helper()
	d := v.paid()
	in := commission.OrderInput{Order: d.Order.ID, At: v.clock.Now(), Payees: []commission.Payee{{Tier: base.Seller, ID: v.li.ID, Level: v.li.Level.ID, Cycle: base.Weekly}}}
	var due []commission.LineDue
	for _, l := range d.Lines {
		in.Lines = append(in.Lines, commission.LineInput{Line: l.ID, Qty: l.Qty, Base: l.Net, Cost: -1})
		due = append(due, commission.LineDue{Line: l.ID, DueMs: base.Ms(v.clock.Now())})
	}
	shares, err := commission.Compute([]commission.Rule{{
		ID: 1, Key: 1, Version: 1, Name: "全场", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.Rate, Rate: 1_000, PublishedMs: 1, FromMs: 1,
	}}, commission.Terms{Policy: commission.DefaultPolicy}, in)
	require.NoError(v.t, err)
	require.NoError(v.t, v.flow.DB.InTx(v.t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		if err := commission.StoreShares(ctx, tx, shares); err != nil {
			return err
		}
		accrued, err := commission.Accrue(ctx, tx, []base.OrderID{d.Order.ID})
		if err != nil {
			return err
		}
		for _, a := range accrued {
			err := ledger.Post(ctx, tx, ledger.Txn{Kind: "accrual", Ref: "accrual:" + d.Order.ID.String(), Postings: []ledger.Posting{
				{From: ledger.Platform(ledger.CommissionExpense), To: ledger.Of(ledger.Pending, a.Payee), Amount: a.Amount},
			}})
			if err != nil {
				return err
			}
		}
		return commission.Received(ctx, tx, due)
	}))
	return d
}

// settled lets a week and its days to dispute pass, and posts its statement.
func (v *vault) settled() {
	v.t.Helper()
	settle := func() {
		_, err := v.flow.SettleNow(v.t.Context(), base.Admin(1))
		require.NoError(v.t, err)
	}
	settle()
	v.clock.Set(base.PeriodOf(base.Weekly, v.clock.Now()).End().Add(time.Hour))
	settle()
	v.clock.Advance(3*24*time.Hour + time.Minute)
	settle()
}

// open chooses a tax policy and lets small amounts be withdrawn often; above 15.00 two admins approve.
func (v *vault) open() {
	v.t.Helper()
	policy := withdrawal.Default()
	policy.MinFen, policy.DailyCount, policy.SecondApproverAboveFen = 100, 50, 1_500
	_, err := v.flow.PutWithdrawalPolicy(v.t.Context(), policy, base.Admin(1), "测试")
	require.NoError(v.t, err)
	_, err = v.flow.PutTaxPolicy(v.t.Context(), withdrawal.TaxPolicy{Kind: withdrawal.TaxNone}, base.Admin(1), "自行申报")
	require.NoError(v.t, err)
}

func (v *vault) requested(amount money.Fen) (withdrawal.Withdrawal, string) {
	v.t.Helper()
	w, err := v.flow.RequestWithdrawal(v.t.Context(), flow.WithdrawInput{ID: base.WithdrawalID(v.flow.DB.Mint.Next()), Distributor: v.li.ID, Amount: amount})
	require.NoError(v.t, err)
	return w, "/withdrawals/" + w.ID.String()
}

// finance does one thing as finance and wants it done.
func (v *vault) finance(method, path string, body m) m {
	v.t.Helper()
	r := v.send(access.Finance, v.key(), method, path, text(v.t, body))
	require.Less(v.t, r.status, 300, "%s %s: %s", method, path, r.raw)
	return r.body
}

const noWithdrawal = "wd0000000000001"

func TestWithdrawalDoors_Settings(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		g := &goods{desk: s}
		require.Equal(t, false, g.take(step{method: "GET", path: "/settings/tax-policy", may: access.Auditor, mayNot: access.Warehouse})["chosen"])
		g.no(422, "tax_policy.not_available", "PUT", "/settings/tax-policy", m{"policy": m{"kind": "labour"}, "reason": "x"})
		tax := g.take(step{
			method: "PUT", path: "/settings/tax-policy", may: access.Finance, mayNot: access.Operations, body: m{"policy": m{"kind": "none"}, "reason": "自行申报"},
			bad: []string{`"policy":{"kind":""}`, `"policy":{"kind":"flat"}`, `"policy":{"kind":7}`, `"policy":{}`, `"policy":{"kind":"none","rate_bps":1}`, `"reason":""`, `"reason":" "`},
		})
		require.Equal(t, true, tax["chosen"])
		require.EqualValues(t, 1, tax["version"])

		policy := g.take(step{method: "GET", path: "/settings/withdrawal", may: access.Auditor, mayNot: access.CustomerService})["policy"].(m)
		require.EqualValues(t, 20_000, policy["max_fen"])
		policy["max_fen"] = 50_000
		with := func(key string, value any) string {
			wrong := m{}
			for k, v := range policy {
				wrong[k] = v
			}
			wrong[key] = value
			return `"policy":` + text(t, wrong)
		}
		set := g.take(step{
			method: "PUT", path: "/settings/withdrawal", may: access.Finance, mayNot: access.Operations, body: m{"policy": policy, "reason": "额度已获批"},
			bad: []string{`"reason":""`, `"policy":{}`, with("min_fen", 0), with("max_fen", 1), with("daily_count", 0), with("daily_count", 101), with("fee_bps", -1),
				with("fee_bps", "1"), with("cooldown_days", 367), with("remark", ""), with("max_fen", 1.5), with("max_fen", 9e18), with("colour", "red")},
		})
		require.EqualValues(t, 50_000, set["policy"].(m)["max_fen"])
		require.EqualValues(t, 1, set["version"])
	})
}

func TestWithdrawalDoors_Review(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		v := newVault(t, s, c)
		v.earned()
		v.settled()
		w, path := v.requested(1_000)
		v.no(409, "withdrawal.tax_policy_not_chosen", "POST", path+"/approve", m{"version": w.Version})
		v.open()
		read := step{method: "GET", path: path, may: access.Auditor, mayNot: access.Warehouse, unknown: "/withdrawals/" + noWithdrawal, notFound: "withdrawal.not_found"}
		require.Equal(t, false, v.take(read)["needs_second_approver"])

		word := func(what string, body m, bad ...string) step {
			return step{
				method: "POST", path: path + "/" + what, may: access.Finance, mayNot: access.Operations, body: body, bad: append(bad, `"version":0`, `"version":"1"`),
				unknown: "/withdrawals/" + noWithdrawal + "/" + what, notFound: "withdrawal.not_found",
			}
		}
		long := `"reason":"` + strings.Repeat("长", 201) + `"`
		held := v.take(word("hold", m{"version": w.Version, "reason": "核对订单"}, `"reason":""`, long))
		require.Equal(t, true, held["held"])
		require.Equal(t, "requested", held["state"])
		v.no(409, "withdrawal.version_changed", "POST", path+"/approve", m{"version": w.Version})
		v.no(409, "withdrawal.held", "POST", path+"/approve", m{"version": held["version"]})
		free := v.take(word("release", m{"version": held["version"], "reason": "没有问题"}, `"reason":""`))
		require.Equal(t, false, free["held"])
		v.no(409, "withdrawal.not_held", "POST", path+"/release", m{"version": free["version"], "reason": "再来"})
		approved := v.take(word("approve", m{"version": free["version"], "note": "已核对"}, `"note":7`))
		require.Equal(t, "approved", approved["state"])
		v.no(409, "withdrawal.moved", "POST", path+"/reject", m{"version": approved["version"], "reason": "晚了"})

		w, path = v.requested(500)
		require.Equal(t, "rejected", v.take(word("reject", m{"version": w.Version, "reason": "请先核对"}, `"reason":""`, long))["state"])

		w, path = v.requested(1_600)
		require.Equal(t, true, v.take(step{method: "GET", path: path, may: access.Finance})["needs_second_approver"])
		first := v.finance("POST", path+"/approve", m{"version": w.Version})
		require.Equal(t, "requested", first["state"])
		require.Equal(t, base.AdminID(7<<40).String(), first["first_approver"])
		v.no(403, "withdrawal.same_approver", "POST", path+"/approve", m{"version": first["version"]})
		_, err := v.flow.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 8})
		require.NoError(t, err)
		v.pays(w, path)
	})
}

// pays lets an approved withdrawal go out, and asks WeChat about it.
func (v *vault) pays(w withdrawal.Withdrawal, path string) {
	t := v.t
	_, err := v.flow.PayOut(t.Context(), 10)
	require.NoError(t, err)
	ask := func(as access.Role, path string) sent { return v.send(as, "", "POST", path+"/query", "") }
	require.Equal(t, 401, ask("nobody", path).status)
	require.Equal(t, 403, ask(access.Auditor, path).status)
	require.Equal(t, "withdrawal.not_found", ask(access.Finance, "/withdrawals/"+noWithdrawal).body["code"])
	require.Equal(t, 422, ask(access.Finance, "/withdrawals/x").status)
	waiting := ask(access.Finance, path)
	require.Equal(t, 200, waiting.status, waiting.raw)
	require.Equal(t, "awaiting_user", waiting.body["state"])
	require.NotContains(t, waiting.raw, "package", "what opens the confirmation is for its payee alone")
	v.bank.mu.Lock()
	v.bank.bills[w.OutBillNo].State = wechat.TransferSuccess
	v.bank.mu.Unlock()
	require.Equal(t, "paid", ask(access.Finance, path).body["state"])

	got := v.take(step{method: "GET", path: path, may: access.Finance})
	var what []string
	for _, s := range got["timeline"].([]any) {
		what = append(what, fmt.Sprint(s.(m)["what"], ":", s.(m)["to"]))
	}
	require.Equal(t, []string{"move:requested", "first_approval:requested", "move:approved", "move:paying", "move:awaiting_user", "move:paid"}, what)
	calls := got["wechat_calls"].([]any)
	require.Equal(t, "transfer", calls[0].(m)["kind"])
	require.Equal(t, "query", calls[len(calls)-1].(m)["kind"])
	require.Equal(t, "SUCCESS", calls[len(calls)-1].(m)["wechat_state"])
	require.NotContains(t, got["money"], "if_paid", "it is over")
	require.Equal(t, "*明", got["payee"].(m)["real_name_masked"])
}

func TestWithdrawalDoors_BatchApprove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		v := newVault(t, s, c)
		v.earned()
		v.settled()
		v.open()
		small, _ := v.requested(200)
		stale, _ := v.requested(300)
		large, _ := v.requested(1_600)
		at := func(id any, version int) m { return m{"id": id, "version": version} }
		many := make([]m, 201)
		for i := range many {
			many[i] = at(small.ID, 1)
		}
		out := v.take(step{
			method: "POST", path: "/withdrawals/batch-approve", may: access.Finance, mayNot: access.Operations,
			body: m{"items": []m{at(small.ID, 1), at(stale.ID, 7), at(large.ID, 1), at(noWithdrawal, 1), at(small.ID, 1)}},
			bad: []string{`"items":[]`, `"items":{}`, `"items":[{"id":"wd1","version":1}]`, `"items":[{"version":1}]`, `"items":[{"id":"` + noWithdrawal + `","version":0}]`,
				`"items":` + strings.TrimSuffix(strings.TrimPrefix(text(t, m{"x": many}), `{"x":`), "}")},
		})
		require.EqualValues(t, 2, out["approved_count"])
		var got []string
		for _, r := range out["results"].([]any) {
			got = append(got, fmt.Sprint(r.(m)["ok"], " ", r.(m)["state"], " ", r.(m)["code"]))
		}
		require.Equal(t, []string{
			"true approved <nil>", "false <nil> withdrawal.version_changed", "true requested <nil>", "false <nil> withdrawal.not_found",
			"false <nil> withdrawal.moved",
		}, got)
	})
}

func TestWithdrawalDoors_Queue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		v := newVault(t, s, c)
		v.earned()
		v.settled()
		v.open()
		first, _ := v.requested(200)
		c.Advance(time.Hour)
		second, path := v.requested(300)
		v.finance("POST", path+"/reject", m{"version": second.Version, "reason": "请核对"})
		c.Advance(time.Hour)
		third, path := v.requested(400)
		v.finance("POST", path+"/hold", m{"version": third.Version, "reason": "核对"})

		list := v.take(step{method: "GET", path: "/withdrawals", may: access.Auditor, mayNot: access.Warehouse})
		require.EqualValues(t, 3, list["total"])
		require.EqualValues(t, 900, list["amount_fen"])
		require.Len(t, list["counts"], len(withdrawal.States))
		require.Equal(t, m{"state": "requested", "count": 2.0, "amount_fen": 600.0}, list["counts"].([]any)[0])
		top := items(list)[0].(m)
		require.Equal(t, third.ID.String(), top["id"])
		require.Equal(t, []any{"first_withdrawal"}, top["risk_codes"])
		require.NotEmpty(t, top["level_name_zh"])

		of := func(query string) (ids []string) {
			for _, x := range items(v.send(access.Finance, "", http.MethodGet, "/withdrawals?"+query, "").body) {
				ids = append(ids, x.(m)["id"].(string))
			}
			return ids
		}
		hour := func(n int) string { return v.clock.Now().Add(time.Duration(n) * time.Hour).Format(time.RFC3339) }
		require.Equal(t, []string{third.ID.String(), first.ID.String()}, of("state=requested,approved"))
		require.Equal(t, []string{first.ID.String(), third.ID.String()}, of("state=requested&sort=requested_at"))
		require.Equal(t, []string{third.ID.String()}, of("held=true"))
		require.Empty(t, of("trouble=true"))
		require.Equal(t, []string{second.ID.String()}, of("created_from="+hour(-1)+"&created_to="+hour(0)))
		require.Equal(t, []string{second.ID.String()}, of("page=2&page_size=1"))
		require.Len(t, of("distributor_id="+v.li.ID.String()), 3)
		require.Empty(t, of("distributor_id="+base.DistributorID(5).String()))
		narrow := v.send(access.Finance, "", http.MethodGet, "/withdrawals?state=requested&created_to="+hour(0), "").body
		require.EqualValues(t, 1, narrow["total"])
		require.EqualValues(t, 1, narrow["counts"].([]any)[5].(m)["count"], "counts do not look at the state")
		for _, bad := range []string{"state=lost", "state=requested,", "sort=amount", "held=perhaps", "created_from=yesterday", "page=0", "page_size=101", "distributor_id=x"} {
			r := v.send(access.Finance, "", http.MethodGet, "/withdrawals?"+bad, "")
			require.Equal(t, 422, r.status, "%s: %s", bad, r.raw)
		}
	})
}

// TestWithdrawalDoors_Evidence wants a decision to see what the money is made of: what came first leaves first.
func TestWithdrawalDoors_Evidence(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		v := newVault(t, s, c)
		v.open()
		older := v.earned() // 30.00 on the first statement
		v.settled()
		newer := v.earned() // 30.00 on the second
		v.settled()
		first, _ := v.requested(2_000)
		second, path := v.requested(2_500)
		v.asked(older) // the customer wants one unit back

		got := v.take(step{method: "GET", path: path, may: access.Finance})
		book := got["money"].(m)
		require.EqualValues(t, 4_000, book["available_before_fen"])
		require.EqualValues(t, 1_500, book["available_after_fen"])
		require.Equal(t, m{"available_fen": 1_500.0, "withdrawing_fen": 4_500.0, "debt_fen": 0.0, "pending_fen": 0.0}, book["now"])
		require.EqualValues(t, 2_000, book["if_paid"].(m)["withdrawing_fen"])
		require.EqualValues(t, 1_500, book["if_paid"].(m)["available_fen"])
		require.EqualValues(t, 4_000, book["if_returned"].(m)["available_fen"])

		made := got["composed_of"].([]any)
		require.Len(t, made, 2)
		require.EqualValues(t, 1_500, made[0].(m)["taken_fen"], "the newest stays")
		require.EqualValues(t, 1_000, made[1].(m)["taken_fen"], "20.00 of it left with the first withdrawal")
		require.EqualValues(t, 1, made[1].(m)["order_count"])
		from := made[1].(m)["orders"].([]any)[0].(m)
		require.Equal(t, older.Order.ID.String(), from["order_id"])
		require.Equal(t, v.customer.String(), from["buyer_id"])
		require.EqualValues(t, 3_000, from["commission_fen"])
		require.EqualValues(t, 30_000, from["paid_fen"])
		require.Equal(t, "open", from["refund_state"])
		require.Equal(t, newer.Order.ID.String(), made[0].(m)["orders"].([]any)[0].(m)["order_id"])
		require.Equal(t, "none", made[0].(m)["orders"].([]any)[0].(m)["refund_state"])

		before := got["earlier"].(m)
		require.Len(t, before["items"], 1)
		require.Equal(t, first.ID.String(), before["items"].([]any)[0].(m)["id"])
		require.Equal(t, m{"state": "requested", "count": 1.0, "amount_fen": 2_000.0}, before["counts"].([]any)[0])
		require.Equal(t, "first_withdrawal", got["risk_now"].([]any)[0].(m)["code"])
		require.Equal(t, "首次提现", got["risk_at_request"].([]any)[0].(m)["message"])

		_, err := v.flow.CreateRefund(t.Context(), flow.RefundIssue{
			ID: base.RefundID(v.flow.DB.Mint.Next()), Order: newer.Order.ID, Kind: order.AfterSale, Ask: order.Ask{Whole: true}, Reason: "协商", By: base.Admin(1),
		})
		require.NoError(t, err)
		got = v.take(step{method: "GET", path: path, may: access.Finance})
		book = got["money"].(m)
		require.Equal(t, m{"available_fen": 0.0, "withdrawing_fen": 4_500.0, "debt_fen": -1_500.0, "pending_fen": 0.0}, book["now"])
		require.Equal(t, m{"available_fen": 1_000.0, "withdrawing_fen": 2_000.0, "debt_fen": 0.0, "pending_fen": 0.0}, book["if_returned"], "debt first")
		require.EqualValues(t, 1_500, book["available_after_fen"], "what was then stays what it was")
		require.EqualValues(t, 3_000, got["composed_of"].([]any)[0].(m)["orders"].([]any)[0].(m)["taken_back_fen"])
		v.no(409, "withdrawal.payee_in_debt", "POST", path+"/approve", m{"version": second.Version})
	})
}
