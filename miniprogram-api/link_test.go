package miniprogramapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

// linkSite is a shop with one distributor, whose links strangers open.
type linkSite struct {
	*site
	clock *clock.Manual
	owner distributor.Distributor
}

func eachLinkSite(t *testing.T, fn func(t *testing.T, s *linkSite)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s := &linkSite{site: newSite(t, db), clock: c}
		token, _ := s.login("openid-alice")
		terms := s.ok(s.call("", "GET", "/api/v1/distributor-terms", nil))
		applied := s.ok(s.call(token, "POST", "/api/v1/applications", m{"agreement_version": terms["agreement_version"]}))
		var id base.ApplicationID
		require.NoError(t, id.UnmarshalText([]byte(applied["id"].(string))))
		var err error
		s.owner, err = s.flow.Approve(t.Context(), flow.DecideApplication{ID: id, By: base.Admin(1)})
		require.NoError(t, err)
		fn(t, s)
	})
}

func (s *linkSite) code(n attribution.NewCode) attribution.Code {
	s.t.Helper()
	n.ID, n.Distributor = base.CodeID(s.flow.DB.Mint.Next()), s.owner.ID
	if n.Target.Kind == "" {
		n.Target.Kind = attribution.TargetShop
	}
	c, err := s.flow.MakeCode(s.t.Context(), n)
	require.NoError(s.t, err)
	return c
}

func (s *linkSite) lead(code string) {
	s.t.Helper()
	leader, err := distributor.LevelByCode(s.t.Context(), s.flow.DB.Q(), code)
	require.NoError(s.t, err)
	now, err := distributor.Get(s.t.Context(), s.flow.DB.Q(), s.owner.ID)
	require.NoError(s.t, err)
	s.owner, err = s.flow.SetLevel(s.t.Context(), flow.SetLevelInput{ID: s.owner.ID, Version: now.Version, Level: leader.ID, By: base.Admin(1), Reason: "考核"})
	require.NoError(s.t, err)
}

// open asks as a browser does.
func (s *linkSite) open(path, language string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+path, nil)
	require.NoError(s.t, err)
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	req.Header.Set("Accept-Language", language)
	res, err := s.Client().Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return answer{Status: res.StatusCode, Header: res.Header, Raw: raw}
}

func (s *linkSite) touches() []attribution.Touch {
	s.t.Helper()
	var list []attribution.Touch
	require.NoError(s.t, s.flow.DB.Q().Select(s.t.Context(), &list,
		`SELECT id, kind, customer_id, code_id, distributor_id, bound, reason FROM touch ORDER BY id`))
	return list
}

func TestLink_PageOfALevelWithMiniProgramCodes(t *testing.T) {
	t.Parallel()
	eachLinkSite(t, func(t *testing.T, s *linkSite) {
		s.lead(distributor.TeamLeader)
		code := s.code(attribution.NewCode{})
		path := attribution.LinkPath(code.Text)
		a := s.open(path+"?from=singlemessage&isappinstalled=0", "zh-CN,zh;q=0.9,en;q=0.5")
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		page := string(a.Raw)
		for _, want := range []string{
			`<html lang="zh-CN">`, "<main>", "<h1>欢迎光临</h1>", "请用微信扫码打开小程序", "由本店团长为您推荐", "店铺 shop.example",
			`<img src="` + path + `/code.jpg"`, "<code>" + code.Text + "</code>", "分享者可能获得佣金",
		} {
			require.Contains(t, page, want)
		}
		require.Equal(t, 1, strings.Count(page, "<h1>"))
		require.NotContains(t, page, s.owner.ID.String(), "who it is, is not said")
		require.NotContains(t, page, "alice")
		english := string(s.open(path, "en-GB").Raw)
		require.Contains(t, english, `<html lang="en">`)
		require.Contains(t, english, "Scan with WeChat to open the mini-program")
		require.NotRegexp(t, `\p{Han}`, strings.ReplaceAll(english, "Team leader", ""), "all of it is English")

		image := s.open(path+"/code.jpg", "")
		require.Equal(t, http.StatusOK, image.Status)
		require.Equal(t, "image/jpeg", image.Header.Get("Content-Type"))
		require.Equal(t, "\xff\xd8jpeg of s="+code.Text, string(image.Raw))
		var kept int
		require.NoError(t, s.flow.DB.Q().Get(t.Context(), &kept, "SELECT COUNT(*) FROM promo_image WHERE code = ?", code.Text))
		require.Equal(t, 1, kept)

		list := s.touches()
		require.Len(t, list, 2, "a click each time the page is opened, none for the picture")
		require.Equal(t, attribution.Touch{
			ID: list[0].ID, Kind: attribution.Click, Code: code.ID, Distributor: s.owner.ID, Reason: attribution.Anonymous,
		}, list[0])
	})
}

var inlineStyle = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

func TestLink_PolicyAllowsTheStyleAndNothingFromOutside(t *testing.T) {
	t.Parallel()
	eachLinkSite(t, func(t *testing.T, s *linkSite) {
		a := s.open(attribution.LinkPath(s.code(attribution.NewCode{}).Text), "")
		style := inlineStyle.FindSubmatch(a.Raw)
		require.NotNil(t, style)
		sum := sha256.Sum256(style[1])
		policy := a.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", "the browser would ignore the style")
		require.True(t, strings.HasPrefix(policy, "default-src 'none'; "), policy)
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "http")
		require.NotRegexp(t, `(src|href)="(https?:)?//|<script|style=|url\(`, string(a.Raw))
	})
}

func TestLink_ProductNamesAreEscaped(t *testing.T) {
	t.Parallel()
	eachLinkSite(t, func(t *testing.T, s *linkSite) {
		p, err := s.flow.CreateProduct(t.Context(), base.ProductID(s.flow.DB.Mint.Next()), catalog.Entry{
			Name: `<script>alert("茶")</script>`, Summary: `"><img src=x onerror=y>`, Status: catalog.OnSale, AftersaleDays: 7,
			SKUs: []catalog.SKUEntry{{Name: "大", Price: 12_800, Cost: -1}, {Name: "小", Price: 6_850, Cost: -1}},
		}, base.Admin(1))
		require.NoError(t, err)
		code := s.code(attribution.NewCode{Target: attribution.Target{Kind: attribution.TargetProduct, ID: int64(p.ID)}})
		page := string(s.open(attribution.LinkPath(code.Text), "zh").Raw)
		require.Contains(t, page, "<h1>&lt;script&gt;alert(&#34;茶&#34;)&lt;/script&gt;</h1>")
		require.Contains(t, page, "¥68.50 起")
		require.NotContains(t, page, "<script")
		require.NotContains(t, page, "<img")
		require.Contains(t, page, "填写推广码", "this level has no mini-program codes")

		e := catalog.Entry{Name: "新茶", Status: catalog.OffSale, AftersaleDays: 7, SKUs: []catalog.SKUEntry{{ID: p.SKUs[0].ID, Name: "大", Price: 12_800, Cost: -1}}}
		_, err = s.flow.UpdateProduct(t.Context(), catalog.Edit{ID: p.ID, Version: p.Version, Entry: e}, base.Admin(1))
		require.NoError(t, err)
		page = string(s.open(attribution.LinkPath(code.Text), "zh").Raw)
		require.Contains(t, page, "<h1>欢迎光临</h1>", "what is not for sale is not shown")
		require.NotContains(t, page, "新茶")
	})
}

func TestLink_CodesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	eachLinkSite(t, func(t *testing.T, s *linkSite) {
		s.lead(distributor.TeamLeader)
		disabled := s.code(attribution.NewCode{Channel: "a"})
		require.NoError(t, s.flow.DisableCode(t.Context(), attribution.Disable{ID: disabled.ID, By: base.Admin(1), Reason: "违规"}))
		expired := s.code(attribution.NewCode{Channel: "b", Expires: s.clock.Now().Add(time.Hour)})
		suspended := s.code(attribution.NewCode{Channel: "c"})
		s.clock.Advance(time.Hour)
		_, err := s.flow.Suspend(t.Context(), flow.PersonDecision{ID: s.owner.ID, By: base.Admin(1), Reason: "核查"})
		require.NoError(t, err)
		var gone []string
		for _, code := range []attribution.Code{disabled, expired, suspended} {
			a := s.open(attribution.LinkPath(code.Text), "zh")
			require.Equal(t, http.StatusGone, a.Status)
			gone = append(gone, string(a.Raw))
			require.NotContains(t, string(a.Raw), "团长")
			s.refused(404, "code.not_found", s.call("", "GET", attribution.LinkPath(code.Text), nil))
			s.refused(404, "code.not_found", s.call("", "GET", attribution.LinkPath(code.Text)+"/code.jpg", nil))
		}
		require.Contains(t, gone[0], "已经失效")
		require.Equal(t, gone[0], gone[1])
		require.Equal(t, gone[0], gone[2], "why it ended is nobody's business")
		list := s.touches()
		require.Len(t, list, 6, "each is evidence, whether a page was wanted or not")
		require.Equal(t, attribution.CodeDisabled, list[0].Reason)
		require.Equal(t, attribution.CodeExpired, list[2].Reason)

		for _, text := range []string{"0000000000", "x", "%3Cscript%3E", "字字字字字字", strings.Repeat("x", 3000)} {
			a := s.open(attribution.LinkPath(text), "zh")
			require.Equal(t, http.StatusNotFound, a.Status, text)
			require.Contains(t, string(a.Raw), "请检查链接是否复制完整")
			require.NotContains(t, string(a.Raw), "script")
			s.refused(404, "code.not_found", s.call("", "GET", attribution.LinkPath(text)+"/code.jpg", nil))
		}
		require.Len(t, s.touches(), 6, "anybody can ask for any address")
	})
}

func TestLink_PictureOnlyWhereTheLevelMayHaveIt(t *testing.T) {
	t.Parallel()
	eachLinkSite(t, func(t *testing.T, s *linkSite) {
		path := attribution.LinkPath(s.code(attribution.NewCode{}).Text)
		page := string(s.open(path, "zh").Raw)
		require.NotContains(t, page, "<img")
		require.Contains(t, page, "填写推广码")
		s.refused(404, "code.not_found", s.call("", "GET", path+"/code.jpg", nil))
		s.refused(400, "request.unknown_parameter", s.call("", "GET", path+"/code.jpg?width=1280", nil))
		s.lead(distributor.TeamLeader)
		s.flow.Limiter = refusing{}
		busy := s.call("", "GET", path+"/code.jpg", nil)
		s.refused(429, "code.scene_rate_limited", busy)
		require.Equal(t, "7", busy.Header.Get("Retry-After"))
	})
}

// refusing is a limiter that has had enough.
type refusing struct{}

func (refusing) Limit(context.Context, string, string, int, int) (bool, time.Duration, error) {
	return false, 7 * time.Second, nil
}
