package miniprogramapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

// linkRate is what one address may open: many people share an address, and each visit is a row.
var linkRate = httpx.Rate{PerMinute: 300, Burst: 100}

func (a *API) registerLink(api *httpx.API) {
	tags := []string{"promotion"}
	httpx.RegisterRaw(api, httpx.Op{
		ID: "open-link", Method: http.MethodGet, Path: attribution.LinkPath("{code}"), Root: true,
		Summary: "Where a promotion link leads: a page that says how to open the mini-program",
		Description: "For people and their browsers; records a click. Apps append parameters of their own to links, so any query is taken. " +
			"A code that has ended is 410. Whoever does not accept HTML gets a problem with 404 for both.",
		Permission: access.Public, Tags: tags, Rate: linkRate, AnyQuery: true, Produces: "text/html", Errors: []int{http.StatusGone},
	}, a.openLink)
	httpx.RegisterRaw(api, httpx.Op{
		ID: "get-link-code", Method: http.MethodGet, Path: attribution.LinkPath("{code}") + "/code.jpg", Root: true,
		Summary: "The mini-program code on a promotion link's page, as JPEG", Permission: access.Public, Tags: tags, Rate: linkRate,
		Produces: "image/jpeg", Errors: []int{http.StatusServiceUnavailable},
	}, a.linkCode)
}

// linkVisit is what a visitor may know about a promotion link.
type linkVisit struct {
	English  bool
	Gone     bool // the code was there and works no more
	Found    bool // the code works
	Code     string
	Host     string // the shop's public address, which is all the name it has
	Level    string // of the distributor; who it is, is not said
	Product  string // "": the whole shop
	Summary  string
	Price    money.Fen // the lowest of the product
	Prices   bool      // there are higher ones too
	HasImage bool
}

// openLink shows a promotion link's page and records the click. What names no code of ours is not recorded: anybody can
// ask for any address.
func (a *API) openLink(c *gin.Context) {
	v, err := a.visitLink(c)
	if err == nil && !v.Found && !acceptsHTML(c.Request) {
		err = attribution.ErrCodeNotFound
	}
	var page bytes.Buffer
	if err == nil {
		if err = linkPage.Execute(&page, v); err != nil {
			err = fmt.Errorf("write link page: %w", err)
		}
	}
	if err != nil {
		httpx.WriteError(c, err)
		return
	}
	status := http.StatusNotFound
	switch {
	case v.Found:
		status = http.StatusOK
	case v.Gone:
		status = http.StatusGone
	}
	c.Header("Content-Security-Policy", linkPolicy)
	c.Header("Vary", "Accept, Accept-Language")
	c.Data(status, "text/html; charset=utf-8", page.Bytes())
}

func acceptsHTML(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*")
}

func (a *API) visitLink(c *gin.Context) (linkVisit, error) {
	ctx, q, text := c.Request.Context(), a.Flow.DB.Q(), c.Param("code")
	v := linkVisit{English: httpx.English(ctx), Host: hostOf(a.Flow.Shop.LinkBase)}
	if !attribution.IsCode(text) {
		return v, nil
	}
	if _, err := attribution.CodeByText(ctx, q, text); err != nil {
		if errs.CodeOf(err) == attribution.ErrCodeNotFound.Code {
			err = nil
		}
		return v, err
	}
	s, err := a.Flow.Scan(ctx, flow.ScanInput{Touch: base.TouchID(a.Flow.DB.Mint.Next()), Kind: attribution.Click, Raw: text})
	if err != nil {
		return v, err
	}
	if s.Owner.MustBeActive() != nil || !s.Code.Works(a.Flow.DB.Clock.Now()) {
		v.Gone = true
		return v, nil
	}
	v.Found, v.Code, v.HasImage = true, s.Code.Text, s.Owner.Level.Rights.SceneCodes
	v.Level = inLanguage(ctx, s.Owner.Level.NameZH, s.Owner.Level.NameEN)
	if t := s.Code.Target(); t.Kind == attribution.TargetProduct {
		p, err := catalog.Get(ctx, q, base.ProductID(t.ID))
		if err != nil {
			return v, err
		}
		if sale := p.SaleAt(a.Flow.DB.Clock.Now()); sale == catalog.SaleOpen || sale == catalog.SaleEarly && s.Owner.Level.Rights.FirstPromote {
			v.show(p)
		}
	}
	return v, nil
}

// show puts a product on the page, without its picture: that may lie with others, who would learn of the visit.
func (v *linkVisit) show(p catalog.Product) {
	v.Product, v.Summary = p.Name, p.Summary
	for _, s := range p.SKUs {
		switch {
		case s.Status != catalog.OnSale:
		case v.Price == 0:
			v.Price = s.Price
		case s.Price != v.Price:
			v.Price, v.Prices = min(v.Price, s.Price), true
		}
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// linkCode draws the mini-program code of a link's page. To strangers every refusal is the same, whatever it says about
// the distributor.
func (a *API) linkCode(c *gin.Context) {
	image, err := a.linkCodeImage(c)
	if e, ok := errs.As(err); ok && e.Kind != errs.Limited && e.Kind != errs.Unavailable {
		err = attribution.ErrCodeNotFound
	}
	sendImage(c, "image/jpeg", image, err)
}

func (a *API) linkCodeImage(c *gin.Context) ([]byte, error) {
	ctx, text := c.Request.Context(), c.Param("code")
	if !attribution.IsCode(text) {
		return nil, attribution.ErrCodeNotFound
	}
	code, err := attribution.CodeByText(ctx, a.Flow.DB.Q(), text)
	if err != nil {
		return nil, err
	}
	return a.Flow.SceneImage(ctx, flow.ImageInput{Distributor: code.Distributor, Code: code.ID})
}

// linkPolicy lets the page use its own style and its own picture, and nothing else.
var linkPolicy = "default-src 'none'; img-src 'self' data:; style-src 'sha256-" + hashOf(linkStyle) + "'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

const linkStyle = `
:root{color-scheme:light dark;--ink:#1c2128;--soft:#4b5563;--ground:#f3f5f4;--card:#fff;--line:#d5dbd8;--green:#067a46}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:17px/1.65 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;overflow-wrap:anywhere}
main{max-width:30rem;margin:0 auto;padding:1.5rem 1rem 2rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem 1.25rem;text-align:center}
.shop{margin:0 0 .5rem;color:var(--soft);font-size:.9rem}
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.3}
h2{margin:1.25rem 0 .25rem;padding-top:1.25rem;border-top:1px solid var(--line);font-size:1.15rem;line-height:1.4}
p{margin:.25rem 0}
.price{font-size:1.35rem;font-weight:700;color:var(--green);font-variant-numeric:tabular-nums}
.soft{color:var(--soft);font-size:.95rem}
.ask{margin-top:1rem}
img{display:block;width:15rem;max-width:100%;height:auto;margin:1rem auto;padding:.5rem;background:#fff;border-radius:.75rem}
code{display:inline-block;margin:.5rem 0;padding:.4rem 1rem;border:1px dashed var(--green);border-radius:.5rem;font:600 1.3rem/1.5 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.06em;user-select:all;-webkit-user-select:all}
footer{margin-top:1rem;color:var(--soft);font-size:.85rem;text-align:center}
@media (prefers-color-scheme:dark){:root{--ink:#eef1ef;--soft:#b3bcb7;--ground:#111513;--card:#1b211e;--line:#36403b;--green:#5fd39b}}
`

// linkPage is the page in both languages. html/template escapes every value.
var linkPage = template.Must(template.New("link").Parse(`{{define "title"}}{{if not .Found}}{{if .English}}This link does not work{{else}}这个链接打不开了{{end}}` +
	`{{else if .Product}}{{.Product}}{{else if .English}}Welcome to our shop{{else}}欢迎光临{{end}}{{end}}<!doctype html>
<html lang="{{if .English}}en{{else}}zh-CN{{end}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{template "title" .}}</title>
<link rel="icon" href="data:,">
<style>` + linkStyle + `</style>
</head>
<body>
<main>
<div class="card">
{{if .Host}}<p class="shop">{{if .English}}Shop{{else}}店铺{{end}} {{.Host}}</p>{{end}}
<h1>{{template "title" .}}</h1>
{{if not .Found}}{{template "lost" .}}{{else}}{{template "found" .}}{{end}}
</div>
{{if .Found}}<footer>{{if .English}}This is a promotion link: whoever shared it may earn a commission on what you buy. You pay the same price.
{{- else}}这是推广链接：您下单后，分享者可能获得佣金，您支付的价格不变。{{end}}</footer>{{end}}
</main>
</body>
</html>
{{define "lost"}}{{if .Gone}}<p>{{if .English}}This promotion link has ended. Ask whoever sent it to you for a new one.{{else}}这个推广链接已经失效，请向分享给您的人要一个新的。{{end}}</p>
{{else}}<p>{{if .English}}There is nothing at this address. Check that the whole link was copied.{{else}}没有找到这个推广链接，请检查链接是否复制完整。{{end}}</p>{{end}}
<p class="soft">{{if .English}}You can also open our mini-program in WeChat as usual.{{else}}您也可以直接在微信里打开我们的小程序。{{end}}</p>{{end}}
{{define "found"}}{{if .Price}}<p class="price">¥{{.Price}}{{if .Prices}} {{if .English}}and up{{else}}起{{end}}{{end}}</p>{{end}}
{{if .Summary}}<p>{{.Summary}}</p>{{end}}
<p class="soft">{{if .English}}Recommended to you by: {{.Level}}{{else}}由本店{{.Level}}为您推荐{{end}}</p>
{{if .HasImage}}<h2>{{if .English}}Scan with WeChat to open the mini-program{{else}}请用微信扫码打开小程序{{end}}</h2>
<img src="/l/{{.Code}}/code.jpg" width="430" height="430" alt="{{if .English}}Mini-program code {{.Code}}{{else}}小程序码 {{.Code}}{{end}}">
<p class="soft">{{if .English}}Reading this in WeChat? Press and hold the code. Elsewhere on a phone, save it and choose it from the album in WeChat's scanner.
{{- else}}正在微信里看？长按小程序码即可识别。在手机的其他应用里，可先保存图片，再用微信“扫一扫”从相册中选取。{{end}}</p>
<p class="soft ask">{{if .English}}Cannot scan? Copy this code into the mini-program:{{else}}扫不了？复制下面的推广码，到小程序里填写：{{end}}</p>
{{else}}<h2>{{if .English}}Open our mini-program in WeChat and enter this code{{else}}请在微信里打开我们的小程序，填写推广码{{end}}</h2>
{{end}}<p><code>{{.Code}}</code></p>
<p class="soft">{{if .English}}Tap the code to select all of it, then copy.{{else}}轻点推广码即可全选，然后复制。{{end}}</p>{{end}}`))
