package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat"
	"fenxiao/server/wechat/live"
)

const (
	loginPath = "/sns/jscode2session"
	tokenPath = "/cgi-bin/stable_token"
	codePath  = "/wxa/getwxacodeunlimit"
	shipPath  = "/wxa/sec/order/upload_shipping_info"
	jpeg      = "\xFF\xD8\xFF\xE0 a picture"
)

var scene = wechat.SceneCode{Scene: "s=Ab3", Page: "pages/index/index"}

// tokenThen answers token requests with token-1, token-2, … and everything else as the test says.
func tokenThen(answer func(w http.ResponseWriter, r seen, n int)) func(http.ResponseWriter, seen, int) {
	return func(w http.ResponseWriter, r seen, n int) {
		if r.path == tokenPath {
			_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":7200}`, n)
			return
		}
		answer(w, r, n)
	}
}

func picture(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = io.WriteString(w, jpeg)
}

func refusal(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	_, _ = fmt.Fprintf(w, `{"errcode":%d,"errmsg":%q}`, code, message)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	f := serve(t, func(w http.ResponseWriter, r seen, _ int) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, `{"openid":"oA","session_key":"s3ss10n","unionid":"uA"}`)
	})
	who, err := newClient(t, config(t, f.URL)).Login(t.Context(), "a&secret=b c/团")
	require.NoError(t, err)
	require.Equal(t, wechat.Session{OpenID: "oA", UnionID: "uA"}, who)
	r := f.requests(loginPath)[0]
	require.Equal(t, map[string][]string{"appid": {appID}, "secret": {appSecret}, "js_code": {"a&secret=b c/团"},
		"grant_type": {"authorization_code"}}, r.query, "a code cannot add to the query")
}

func TestLoginFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		class  wechat.Class
		code   string
	}{
		"wrong code":  {func(w http.ResponseWriter) { refusal(w, 40029, "invalid code") }, wechat.Refused, "40029"},
		"used code":   {func(w http.ResponseWriter) { refusal(w, 40163, "code been used") }, wechat.Refused, "40163"},
		"too often":   {func(w http.ResponseWriter) { refusal(w, 45011, "api minute-quota reach limit") }, wechat.Later, "45011"},
		"busy":        {func(w http.ResponseWriter) { refusal(w, -1, "system error") }, wechat.Later, "-1"},
		"new code":    {func(w http.ResponseWriter) { refusal(w, 49999, "what") }, wechat.Unknown, "49999"},
		"tells":       {func(w http.ResponseWriter) { refusal(w, 40125, "secret "+appSecret+" is wrong") }, wechat.Refused, "40125"},
		"status 500":  {func(w http.ResponseWriter) { w.WriteHeader(500) }, wechat.Unknown, ""},
		"no JSON":     {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, wechat.Unknown, ""},
		"no openid":   {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "{}") }, wechat.Unknown, ""},
		"no end":      {func(w http.ResponseWriter) { _, _ = io.WriteString(w, strings.Repeat(" ", 5<<20)) }, wechat.Unknown, ""},
		"hung up":     {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, wechat.Unknown, ""},
		"redirection": {func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) }, wechat.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, func(w http.ResponseWriter, _ seen, _ int) { test.answer(w) })
			who, err := newClient(t, config(t, f.URL)).Login(t.Context(), "code")
			require.Error(t, err)
			require.Zero(t, who)
			require.Equal(t, test.class, wechat.ClassOf(err), err)
			require.Equal(t, test.code, wechat.CodeOf(err))
			require.NotContains(t, err.Error(), appSecret)
			require.Zero(t, f.count("/elsewhere"))
			require.Equal(t, name == "no end", strings.Contains(err.Error(), "too long"), err)
		})
	}
}

func TestLoginCodeOfNoUse(t *testing.T) {
	t.Parallel()
	f := serve(t, func(http.ResponseWriter, seen, int) {})
	c := newClient(t, config(t, f.URL))
	for _, code := range []string{"", strings.Repeat("x", 257)} {
		_, err := c.Login(t.Context(), code)
		require.True(t, wechat.BadLoginCode(err))
	}
	require.Zero(t, f.count(loginPath))
}

// TestDeadlines: the library takes no context for scene codes, our deadline holds nevertheless.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	f := serve(t, tokenThen(func(http.ResponseWriter, seen, int) { <-stop }))
	t.Cleanup(func() { close(stop) }) // before the server's own clean-up, which waits for its handlers
	cfg := config(t, f.URL)
	cfg.Timeout = 200 * time.Millisecond
	c := newClient(t, cfg)
	for name, use := range map[string]func(context.Context) error{
		"login":      func(ctx context.Context) error { _, err := c.Login(ctx, "code"); return err },
		"scene code": func(ctx context.Context) error { _, err := c.SceneCode(ctx, scene); return err },
		"shipping":   func(ctx context.Context) error { return c.UploadShipping(ctx, parcelSent()) },
	} {
		err := use(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.Equal(t, wechat.Unknown, wechat.ClassOf(err), name)
		for _, secret := range []string{appSecret, "token-1"} {
			require.NotContains(t, err.Error(), secret, name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, use(ctx), context.Canceled, name)
	}
}

func TestSceneCode(t *testing.T) {
	t.Parallel()
	f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, _ int) { picture(w) }))
	c := newClient(t, config(t, f.URL))
	image, err := c.SceneCode(t.Context(), scene)
	require.NoError(t, err)
	require.Equal(t, jpeg, string(image))

	require.JSONEq(t, `{"grant_type":"client_credential","appid":"`+appID+`","secret":"`+appSecret+`","force_refresh":false}`,
		string(f.requests(tokenPath)[0].body))
	r := f.requests(codePath)[0]
	require.Equal(t, map[string][]string{"access_token": {"token-1"}}, r.query, "nothing but the token")
	require.JSONEq(t, `{"scene":"s=Ab3","page":"pages/index/index","width":430,"env_version":"release","check_path":false}`, string(r.body))

	_, err = c.SceneCode(t.Context(), wechat.SceneCode{Scene: "s=1", Width: 1280, Env: wechat.Trial, CheckPath: true})
	require.NoError(t, err)
	require.JSONEq(t, `{"scene":"s=1","width":1280,"env_version":"trial","check_path":true}`, string(f.requests(codePath)[1].body))
	require.Equal(t, 1, f.count(tokenPath), "one token for all calls")

	_, err = c.SceneCode(t.Context(), wechat.SceneCode{Scene: "团长"})
	require.ErrorIs(t, err, wechat.ErrInput)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err))
	require.Equal(t, 2, f.count(codePath), "what is wrong is not sent")
}

func TestSceneCodeFailures(t *testing.T) {
	t.Parallel()
	typed := func(contentType, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		class  wechat.Class
		code   string
	}{
		"too often":       {func(w http.ResponseWriter) { refusal(w, 45009, "reach max api daily quota limit") }, wechat.Later, "45009"},
		"page":            {func(w http.ResponseWriter) { refusal(w, 41030, "invalid page") }, wechat.Refused, "41030"},
		"scene":           {func(w http.ResponseWriter) { refusal(w, 40169, "invalid length for scene") }, wechat.Refused, "40169"},
		"echoed token":    {func(w http.ResponseWriter) { refusal(w, 47001, "token-1 bad") }, wechat.Refused, "47001"},
		"refusal as JPEG": {typed("image/jpeg", `{"errcode":45009,"errmsg":"limit"}`), wechat.Later, "45009"},
		"PNG":             {typed("image/png", "\x89PNG"), wechat.Unknown, ""},
		"PNG as JPEG":     {typed("image/jpeg", "\x89PNG"), wechat.Unknown, ""},
		"nothing":         {typed("image/jpeg", ""), wechat.Unknown, ""},
		"JSON of nothing": {typed("application/json", `{}`), wechat.Unknown, ""},
		"page of a proxy": {typed("text/html", "<html>"), wechat.Unknown, ""},
		"status 502":      {func(w http.ResponseWriter) { w.WriteHeader(502) }, wechat.Unknown, ""},
		"hung up":         {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, wechat.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, tokenThen(func(w http.ResponseWriter, _ seen, _ int) { test.answer(w) }))
			image, err := newClient(t, config(t, f.URL)).SceneCode(t.Context(), scene)
			require.Error(t, err)
			require.Nil(t, image)
			require.Equal(t, test.class, wechat.ClassOf(err), err)
			require.Equal(t, test.code, wechat.CodeOf(err))
			require.NotContains(t, err.Error(), "token-1")
			require.Equal(t, 1, f.count(codePath))
		})
	}
}

func TestTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	for _, code := range []int{40001, 40014, 42001} {
		f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, n int) {
			if r.query["access_token"][0] == "token-1" {
				refusal(w, code, "access_token expired")
				return
			}
			if r.path == shipPath {
				refusal(w, 0, "ok")
				return
			}
			picture(w)
		}))
		c := newClient(t, config(t, f.URL))
		_, err := c.SceneCode(t.Context(), scene)
		require.NoError(t, err)
		require.Equal(t, 2, f.count(tokenPath))
		require.NoError(t, c.UploadShipping(t.Context(), parcelSent()))
		require.Equal(t, 2, f.count(tokenPath), "the new token stays")
	}

	never := serve(t, tokenThen(func(w http.ResponseWriter, _ seen, _ int) { refusal(w, 40001, "invalid credential") }))
	c := newClient(t, config(t, never.URL))
	_, err := c.SceneCode(t.Context(), scene)
	require.Equal(t, wechat.Later, wechat.ClassOf(err), err)
	require.Equal(t, 2, never.count(codePath), "one retry, no more")
	err = c.UploadShipping(t.Context(), parcelSent())
	require.Equal(t, "40001", wechat.CodeOf(err))
	require.Equal(t, 2, never.count(shipPath))
}

func TestTokenRefused(t *testing.T) {
	t.Parallel()
	f := serve(t, func(w http.ResponseWriter, _ seen, _ int) { refusal(w, 40164, "invalid ip 1.2.3.4, not in whitelist") })
	_, err := newClient(t, config(t, f.URL)).SceneCode(t.Context(), scene)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err), err)
	require.Equal(t, "40164", wechat.CodeOf(err))
	require.Zero(t, f.count(codePath))

	empty := serve(t, func(w http.ResponseWriter, _ seen, _ int) { _, _ = io.WriteString(w, "{}") })
	_, err = newClient(t, config(t, empty.URL)).SceneCode(t.Context(), scene)
	require.Equal(t, wechat.Unknown, wechat.ClassOf(err), err)
}

func TestTokenThatEndsSoonIsStillUsed(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{0, 1, 300} {
		f := serve(t, func(w http.ResponseWriter, r seen, _ int) {
			if r.path == tokenPath {
				_, _ = fmt.Fprintf(w, `{"access_token":"token","expires_in":%d}`, seconds)
				return
			}
			picture(w)
		})
		_, err := newClient(t, config(t, f.URL)).SceneCode(t.Context(), scene)
		require.NoError(t, err)
	}
}

func TestTokenIsFetchedOnceForMany(t *testing.T) {
	t.Parallel()
	f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, _ int) { picture(w) }))
	c := newClient(t, config(t, f.URL))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := c.SceneCode(t.Context(), scene)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, f.count(tokenPath))
	require.Equal(t, 20, f.count(codePath))
}

// oddCache is a cache of which the test says what it has.
type oddCache struct {
	value any
	ttl   time.Duration
}

func (c *oddCache) GetContext(context.Context, string) any { return c.value }

func (c *oddCache) SetContext(_ context.Context, _ string, _ any, ttl time.Duration) error {
	c.ttl = ttl
	return errors.New("cache is out of order")
}

func (c *oddCache) DeleteContext(context.Context, string) error {
	return errors.New("cache is out of order")
}

func TestCacheOutOfOrder(t *testing.T) {
	t.Parallel()
	for _, value := range []any{nil, "", []byte("token-9"), 7} {
		f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, _ int) { picture(w) }))
		cfg := config(t, f.URL)
		cache := &oddCache{value: value}
		cfg.Cache = cache
		_, err := newClient(t, cfg).SceneCode(t.Context(), scene)
		require.NoError(t, err)
		require.Equal(t, 6900*time.Second, cache.ttl, "five minutes before its end")
	}

	f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, _ int) { picture(w) }))
	cfg := config(t, f.URL)
	cfg.Cache = &oddCache{value: "token-of-another-replica"}
	_, err := newClient(t, cfg).SceneCode(t.Context(), scene)
	require.NoError(t, err)
	require.Equal(t, "token-of-another-replica", f.requests(codePath)[0].query["access_token"][0])
	require.Zero(t, f.count(tokenPath))
}

func parcelSent() wechat.Shipping {
	return wechat.Shipping{TransactionID: "4200", OpenID: "oA", Logistics: wechat.Express, AllDelivered: true,
		At:      time.Date(2026, 11, 23, 2, 34, 56, 789_654_321, time.UTC),
		Parcels: []wechat.Parcel{{TrackingNo: "SF1", Company: "SF", Items: "车厘子", ReceiverContactMasked: "189****1234"}}}
}

func TestUploadShipping(t *testing.T) {
	t.Parallel()
	f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, _ int) { refusal(w, 0, "ok") }))
	c := newClient(t, config(t, f.URL))
	require.NoError(t, c.UploadShipping(t.Context(), parcelSent()))
	require.JSONEq(t, `{"order_key":{"order_number_type":2,"transaction_id":"4200","mchid":"","out_trade_no":""},
		"logistics_type":1,"delivery_mode":1,"is_all_delivered":true,
		"shipping_list":[{"tracking_no":"SF1","express_company":"SF","item_desc":"车厘子","contact":{"consignor_contact":"","receiver_contact":"189****1234"}}],
		"upload_time":"2026-11-23T10:34:56.789+08:00","payer":{"openid":"oA"}}`, string(f.requests(shipPath)[0].body))

	half := parcelSent()
	half.AllDelivered = false
	require.NoError(t, c.UploadShipping(t.Context(), half))
	var sent struct {
		Mode int  `json:"delivery_mode"`
		All  bool `json:"is_all_delivered"`
	}
	require.NoError(t, json.Unmarshal(f.requests(shipPath)[1].body, &sent))
	require.Equal(t, 2, sent.Mode)
	require.False(t, sent.All)

	half.Parcels = nil
	require.Equal(t, wechat.Refused, wechat.ClassOf(c.UploadShipping(t.Context(), half)))
	require.Equal(t, 2, f.count(shipPath))
}

func TestUploadShippingFailures(t *testing.T) {
	t.Parallel()
	for code, class := range map[int]wechat.Class{10060001: wechat.Later, 10060004: wechat.Refused, 10060028: wechat.Refused,
		-1: wechat.Later, 10069999: wechat.Unknown} {
		f := serve(t, tokenThen(func(w http.ResponseWriter, r seen, _ int) { refusal(w, code, "no") }))
		err := newClient(t, config(t, f.URL)).UploadShipping(t.Context(), parcelSent())
		require.Equal(t, class, wechat.ClassOf(err), err)
		require.Equal(t, fmt.Sprint(code), wechat.CodeOf(err))
	}
}

// TestTwoClientsInOneProcess: the library has one HTTP client for all; ours do not get mixed up.
func TestTwoClientsInOneProcess(t *testing.T) {
	t.Parallel()
	type party struct {
		f *fake
		c *live.Client
	}
	var parties []party
	for i := range 2 {
		name := fmt.Sprint("shop-", i)
		f := serve(t, func(w http.ResponseWriter, r seen, _ int) {
			switch r.path {
			case tokenPath:
				_, _ = fmt.Fprintf(w, `{"access_token":"token-of-%s","expires_in":7200}`, name)
			case loginPath:
				_, _ = fmt.Fprintf(w, `{"openid":"%s"}`, name)
			default:
				if r.query["access_token"][0] != "token-of-"+name {
					t.Errorf("%s got %s", name, r.uri)
				}
				picture(w)
			}
		})
		parties = append(parties, party{f, newClient(t, config(t, f.URL))})
	}
	var all sync.WaitGroup
	for n := range 40 {
		p, name := parties[n%2], fmt.Sprint("shop-", n%2)
		all.Go(func() {
			who, err := p.c.Login(t.Context(), "code")
			if err != nil || who.OpenID != name {
				t.Errorf("%s: %+v, %v", name, who, err)
			}
			if _, err := p.c.SceneCode(t.Context(), scene); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, p := range parties {
		require.Equal(t, 20, p.f.count(loginPath))
		require.Equal(t, 20, p.f.count(codePath))
	}
}
