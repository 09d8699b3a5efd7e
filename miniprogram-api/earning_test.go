package miniprogramapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	miniprogramapi "fenxiao/miniprogram-api"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/domain/commission"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/storetest"
)

const (
	earner base.DistributorID = 5 << 40
	other  base.DistributorID = 6 << 40
)

// earnerAuth logs in as the header says: earner, other, or customer, who is no distributor.
type earnerAuth struct{}

func (earnerAuth) Authenticate(_ context.Context, r *http.Request) (httpx.Principal, error) {
	d, ok := map[string]base.DistributorID{"earner": earner, "other": other, "customer": 0}[r.Header.Get("As")]
	if !ok {
		return httpx.Principal{}, httpx.ErrNoCredentials
	}
	return httpx.Principal{Actor: base.Customer(base.CustomerID(d + 1)), Customer: base.CustomerID(d + 1), Distributor: d}, nil
}

type earningDoor struct {
	*httptest.Server
	t *testing.T
}

func (d *earningDoor) do(as, method, path, body string) (int, map[string]any) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.URL+"/api/v1/distributor"+path, strings.NewReader(body))
	require.NoError(d.t, err)
	req.Header.Set("As", as)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "earning-test-key-"+as)
	res, err := d.Client().Do(req)
	require.NoError(d.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	out := map[string]any{}
	require.NoError(d.t, json.Unmarshal(raw, &out), string(raw))
	return res.StatusCode, out
}

func (d *earningDoor) items(as, path string) []any {
	d.t.Helper()
	status, body := d.do(as, "GET", path, "")
	require.Equal(d.t, 200, status, "%v", body)
	return body["items"].([]any)
}

func TestEarnings_OwnOnesWithTheirStory(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(storetest.Start)
	db := storetest.SQLite(t, c)
	box, err := crypt.NewBox(crypt.NewKeys())
	require.NoError(t, err)
	f := &flow.Flow{DB: db, Box: box, Log: slog.New(slog.DiscardHandler), Alarm: func(string, string) {}, Wake: func() {}}
	engine, err := httpx.NewEngine(httpx.Options{Metrics: httpx.NewMetrics(), RequestTimeout: 10 * time.Second, BodyTimeout: time.Second})
	require.NoError(t, err)
	api := httpx.NewAPI(engine, httpx.Audience{Name: "client", Title: "Client", Version: "1", Prefix: "/api/v1", Auth: earnerAuth{}, Idem: idem.New(db, box)})
	(&miniprogramapi.API{Flow: f}).Register(api)
	d := &earningDoor{httptest.NewServer(engine), t}
	t.Cleanup(d.Close)
	earnSomething(t, f)

	list := d.items("earner", "/commissions")
	require.Len(t, list, 1)
	first := list[0].(map[string]any)
	require.EqualValues(t, 1_000, first["amount_fen"])
	require.EqualValues(t, 300, first["taken_back_fen"])
	require.Equal(t, "ripe", first["state"])
	require.Equal(t, "待结算，计入本期结算单", first["state_text"])
	require.Empty(t, d.items("other", "/commissions"))
	path := "/commissions/" + first["id"].(string)
	status, detail := d.do("earner", "GET", path, "")
	require.Equal(t, 200, status)
	require.Equal(t, "⌊100.00 × 10.00%⌋ = 10.00", detail["formula"])
	require.Contains(t, detail["taken_back"].([]any)[0].(map[string]any)["explanation"], "本次收回 3.00 元")
	status, refusal := d.do("other", "GET", path, "")
	require.Equal(t, 404, status)
	require.Equal(t, "settlement.not_found", refusal["code"])
	status, _ = d.do("customer", "GET", "/commissions", "")
	require.Equal(t, 403, status)

	c.Set(base.PeriodOf(base.Weekly, c.Now()).End().Add(time.Hour))
	_, err = f.DraftStatements(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, d.items("earner", "/statements"), "a draft is not shown")
	_, err = f.OpenStatements(t.Context(), 10)
	require.NoError(t, err)
	statement := d.items("earner", "/statements")[0].(map[string]any)
	require.EqualValues(t, 700, statement["total_fen"])
	require.EqualValues(t, -300, statement["reversed_fen"])
	path = "/statements/" + statement["id"].(string)
	require.Len(t, d.items("earner", path+"/lines"), 2)
	for _, p := range []string{path, path + "/lines"} {
		status, refusal = d.do("other", "GET", p, "")
		require.Equal(t, 404, status)
		require.Equal(t, "settlement.not_found", refusal["code"])
	}
	status, refusal = d.do("other", "POST", path+"/dispute", `{"note":"我的"}`)
	require.Equal(t, 404, status, "%v", refusal)
	status, disputed := d.do("earner", "POST", path+"/dispute", `{"note":"少了一单"}`)
	require.Equal(t, 200, status, "%v", disputed)
	require.Equal(t, "少了一单", disputed["dispute_note"])
	require.Equal(t, "已收到您的异议，正在核对", disputed["state_text"])
}

// earnSomething writes what an order of 100.00 writes that was paid, received, ripe and refunded by 30.00.
func earnSomething(t *testing.T, f *flow.Flow) {
	t.Helper()
	shares, err := commission.Compute(
		[]commission.Rule{{ID: 1, Key: 1, Version: 1, Name: "全场", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.Rate, Rate: 1_000, PublishedMs: 1, FromMs: 1}},
		commission.Terms{Policy: commission.DefaultPolicy},
		commission.OrderInput{Order: 1, At: storetest.Start, Payees: []commission.Payee{{Tier: base.Seller, ID: earner, Cycle: base.Weekly}}, Lines: []commission.LineInput{{Line: 2, Qty: 1, Base: 10_000, Cost: -1}}})
	require.NoError(t, err)
	require.NoError(t, f.DB.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		if err := commission.StoreShares(ctx, tx, shares); err != nil {
			return err
		}
		if _, err := commission.Accrue(ctx, tx, []base.OrderID{1}); err != nil {
			return err
		}
		return commission.Received(ctx, tx, []commission.LineDue{{Line: 2, DueMs: tx.NowMs()}})
	}))
	_, err = f.Ripen(t.Context(), 10)
	require.NoError(t, err)
	require.NoError(t, f.DB.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		_, err := commission.Reverse(ctx, tx, commission.ReverseInput{Order: 1, Refund: 3, Lines: []commission.RefundedLine{{Line: 2, RefundedSoFar: 3_000, Base: 10_000}}})
		return err
	}))
}
