package sim_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fenxiao/server/base/clock"
	"fenxiao/server/wechat/sim"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		// wechatpay-go reads bodies without closing them; its clients' timers end with their time-out.
		if err := goleak.Find(goleak.IgnoreTopFunction("net/http.setRequestCancel.func4")); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}

// sharedKeys are made once: making them takes longer than all the tests.
var sharedKeys = sync.OnceValues(sim.GenerateKeys)

// rig is a simulator, a client of it that signs by itself, and a shop that takes notifications.
type rig struct {
	t     *testing.T
	s     *sim.Server
	m     sim.Merchant
	clock *clock.Manual
	key   *rsa.PrivateKey
	pub   *rsa.PublicKey
	shop  *shop
	n     atomic.Int64
	http  *http.Client

	sign func(r *http.Request, ts, nonce string) // a test may spoil the request after it was signed
	skew time.Duration
}

func newRig(t *testing.T, change ...func(*sim.Options)) *rig {
	t.Helper()
	keys, err := sharedKeys()
	require.NoError(t, err)
	c := clock.NewManual(time.Date(2026, 11, 23, 12, 0, 0, 0, clock.Shop))
	o := sim.Options{Now: c.Now, Seed: 7, NotifySync: true, Keys: keys}
	for _, f := range change {
		f(&o)
	}
	s, err := sim.New(o)
	require.NoError(t, err)
	_, err = s.Start("127.0.0.1:0")
	require.NoError(t, err)
	r := &rig{t: t, s: s, m: s.Merchant(), clock: c, http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}}}
	r.key = privateKey(t, r.m.PrivateKeyPEM)
	r.pub = publicKey(t, r.m.PublicKeyPEM)
	r.shop = newShop(r)
	t.Cleanup(func() {
		r.http.CloseIdleConnections()
		require.NoError(t, s.Close(context.Background()))
		r.shop.srv.Close()
		require.Empty(t, s.Check(), "the simulator's books")
	})
	return r
}

func privateKey(t *testing.T, p []byte) *rsa.PrivateKey {
	t.Helper()
	b, _ := pem.Decode(p)
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	require.NoError(t, err)
	return k.(*rsa.PrivateKey)
}

func publicKey(t *testing.T, p []byte) *rsa.PublicKey {
	t.Helper()
	b, _ := pem.Decode(p)
	k, err := x509.ParsePKIXPublicKey(b.Bytes)
	require.NoError(t, err)
	return k.(*rsa.PublicKey)
}

// answer is a reply of WeChat Pay.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (a answer) code() string {
	s, _ := a.body["code"].(string)
	return s
}

func (a answer) str(k string) string {
	s, _ := a.body[k].(string)
	return s
}

// try sends one signed request; the error is the connection's.
func (r *rig) try(method, path string, in any) (answer, error) {
	var raw []byte
	switch v := in.(type) {
	case nil:
	case string:
		raw = []byte(v)
	default:
		var err error
		raw, err = json.Marshal(v)
		require.NoError(r.t, err)
	}
	req, err := http.NewRequest(method, r.m.BaseURL+path, bytes.NewReader(raw))
	require.NoError(r.t, err)
	ts, nonce := strconv.FormatInt(time.Now().Add(r.skew).Unix(), 10), fmt.Sprintf("%032d", r.n.Add(1))
	sum := sha256.Sum256([]byte(method + "\n" + path + "\n" + ts + "\n" + nonce + "\n" + string(raw) + "\n"))
	sig, err := rsa.SignPKCS1v15(rand.Reader, r.key, crypto.SHA256, sum[:])
	require.NoError(r.t, err)
	req.Header.Set("Authorization", fmt.Sprintf(`WECHATPAY2-SHA256-RSA2048 mchid="%s",nonce_str="%s",timestamp="%s",serial_no="%s",signature="%s"`,
		r.m.MchID, nonce, ts, r.m.SerialNo, base64.StdEncoding.EncodeToString(sig)))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "rig")
	req.Header.Set("Wechatpay-Serial", r.m.PublicKeyID)
	if raw != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.sign != nil {
		r.sign(req, ts, nonce)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(a.raw, &a.body)
	return a, nil
}

func (r *rig) call(method, path string, in any) answer {
	r.t.Helper()
	a, err := r.try(method, path, in)
	require.NoError(r.t, err)
	return a
}

// proven checks the signature of a reply.
func (r *rig) proven(a answer) error {
	h := a.header
	sig, err := base64.StdEncoding.DecodeString(h.Get("Wechatpay-Signature"))
	if err != nil || len(sig) == 0 {
		return fmt.Errorf("no signature")
	}
	if h.Get("Wechatpay-Serial") != r.m.PublicKeyID {
		return fmt.Errorf("serial %s", h.Get("Wechatpay-Serial"))
	}
	sec, err := strconv.ParseInt(h.Get("Wechatpay-Timestamp"), 10, 64)
	if d := time.Since(time.Unix(sec, 0)).Abs(); err != nil || d > 5*time.Minute {
		return fmt.Errorf("stale by %s", d)
	}
	sum := sha256.Sum256([]byte(h.Get("Wechatpay-Timestamp") + "\n" + h.Get("Wechatpay-Nonce") + "\n" + string(a.raw) + "\n"))
	return rsa.VerifyPKCS1v15(r.pub, crypto.SHA256, sum[:], sig)
}

type obj = map[string]any

func (r *rig) orderBody(no string, fen int64) obj {
	return obj{
		"appid": r.m.AppID, "mchid": r.m.MchID, "description": "苹果, 5 斤", "out_trade_no": no, "notify_url": r.shop.url("pay"),
		"amount": obj{"total": fen, "currency": "CNY"}, "payer": obj{"openid": r.s.OpenID("alice")}, "attach": "a",
	}
}

const ordersPath = "/v3/pay/transactions/jsapi"

func (r *rig) order(no string, fen int64) string {
	r.t.Helper()
	a := r.call("POST", ordersPath, r.orderBody(no, fen))
	require.Equal(r.t, 200, a.status, string(a.raw))
	return a.str("prepay_id")
}

func (r *rig) paid(no string, fen int64) {
	r.t.Helper()
	require.NoError(r.t, r.s.Pay(context.Background(), r.order(no, fen)))
}

func (r *rig) query(no string) answer {
	r.t.Helper()
	return r.call("GET", "/v3/pay/transactions/out-trade-no/"+no+"?mchid="+r.m.MchID, nil)
}

const refundsPath = "/v3/refund/domestic/refunds"

func (r *rig) refundBody(no, refundNo string, fen, total int64) obj {
	return obj{
		"out_trade_no": no, "out_refund_no": refundNo, "notify_url": r.shop.url("refund"),
		"amount": obj{"refund": fen, "total": total, "currency": "CNY"},
	}
}

const billsPath = "/v3/fund-app/mch-transfer/transfer-bills"

func (r *rig) transferBody(no string, fen int64) obj {
	return obj{
		"appid": r.m.AppID, "out_bill_no": no, "transfer_scene_id": "1005", "openid": r.s.OpenID("bob"), "transfer_amount": fen,
		"transfer_remark": "佣金", "notify_url": r.shop.url("transfer"),
		"transfer_scene_report_infos": []obj{
			{"info_type": "岗位类型", "info_content": "分销员"}, {"info_type": "报酬说明", "info_content": "推广佣金"},
		},
	}
}

func (r *rig) bill(no string) answer {
	r.t.Helper()
	return r.call("GET", billsPath+"/out-bill-no/"+no, nil)
}

// hide encrypts like a client must.
func (r *rig) hide(name string) string {
	b, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, r.pub, []byte(name), nil)
	require.NoError(r.t, err)
	return base64.StdEncoding.EncodeToString(b)
}

// with copies a body and changes one field.
func with(o obj, k string, v any) obj {
	c := maps.Clone(o)
	if v == nil {
		delete(c, k)
	} else {
		c[k] = v
	}
	return c
}

// got is one notification as the shop saw it.
type got struct {
	path   string
	header http.Header
	raw    []byte
	id     string
	event  string
	plain  obj
	err    error // of the proof or of the decryption
}

// shop takes notifications and answers with what the test wants.
type shop struct {
	r      *rig
	srv    *httptest.Server
	mu     sync.Mutex
	got    []got
	status func(got) int
}

func newShop(r *rig) *shop {
	p := &shop{r: r}
	p.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		g := p.read(got{path: q.URL.Path, header: q.Header, raw: raw})
		p.mu.Lock()
		p.got = append(p.got, g)
		status := 200
		if g.err != nil {
			status = 500
		}
		if p.status != nil {
			status = p.status(g)
		}
		p.mu.Unlock()
		w.WriteHeader(status)
	}))
	return p
}

func (p *shop) url(path string) string { return p.srv.URL + "/notify/" + path }

func (p *shop) all() []got {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]got(nil), p.got...)
}

func (p *shop) last(t *testing.T) got {
	t.Helper()
	all := p.all()
	require.NotEmpty(t, all, "no notification came")
	return all[len(all)-1]
}

func (p *shop) answer(f func(got) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = f
}

func (p *shop) read(g got) got {
	if g.err = p.r.proven(answer{header: g.header, raw: g.raw}); g.err != nil {
		return g
	}
	var env struct {
		ID       string `json:"id"`
		Event    string `json:"event_type"`
		Resource *struct {
			Cipher string `json:"ciphertext"`
			Nonce  string `json:"nonce"`
			AAD    string `json:"associated_data"`
		} `json:"resource"`
	}
	if g.err = json.Unmarshal(g.raw, &env); g.err != nil {
		return g
	}
	g.id, g.event = env.ID, env.Event
	if env.Resource == nil || len(env.Resource.Nonce) != 12 {
		g.err = fmt.Errorf("malformed resource")
		return g
	}
	block, _ := aes.NewCipher([]byte(p.r.m.APIV3Key))
	gcm, _ := cipher.NewGCM(block)
	raw, _ := base64.StdEncoding.DecodeString(env.Resource.Cipher)
	plain, err := gcm.Open(nil, []byte(env.Resource.Nonce), raw, []byte(env.Resource.AAD))
	if g.err = err; err == nil {
		g.err = json.Unmarshal(plain, &g.plain)
	}
	return g
}

// mini calls the mini-program API.
func (r *rig) mini(method, path string, in any) (http.Header, []byte) {
	r.t.Helper()
	raw, err := json.Marshal(in)
	require.NoError(r.t, err)
	if s, ok := in.(string); ok {
		raw = []byte(s)
	}
	req, err := http.NewRequest(method, r.m.BaseURL+path, bytes.NewReader(raw))
	require.NoError(r.t, err)
	res, err := r.http.Do(req)
	require.NoError(r.t, err)
	defer res.Body.Close()
	require.Equal(r.t, 200, res.StatusCode)
	out, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	return res.Header, out
}

func (r *rig) miniJSON(method, path string, in any) obj {
	r.t.Helper()
	_, raw := r.mini(method, path, in)
	var o obj
	require.NoError(r.t, json.Unmarshal(raw, &o), string(raw))
	return o
}

func (r *rig) token() string {
	r.t.Helper()
	o := r.miniJSON("POST", "/cgi-bin/stable_token", obj{"grant_type": "client_credential", "appid": r.m.AppID, "secret": r.m.AppSecret})
	require.NotEmpty(r.t, o["access_token"], o)
	return o["access_token"].(string)
}

func errcode(o obj) int {
	f, _ := o["errcode"].(float64)
	return int(f)
}

func TestNew_RefusesProduction(t *testing.T) {
	t.Parallel()
	_, err := sim.New(sim.Options{Production: true})
	require.ErrorContains(t, err, "production")
}

func TestSeed_RepeatsNumbers(t *testing.T) {
	t.Parallel()
	run := func() string {
		r := newRig(t)
		r.paid("order0001", 100)
		return r.query("order0001").str("transaction_id") + r.m.AppID
	}
	a, b := run(), run()
	require.Equal(t, a, b)
	require.Len(t, strings.TrimRight(a, "abcdef"), len(strings.TrimRight(b, "abcdef")))
}
