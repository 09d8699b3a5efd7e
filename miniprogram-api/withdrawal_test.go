package miniprogramapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	miniprogramapi "fenxiao/miniprogram-api"
	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/ledger"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/inbox"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

// bank is WeChat for transfers: each waits for its payee, until a test says otherwise.
type bank struct {
	wechat.Pay
	mu    sync.Mutex
	bills map[string]*wechat.Transfer
	mute  bool // answers without what the confirmation needs
}

func (b *bank) Account() wechat.Account { return wechat.Account{AppID: "wx1", MchID: "1900000001"} }

func (b *bank) Transfer(_ context.Context, r wechat.TransferRequest) (wechat.Transfer, error) {
	if err := r.Check(); err != nil {
		return wechat.Transfer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t, there := b.bills[r.OutBillNo]
	if !there {
		t = &wechat.Transfer{MchID: "1900000001", OutBillNo: r.OutBillNo, TransferBillNo: "W" + r.OutBillNo, State: wechat.TransferWaitConfirm, Amount: r.Amount, OpenID: r.OpenID}
		b.bills[r.OutBillNo] = t
	}
	answer := wechat.Transfer{OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo, State: t.State}
	if !b.mute {
		answer.PackageInfo = "affffddafdfafddffda=="
	}
	return answer, nil
}

func (b *bank) QueryTransfer(_ context.Context, no string) (wechat.Transfer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.bills[no], nil
}

func (b *bank) CancelTransfer(_ context.Context, no string) (wechat.Transfer, error) {
	b.end(no, wechat.TransferCanceling, "")
	return wechat.Transfer{OutBillNo: no, State: wechat.TransferCanceling}, nil
}

// end moves a transfer as its payee or WeChat would.
func (b *bank) end(no string, s wechat.TransferState, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bills[no].State, b.bills[no].FailReason = s, reason
}

// purse is the door of distributors, with one who has money and one who is a stranger to it.
type purse struct {
	*site
	clock           *clock.Manual
	bank            *bank
	me              base.DistributorID
	token, stranger string // a distributor, too
	buyer           string // none
	keys            int
}

func eachPurse(t *testing.T, fn func(t *testing.T, p *purse)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, newPurse(t, db, c)) })
}

func newPurse(t *testing.T, db *store.DB, c *clock.Manual) *purse {
	t.Helper()
	keys := crypt.NewKeys()
	box, err := crypt.NewBox(keys)
	require.NoError(t, err)
	redis, err := redisx.Open(t.Context(), redisx.Options{Embedded: true, Now: c.Now})
	require.NoError(t, err)
	t.Cleanup(func() { redis.Close() })
	p := &purse{clock: c, bank: &bank{bills: map[string]*wechat.Transfer{}}}
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	f := &flow.Flow{
		DB: db, Mini: mini{}, Pay: p.bank, Allowances: redis, Limiter: unlimited{}, Box: box, Log: logger, Alarm: func(string, string) {},
		Shop: flow.Shop{NotifyURL: "https://shop.example/notify", TransferScene: wechat.SceneCommission, TransferJob: "分销员", TransferNote: "佣金"},
	}
	f.Wake = func() {
		a := inbox.Applier{DB: db, Apply: f.ApplyInbox}
		_, err := a.Run(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, f.SeedDefaults(t.Context()))
	engine, err := httpx.NewEngine(httpx.Options{Log: logger, BodyMaxBytes: 1 << 20})
	require.NoError(t, err)
	customers := access.NewCustomers(db, keys.Token)
	auth := httpx.NewCustomerAuth(customers, func(ctx context.Context, c base.CustomerID) (base.DistributorID, error) {
		d, _, err := distributor.ByCustomer(ctx, db.Q(), c)
		return d.ID, err
	})
	api := httpx.NewAPI(engine, httpx.Audience{
		Name: "client", Title: "test", Version: "1", Prefix: "/api/v1", Auth: auth, Idem: idem.New(db, box), Limiter: unlimited{}, Schemes: auth.Schemes(),
	})
	(&miniprogramapi.API{Flow: f, Customers: customers, Pay: p.bank}).Register(api)
	p.site = &site{httptest.NewServer(engine), t, f, log}
	t.Cleanup(p.Close)
	p.me, p.token = p.admitted("li")
	_, p.stranger = p.admitted("wang")
	p.buyer, _ = p.login("buyer")
	return p
}

// admitted makes a distributor and logs in.
func (p *purse) admitted(code string) (base.DistributorID, string) {
	p.t.Helper()
	token, _ := p.login(code)
	c, _, err := p.flow.Login(p.t.Context(), code)
	require.NoError(p.t, err)
	require.NoError(p.t, p.flow.SetPhone(p.t.Context(), c.ID, "13800138000"))
	a, err := p.flow.Apply(p.t.Context(), flow.ApplyInput{
		ID: base.ApplicationID(p.flow.DB.Mint.Next()), Customer: c.ID, AgreementVersion: distributor.DefaultAdmission().AgreementVersion,
	})
	require.NoError(p.t, err)
	d, err := p.flow.Approve(p.t.Context(), flow.DecideApplication{ID: a.ID, By: base.Admin(1)})
	require.NoError(p.t, err)
	return d.ID, token
}

func (p *purse) tx(fn func(context.Context, *store.Tx) error) {
	p.t.Helper()
	require.NoError(p.t, p.flow.DB.InTx(p.t.Context(), "test", fn))
}

// credit fills the available balance.
func (p *purse) credit(amount money.Fen) {
	p.t.Helper()
	p.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := ledger.Credit(ctx, tx, ledger.Move{
			Kind: "test", Ref: fmt.Sprintf("test:%d", tx.NextID()), Other: ledger.Of(ledger.Pending, p.me), Distributor: p.me, Amount: amount,
		})
		return err
	})
}

// open lets withdrawals be asked for and paid: a name, a tax policy, and more than three a day.
func (p *purse) open() {
	p.t.Helper()
	_, err := p.flow.SetRealName(p.t.Context(), flow.RealNameInput{ID: p.me, RealName: "李明", By: base.Distributor(p.me)})
	require.NoError(p.t, err)
	_, err = p.flow.PutTaxPolicy(p.t.Context(), withdrawal.TaxPolicy{Kind: withdrawal.TaxNone}, base.Admin(1), "自行申报")
	require.NoError(p.t, err)
	policy := withdrawal.Default()
	policy.DailyCount = 20
	_, err = p.flow.PutWithdrawalPolicy(p.t.Context(), policy, base.Admin(1), "测试")
	require.NoError(p.t, err)
}

func (p *purse) key() string {
	p.keys++
	return fmt.Sprintf("purse-test-key-%06d", p.keys)
}

// send asks as somebody; a language may be named.
func (p *purse) send(token, key, method, path, body string, language ...string) answer {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+"/api/v1/distributor"+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("Accept-Language", strings.Join(language, ","))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := p.Client().Do(req)
	require.NoError(p.t, err)
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	a.Raw, err = io.ReadAll(res.Body)
	require.NoError(p.t, err)
	require.NoError(p.t, json.Unmarshal(a.Raw, &a.Body), "%s", a.Raw)
	return a
}

func (p *purse) get(path string) m {
	p.t.Helper()
	return p.ok(p.send(p.token, "", "GET", path, ""))
}

func (p *purse) post(path, body string) answer { return p.send(p.token, p.key(), "POST", path, body) }

// guarded wants an operation to be refused to whom it is not for, and, with an id in its path, to be silent about what
// belongs to others.
func (p *purse) guarded(method, path, body string) {
	p.t.Helper()
	p.refused(401, "auth.required", p.send("", p.key(), method, path, body))
	p.refused(401, "auth.token_invalid", p.send(p.token+"x", p.key(), method, path, body))
	p.refused(403, "auth.not_distributor", p.send(p.buyer, p.key(), method, path, body))
	p.refused(400, "request.unknown_parameter", p.send(p.token, p.key(), method, path+"?colour=red", body))
	parts := strings.Split(path, "/")
	if len(parts) < 3 {
		return
	}
	foreign := p.send(p.stranger, p.key(), method, path, body)
	p.refused(404, "withdrawal.not_found", foreign)
	parts[2] = "wd0000000000001"
	absent := p.send(p.token, p.key(), method, strings.Join(parts, "/"), body)
	p.refused(404, "withdrawal.not_found", absent)
	require.Equal(p.t, foreign.Body["title"], absent.Body["title"], "no hint that it exists")
	parts[2] = "or0000000000001"
	p.refused(422, "request.invalid", p.send(p.token, p.key(), method, strings.Join(parts, "/"), body))
}

// once does a change under one key: without it, with it, again, and with another body.
func (p *purse) once(path, body string) m {
	p.t.Helper()
	p.refused(400, "idem.missing", p.send(p.token, "", "POST", path, body))
	key := p.key()
	first := p.send(p.token, key, "POST", path, body)
	again := p.send(p.token, key, "POST", path, body)
	require.Equal(p.t, string(first.Raw), string(again.Raw))
	require.Equal(p.t, "true", again.Header.Get("Idempotency-Replayed"))
	p.refused(422, "idem.mismatch", p.send(p.token, key, "POST", path, body+" "))
	return p.ok(first)
}

// asked is a withdrawal that was asked for.
func (p *purse) asked(amount money.Fen) (id base.WithdrawalID, path string) {
	p.t.Helper()
	w := p.ok(p.post("/withdrawals", fmt.Sprintf(`{"amount_fen":%d}`, amount)))
	require.NoError(p.t, id.UnmarshalText([]byte(w["id"].(string))))
	return id, "/withdrawals/" + id.String()
}

// awaiting is one that WeChat waits with.
func (p *purse) awaiting(amount money.Fen) (id base.WithdrawalID, path string) {
	p.t.Helper()
	id, path = p.asked(amount)
	_, err := p.flow.ApproveWithdrawal(p.t.Context(), withdrawal.Decision{ID: id, Admin: 1})
	require.NoError(p.t, err)
	_, err = p.flow.PayOut(p.t.Context(), 10)
	require.NoError(p.t, err)
	return id, path
}

func (p *purse) wallet(available, withdrawing money.Fen) m {
	p.t.Helper()
	w := p.get("/wallet")
	require.EqualValues(p.t, available, w["available_fen"])
	require.EqualValues(p.t, withdrawing, w["withdrawing_fen"])
	return w
}

func TestWithdrawalDoors_EveryOperation(t *testing.T) {
	t.Parallel()
	eachPurse(t, func(t *testing.T, p *purse) {
		p.guarded("GET", "/wallet", "")
		p.guarded("GET", "/withdrawals", "")
		p.guarded("POST", "/withdrawals", `{"amount_fen":1000}`)
		p.credit(5_000)
		blocked := p.wallet(5_000, 0)["withdrawal"].(m)
		require.Equal(t, false, blocked["can_withdraw"])
		require.Equal(t, "withdrawal.real_name_needed", blocked["blocked"].(m)["code"])
		require.Contains(t, blocked["blocked"].(m)["message"], "真实姓名")
		p.refused(422, "withdrawal.real_name_needed", p.post("/withdrawals", `{"amount_fen":1000}`))
		p.open()
		now := p.wallet(5_000, 0)["withdrawal"].(m)
		require.Equal(t, true, now["can_withdraw"])
		require.NotContains(t, now, "blocked")
		require.EqualValues(t, 5_000, now["most_now_fen"])
		require.EqualValues(t, 20, now["count_left_today"])

		for _, bad := range []string{
			`{}`, ``, `[]`, `{"amount_fen":0}`, `{"amount_fen":-1000}`, `{"amount_fen":"1000"}`, `{"amount_fen":1000.5}`, `{"amount_fen":null}`,
			`{"amount_fen":99999999999999999999}`, `{"amount_fen":1000000000001}`, `{"amount_fen":1000,"colour":"red"}`,
		} {
			a := p.post("/withdrawals", bad)
			require.Contains(t, []int{400, 422}, a.Status, "%s: %s", bad, a.Raw)
		}
		p.refused(422, "withdrawal.below_minimum", p.post("/withdrawals", `{"amount_fen":999}`))
		p.refused(422, "withdrawal.above_maximum", p.post("/withdrawals", `{"amount_fen":20001}`))
		p.refused(422, "withdrawal.insufficient_available", p.post("/withdrawals", `{"amount_fen":5001}`))
		p.wallet(5_000, 0)

		w := p.once("/withdrawals", `{"amount_fen":2000}`)
		require.Equal(t, "requested", w["state"])
		require.Equal(t, "待审核", w["state_text"])
		require.EqualValues(t, 2_000, w["net_fen"])
		require.NotContains(t, w, "fee_fen", "no fee is not shown")
		p.wallet(3_000, 2_000)
		path := "/withdrawals/" + w["id"].(string)
		p.guarded("GET", path, "")
		p.guarded("GET", path+"/confirmation", "")
		p.guarded("POST", path+"/cancel", "")
		p.guarded("POST", path+"/check", "")
		require.Len(t, p.get(path)["timeline"], 1)
		p.refused(409, "withdrawal.not_awaiting_confirmation", p.send(p.token, "", "GET", path+"/confirmation", ""))
		require.Equal(t, "requested", p.ok(p.send(p.token, "", "POST", path+"/check", ""))["state"], "WeChat was not asked for anything yet")
		require.Equal(t, "cancelled", p.once(path+"/cancel", "")["state"])
		p.wallet(5_000, 0)

		second, _ := p.asked(1_000)
		page := p.get("/withdrawals?limit=1")
		require.Equal(t, second.String(), page["items"].([]any)[0].(m)["id"])
		rest := p.get("/withdrawals?limit=1&cursor=" + page["next_cursor"].(string))
		require.Equal(t, w["id"], rest["items"].([]any)[0].(m)["id"])
		require.Empty(t, rest["next_cursor"])
		p.refused(422, "request.bad_cursor", p.send(p.token, "", "GET", "/withdrawals?cursor=x", ""))
		require.Empty(t, p.ok(p.send(p.stranger, "", "GET", "/withdrawals", ""))["items"])
		require.EqualValues(t, 0, p.ok(p.send(p.stranger, "", "GET", "/wallet", ""))["available_fen"])
		require.NotContains(t, p.log.String(), "李明")
	})
}

// TestWithdrawalDoors_ToWeChatAndBack goes the ways that end at WeChat, as the one who waits for the money sees them.
func TestWithdrawalDoors_ToWeChatAndBack(t *testing.T) {
	t.Parallel()
	eachPurse(t, func(t *testing.T, p *purse) {
		p.open()
		p.credit(10_000)
		id, path := p.awaiting(2_000)
		now := p.get(path)
		require.Equal(t, "awaiting_user", now["state"])
		require.Equal(t, true, now["can_confirm"])
		require.Equal(t, m{"mch_id": "1900000001", "app_id": "wx1", "package_info": "affffddafdfafddffda=="}, p.get(path+"/confirmation"))
		p.bank.end(id.String(), wechat.TransferSuccess, "")
		require.Equal(t, "paid", p.ok(p.send(p.token, "", "POST", path+"/check", ""))["state"])
		p.wallet(8_000, 0)
		p.refused(409, "withdrawal.not_awaiting_confirmation", p.send(p.token, "", "GET", path+"/confirmation", ""))
		p.refused(409, "withdrawal.ended", p.post(path+"/cancel", ""))
		var states []string
		for _, s := range p.get(path)["timeline"].([]any) {
			states = append(states, s.(m)["state"].(string))
		}
		require.Equal(t, []string{"requested", "approved", "paying", "awaiting_user", "paid"}, states)

		id, path = p.awaiting(2_000)
		p.bank.end(id.String(), wechat.TransferFail, wechat.FailOverdue)
		over := p.ok(p.send(p.token, "", "POST", path+"/check", ""))
		require.Equal(t, "expired", over["state"])
		require.Contains(t, over["reason"], "24 小时")
		steps := p.ok(p.send(p.token, "", "GET", path, "", "en"))["timeline"].([]any)
		require.Contains(t, steps[len(steps)-1].(m)["reason"], "within 24 hours")
		p.wallet(8_000, 0)

		id, path = p.awaiting(2_000)
		asked := p.ok(p.post(path+"/cancel", ""))
		require.Equal(t, true, asked["cancelling"], "WeChat has the last word")
		p.wallet(6_000, 2_000)
		p.refused(409, "withdrawal.not_awaiting_confirmation", p.send(p.token, "", "GET", path+"/confirmation", ""))
		p.bank.end(id.String(), wechat.TransferCancelled, "")
		require.Equal(t, "cancelled", p.ok(p.send(p.token, "", "POST", path+"/check", ""))["state"])
		require.Contains(t, string(p.send(p.token, "", "GET", path, "").Raw), "已请微信撤销")
		p.wallet(8_000, 0)

		p.bank.mute = true
		_, path = p.awaiting(2_000)
		wait := p.send(p.token, "", "GET", path+"/confirmation", "")
		p.refused(503, "withdrawal.confirmation_not_ready", wait)
		require.Equal(t, "15", wait.Header.Get("Retry-After"))

		id, path = p.asked(1_000)
		_, err := p.flow.RejectWithdrawal(t.Context(), withdrawal.Decision{ID: id, Admin: 1, Reason: "请先完成实名认证"})
		require.NoError(t, err)
		no := p.get(path)
		require.Equal(t, "请先完成实名认证", no["reason"])
		require.Equal(t, "请先完成实名认证", no["timeline"].([]any)[1].(m)["reason"])
	})
}

// earned writes what a paid order of one line writes; 10 % of it is commission.
func (p *purse) earned(net money.Fen) base.LineID {
	p.t.Helper()
	o, line := base.OrderID(p.flow.DB.Mint.Next()), base.LineID(p.flow.DB.Mint.Next())
	p.tx(func(ctx context.Context, tx *store.Tx) error {
		shares, err := commission.Compute(
			[]commission.Rule{{ID: 1, Key: 1, Version: 1, Name: "全场", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.Rate, Rate: 1_000, PublishedMs: 1, FromMs: 1}},
			commission.Terms{Policy: commission.DefaultPolicy},
			commission.OrderInput{Order: o, At: tx.Now(), Payees: []commission.Payee{{Tier: base.Seller, ID: p.me, Cycle: base.Weekly}}, Lines: []commission.LineInput{{Line: line, Qty: 1, Base: net, Cost: -1}}})
		if err != nil {
			return err
		}
		if err := commission.StoreShares(ctx, tx, shares); err != nil {
			return err
		}
		accrued, err := commission.Accrue(ctx, tx, []base.OrderID{o})
		if err != nil {
			return err
		}
		return ledger.Post(ctx, tx, ledger.Txn{Kind: "accrual", Ref: "accrual:" + o.String(), Postings: []ledger.Posting{
			{From: ledger.Platform(ledger.CommissionExpense), To: ledger.Of(ledger.Pending, p.me), Amount: accrued[0].Amount},
		}})
	})
	return line
}

func (p *purse) received(line base.LineID, window time.Duration) {
	p.t.Helper()
	p.tx(func(ctx context.Context, tx *store.Tx) error {
		return commission.Received(ctx, tx, []commission.LineDue{{Line: line, DueMs: base.Ms(tx.Now().Add(window))}})
	})
}

func TestWallet_SaysWhenPendingMoneySettles(t *testing.T) {
	t.Parallel()
	eachPurse(t, func(t *testing.T, p *purse) {
		week := 7 * 24 * time.Hour
		p.received(p.earned(10_000), 0) // settles with the first week
		_, err := p.flow.Ripen(t.Context(), 10)
		require.NoError(t, err)
		p.clock.Set(base.PeriodOf(base.Weekly, p.clock.Now()).End().Add(time.Hour)) // Monday, 2026-11-30
		p.token, _ = p.login("li")
		_, err = p.flow.SettleNow(t.Context(), base.Admin(1))
		require.NoError(t, err)
		p.received(p.earned(20_000), 0)
		_, err = p.flow.Ripen(t.Context(), 10)
		require.NoError(t, err)
		p.received(p.earned(30_000), week)
		p.received(p.earned(40_000), week)
		held := p.earned(50_000)
		p.received(held, week)
		_, err = p.flow.HoldCommissions(t.Context(), flow.HoldRequest{ID: commission.HoldID(p.flow.DB.Mint.Next()), Line: held, Reason: "核查", By: base.Admin(1)})
		require.NoError(t, err)
		p.earned(60_000)

		w := p.get("/wallet")
		require.EqualValues(t, 21_000, w["pending_fen"])
		var parts, slots float64
		for _, x := range w["pending_parts"].([]any) {
			parts += x.(m)["amount_fen"].(float64)
		}
		got := map[string]m{}
		for _, x := range w["schedule"].([]any) {
			slots += x.(m)["amount_fen"].(float64)
			got[x.(m)["stage"].(string)] = x.(m)
		}
		require.EqualValues(t, 21_000, parts)
		require.EqualValues(t, 21_000, slots)
		require.Len(t, got, 5)
		require.EqualValues(t, 1_000, got["on_statement"]["amount_fen"])
		require.Equal(t, "2026-12-03", got["on_statement"]["expected_on"])
		require.Equal(t, p.get("/statements")["items"].([]any)[0].(m)["id"], got["on_statement"]["statement_id"])
		require.EqualValues(t, 2_000, got["collecting"]["amount_fen"])
		require.Equal(t, "2026-12-10", got["collecting"]["expected_on"])
		require.EqualValues(t, 7_000, got["in_window"]["amount_fen"], "one day, one sum")
		require.Equal(t, "2026-12-07", got["in_window"]["ripens_on"])
		require.Equal(t, "2026-12-17", got["in_window"]["expected_on"])
		require.EqualValues(t, 5_000, got["on_hold"]["amount_fen"])
		require.NotContains(t, got["on_hold"], "expected_on")
		require.EqualValues(t, 6_000, got["awaiting_goods"]["amount_fen"])
		require.Equal(t, "等待客户收货", got["awaiting_goods"]["text"])
	})
}

// TestWithdrawalDoors_LimitsAndOutage wants refusals that pass to leave the key usable, so that the same click may be
// tried again and counts once.
func TestWithdrawalDoors_LimitsAndOutage(t *testing.T) {
	t.Parallel()
	eachPurse(t, func(t *testing.T, p *purse) {
		p.open()
		p.credit(10_000)
		working := p.flow.Allowances
		broken, err := redisx.Open(t.Context(), redisx.Options{Embedded: true, Now: p.clock.Now})
		require.NoError(t, err)
		require.NoError(t, broken.Close())
		p.flow.Allowances = broken
		key := p.key()
		out := p.send(p.token, key, "POST", "/withdrawals", `{"amount_fen":1000}`, "en")
		p.refused(503, "withdrawal.try_later", out)
		require.Contains(t, out.Body["title"], "your balance is unchanged")
		require.NotEmpty(t, out.Header.Get("Retry-After"))
		p.wallet(10_000, 0)
		p.flow.Allowances = working
		w := p.ok(p.send(p.token, key, "POST", "/withdrawals", `{"amount_fen":1000}`, "en"))
		require.Equal(t, "waiting for approval", w["state_text"])
		p.wallet(9_000, 1_000)

		policy := withdrawal.Default()
		policy.DailyCount = 1
		_, err = p.flow.PutWithdrawalPolicy(t.Context(), policy, base.Admin(1), "收紧")
		require.NoError(t, err)
		key = p.key()
		limited := p.send(p.token, key, "POST", "/withdrawals", `{"amount_fen":1000}`)
		p.refused(429, "withdrawal.count_exceeded", limited)
		require.Equal(t, "withdrawal.count_exceeded", p.wallet(9_000, 1_000)["withdrawal"].(m)["blocked"].(m)["code"])
		p.clock.Set(base.DayOf(p.clock.Now()).End().Add(time.Minute))
		p.token, _ = p.login("li")
		require.Equal(t, "requested", p.ok(p.send(p.token, key, "POST", "/withdrawals", `{"amount_fen":1000}`))["state"])
		p.wallet(8_000, 2_000)
	})
}
