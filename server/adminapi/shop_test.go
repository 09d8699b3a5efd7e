package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// till is WeChat Pay for a shop whose customers pay at once and whose refunds WeChat closes.
type till struct {
	wechat.Pay
	clock clock.Clock
	mu    sync.Mutex
	paid  map[string]wechat.Payment
}

func (p *till) Account() wechat.Account { return wechat.Account{AppID: "wx1", MchID: "1900000001"} }

func (p *till) Prepay(_ context.Context, r wechat.PrepayRequest) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paid[r.OutTradeNo] = wechat.Payment{
		AppID: "wx1", MchID: "1900000001", OutTradeNo: r.OutTradeNo, TransactionID: "42" + r.OutTradeNo, State: wechat.PaymentSuccess,
		Total: r.Total, PayerTotal: r.Total, Currency: "CNY", OpenID: r.OpenID, SuccessAt: p.clock.Now(),
	}
	return "wx" + r.OutTradeNo, nil
}

func (p *till) PayParams(id string) (wechat.PayParams, error) {
	return wechat.PayParams{Package: "prepay_id=" + id}, nil
}

func (p *till) QueryPayment(_ context.Context, no string) (wechat.Payment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paid[no], nil
}

func (p *till) Refund(_ context.Context, r wechat.RefundRequest) (wechat.Refund, error) {
	return wechat.Refund{
		OutRefundNo: r.OutRefundNo, RefundID: "50" + r.OutRefundNo, TransactionID: r.TransactionID, OutTradeNo: r.TransactionID[2:],
		State: wechat.RefundClosed, Amount: r.Amount, Total: r.Total,
	}, nil
}

// goods is a desk with a product of two SKUs, 100 of each in stock, and a customer.
type goods struct {
	*desk
	customer base.CustomerID
	seller   string // whose customer that is
	product  string
	skus     []string
	keys     int
}

func newGoods(t *testing.T, s *desk, c *clock.Manual) *goods {
	t.Helper()
	g := &goods{desk: s}
	s.flow.Pay, s.flow.Shop.NotifyURL = &till{clock: c, paid: map[string]wechat.Payment{}}, "https://shop.example/notify"
	s.flow.Wake = g.applyInbox
	buyer, _, err := s.flow.Login(t.Context(), "openid-of-the-buyer")
	require.NoError(t, err)
	g.customer = buyer.ID
	g.bind()
	p := g.ops("POST", "/products", m{"name": "保温杯", "category": "家居", "status": "on_sale", "skus": []m{{"name": "白", "price_fen": 9_990}, {"name": "黑", "price_fen": 10_020, "cost_fen": 4_000}}})
	g.product = p["id"].(string)
	var lots []m
	for _, sku := range p["skus"].([]any) {
		g.skus = append(g.skus, sku.(m)["id"].(string))
		lots = append(lots, m{"sku_id": sku.(m)["id"], "qty": 100})
	}
	g.ops("POST", "/stock/receipts", m{"document_no": "IN-0", "items": lots})
	return g
}

// bind lets the customer scan the code of somebody who was admitted.
func (g *goods) bind() {
	g.t.Helper()
	g.seller = g.admit("openid-of-the-seller")["id"].(string)
	var seller base.DistributorID
	require.NoError(g.t, seller.UnmarshalText([]byte(g.seller)))
	code, err := g.flow.MakeCode(g.t.Context(), attribution.NewCode{
		ID: base.CodeID(g.flow.DB.Mint.Next()), Distributor: seller, Target: attribution.Target{Kind: attribution.TargetShop},
	})
	require.NoError(g.t, err)
	_, err = g.flow.Scan(g.t.Context(), flow.ScanInput{Touch: base.TouchID(g.flow.DB.Mint.Next()), Kind: attribution.Scan, Raw: "s=" + code.Text, Customer: g.customer})
	require.NoError(g.t, err)
}

func (g *goods) applyInbox() {
	a := inbox.Applier{DB: g.flow.DB, Apply: g.flow.ApplyInbox}
	_, err := a.Run(g.t.Context())
	require.NoError(g.t, err)
}

// placed is an order of the customer: two of the first SKU, one of the second.
func (g *goods) placed() order.Detail {
	g.t.Helper()
	var basket []flow.BasketItem
	for i, text := range g.skus {
		var sku base.SKUID
		require.NoError(g.t, sku.UnmarshalText([]byte(text)))
		basket = append(basket, flow.BasketItem{SKU: sku, Qty: int64(2 - i)})
	}
	d, err := g.flow.Checkout(g.t.Context(), flow.CheckoutInput{
		ID: base.OrderID(g.flow.DB.Mint.Next()), Customer: g.customer, Items: basket, Delivery: order.Courier, Region: 440106,
		Address: flow.Address{Name: "张三", Phone: "13800138000", Detail: "体育西路 1 号"}, ExpectedTotal: 30_000,
	})
	require.NoError(g.t, err)
	return d
}

func (g *goods) paid() order.Detail {
	g.t.Helper()
	d := g.placed()
	in := flow.PayInput{Order: d.Order.ID, Customer: g.customer}
	_, err := g.flow.PayParams(g.t.Context(), in)
	require.NoError(g.t, err)
	c, err := g.flow.ConfirmPayment(g.t.Context(), in)
	require.NoError(g.t, err)
	require.Equal(g.t, order.Paid, c.Order.State)
	return d
}

// asked is a customer's request to get one unit of the first line back.
func (g *goods) asked(d order.Detail) string {
	g.t.Helper()
	r, err := g.flow.RequestRefund(g.t.Context(), flow.RefundRequest{
		ID: base.RefundID(g.flow.DB.Mint.Next()), Order: d.Order.ID, Customer: g.customer, Reason: "不要了",
		Ask: order.Ask{Lines: []order.AskLine{{Line: d.Lines[0].ID, Qty: 1}}},
	})
	require.NoError(g.t, err)
	return r.ID.String()
}

type sent struct {
	status   int
	replayed bool
	raw      string
	body     m
}

// send asks with a key of the caller's choice; "" is none.
func (g *goods) send(as access.Role, key, method, path, body string) sent {
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.URL+"/api/admin/v1"+path, bytes.NewBufferString(body))
	require.NoError(g.t, err)
	req.Header.Set("As", string(as))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	res, err := g.Client().Do(req)
	require.NoError(g.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(g.t, err)
	out := sent{status: res.StatusCode, replayed: res.Header.Get("Idempotency-Replayed") == "true", raw: string(raw)}
	require.NoError(g.t, json.Unmarshal(raw, &out.body), "%s", raw)
	return out
}

// no wants a refusal.
func (g *goods) no(status int, code, method, path string, body m) {
	g.t.Helper()
	r := g.send(access.Owner, g.key(), method, path, text(g.t, body))
	require.Equal(g.t, status, r.status, r.raw)
	require.Equal(g.t, code, r.body["code"], r.raw)
}

func (g *goods) key() string {
	g.keys++
	return fmt.Sprintf("shop-test-key-%06d", g.keys)
}

// step is one operation, done rightly once and wrongly in every way that fits.
type step struct {
	method, path string
	may, mayNot  access.Role
	body         m
	bad          []string // JSON fields that make the body wrong, each `"name":value`
	unknown      string   // path of something that is not there
	notFound     string   // and what is said of it
}

func text(t *testing.T, v m) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// take does a step and returns the answer.
func (g *goods) take(s step) m {
	g.t.Helper()
	body := ""
	if s.body != nil {
		body = text(g.t, s.body)
	}
	refused := func(want int, code string, as access.Role, path, body string) {
		g.t.Helper()
		r := g.send(as, g.key(), s.method, path, body)
		require.Equal(g.t, want, r.status, "%s %s: %s", s.method, path, r.raw)
		require.Equal(g.t, code, r.body["code"], "%s %s: %s", s.method, path, r.raw)
	}
	refused(401, "auth.required", "nobody", s.path, body)
	if s.mayNot != "" { // else every role may
		refused(403, "auth.forbidden", s.mayNot, s.path, body)
	}
	refused(400, "request.unknown_parameter", s.may, s.path+"?colour=red", body)
	if s.unknown != "" {
		refused(404, s.notFound, s.may, s.unknown, body)
		refused(422, "request.invalid", s.may, s.unknown[:strings.LastIndex(s.unknown, "0000000000001")]+"1"+s.unknown[strings.LastIndex(s.unknown, "0000000000001")+13:], body)
	}
	for _, field := range append(s.bad, `"colour":"red"`) {
		if s.body != nil {
			name, _, _ := strings.Cut(field, ":")
			wrong := m{}
			require.NoError(g.t, json.Unmarshal([]byte("{"+field+"}"), &wrong))
			for k, v := range s.body {
				if _, there := wrong[k]; !there && strings.Trim(name, `"`) != k {
					wrong[k] = v
				}
			}
			r := g.send(s.may, g.key(), s.method, s.path, text(g.t, wrong))
			require.Equal(g.t, 422, r.status, "%s: %s", field, r.raw)
		}
	}
	if s.method == http.MethodGet {
		r := g.send(s.may, "", s.method, s.path, "")
		require.Equal(g.t, 200, r.status, "%s: %s", s.path, r.raw)
		return r.body
	}
	return g.takeOnce(s, body)
}

// takeOnce does a change under one key: without it, with it, again, and with another body.
func (g *goods) takeOnce(s step, body string) m {
	g.t.Helper()
	r := g.send(s.may, "", s.method, s.path, body)
	require.Equal(g.t, "idem.missing", r.body["code"], r.raw)
	key := g.key()
	first := g.send(s.may, key, s.method, s.path, body)
	require.Less(g.t, first.status, 300, "%s %s: %s", s.method, s.path, first.raw)
	require.False(g.t, first.replayed)
	again := g.send(s.may, key, s.method, s.path, body)
	require.Equal(g.t, first.raw, again.raw)
	require.True(g.t, again.replayed)
	other := g.send(s.may, key, s.method, s.path, body+" ")
	require.Equal(g.t, "idem.mismatch", other.body["code"], other.raw)
	return first.body
}

const (
	noProduct = "pr0000000000001"
	noOrder   = "or0000000000001"
	noRefund  = "rf0000000000001"
)

func TestShopDoors_GoodsAndStock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		g := newGoods(t, s, c)
		entry := m{"name": "雨伞", "status": "draft", "skus": []m{{"price_fen": 4_900}}}
		wrong := []string{`"name":""`, `"name":" 雨伞"`, `"status":"sold"`, `"skus":[]`, `"skus":[{"price_fen":-1}]`, `"skus":[{"price_fen":100000001}]`,
			`"skus":[{"price_fen":1.5}]`, `"skus":[{"price_fen":99999999999999999999}]`, `"skus":[{}]`, `"skus":[{"price_fen":1},{"price_fen":2}]`,
			`"aftersale_days":366`, `"early_from":"2026-12-01T00:00:00Z"`, `"image_url":"javascript:alert(1)"`}
		p := g.take(step{method: "POST", path: "/products", may: access.Operations, mayNot: access.Finance, body: entry, bad: wrong})
		require.EqualValues(t, -1, p["aftersale_days"])
		path := "/products/" + p["id"].(string)
		require.Equal(t, "draft", g.take(step{
			method: "GET", path: path, may: access.Auditor, unknown: "/products/" + noProduct, notFound: "product.not_found",
		})["status"])
		sku := p["skus"].([]any)[0].(m)["id"]
		entry["status"], entry["version"], entry["skus"] = "on_sale", 1, []m{{"id": sku, "price_fen": 5_900}}
		p = g.take(step{
			method: "PUT", path: path, may: access.Operations, mayNot: access.CustomerService, body: entry, bad: append(wrong, `"version":0`),
			unknown: "/products/" + noProduct, notFound: "product.not_found",
		})
		require.EqualValues(t, 2, p["version"])
		g.no(409, "product.changed", "PUT", path, entry)
		entry["version"], entry["skus"] = 2, []m{{"id": g.skus[0], "price_fen": 1}}
		g.no(404, "product.sku_not_found", "PUT", path, entry)
		list := g.take(step{method: "GET", path: "/products", may: access.Warehouse})
		require.EqualValues(t, 2, list["total"])

		in := m{"document_no": "IN-1", "items": []m{{"sku_id": sku, "qty": 7}}}
		stock := g.take(step{
			method: "POST", path: "/stock/receipts", may: access.Warehouse, mayNot: access.CustomerService, body: in,
			bad: []string{`"document_no":""`, `"document_no":"入库单入库单入库单入库单入库单入库单入库单入库单"`, `"items":[]`, `"items":[{"sku_id":"sk1","qty":1}]`,
				fmt.Sprintf(`"items":[{"sku_id":%q,"qty":0}]`, sku), fmt.Sprintf(`"items":[{"sku_id":%q,"qty":1000001}]`, sku),
				fmt.Sprintf(`"items":[{"sku_id":%q,"qty":1},{"sku_id":%q,"qty":1}]`, sku, sku)},
		})
		require.EqualValues(t, 7, items(stock)[0].(m)["available"])
		g.no(404, "product.sku_not_found", "POST", "/stock/receipts", m{"document_no": "IN-2", "items": []m{{"sku_id": "sk0000000000001", "qty": 1}}})
		count := m{"document_no": "C-1", "items": []m{{"sku_id": sku, "delta": -2}}, "reason": "盘点"}
		stock = g.take(step{
			method: "POST", path: "/stock/adjustments", may: access.Warehouse, mayNot: access.Finance, body: count,
			bad: []string{`"reason":""`, `"reason":"  "`, fmt.Sprintf(`"items":[{"sku_id":%q,"delta":0}]`, sku)},
		})
		require.EqualValues(t, 5, items(stock)[0].(m)["on_hand"])
		g.no(409, "stock.insufficient", "POST", "/stock/adjustments", m{"document_no": "C-2", "items": []m{{"sku_id": sku, "delta": -6}}, "reason": "盘点"})
		all := g.take(step{method: "GET", path: "/stock", may: access.Auditor, mayNot: access.Finance})
		require.EqualValues(t, 3, all["total"])
		require.Equal(t, "保温杯", items(all)[0].(m)["product_name"])
		unsold := g.ops("POST", "/products", m{"name": "绝版书", "status": "draft", "skus": []m{{"price_fen": 100}}})["id"].(string)
		for query, total := range map[string]int{"product_id=" + unsold: 1, "below=1": 1, "below=6": 2, "name=%E9%BB%91": 1, "name=%25": 4, "name=none": 0} {
			require.EqualValues(t, total, g.ops("GET", "/stock?"+query, nil)["total"], query)
		}
		require.EqualValues(t, 0, items(g.ops("GET", "/stock?below=1", nil))[0].(m)["available"])
		moves := items(g.take(step{method: "GET", path: "/skus/" + sku.(string) + "/stock-movements", may: access.Auditor, mayNot: access.Finance, unknown: "/skus/sk0000000000001/stock-movements", notFound: "product.sku_not_found"}))
		require.Len(t, moves, 2)
		require.EqualValues(t, -2, moves[0].(m)["on_hand_delta"])
	})
}

func TestShopDoors_OrdersAndRefunds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		g := newGoods(t, s, c)
		d, open := g.paid(), g.placed()
		path := "/orders/" + d.Order.ID.String()
		list := g.take(step{method: "GET", path: "/orders", may: access.Warehouse})
		require.EqualValues(t, 2, list["total"])
		require.Equal(t, g.seller, items(list)[0].(m)["seller_id"])
		require.Equal(t, "", items(list)[0].(m)["territory_id"])
		require.EqualValues(t, 1, g.ops("GET", "/orders?state=paid&customer_id="+g.customer.String(), nil)["total"])
		require.EqualValues(t, 0, g.ops("GET", "/orders?created_from=2026-11-23T01:00:00.001Z", nil)["total"])
		require.EqualValues(t, 2, g.ops("GET", "/orders?created_from=2026-11-23T01:00:00Z&created_to=2026-11-23T09:00:01%2B08:00", nil)["total"])
		g.no(422, "request.invalid", "GET", "/orders?created_to=yesterday", nil)
		got := g.take(step{method: "GET", path: path, may: access.Auditor, unknown: "/orders/" + noOrder, notFound: "order.not_found"})
		require.Equal(t, "captured", got["payments"].([]any)[0].(m)["state"])
		require.NotContains(t, fmt.Sprint(got), "13800138000")
		address := g.take(step{method: "GET", path: path + "/address", may: access.Warehouse, mayNot: access.Finance, unknown: "/orders/" + noOrder + "/address", notFound: "order.not_found"})
		require.Equal(t, "13800138000", address["phone"])

		g.no(409, "order.not_paid", "POST", "/orders/"+open.Order.ID.String()+"/ship", m{"carrier": "SF", "tracking_no": "SF1"})
		gone := g.take(step{
			method: "POST", path: "/orders/" + open.Order.ID.String() + "/cancel", may: access.CustomerService, mayNot: access.Warehouse,
			body: m{"reason": "客户来电"}, bad: []string{`"reason":""`, `"reason":" "`, `"reason":7`}, unknown: "/orders/" + noOrder + "/cancel", notFound: "order.not_found",
		})
		require.Equal(t, "cancelled", gone["state"])
		g.no(409, "order.already_paid", "POST", path+"/cancel", m{"reason": "客户来电"})

		line := d.Lines[0].ID.String()
		parcel := m{"carrier": "SF", "tracking_no": "SF1", "lines": []m{{"line_id": line, "qty": 1}}}
		shipped := g.take(step{
			method: "POST", path: path + "/ship", may: access.Warehouse, mayNot: access.CustomerService, body: parcel,
			bad:     []string{`"carrier":"顺丰"`, `"tracking_no":""`, fmt.Sprintf(`"lines":[{"line_id":%q,"qty":-1}]`, line), `"lines":[{"line_id":"ol1","qty":1}]`},
			unknown: "/orders/" + noOrder + "/ship", notFound: "order.not_found",
		})
		require.Equal(t, "part", shipped["shipped"])
		require.Len(t, shipped["parcels"], 2)
		g.no(409, "order.nothing_to_ship", "POST", path+"/ship", m{"carrier": "SF", "tracking_no": "SF2", "lines": []m{{"line_id": line, "qty": 2}}})

		g.refunds(d)
	})
}

// refunds goes through the doors of refunds with a paid order.
func (g *goods) refunds(d order.Detail) {
	t, path := g.t, "/orders/"+d.Order.ID.String()
	line := d.Lines[0].ID.String()
	request := "/refunds/" + g.asked(d)
	require.Equal(t, "requested", g.take(step{method: "GET", path: request, may: access.Auditor, unknown: "/refunds/" + noRefund, notFound: "refund.not_found"})["state"])
	rejected := g.take(step{
		method: "POST", path: request + "/reject", may: access.Finance, mayNot: access.Operations, body: m{"reason": "已发货"}, bad: []string{`"reason":""`},
		unknown: "/refunds/" + noRefund + "/reject", notFound: "refund.not_found",
	})
	require.Equal(t, "rejected", rejected["state"])
	request = "/refunds/" + g.asked(d)
	approved := g.take(step{
		method: "POST", path: request + "/approve", may: access.Finance, mayNot: access.CustomerService, body: m{"restock": false}, bad: []string{`"restock":1`},
		unknown: "/refunds/" + noRefund + "/approve", notFound: "refund.not_found",
	})
	require.EqualValues(t, 9_990, approved["amount_fen"])

	ask := m{"kind": "goodwill", "amount_fen": 30, "reason": "包装破损"}
	made := g.take(step{
		method: "POST", path: path + "/refunds", may: access.Finance, mayNot: access.Operations, body: ask,
		bad: []string{`"reason":""`, `"kind":"adopted"`, `"amount_fen":-1`, `"amount_fen":0`, `"amount_fen":1000000000001`, `"freight_fen":-1`,
			fmt.Sprintf(`"lines":[{"line_id":%q,"qty":-1}]`, line)},
		unknown: "/orders/" + noOrder + "/refunds", notFound: "order.not_found",
	})
	require.Equal(t, "approved", made["state"])
	require.Len(t, made["lines"], 2, "an amount over the order is split over its lines")
	for _, r := range []struct {
		code string
		ask  m
	}{
		{"refund.exceeds", m{"lines": []m{{"line_id": line, "qty": 2}}, "reason": "x"}},
		{"refund.exceeds", m{"amount_fen": 30_000, "reason": "x"}},
		{"refund.exceeds", m{"freight_fen": 1, "reason": "x"}},
		{"order.line_not_found", m{"lines": []m{{"line_id": "ol0000000000001", "qty": 1}}, "reason": "x"}},
	} {
		out := g.send(access.Finance, g.key(), "POST", path+"/refunds", text(t, r.ask))
		require.Equal(t, r.code, out.body["code"], out.raw)
	}
	require.EqualValues(t, 3, g.take(step{method: "GET", path: "/refunds", may: access.Warehouse})["total"])
	require.EqualValues(t, 1, g.ops("GET", "/refunds?kind=goodwill&state=approved&order_id="+d.Order.ID.String(), nil)["total"])

	_, err := g.flow.SendRefunds(t.Context(), 10)
	require.NoError(t, err)
	g.applyInbox()
	closed := g.ops("GET", "/refunds/"+made["id"].(string), nil)
	require.Equal(t, "closed", closed["state"])
	again := g.take(step{
		method: "POST", path: "/refunds/" + made["id"].(string) + "/retry", may: access.Finance, mayNot: access.Operations,
		unknown: "/refunds/" + noRefund + "/retry", notFound: "refund.not_found",
	})
	require.Equal(t, made["id"].(string)+"-2", again["out_refund_no"])
}

// TestShopDoors_ApproveAgainstReject lets several admins decide at the same instant: one word counts, and the money is
// owed once or not at all.
func TestShopDoors_ApproveAgainstReject(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		g := newGoods(t, s, c)
		d := g.paid()
		request := "/refunds/" + g.asked(d)
		answers := make([]sent, 8)
		keys := make([]string, len(answers))
		for i := range keys {
			keys[i] = g.key()
		}
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				word, body := "/approve", `{}`
				if i%2 == 1 {
					word, body = "/reject", `{"reason":"不符合"}`
				}
				answers[i] = g.send(access.Finance, keys[i], "POST", request+word, body)
			})
		}
		all.Wait()
		won := map[string]int{}
		for _, a := range answers {
			if a.status == 200 {
				won[a.body["state"].(string)]++
				continue
			}
			require.Equal(t, 409, a.status, a.raw)
			require.Equal(t, "refund.state_moved", a.body["code"], a.raw)
		}
		require.Len(t, won, 1, "both approved and rejected")
		refunded := g.ops("GET", "/orders/"+d.Order.ID.String(), nil)["refunded_fen"]
		if won["approved"] > 0 {
			require.Equal(t, 1, won["approved"])
			require.EqualValues(t, 9_990, refunded)
		} else {
			require.EqualValues(t, 0, refunded)
		}
	})
}
