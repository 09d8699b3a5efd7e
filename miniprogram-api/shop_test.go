package miniprogramapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

// goods is the customers' door of a shop with one product, and somebody whose orders are nobody else's business.
type goods struct {
	*orderSite
	stranger string
	keys     int
}

func eachGoods(t *testing.T, fn func(t *testing.T, g *goods)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		g := &goods{orderSite: newOrderSiteOn(t, db, c)}
		g.stranger, _ = g.login("stranger")
		fn(t, g)
	})
}

func (g *goods) key() string {
	g.keys++
	return fmt.Sprintf("shop-test-key-%06d", g.keys)
}

// send asks with a text as body and a key of the caller's choice.
func (g *goods) send(token, key, method, path, body string) answer {
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.URL+"/api/v1"+path, bytes.NewBufferString(body))
	require.NoError(g.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Idempotency-Key", key)
	res, err := g.Client().Do(req)
	require.NoError(g.t, err)
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	a.Raw, err = io.ReadAll(res.Body)
	require.NoError(g.t, err)
	require.NoError(g.t, json.Unmarshal(a.Raw, &a.Body), "%s", a.Raw)
	return a
}

// step is one operation, done rightly once and wrongly in every way that fits.
type step struct {
	method, path string
	body         m
	bad          []string // JSON fields that make the body wrong, each `"name":value`
	notFound     string   // what a stranger is told, and who asks for what is not there
	unkeyed      bool     // a POST that needs no key
}

func text(t *testing.T, v m) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// nobodys is a path whose id is of nothing.
func nobodys(path string) string {
	parts := strings.Split(path, "/")
	parts[2] = parts[2][:2] + "0000000000001"
	return strings.Join(parts, "/")
}

// take does a step and returns the answer.
func (g *goods) take(s step) m {
	g.t.Helper()
	body := ""
	if s.body != nil {
		body = text(g.t, s.body)
	}
	g.refused(401, "auth.required", g.send("", g.key(), s.method, s.path, body))
	g.refused(401, "auth.token_invalid", g.send(g.token+"x", g.key(), s.method, s.path, body))
	g.refused(400, "request.unknown_parameter", g.send(g.token, g.key(), s.method, s.path+"?colour=red", body))
	if s.notFound != "" {
		hidden := g.send(g.stranger, g.key(), s.method, s.path, body)
		g.refused(404, s.notFound, hidden)
		absent := g.send(g.token, g.key(), s.method, nobodys(s.path), body)
		g.refused(404, s.notFound, absent)
		require.Equal(g.t, hidden.Body["title"], absent.Body["title"], "no hint that it exists")
		g.refused(422, "request.invalid", g.send(g.token, g.key(), s.method, strings.Replace(nobodys(s.path), "0000000000001", "1", 1), body))
	}
	if s.body != nil {
		g.misfits(s)
	}
	if s.method == http.MethodGet || s.unkeyed {
		return g.ok(g.send(g.token, "", s.method, s.path, body))
	}
	return g.takeOnce(s, body)
}

func (g *goods) misfits(s step) {
	g.t.Helper()
	for _, field := range append(s.bad, `"colour":"red"`) {
		wrong := m{}
		require.NoError(g.t, json.Unmarshal([]byte("{"+field+"}"), &wrong))
		for k, v := range s.body {
			if _, there := wrong[k]; !there {
				wrong[k] = v
			}
		}
		a := g.send(g.token, g.key(), s.method, s.path, text(g.t, wrong))
		require.Equal(g.t, 422, a.Status, "%s: %s", field, a.Raw)
	}
}

// takeOnce does a change under one key: without it, with it, again, and with another body.
func (g *goods) takeOnce(s step, body string) m {
	g.t.Helper()
	g.refused(400, "idem.missing", g.send(g.token, "", s.method, s.path, body))
	key := g.key()
	first := g.send(g.token, key, s.method, s.path, body)
	again := g.send(g.token, key, s.method, s.path, body)
	require.Equal(g.t, string(first.Raw), string(again.Raw))
	require.Equal(g.t, "true", again.Header.Get("Idempotency-Replayed"))
	g.refused(422, "idem.mismatch", g.send(g.token, key, s.method, s.path, body+" "))
	return g.ok(first)
}

func (g *goods) ships(id string) order.Detail {
	g.t.Helper()
	d, err := g.flow.Ship(g.t.Context(), flow.ShipInput{
		ID: base.FulfilmentID(g.flow.DB.Mint.Next()), Order: orderID(g.t, id), Carrier: "SF", TrackingNo: fmt.Sprintf("SF%d", g.flow.DB.Mint.Next()),
		Lines: []order.FulfilmentLine{{Line: g.lineOf(id), Qty: 1}}, By: base.Admin(1),
	})
	require.NoError(g.t, err)
	return d
}

func (g *goods) lineOf(id string) base.LineID {
	g.t.Helper()
	lines, err := order.Lines(g.t.Context(), g.flow.DB.Q(), orderID(g.t, id))
	require.NoError(g.t, err)
	return lines[0].ID
}

func TestShopDoors_EveryOperation(t *testing.T) {
	t.Parallel()
	eachGoods(t, func(t *testing.T, g *goods) {
		shelf := g.take(step{method: "GET", path: "/products"})
		require.Len(t, shelf["items"], 1)
		product := shelf["items"].([]any)[0].(m)["id"].(string)
		require.Equal(t, "保温杯", g.take(step{method: "GET", path: "/products/" + product})["name"])
		g.refused(404, "product.not_found", g.send(g.token, "", "GET", "/products/pr0000000000001", ""))
		g.refused(422, "request.bad_cursor", g.send(g.token, "", "GET", "/products?cursor=x", ""))

		items := []string{`"items":[]`, `"items":[{"sku_id":"sk1","qty":1}]`, fmt.Sprintf(`"items":[{"sku_id":%q,"qty":0}]`, g.sku),
			fmt.Sprintf(`"items":[{"sku_id":%q,"qty":1000}]`, g.sku), fmt.Sprintf(`"items":[{"sku_id":%q,"qty":999},{"sku_id":%q,"qty":1}]`, g.sku, g.sku),
			`"items":[{"sku_id":"","qty":1}]`, `"delivery":"drone"`}
		basket := g.basket(2, 19_980)
		quote := g.take(step{method: "POST", path: "/quotes", body: m{"items": basket["items"]}, bad: items, unkeyed: true})
		require.EqualValues(t, 19_980, quote["total_fen"])

		first := g.take(step{method: "POST", path: "/orders", body: basket, bad: append(items,
			`"expected_total_fen":-1`, `"expected_total_fen":1000000000001`, `"expected_total_fen":"19980"`, `"address":{}`, `"remark":7`,
			`"address":{"name":"张三","phone":"13800138000","region_code":440106,"detail":""}`,
			`"address":{"name":"张三","phone":"13800138000","region_code":440199,"detail":"x"}`,
			`"remark":"`+strings.Repeat("长", 201)+`"`)})
		path := "/orders/" + first["id"].(string)
		require.Equal(t, "提交订单", first["timeline"].([]any)[0].(m)["text"])
		require.Len(t, g.take(step{method: "GET", path: "/orders"})["items"], 1)
		g.refused(422, "request.invalid", g.send(g.token, "", "GET", "/orders?state=lost", ""))
		g.take(step{method: "GET", path: path, notFound: "order.not_found"})
		require.Contains(t, g.take(step{method: "POST", path: path + "/pay", notFound: "order.not_found"})["package"], "prepay_id=")
		require.Equal(t, "paid", g.take(step{method: "POST", path: path + "/confirm-payment", notFound: "order.not_found", unkeyed: true})["state"])

		second := g.ok(g.send(g.token, g.key(), "POST", "/orders", text(t, g.basket(1, 9_990))))
		gone := g.take(step{
			method: "POST", path: "/orders/" + second["id"].(string) + "/cancel", body: m{"reason": "买错了"}, bad: []string{`"reason":""`, `"reason":" "`, `"reason":null`},
			notFound: "order.not_found",
		})
		require.Equal(t, "cancelled", gone["state"])

		g.ships(first["id"].(string))
		parcel := g.ships(first["id"].(string)).Fulfilments[0].ID
		part := g.take(step{
			method: "POST", path: path + "/receive", body: m{"parcel_id": parcel}, bad: []string{`"parcel_id":"fu1"`, `"parcel_id":"or0000000000001"`},
			notFound: "order.not_found",
		})
		require.Equal(t, "part", part["received"])
		g.refused(409, "order.nothing_to_receive", g.send(g.token, g.key(), "POST", path+"/receive", `{"parcel_id":"fu0000000000001"}`))
		require.Equal(t, "completed", g.ok(g.send(g.token, g.key(), "POST", path+"/receive", `{}`))["state"])
		g.asks(path, first["id"].(string))
	})
}

// asks goes through the doors of refunds with an order that was received.
func (g *goods) asks(path, id string) {
	t, line := g.t, g.lineOf(id)
	body := m{"lines": []m{{"line_id": line, "qty": 1}}, "goods_back": true, "reason": "杯盖漏水"}
	asked := g.take(step{
		method: "POST", path: path + "/refunds", body: body, notFound: "order.not_found",
		bad: []string{`"reason":""`, `"lines":[]`, `"lines":[{"line_id":"ol1","qty":1}]`, fmt.Sprintf(`"lines":[{"line_id":%q,"qty":-1}]`, line),
			fmt.Sprintf(`"lines":[{"line_id":%q,"amount_fen":-1}]`, line), fmt.Sprintf(`"lines":[{"line_id":%q,"qty":1},{"line_id":%q,"qty":1}]`, line, line),
			fmt.Sprintf(`"lines":[{"line_id":%q,"amount_fen":99999999999999999999}]`, line), `"freight_fen":-1`, `"whole":"yes"`},
	})
	require.Equal(t, "requested", asked["state"])
	refund := "/refunds/" + asked["id"].(string)
	g.refused(409, "refund.already_open", g.send(g.token, g.key(), "POST", path+"/refunds", text(t, body)))
	require.Len(t, g.take(step{method: "GET", path: "/refunds"})["items"], 1)
	require.Empty(t, g.ok(g.send(g.stranger, "", "GET", "/refunds", ""))["items"])
	g.take(step{method: "GET", path: refund, notFound: "refund.not_found"})
	require.Equal(t, "withdrawn", g.take(step{method: "POST", path: refund + "/withdraw", notFound: "refund.not_found"})["state"])
	for _, r := range []struct {
		code, body string
	}{
		{"refund.exceeds", fmt.Sprintf(`{"lines":[{"line_id":%q,"qty":3}],"reason":"x"}`, line)},
		{"refund.exceeds", fmt.Sprintf(`{"lines":[{"line_id":%q,"amount_fen":19981}],"reason":"x"}`, line)},
		{"refund.exceeds", `{"freight_fen":1,"reason":"x"}`},
		{"order.line_not_found", `{"lines":[{"line_id":"ol0000000000001","qty":1}],"reason":"x"}`},
	} {
		require.Equal(t, r.code, g.send(g.token, g.key(), "POST", path+"/refunds", r.body).Body["code"], r.body)
	}
	var kinds []string
	for _, moment := range g.ok(g.send(g.token, "", "GET", path, ""))["timeline"].([]any) {
		kinds = append(kinds, moment.(m)["kind"].(string))
	}
	require.Equal(t, []string{"created", "paid", "shipped", "received", "shipped", "received", "refund_requested", "refund_withdrawn", "completed"}, kinds)

	g.clock.Advance(7*24*time.Hour + time.Second)
	g.refused(401, "auth.token_expired", g.send(g.token, g.key(), "POST", path+"/refunds", text(t, body)))
	g.token, _ = g.login("buyer")
	g.refused(409, "refund.window_over", g.send(g.token, g.key(), "POST", path+"/refunds", text(t, body)))
}

// TestShopDoors_MoreThanMoneyCanSay wants a basket beyond every bound to be the customer's mistake and not ours.
func TestShopDoors_MoreThanMoneyCanSay(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(storetest.Start)
	g := &goods{orderSite: newOrderSiteOn(t, storetest.SQLite(t, c), c)}
	e := catalog.Entry{Name: "金条", Status: catalog.OnSale, AftersaleDays: 0}
	for i := range 20 {
		e.SKUs = append(e.SKUs, catalog.SKUEntry{Name: fmt.Sprint(i), Price: catalog.PriceMax, Cost: catalog.CostUnknown})
	}
	p, err := g.flow.CreateProduct(t.Context(), base.ProductID(g.flow.DB.Mint.Next()), e, base.Admin(1))
	require.NoError(t, err)
	var basket []m
	for _, sku := range p.SKUs {
		basket = append(basket, m{"sku_id": sku.ID, "qty": 999})
	}
	g.refused(422, "order.too_much", g.send(g.token, g.key(), "POST", "/quotes", text(t, m{"items": basket})))
	in := g.basket(1, 9_990)
	in["items"] = basket
	g.refused(422, "order.too_much", g.send(g.token, g.key(), "POST", "/orders", text(t, in)))
}

// TestShopDoors_OneOrderPerKey sends the same order under one key many times at once, as a phone with a bad line does.
func TestShopDoors_OneOrderPerKey(t *testing.T) {
	t.Parallel()
	eachGoods(t, func(t *testing.T, g *goods) {
		body, key := text(t, g.basket(1, 9_990)), g.key()
		answers := make([]answer, 12)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = g.send(g.token, key, "POST", "/orders", body) })
		}
		all.Wait()
		ids := map[any]bool{}
		for _, a := range answers {
			if a.Status == 201 {
				ids[a.Body["id"]] = true
				continue
			}
			require.Equal(t, 409, a.Status, "%s", a.Raw)
			require.Equal(t, "idem.running", a.Body["code"], "%s", a.Raw)
		}
		require.Len(t, ids, 1)
		require.Len(t, g.ok(g.send(g.token, "", "GET", "/orders", ""))["items"], 1)
	})
}

// TestShopDoors_TheLastOnes lets many customers order what is left at the same instant: five get one, and the stock says so.
func TestShopDoors_TheLastOnes(t *testing.T) {
	t.Parallel()
	eachGoods(t, func(t *testing.T, g *goods) {
		tokens, keys := make([]string, 20), make([]string, 20)
		for i := range tokens {
			tokens[i], _ = g.login(fmt.Sprintf("buyer-%d", i))
			keys[i] = g.key()
		}
		body := text(t, g.basket(1, 9_990))
		answers := make([]answer, len(tokens))
		var all sync.WaitGroup
		for i := range tokens {
			all.Go(func() { answers[i] = g.send(tokens[i], keys[i], "POST", "/orders", body) })
		}
		all.Wait()
		got := 0
		for _, a := range answers {
			if a.Status == 201 {
				got++
				continue
			}
			g.refused(409, "stock.insufficient", a)
		}
		require.Equal(t, 5, got)
		free, err := inventory.FreeOf(t.Context(), g.flow.DB.Q(), []base.SKUID{g.sku})
		require.NoError(t, err)
		require.Zero(t, free[g.sku])
	})
}

// TestShopDoors_English tells prices and moments in the language that the caller reads.
func TestShopDoors_English(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(storetest.Start)
	g := &goods{orderSite: newOrderSiteOn(t, storetest.SQLite(t, c), c)}
	placed := g.ok(g.send(g.token, g.key(), "POST", "/orders", text(t, g.basket(2, 19_980))))
	req, err := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/api/v1/orders/"+placed["id"].(string), nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set("Accept-Language", "en")
	res, err := g.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var out m
	require.NoError(t, json.NewDecoder(res.Body).Decode(&out))
	require.Equal(t, "Order placed", out["timeline"].([]any)[0].(m)["text"])
	require.Equal(t, "保温杯 白: 99.90 each × 2 = 199.80", out["why"].([]any)[0])
}
