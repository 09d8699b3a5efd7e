package sim

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"
)

const pageRows = 50

// pageText is what a person who tries the demo clicks. html/template escapes every value.
var pageText = template.Must(template.New("page").Funcs(template.FuncMap{
	"yuan": yuan,
	"when": func(ms int64) string { return time.UnixMilli(ms).In(shopZone).Format(time.DateTime) },
}).Parse(`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>微信模拟器 SIMULATED</title><link rel="icon" href="data:,">
<style>
body{font:15px/1.6 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1rem;color:#1f2328}
.mark{background:#c00;color:#fff;padding:.6rem 1rem;border-radius:.4rem;font-size:1rem;font-weight:600}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}td,th{border-bottom:1px solid #d8dee4;padding:.35rem .5rem;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}button{padding:.3rem .9rem;cursor:pointer}form{display:inline}
.none{color:#59636e}
@media (max-width:48rem){table{display:block;overflow-x:auto}td,th{white-space:nowrap}}
</style></head><body>
<main><h1 class="mark">模拟 SIMULATED：这里不是微信，没有真实的钱。 This is not WeChat; no real money moves.</h1>
<p>业务时间 {{when .Now}} · 基本账户 {{yuan .Basic}} 元 · 运营账户 {{yuan .Operating}} 元
<form method="post" action="/_sim/tick"><button>让时间生效 Settle</button></form></p>
<h2>待支付订单 Unpaid orders</h2>
{{if .Orders}}<table><tr><th>商户订单号</th><th>用户</th><th>商品</th><th>金额(元)</th><th>下单时间</th><th></th></tr>
{{range .Orders}}<tr><td>{{.No}}</td><td>{{.User}}</td><td>{{.What}}</td><td class="n">{{yuan .Fen}}</td><td>{{when .MS}}</td>
<td><form method="post" action="/_sim/pay/{{.Act}}"><button>支付 Pay</button></form></td></tr>{{end}}</table>{{else}}<p class="none">没有 none</p>{{end}}
<h2>待确认收款 Transfers waiting for the payee</h2>
{{if .Transfers}}<table><tr><th>商户单号</th><th>用户</th><th>备注</th><th>金额(元)</th><th>发起时间</th><th></th></tr>
{{range .Transfers}}<tr><td>{{.No}}</td><td>{{.User}}</td><td>{{.What}}</td><td class="n">{{yuan .Fen}}</td><td>{{when .MS}}</td>
<td><form method="post" action="/_sim/transfer/{{.Act}}/confirm"><button>确认收款 Confirm</button></form>
<form method="post" action="/_sim/transfer/{{.Act}}/reject"><button>收款失败 Fail</button></form></td></tr>{{end}}</table>{{else}}<p class="none">没有 none</p>{{end}}
<h2>已发货待收货 Shipped, to be received</h2>
{{if .Ships}}<table><tr><th>商户订单号</th><th>用户</th><th>商品</th><th>金额(元)</th><th>发货时间</th><th></th></tr>
{{range .Ships}}<tr><td>{{.No}}</td><td>{{.User}}</td><td>{{.What}}</td><td class="n">{{yuan .Fen}}</td><td>{{when .MS}}</td>
<td><form method="post" action="/_sim/receipt/{{.Act}}/confirm"><button>确认收货 Received</button></form></td></tr>{{end}}</table>{{else}}<p class="none">没有 none</p>{{end}}
<h2>用户 Users</h2>
<table><tr><th>名字</th><th>openid</th><th>登录码 (wx.login)</th></tr>
{{range .Users}}<tr><td>{{.Name}}</td><td>{{.OpenID}}</td><td><code>sim:{{.Name}}:&lt;每次不同 anything new&gt;</code></td></tr>{{end}}</table>
<p>通知 {{.Notifies}} 条，未确认 {{.Unacked}} 条 · 违反协议 {{.Violations}} 次 ·
<a href="/_sim/books">books</a> · <a href="/_sim/notifies">notifies</a> · <a href="/_sim/violations">violations</a> · <a href="/_sim/check">check</a></p></main>
</body></html>
`))

type pageRow struct {
	No, User, What, Act string
	Fen, MS             int64
}

type pageData struct {
	Now, Basic, Operating         int64
	Orders, Transfers, Ships      []pageRow
	Users                         []User
	Notifies, Unacked, Violations int
}

// page shows what waits for the user, newest first.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	b := s.Books()
	names := map[string]string{}
	for _, u := range b.Users {
		names[u.OpenID] = u.Name
	}
	d := pageData{
		Now: b.NowMS, Basic: b.Accounts[Basic], Operating: b.Accounts[Operating], Notifies: len(b.Notifies), Violations: len(b.Violations),
		Users: b.Users[:min(len(b.Users), pageRows)],
	}
	for _, o := range slices.Backward(b.Orders) {
		switch {
		case o.State == NotPay && b.NowMS < o.ExpireMS && len(d.Orders) < pageRows:
			d.Orders = append(d.Orders, pageRow{o.OutTradeNo, names[o.OpenID], o.Description, o.Prepays[len(o.Prepays)-1].ID, o.TotalFen, o.CreateMS})
		case o.Ship.open() && len(d.Ships) < pageRows:
			d.Ships = append(d.Ships, pageRow{o.OutTradeNo, names[o.OpenID], o.Description, o.TransactionID, o.TotalFen, o.Ship.ShippedMS})
		}
	}
	for _, t := range slices.Backward(b.Transfers) {
		if t.State == WaitConfirm && len(d.Transfers) < pageRows {
			d.Transfers = append(d.Transfers, pageRow{t.OutBillNo, names[t.OpenID], t.Remark, t.OutBillNo, t.Fen, t.CreateMS})
		}
	}
	for _, n := range b.Notifies {
		if n.State != notifyAcked {
			d.Unacked++
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	if err := pageText.Execute(w, d); err != nil {
		s.log.Warn("page not written", "err", fmt.Sprint(err))
	}
}
