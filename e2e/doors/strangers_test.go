package doors_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/access"
)

// TestStrangers_IDsOpenNothing: a customer and a distributor who have nothing ask for what the others have, by its true
// id, with a proper request. To them it does not exist.
func TestStrangers_IDsOpenNothing(t *testing.T) {
	t.Parallel()
	shop.Each(t, func(t *testing.T, o shop.Options) {
		o.Redis = ""
		w := newWalk(t, o)
		names := tables(t, w.App.DB)
		before := books(t, w.App.DB, names)
		asked := 0
		for _, op := range w.ops {
			if op.audience != "client" || !op.has("path") || op.Permission == access.Public || everybodys(op) {
				continue
			}
			who := w.newcomer
			if op.Permission == access.Distributor {
				who = w.rival.Person
			}
			require.NoError(t, who.Fresh(t.Context()))
			r := w.proper(op)
			r.method, r.token = op.method, who.Token
			a := w.ask(t, r)
			w.checkRefusal(t, op, a)
			require.Equal(t, http.StatusNotFound, a.status, "%s", a)
			nothing := w.ask(t, with(r, func(r *request) {
				r.path = w.elsewhere(op)
				if op.Idempotent {
					r.header["Idempotency-Key"] = w.key()
				}
			}))
			require.Equal(t, nothing.problem.Code, a.problem.Code, "what is somebody else's looks like what is not there: %s", a)
			asked++
		}
		require.Greater(t, asked, 15)
		require.Equal(t, before, books(t, w.App.DB, names))
	})
}

// everybodys says that an operation shows what all customers may see.
func everybodys(op *operation) bool { return strings.HasPrefix(op.path, "/api/v1/products/") }

// TestNotify_RefusesStrangers: who is not WeChat Pay gets WeChat's kind of refusal, and nothing is stored.
func TestNotify_RefusesStrangers(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	op := w.find(t, "client notify-wechat-pay")
	names := tables(t, w.App.DB)
	before := books(t, w.App.DB, names)
	signed := map[string]string{
		"Wechatpay-Serial": w.Merchant.PublicKeyID, "Wechatpay-Nonce": "nonce", "Wechatpay-Timestamp": "1",
		"Wechatpay-Signature": "bm9uZQ==", "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
	}
	old := w.WX.Books().Notifies
	require.NotEmpty(t, old)
	bodies := []string{"", "x", "{}", "[]", "null", `{"id":"x","resource":{}}`, strings.Repeat("[", deepness), "\xff\xfe", `{"id":"` + strings.Repeat("x", 2*bodyMax) + `"}`}
	for _, body := range bodies {
		for _, header := range []map[string]string{nil, signed} {
			a := w.ask(t, request{method: op.method, path: op.path, header: header, body: []byte(body)})
			require.GreaterOrEqual(t, a.status, 400, "%s", a)
			require.True(t, op.documents(itoa(a.status)), "does not document %d", a.status)
			var fail struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			}
			require.NoError(t, json.Unmarshal(a.raw, &fail), "%s", a)
			require.Equal(t, "FAIL", fail.Code)
			require.NotRegexp(t, leaks, string(a.raw))
		}
	}
	require.Equal(t, before, books(t, w.App.DB, names))
}

// TestRequestID_IsEchoed: a caller's own number for a request is kept if it is one, else made.
func TestRequestID_IsEchoed(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	a := w.ask(t, request{method: http.MethodGet, path: "/api/v1/me", header: map[string]string{"X-Request-Id": "caller-number-1"}})
	require.Equal(t, "caller-number-1", a.problem.RequestID)
	a = w.ask(t, request{method: http.MethodGet, path: "/api/v1/me", header: map[string]string{"X-Request-Id": "<script>"}})
	require.Regexp(t, `^[0-9A-Za-z_-]{8,64}$`, a.problem.RequestID)
}
