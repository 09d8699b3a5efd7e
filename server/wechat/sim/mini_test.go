package sim_test

import (
	"bytes"
	"image/jpeg"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

func (r *rig) stable(force bool) obj {
	r.t.Helper()
	return r.miniJSON("POST", "/cgi-bin/stable_token", obj{
		"grant_type": "client_credential", "appid": r.m.AppID, "secret": r.m.AppSecret, "force_refresh": force,
	})
}

func (r *rig) plainToken() obj {
	r.t.Helper()
	return r.miniJSON("GET", "/cgi-bin/token?grant_type=client_credential&appid="+r.m.AppID+"&secret="+r.m.AppSecret, nil)
}

// tokenCode is what a call with this token answers.
func (r *rig) tokenCode(token string) int {
	r.t.Helper()
	return errcode(r.miniJSON("POST", "/wxa/sec/order/get_order?access_token="+token, obj{"transaction_id": "x"}))
}

const tokenGood = 10060001 // the call got through: there is no such order

func TestToken_StableKeepsPlainRotates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.stable(false), r.stable(false)
	require.Equal(t, a["access_token"], b["access_token"])
	require.InDelta(t, 7200, a["expires_in"], 5)
	p, q := r.plainToken(), r.plainToken()
	require.NotEqual(t, p["access_token"], q["access_token"])
	for _, o := range []obj{a, p, q} {
		require.Equal(t, tokenGood, r.tokenCode(o["access_token"].(string)), "the older one lives on for five minutes")
	}
	forced := r.stable(true)
	require.NotEqual(t, a["access_token"], forced["access_token"])
	require.Equal(t, 40001, r.tokenCode(a["access_token"].(string)), "force kills the old one at once")
	require.Equal(t, tokenGood, r.tokenCode(q["access_token"].(string)), "and leaves the other kind alone")
	require.Equal(t, 45011, errcode(r.stable(true)), "30 s between forced refreshes")
	require.Equal(t, 41001, r.tokenCode(""))
	require.Equal(t, 40001, r.tokenCode("nonsense"))
}

func TestToken_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ok := obj{"grant_type": "client_credential", "appid": r.m.AppID, "secret": r.m.AppSecret}
	for code, o := range map[int]obj{
		40002: with(ok, "grant_type", "x"), 40013: with(ok, "appid", "wx1"), 40125: with(ok, "secret", "x"),
		41002: with(ok, "appid", nil), 41004: with(ok, "secret", nil),
	} {
		require.Equal(t, code, errcode(r.miniJSON("POST", "/cgi-bin/stable_token", o)))
	}
	require.Equal(t, 47001, errcode(r.miniJSON("POST", "/cgi-bin/stable_token", "{")))
	require.Equal(t, 43002, errcode(r.miniJSON("GET", "/cgi-bin/stable_token", nil)))
	require.Equal(t, 43002, errcode(r.miniJSON("GET", "/wxa/getwxacodeunlimit?access_token="+r.token(), nil)))
}

func TestToken_Faults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tok := r.token()
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{RevokeToken: true}}))
	require.Equal(t, 40001, r.tokenCode(tok))
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{ExpiresIn: 1}}))
	short := r.stable(false)
	require.EqualValues(t, 1, short["expires_in"])
	require.Equal(t, tokenGood, r.tokenCode(short["access_token"].(string)))
	require.Eventually(t, func() bool { return r.tokenCode(short["access_token"].(string)) == 42001 }, 5*time.Second, 20*time.Millisecond)
	for _, code := range []int{45009, 40164, -1} {
		r.s.ClearFaults()
		require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Path: "token"}, Action: sim.Action{ErrCode: code}}))
		require.Equal(t, code, errcode(r.stable(false)))
	}
}

func (r *rig) login(code string) obj {
	r.t.Helper()
	h, _ := r.mini("GET", "/sns/jscode2session?appid="+r.m.AppID+"&secret=x&js_code=y&grant_type=authorization_code", nil)
	require.Equal(r.t, "application/json; encoding=utf-8", h.Get("Content-Type"))
	return r.miniJSON("GET", "/sns/jscode2session?appid="+r.m.AppID+"&secret="+r.m.AppSecret+"&js_code="+url.QueryEscape(code)+"&grant_type=authorization_code", nil)
}

func TestSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, code := range []string{r.s.LoginCode("alice"), "sim:alice", "sim:alice:1", "sim:alice:2"} {
		o := r.login(code)
		require.Equal(t, r.s.OpenID("alice"), o["openid"], code)
		require.NotEmpty(t, o["session_key"])
		require.Equal(t, 40163, errcode(r.login(code)), "a code works once")
	}
	require.NotEqual(t, r.s.LoginCode("alice"), r.s.LoginCode("alice"))
	require.Len(t, r.s.OpenID("alice"), 28)
	require.True(t, strings.HasPrefix(r.s.OpenID("alice"), "o"))
	require.NotEqual(t, r.s.OpenID("alice"), r.s.OpenID("bob"))
	require.NotEqual(t, r.s.OpenID("alice"), r.s.OpenIDIn("wx2", "alice"))
	for code, want := range map[string]int{"": 41008, "real-code": 40029, "sim:": 40029, "sim::x": 40029} {
		require.Equal(t, want, errcode(r.login(code)), code)
	}
}

// decode reads a code with somebody else's reader.
func decode(t *testing.T, raw []byte) string {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	bmp, err := gozxing.NewBinaryBitmapFromImage(img)
	require.NoError(t, err)
	res, err := qrcode.NewQRCodeReader().Decode(bmp, nil)
	require.NoError(t, err)
	return res.GetText()
}

func TestSceneCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := "/wxa/getwxacodeunlimit?access_token=" + r.token()
	for _, width := range []int{280, 430, 1280} {
		h, raw := r.mini("POST", path, obj{"scene": "s=Ab3-_.~!", "page": "pages/index/index", "width": width})
		require.Equal(t, "image/jpeg", h.Get("Content-Type"))
		page, scene, err := sim.SceneOf(decode(t, raw))
		require.NoError(t, err)
		require.Equal(t, "pages/index/index", page)
		require.Equal(t, "s=Ab3-_.~!", scene)
	}
	require.Len(t, r.s.Books().Codes, 3)
	_, _, err := sim.SceneOf("https://example.com")
	require.Error(t, err)
}

func TestSceneCode_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.Pages = []string{"pages/index/index"} })
	path := "/wxa/getwxacodeunlimit?access_token=" + r.token()
	ok := obj{"scene": "s=1", "page": "pages/index/index"}
	for name, c := range map[string]struct {
		code int
		o    any
	}{
		"no scene":          {40169, with(ok, "scene", nil)},
		"33 characters":     {40169, with(ok, "scene", strings.Repeat("a", 33))},
		"Chinese":           {40169, with(ok, "scene", "团长")},
		"percent":           {40169, with(ok, "scene", "a%20b")},
		"space":             {40169, with(ok, "scene", "a b")},
		"reserved":          {40169, with(ok, "scene", "scancode_time=1")},
		"leading slash":     {41030, with(ok, "page", "/pages/index/index")},
		"query":             {41030, with(ok, "page", "pages/index/index?a=1")},
		"not released":      {41030, with(ok, "page", "pages/other")},
		"small":             {47001, with(ok, "width", 279)},
		"large":             {47001, with(ok, "width", 1281)},
		"odd environment":   {47001, with(ok, "env_version", "prod")},
		"not JSON":          {47001, "{"},
		"a list":            {47001, "[]"},
		"text for a number": {47001, with(ok, "width", "430")},
	} {
		h, raw := r.mini("POST", path, c.o)
		require.Equal(t, "application/json; encoding=utf-8", h.Get("Content-Type"), name)
		require.Contains(t, string(raw), `"errcode":`, name)
		require.Equal(t, c.code, errcode(r.miniJSON("POST", path, c.o)), name)
	}
	trial := with(ok, "page", "pages/other")
	trial["check_path"], trial["env_version"] = false, "trial"
	h, _ := r.mini("POST", path, trial)
	require.Equal(t, "image/jpeg", h.Get("Content-Type"), "check_path false skips the check")
}

func TestSceneCode_Faults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := "/wxa/getwxacodeunlimit?access_token=" + r.token()
	try := func(a sim.Action) (string, []byte) {
		r.s.ClearFaults()
		require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Path: "wxacode"}, Action: a}))
		h, raw := r.mini("POST", path, obj{"scene": "s=1"})
		return h.Get("Content-Type"), raw
	}
	kind, raw := try(sim.Action{QR: "png"})
	require.Equal(t, "image/png", kind)
	_, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	kind, raw = try(sim.Action{QR: "empty"})
	require.Equal(t, "image/jpeg", kind)
	require.Empty(t, raw)
	kind, raw = try(sim.Action{QR: "json_image"})
	require.Equal(t, "image/jpeg", kind)
	require.Contains(t, string(raw), "errcode")
	kind, raw = try(sim.Action{ErrCode: 45009})
	require.Equal(t, "application/json; encoding=utf-8", kind)
	require.Contains(t, string(raw), "45009")
}

func TestPhoneCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := "/wxa/business/getuserphonenumber?access_token=" + r.token()
	for _, code := range []string{r.s.PhoneCode("13800000001"), "sim:13800000001"} {
		o := r.miniJSON("POST", path, obj{"code": code})
		info := o["phone_info"].(obj)
		require.Equal(t, "13800000001", info["purePhoneNumber"])
		require.Equal(t, "86", info["countryCode"])
		require.Equal(t, r.m.AppID, info["watermark"].(obj)["appid"])
		require.Equal(t, 40029, errcode(r.miniJSON("POST", path, obj{"code": code})), "once")
	}
	require.Equal(t, 40029, errcode(r.miniJSON("POST", path, obj{"code": r.s.LoginCode("alice")})), "a log-in code is another thing")
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.Templates = []string{"tpl"} })
	path := "/cgi-bin/message/subscribe/send?access_token=" + r.token()
	ok := obj{"touser": r.s.OpenID("alice"), "template_id": "tpl", "data": obj{"thing1": obj{"value": "到账了"}}}
	require.Equal(t, 43101, errcode(r.miniJSON("POST", path, ok)), "not accepted")
	r.s.Grant("alice", "tpl", 1)
	for code, o := range map[int]obj{
		40003: with(ok, "touser", "oNobody"), 40037: with(ok, "template_id", "other"),
		47003: with(ok, "data", obj{"thing1": obj{"value": strings.Repeat("长", 21)}}),
	} {
		require.Equal(t, code, errcode(r.miniJSON("POST", path, o)))
	}
	require.Equal(t, 0, errcode(r.miniJSON("POST", path, ok)))
	require.Equal(t, 43101, errcode(r.miniJSON("POST", path, ok)), "used up")
	require.Equal(t, "到账了", r.s.Books().Messages[0].Data["thing1"])
}

func TestContentCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := "/wxa/msg_sec_check?access_token=" + r.token()
	ok := obj{"version": 2, "scene": 1, "openid": r.s.OpenID("alice"), "content": "好吃"}
	require.Equal(t, 61010, errcode(r.miniJSON("POST", path, ok)), "the user was not here lately")
	r.login("sim:alice")
	require.Equal(t, "pass", r.miniJSON("POST", path, ok)["result"].(obj)["suggest"])
	require.Equal(t, "risky", r.miniJSON("POST", path, with(ok, "content", "网络赌博"))["result"].(obj)["suggest"])
	require.Equal(t, 40129, errcode(r.miniJSON("POST", path, with(ok, "scene", 5))))
}
