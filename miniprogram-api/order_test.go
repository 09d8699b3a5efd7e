package miniprogramapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/flow"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

// cashier is WeChat Pay for one customer, who pays as soon as a payment is opened.
type cashier struct {
	wechat.Pay
	clock    clock.Clock
	payments map[string]wechat.Payment
}

func (c *cashier) Account() wechat.Account { return wechat.Account{AppID: "wx1", MchID: "1900000001"} }

func (c *cashier) Prepay(_ context.Context, r wechat.PrepayRequest) (string, error) {
	c.payments[r.OutTradeNo] = wechat.Payment{
		AppID: "wx1", MchID: "1900000001", OutTradeNo: r.OutTradeNo, TransactionID: "42" + r.OutTradeNo, State: wechat.PaymentSuccess,
		Total: r.Total, PayerTotal: r.Total, Currency: "CNY", OpenID: r.OpenID, SuccessAt: c.clock.Now(),
	}
	return "wx" + r.OutTradeNo, nil
}

func (c *cashier) PayParams(id string) (wechat.PayParams, error) {
	return wechat.PayParams{AppID: "wx1", Package: "prepay_id=" + id, SignType: "RSA"}, nil
}

func (c *cashier) QueryPayment(_ context.Context, no string) (wechat.Payment, error) {
	return c.payments[no], nil
}

type orderSite struct {
	*site
	clock *clock.Manual
	sku   base.SKUID
	token string
}

func newOrderSite(t *testing.T) *orderSite {
	t.Helper()
	c := clock.NewManual(storetest.Start)
	return newOrderSiteOn(t, storetest.SQLite(t, c), c)
}

func newOrderSiteOn(t *testing.T, db *store.DB, c *clock.Manual) *orderSite {
	t.Helper()
	s := &orderSite{site: newSite(t, db), clock: c}
	s.flow.Pay = &cashier{clock: c, payments: map[string]wechat.Payment{}}
	s.flow.Shop.NotifyURL = "https://shop.example/notify"
	s.flow.Wake = func() {
		a := inbox.Applier{DB: s.flow.DB, Apply: s.flow.ApplyInbox}
		_, err := a.Run(t.Context())
		require.NoError(t, err)
	}
	p, err := s.flow.CreateProduct(t.Context(), base.ProductID(s.flow.DB.Mint.Next()), catalog.Entry{
		Name: "保温杯", Status: catalog.OnSale, AftersaleDays: 7, SKUs: []catalog.SKUEntry{{Name: "白", Price: 9_990, Cost: 4_000}},
	}, base.Admin(1))
	require.NoError(t, err)
	s.sku = p.SKUs[0].ID
	_, err = s.flow.MoveStock(t.Context(), flow.StockInput{Ref: "IN-1", Kind: inventory.Receive, Items: []inventory.Item{{SKU: s.sku, Qty: 5}}, By: base.Admin(1)})
	require.NoError(t, err)
	s.token, _ = s.login("buyer")
	return s
}

func (s *orderSite) basket(qty int, total money.Fen) m {
	return m{
		"items": []m{{"sku_id": s.sku, "qty": qty}}, "expected_total_fen": total,
		"address": m{"name": "张三", "phone": "13800138000", "region_code": 440106, "detail": "体育西路 1 号"},
	}
}

func TestOrder_FromShelfToRefund(t *testing.T) {
	t.Parallel()
	s := newOrderSite(t)
	shelf := s.ok(s.call(s.token, http.MethodGet, "/api/v1/products", nil))
	product := shelf["items"].([]any)[0].(m)
	require.EqualValues(t, 5, product["skus"].([]any)[0].(m)["available"])
	require.NotContains(t, product["skus"].([]any)[0].(m), "cost_fen", "what it costs the shop is nobody's business")
	s.ok(s.call(s.token, http.MethodGet, "/api/v1/products/"+product["id"].(string), nil))

	quote := s.ok(s.call(s.token, http.MethodPost, "/api/v1/quotes", m{"items": []m{{"sku_id": s.sku, "qty": 2}}}))
	require.EqualValues(t, 19_980, quote["total_fen"])
	require.Equal(t, "保温杯 白：单价 99.90 × 2 件 = 199.80 元", quote["why"].([]any)[0])

	key := "place-order-000001"
	first := s.callKey(s.token, key, http.MethodPost, "/api/v1/orders", s.basket(2, 19_980))
	require.Equal(t, http.StatusCreated, first.Status, "%s", first.Raw)
	again := s.callKey(s.token, key, http.MethodPost, "/api/v1/orders", s.basket(2, 19_980))
	require.Equal(t, first.Body["id"], again.Body["id"])
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	path := "/api/v1/orders/" + first.Body["id"].(string)
	require.Equal(t, "广东省广州市天河区", first.Body["region_name"])

	pay := s.ok(s.call(s.token, http.MethodPost, path+"/pay", nil))
	require.Contains(t, pay["package"], "prepay_id=")
	require.Equal(t, m{"state": "paid", "confirming": false}, s.ok(s.call(s.token, http.MethodPost, path+"/confirm-payment", nil)))
	s.refused(http.StatusConflict, "order.already_paid", s.call(s.token, http.MethodPost, path+"/pay", nil))
	s.refused(http.StatusConflict, "order.already_paid", s.call(s.token, http.MethodPost, path+"/cancel", m{"reason": "不要了"}))
	s.refused(http.StatusConflict, "order.nothing_to_receive", s.call(s.token, http.MethodPost, path+"/receive", m{}))

	id, err := s.flow.Ship(t.Context(), flow.ShipInput{
		ID: base.FulfilmentID(s.flow.DB.Mint.Next()), Order: orderID(t, first.Body["id"]), Carrier: "SF", TrackingNo: "SF1", By: base.Admin(1),
	})
	require.NoError(t, err)
	got := s.ok(s.call(s.token, http.MethodPost, path+"/receive", m{"parcel_id": id.Fulfilments[0].ID}))
	require.Equal(t, "completed", got["state"])
	require.Equal(t, "all", got["received"])
	line := got["lines"].([]any)[0].(m)
	require.Equal(t, storetest.Start.Add(7*24*time.Hour).Format(time.RFC3339), line["refund_until"])

	ask := m{"lines": []m{{"line_id": line["id"], "qty": 1}}, "goods_back": true, "reason": "杯盖漏水"}
	r := s.ok(s.call(s.token, http.MethodPost, path+"/refunds", ask))
	require.EqualValues(t, 9_990, r["amount_fen"])
	s.refused(http.StatusConflict, "refund.already_open", s.call(s.token, http.MethodPost, path+"/refunds", ask))
	s.ok(s.call(s.token, http.MethodGet, "/api/v1/refunds/"+r["id"].(string), nil))
	require.Equal(t, "withdrawn", s.ok(s.call(s.token, http.MethodPost, "/api/v1/refunds/"+r["id"].(string)+"/withdraw", nil))["state"])
	require.Len(t, s.ok(s.call(s.token, http.MethodGet, "/api/v1/refunds", nil))["items"], 1)
	require.Len(t, s.ok(s.call(s.token, http.MethodGet, "/api/v1/orders?state=completed", nil))["items"], 1)
	require.NotContains(t, s.log.String(), "13800138000")
}

func orderID(t *testing.T, v any) (id base.OrderID) {
	t.Helper()
	require.NoError(t, id.UnmarshalText([]byte(v.(string))))
	return id
}

func TestOrder_Refusals(t *testing.T) {
	t.Parallel()
	s := newOrderSite(t)
	place := func(change func(m)) answer {
		body := s.basket(1, 9_990)
		change(body)
		return s.call(s.token, http.MethodPost, "/api/v1/orders", body)
	}
	s.refused(409, "order.price_changed", place(func(b m) { b["expected_total_fen"] = 1 }))
	s.refused(422, "order.address_invalid", place(func(b m) { b["address"].(m)["phone"] = "1" }))
	s.refused(422, "order.address_invalid", place(func(b m) { b["address"].(m)["region_code"] = 999999 }))
	s.refused(422, "request.invalid", place(func(b m) { b["items"] = []m{} }))
	s.refused(422, "request.invalid", place(func(b m) { b["items"].([]m)[0]["qty"] = -1 }))
	s.refused(422, "request.invalid", place(func(b m) { b["discount_fen"] = 9_990 }))
	s.refused(409, "stock.insufficient", place(func(b m) { b["items"].([]m)[0]["qty"], b["expected_total_fen"] = 6, 6*9_990 }))
	s.refused(401, "auth.required", s.call("", http.MethodPost, "/api/v1/orders", s.basket(1, 9_990)))

	mine := s.ok(place(func(m) {}))
	path := "/api/v1/orders/" + mine["id"].(string)
	other, _ := s.login("somebody")
	for _, op := range []struct{ method, path string }{
		{http.MethodGet, path}, {http.MethodPost, path + "/pay"}, {http.MethodPost, path + "/confirm-payment"},
	} {
		s.refused(404, "order.not_found", s.call(other, op.method, op.path, nil))
	}
	s.refused(404, "order.not_found", s.call(other, http.MethodPost, path+"/cancel", m{"reason": "x"}))
	s.refused(404, "order.not_found", s.call(other, http.MethodPost, path+"/receive", m{}))
	s.refused(404, "order.not_found", s.call(other, http.MethodPost, path+"/refunds", m{"whole": true, "reason": "x"}))
	s.refused(409, "order.not_paid", s.call(s.token, http.MethodPost, path+"/refunds", m{"whole": true, "reason": "x"}))
	require.Equal(t, "cancelled", s.ok(s.call(s.token, http.MethodPost, path+"/cancel", m{"reason": "不要了"}))["state"])
	require.Empty(t, s.ok(s.call(other, http.MethodGet, "/api/v1/orders", nil))["items"])
	free, err := inventory.FreeOf(t.Context(), s.flow.DB.Q(), []base.SKUID{s.sku})
	require.NoError(t, err)
	require.EqualValues(t, 5, free[s.sku])
}
