package adminapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
)

const productJSON = `{"name":"保温杯","status":"on_sale","category":"家居","skus":[{"name":"白","price_fen":0},{"name":"黑","price_fen":9990,"cost_fen":4000}]%s}`

func TestProductsAndStock(t *testing.T) {
	t.Parallel()
	d := newMoneyDoor(t)
	p := d.ok("operations-1", http.MethodPost, "/products", fmt.Sprintf(productJSON, ""))
	require.Equal(t, http.StatusCreated, p.Status)
	require.EqualValues(t, -1, p.at("skus.0.cost_fen"))
	id, sku := p.at("id").(string), p.at("skus.0.id").(string)
	require.Equal(t, http.StatusForbidden, d.do("auditor-1", http.MethodPost, "/products", fmt.Sprintf(productJSON, "")).Status)
	bad := d.do("operations-1", http.MethodPost, "/products", fmt.Sprintf(productJSON, `,"early_from":"2026-11-23T00:00:00Z"`))
	require.Equal(t, "product.invalid", bad.at("code"))

	edit := fmt.Sprintf(`{"name":"保温杯二代","status":"on_sale","skus":[{"id":%q,"name":"白","price_fen":0}],"version":1}`, sku)
	changed := d.ok("operations-1", http.MethodPut, "/products/"+id, edit)
	require.EqualValues(t, 2, changed.at("version"))
	require.Equal(t, true, changed.at("skus.1.off"))
	stale := d.do("operations-1", http.MethodPut, "/products/"+id, edit)
	require.Equal(t, "product.changed", stale.at("code"))
	require.EqualValues(t, 1, d.ok("auditor-1", http.MethodGet, "/products?name=%E4%BA%8C%E4%BB%A3", "").at("total"))
	d.ok("auditor-1", http.MethodGet, "/products/"+id, "")

	receipt := fmt.Sprintf(`{"document_no":"IN-1","items":[{"sku_id":%q,"qty":10}]}`, sku)
	require.EqualValues(t, 10, d.ok("warehouse-1", http.MethodPost, "/stock/receipts", receipt).at("items.0.on_hand"))
	require.EqualValues(t, 10, d.ok("warehouse-1", http.MethodPost, "/stock/receipts", receipt).at("items.0.on_hand"), "the document counts once")
	used := d.do("warehouse-1", http.MethodPost, "/stock/receipts", fmt.Sprintf(`{"document_no":"IN-1","items":[{"sku_id":%q,"qty":11}]}`, sku))
	require.Equal(t, "stock.ref_used", used.at("code"))
	count := fmt.Sprintf(`{"document_no":"C-1","items":[{"sku_id":%q,"delta":-3}],"reason":"盘点"}`, sku)
	require.EqualValues(t, 7, d.ok("warehouse-1", http.MethodPost, "/stock/adjustments", count).at("items.0.on_hand"))
	below := d.do("warehouse-1", http.MethodPost, "/stock/adjustments", fmt.Sprintf(`{"document_no":"C-2","items":[{"sku_id":%q,"delta":-8}],"reason":"盘点"}`, sku))
	require.Equal(t, "stock.insufficient", below.at("code"))
	require.Equal(t, "adjust", d.ok("auditor-1", http.MethodGet, "/skus/"+sku+"/stock-movements", "").at("items.0.kind"))
	require.EqualValues(t, 7, d.ok("auditor-1", http.MethodGet, "/stock", "").at("items.0.available"))
}

// ordered is an order of 0.00, which is paid at once, and one that is not paid.
func (d *moneyDoor) ordered() (paid, unpaid order.Detail) {
	d.t.Helper()
	p := d.ok("operations-1", http.MethodPost, "/products", fmt.Sprintf(productJSON, ""))
	place := func(i int, price string) order.Detail {
		var sku base.SKUID
		require.NoError(d.t, sku.UnmarshalText([]byte(p.at(fmt.Sprintf("skus.%d.id", i)).(string))))
		d.ok("warehouse-1", http.MethodPost, "/stock/receipts", fmt.Sprintf(`{"document_no":"IN-%d","items":[{"sku_id":%q,"qty":10}]}`, i, sku))
		in := flow.CheckoutInput{
			ID: base.OrderID(d.f.DB.Mint.Next()), Customer: d.who.Customer, Items: []flow.BasketItem{{SKU: sku, Qty: 2}}, Delivery: order.Courier,
			Region: 440106, Address: flow.Address{Name: "张三", Phone: "13800138000", Detail: "体育西路 1 号"},
		}
		quote, err := d.f.Quote(d.t.Context(), flow.QuoteInput{Customer: in.Customer, Items: in.Items, Delivery: in.Delivery})
		require.NoError(d.t, err)
		in.ExpectedTotal = quote.Priced.Total
		out, err := d.f.Checkout(d.t.Context(), in)
		require.NoError(d.t, err, price)
		return out
	}
	return place(0, "free"), place(1, "99.90")
}

func TestOrdersAndRefunds(t *testing.T) {
	t.Parallel()
	d := newMoneyDoor(t)
	paid, unpaid := d.ordered()
	path := "/orders/" + paid.Order.ID.String()
	list := d.ok("auditor-1", http.MethodGet, "/orders?state=paid", "")
	require.EqualValues(t, 1, list.at("total"))
	require.Equal(t, paid.Order.ID.String(), list.at("items.0.id"))
	require.EqualValues(t, 2, d.ok("auditor-1", http.MethodGet, "/orders", "").at("total"))
	got := d.ok("auditor-1", http.MethodGet, path, "")
	require.Equal(t, "created", got.at("timeline.0.kind"))
	require.Equal(t, "line", got.at("why.0.code"))
	require.NotContains(t, fmt.Sprint(got.JSON), "13800138000")
	require.Equal(t, http.StatusForbidden, d.do("auditor-1", http.MethodGet, path+"/address", "").Status)
	require.Equal(t, "13800138000", d.ok("warehouse-1", http.MethodGet, path+"/address", "").at("phone"))

	parcel := fmt.Sprintf(`{"carrier":"SF","tracking_no":"SF1","lines":[{"line_id":%q,"qty":1}]}`, paid.Lines[0].ID)
	require.Equal(t, "part", d.ok("warehouse-1", http.MethodPost, path+"/ship", parcel).at("shipped"))
	require.Equal(t, "order.parcel_invalid", d.do("warehouse-1", http.MethodPost, path+"/ship", `{}`).at("code"))

	request, err := d.f.RequestRefund(t.Context(), flow.RefundRequest{
		ID: base.RefundID(d.f.DB.Mint.Next()), Order: paid.Order.ID, Customer: d.who.Customer, Reason: "不要了",
		Ask: order.Ask{Lines: []order.AskLine{{Line: paid.Lines[0].ID, Qty: 1}}},
	})
	require.NoError(t, err)
	refund := "/refunds/" + request.ID.String()
	require.Equal(t, http.StatusForbidden, d.do("warehouse-1", http.MethodPost, refund+"/approve", `{}`).Status)
	require.EqualValues(t, 1, d.ok("auditor-1", http.MethodGet, "/refunds?state=requested", "").at("total"))
	require.Equal(t, "rejected", d.ok("finance-1", http.MethodPost, refund+"/reject", `{"reason":"已出库"}`).at("state"))
	require.Equal(t, "refund.state_moved", d.do("finance-1", http.MethodPost, refund+"/approve", `{}`).at("code"))
	require.Equal(t, "refund.state_moved", d.do("finance-1", http.MethodPost, refund+"/retry", "").at("code"))
	made := d.ok("finance-1", http.MethodPost, path+"/refunds", `{"whole":true,"reason":"协商"}`)
	require.Equal(t, http.StatusCreated, made.Status)
	require.Equal(t, "done", made.at("state"), "an order of 0.00 has nothing to send back")
	require.EqualValues(t, 1, made.at("lines.0.unshipped_qty"))
	require.Equal(t, "done", d.ok("auditor-1", http.MethodGet, "/refunds/"+made.at("id").(string), "").at("state"))
	require.Equal(t, "refund.nothing", d.do("finance-1", http.MethodPost, path+"/refunds", `{"whole":true,"reason":"再来"}`).at("code"))

	require.Equal(t, "cancelled", d.ok("customer_service-1", http.MethodPost, "/orders/"+unpaid.Order.ID.String()+"/cancel", `{"reason":"客户来电"}`).at("state"))
	require.Equal(t, "order.not_found", d.do("auditor-1", http.MethodGet, "/orders/"+base.OrderID(1).String(), "").at("code"))
}

func TestOrderPolicy(t *testing.T) {
	t.Parallel()
	d := newMoneyDoor(t)
	was := d.ok("auditor-1", http.MethodGet, "/settings/orders", "")
	require.EqualValues(t, 30, was.at("policy.close_minutes"))
	body := `{"policy":{"close_minutes":45,"freight_flat_fen":800,"freight_free_from_fen":9900,"reductions":[{"from_fen":20000,"off_fen":1000}],"receive_courier_days":10,"receive_pickup_days":2,"aftersale_days":7},"reason":"年底活动"}`
	now := d.ok("operations-1", http.MethodPut, "/settings/orders", body)
	require.EqualValues(t, 45, now.at("policy.close_minutes"))
	require.EqualValues(t, 1, now.at("version"))
	require.Equal(t, http.StatusForbidden, d.do("warehouse-1", http.MethodPut, "/settings/orders", body).Status)
	bad := `{"policy":{"close_minutes":1,"freight_flat_fen":0,"freight_free_from_fen":0,"reductions":[],"receive_courier_days":10,"receive_pickup_days":2,"aftersale_days":7},"reason":"x"}`
	require.Equal(t, "order_policy.invalid", d.do("operations-1", http.MethodPut, "/settings/orders", bad).at("code"))
}
