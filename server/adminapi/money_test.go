package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/adminapi"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/storetest"
)

// moneyDoor is the admins' door on a shop with one distributor.
type moneyDoor struct {
	*httptest.Server
	t     *testing.T
	f     *flow.Flow
	clock *clock.Manual
	who   distributor.Distributor
	keys  int
}

// moneyAdmin logs in as the header says: the role, and a number that tells admins apart.
type moneyAdmin struct{}

func (moneyAdmin) Authenticate(_ context.Context, r *http.Request) (httpx.Principal, error) {
	role, no, ok := strings.Cut(r.Header.Get("As"), "-")
	if !ok {
		return httpx.Principal{}, httpx.ErrNoCredentials
	}
	id := base.AdminID(no[0])
	return httpx.Principal{Actor: base.Admin(id), Admin: id, Role: role, Permissions: access.Role(role).May}, nil
}

func newMoneyDoor(t *testing.T) *moneyDoor {
	t.Helper()
	c := clock.NewManual(storetest.Start)
	db := storetest.SQLite(t, c)
	box, err := crypt.NewBox(crypt.NewKeys())
	require.NoError(t, err)
	f := &flow.Flow{DB: db, Box: box, Log: slog.New(slog.DiscardHandler), Alarm: func(string, string) {}, Wake: func() {}}
	engine, err := httpx.NewEngine(httpx.Options{Metrics: httpx.NewMetrics(), RequestTimeout: 20 * time.Second, BodyTimeout: time.Second})
	require.NoError(t, err)
	api := httpx.NewAPI(engine, httpx.Audience{Name: "admin", Title: "Admin", Version: "1", Prefix: "/api/admin/v1", Auth: moneyAdmin{}, Idem: idem.New(db, box)})
	(&adminapi.API{Flow: f}).Register(api)
	d := &moneyDoor{httptest.NewServer(engine), t, f, c, distributor.Distributor{}, 0}
	t.Cleanup(d.Close)
	d.admit()
	return d
}

// admit makes a distributor as the mini-program would.
func (d *moneyDoor) admit() {
	ctx := d.t.Context()
	require.NoError(d.t, d.f.SeedDefaults(ctx))
	customer := base.CustomerID(d.f.DB.Mint.Next())
	d.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO customer (id, openid, unionid, phone_enc, phone_hash, nickname, last_order_ms, created_ms, erased_ms) VALUES (?, 'o', '', '', '', '', 0, 0, 0)`, customer)
		return err
	})
	a, err := d.f.Apply(ctx, flow.ApplyInput{ID: base.ApplicationID(d.f.DB.Mint.Next()), Customer: customer, AgreementVersion: distributor.DefaultAdmission().AgreementVersion})
	require.NoError(d.t, err)
	d.who, err = d.f.Approve(ctx, flow.DecideApplication{ID: a.ID, By: base.Admin(1)})
	require.NoError(d.t, err)
}

func (d *moneyDoor) tx(fn func(context.Context, *store.Tx) error) {
	d.t.Helper()
	require.NoError(d.t, d.f.DB.InTx(d.t.Context(), "test", fn))
}

type moneyReply struct {
	Status int
	JSON   map[string]any
}

// at reads a dotted path of the answer.
func (r moneyReply) at(path string) any {
	var v any = r.JSON
	for _, p := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (d *moneyDoor) do(as, method, path, body string, key ...string) moneyReply {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.URL+"/api/admin/v1"+path, strings.NewReader(body))
	require.NoError(d.t, err)
	req.Header.Set("As", as)
	if method != http.MethodGet {
		d.keys++
		k := fmt.Sprintf("money-test-key-%06d", d.keys)
		if len(key) > 0 {
			k = key[0]
		}
		req.Header.Set("Idempotency-Key", k)
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := d.Client().Do(req)
	require.NoError(d.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	out := moneyReply{Status: res.StatusCode}
	if len(raw) > 0 {
		require.NoError(d.t, json.Unmarshal(raw, &out.JSON), string(raw))
	}
	return out
}

// ok does it and wants success.
func (d *moneyDoor) ok(as, method, path, body string, key ...string) moneyReply {
	d.t.Helper()
	r := d.do(as, method, path, body, key...)
	require.Less(d.t, r.Status, 300, "%s %s: %v", method, path, r.JSON)
	return r
}

// no does it and wants a refusal.
func (d *moneyDoor) no(status int, code, as, method, path, body string) {
	d.t.Helper()
	r := d.do(as, method, path, body)
	require.Equal(d.t, status, r.Status, "%v", r.JSON)
	require.Equal(d.t, code, r.JSON["code"])
}

// sell writes what a paid and received order of one line writes.
func (d *moneyDoor) sell(net money.Fen) base.OrderID {
	d.t.Helper()
	o, line := base.OrderID(d.f.DB.Mint.Next()), base.LineID(d.f.DB.Mint.Next())
	d.tx(func(ctx context.Context, tx *store.Tx) error {
		shares, err := commission.Price(ctx, tx, commission.OrderInput{
			Order: o, At: tx.Now(), Payees: []commission.Payee{{Tier: base.Seller, ID: d.who.ID, Level: d.who.Level.ID, Cycle: d.who.Level.Cycle}},
			Lines: []commission.LineInput{{Line: line, Qty: 1, Base: net, Cost: -1}},
		})
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
		for _, a := range accrued {
			err := ledger.Post(ctx, tx, ledger.Txn{Kind: "accrual", Ref: "accrual:" + o.String(), Postings: []ledger.Posting{
				{From: ledger.Platform(ledger.CommissionExpense), To: ledger.Of(ledger.Pending, a.Payee), Amount: a.Amount},
			}})
			if err != nil {
				return err
			}
		}
		return commission.Received(ctx, tx, []commission.LineDue{{Line: line, DueMs: tx.NowMs()}})
	})
	return o
}

const allSeller = `{"rule":{"name":"全场","scope_kind":"all","payee":"seller","kind":"rate","rate_bps":%d}%s}`

func TestMoneyDoor_FromRuleToPostedStatement(t *testing.T) {
	t.Parallel()
	d := newMoneyDoor(t)
	draft := d.ok("operations-1", "POST", "/commission-rules", fmt.Sprintf(allSeller, 1_000, ""))
	require.Equal(t, "draft", draft.at("status"))
	rule := draft.at("id").(string)
	d.no(403, "auth.forbidden", "operations-1", "POST", "/commission-rules/"+rule+"/publish", `{}`)
	published := d.ok("finance-2", "POST", "/commission-rules/"+rule+"/publish", `{}`)
	require.Equal(t, true, published.at("in_force"))
	second := d.ok("owner-1", "POST", "/commission-rules", fmt.Sprintf(allSeller, 2_000, `,"rule_key":"`+rule+`"`))
	waiting := d.ok("owner-1", "POST", "/commission-rules/"+second.at("id").(string)+"/publish", `{"reason":"活动"}`)
	require.Equal(t, "awaiting", waiting.at("status"))
	require.Equal(t, []any{"change_over_30_percent"}, waiting.at("gate"))
	require.Len(t, d.ok("auditor-1", "GET", "/commission-rules/"+rule, "").at("versions"), 2)
	page := d.ok("auditor-1", "GET", "/commission-rules?limit=1", "")
	require.Equal(t, second.at("id"), page.at("items.0.id"))
	next := d.ok("auditor-1", "GET", "/commission-rules?limit=1&cursor="+page.at("next_cursor").(string), "")
	require.Equal(t, rule, next.at("items.0.id"))
	require.Equal(t, "", next.at("next_cursor"))

	order := d.sell(12_345)
	shares := d.ok("customer_service-1", "GET", "/orders/"+order.String()+"/shares", "")
	require.EqualValues(t, 1_234, shares.at("items.0.amount_fen"))
	require.Equal(t, "⌊123.45 × 10.00%⌋ = 12.34", shares.at("items.0.formula"))
	rows := d.ok("finance-1", "GET", "/commissions?order_id="+order.String(), "")
	require.EqualValues(t, 1_234, rows.at("items.0.amount_fen"))
	detail := d.ok("finance-1", "GET", "/commissions/"+rows.at("items.0.id").(string), "")
	require.Contains(t, detail.at("share.explanation"), "应得 12.34 元")

	hold := d.ok("operations-1", "POST", "/commission-holds", `{"distributor_id":"`+d.who.ID.String()+`","reason":"核查"}`)
	require.EqualValues(t, 0, d.ok("finance-1", "POST", "/settlement-runs", ``).at("ripened"))
	require.Len(t, d.ok("finance-1", "GET", "/commissions/"+rows.at("items.0.id").(string), "").at("holds"), 1)
	d.ok("operations-1", "POST", "/commission-holds/"+hold.at("id").(string)+"/release", `{"reason":"没有问题"}`)
	require.EqualValues(t, 1, d.ok("finance-1", "POST", "/settlement-runs", ``).at("ripened"))

	d.clock.Set(base.PeriodOf(base.Weekly, d.clock.Now()).End().Add(time.Hour))
	run := d.ok("finance-1", "POST", "/settlement-runs", ``)
	require.EqualValues(t, 1, run.at("opened"))
	list := d.ok("finance-1", "GET", "/statements?state=open&distributor_id="+d.who.ID.String(), "")
	statement := list.at("items.0.id").(string)
	require.EqualValues(t, 1_234, list.at("items.0.total_fen"))
	lines := d.ok("finance-1", "GET", "/statements/"+statement+"/lines", "")
	require.Equal(t, true, lines.at("items.0.in_total"))
	d.no(403, "auth.forbidden", "operations-1", "POST", "/statements/"+statement+"/confirm", `{}`)
	require.Equal(t, "confirmed", d.ok("finance-1", "POST", "/statements/"+statement+"/confirm", `{"note":"已核对"}`).at("state"))
	d.no(409, "settlement.moved", "finance-1", "POST", "/statements/"+statement+"/confirm", `{}`)
	require.EqualValues(t, 1, d.ok("finance-1", "POST", "/settlement-runs", ``).at("posted"))
	require.Equal(t, "posted", d.ok("finance-1", "GET", "/statements/"+statement, "").at("state"))
	require.EqualValues(t, 1_234, d.ok("finance-1", "GET", "/settlement-runs", "").at("items.0.total_fen"))
	w, err := ledger.WalletOf(t.Context(), d.f.DB.Q(), d.who.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1_234, w.Available)

	require.Equal(t, "retired", d.ok("finance-1", "POST", "/commission-rules/"+rule+"/retire", `{"reason":"结束"}`).at("status"))
}

func TestMoneyDoor_AdjustmentTakesTwoAdmins(t *testing.T) {
	t.Parallel()
	d := newMoneyDoor(t)
	body := `{"distributor_id":"` + d.who.ID.String() + `","amount_fen":250,"reason":"少计一单"}`
	asked := d.ok("finance-1", "POST", "/adjustments", body, "adjustment-key-0001")
	again := d.ok("finance-1", "POST", "/adjustments", body, "adjustment-key-0001")
	require.Equal(t, asked.at("id"), again.at("id"), "the same key again is the same adjustment")
	path := "/adjustments/" + asked.at("id").(string)
	d.no(403, "commission.second_person_required", "finance-1", "POST", path+"/approve", `{}`)
	d.no(403, "auth.forbidden", "operations-2", "POST", path+"/approve", `{}`)
	require.Equal(t, "approved", d.ok("owner-2", "POST", path+"/approve", `{}`).at("state"))
	d.no(409, "commission.adjustment_moved", "owner-3", "POST", path+"/reject", `{}`)
	require.Len(t, d.ok("auditor-1", "GET", "/adjustments?state=approved", "").at("items"), 1)
	require.Nil(t, d.ok("auditor-1", "GET", "/commissions/"+asked.at("id").(string), "").at("share"))
}

func TestMoneyDoor_Refusals(t *testing.T) {
	t.Parallel()
	d := newMoneyDoor(t)
	d.no(422, "commission.rule_invalid", "owner-1", "POST", "/commission-rules", `{"rule":{"name":"x","scope_kind":"sku","payee":"seller","kind":"rate","rate_bps":5}}`)
	d.no(403, "commission.upline_off", "owner-1", "POST", "/commission-rules", `{"rule":{"name":"x","scope_kind":"all","payee":"upline","kind":"rate","rate_bps":5}}`)
	d.no(403, "commission.territory_percent_off", "owner-1", "POST", "/commission-rules", `{"rule":{"name":"x","scope_kind":"all","payee":"territory","kind":"rate","rate_bps":5}}`)
	d.no(404, "commission.not_found", "owner-1", "POST", "/commission-rules/"+base.RuleID(5).String()+"/publish", `{}`)
	d.no(404, "commission.not_found", "owner-1", "GET", "/commissions/"+base.CommissionID(5).String(), "")
	d.no(404, "settlement.not_found", "owner-1", "GET", "/statements/"+base.StatementID(5).String(), "")
	d.no(404, "distributor.not_found", "owner-1", "POST", "/adjustments", `{"distributor_id":"`+base.DistributorID(5).String()+`","amount_fen":5,"reason":"x"}`)
	d.no(422, "commission.hold_invalid", "owner-1", "POST", "/commission-holds", `{"reason":"x"}`)
	d.no(403, "commission.owner_only", "finance-1", "PUT", "/settings/commission", `{"policy":{"cap_bps":2500,"margin_cap_bps":6000,"upline":true,"territory_percent":false},"reason":"x"}`)
	d.no(422, "commission.acknowledgement_required", "owner-1", "PUT", "/settings/commission", `{"policy":{"cap_bps":2500,"margin_cap_bps":6000,"upline":true,"territory_percent":false},"reason":"x"}`)
	d.ok("finance-1", "PUT", "/settings/commission", `{"policy":{"cap_bps":2000,"margin_cap_bps":5000,"upline":false,"territory_percent":false},"reason":"收紧"}`)
	require.EqualValues(t, 2_000, d.ok("auditor-1", "GET", "/settings/commission", "").at("policy.cap_bps"))
	d.ok("finance-1", "PUT", "/settings/settlement", `{"setting":{"dispute_days":5,"auto_confirm":false,"auto_confirm_max_fen":0,"period_budget_fen":0},"reason":"月底"}`)
	require.EqualValues(t, 5, d.ok("auditor-1", "GET", "/settings/settlement", "").at("dispute_days"))
	for _, bad := range []string{`{"rule":{"name":"x","rate_bps":10001}}`, `{"rule":{"name":"x","bonus":1}}`, `{"rule":7}`, `{}`, ``} {
		r := d.do("owner-1", "POST", "/commission-rules", bad)
		require.True(t, r.Status == 422 || r.Status == 400, "%s: %v", bad, r.JSON)
	}
}
