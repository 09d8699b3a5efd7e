package doors_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/access"
)

func TestRoutes_AreDocumented(t *testing.T) {
	t.Parallel()
	s := shop.Open(t, shop.Options{})
	require.Empty(t, s.App.Engine.Mismatches())
	seen := map[string]string{}
	for _, op := range read(t, s) {
		t.Run(op.name(), func(t *testing.T) {
			require.Empty(t, seen[op.audience+op.ID], "an operation id names one operation")
			seen[op.audience+op.ID] = op.path
			require.NotEmpty(t, op.Summary)
			require.NotEmpty(t, op.Permission, "x-permission")
			require.True(t, access.Known(op.Permission), op.Permission)
			checkRefusals(t, op)
			checkWriting(t, op)
		})
	}
}

// checkRefusals looks for what every operation of its kind can answer.
func checkRefusals(t *testing.T, op *operation) {
	t.Helper()
	want := []string{"400", "429", "500"}
	if op.Permission == access.Public {
		require.Empty(t, op.Security)
	} else {
		want = append(want, "401", "403")
		require.NotEmpty(t, op.Security, "who may call needs a way to say who calls")
	}
	if op.has("path") {
		want = append(want, "404")
	}
	if op.body() != nil {
		want = append(want, "413", "415", "422")
	}
	if op.Idempotent {
		want = append(want, "409", "422")
	}
	for _, status := range want {
		require.True(t, op.documents(status), "does not document %s", status)
	}
}

// oncePerNature lists what changes something and needs no key: a second time has no further effect, or the request
// carries something that works once by itself.
var oncePerNature = map[string]string{
	"client login-wechat":        "the code of wx.login works once",
	"client refresh-tokens":      "the refresh token is used up",
	"client logout":              "a session ends once",
	"client report-touch":        "a touch is evidence; a second one binds nobody again",
	"client confirm-my-payment":  "asks WeChat and takes the answer in under the payment's number",
	"client check-my-withdrawal": "asks WeChat and takes the answer in under the bill's number",
	"admin query-withdrawal":     "likewise",
	"client quote-order":         "changes nothing",
	"client notify-wechat-pay":   "a notification has a unique id",
	"admin login":                "a log-in each",
	"admin logout":               "a session ends once",
	"admin change-password":      "the old password is asked for",
	"admin begin-totp":           "the last secret asked for counts",
	"admin confirm-totp":         "a code works once",
	"admin create-admin":         "the account is unique, and credentials must not be kept to be given again",
	"admin run-job":              "jobs are safe to repeat",
	"admin run-audit":            "changes nothing",
	"admin replay-event":         "an event is applied once",
}

// checkWriting: money, rights and stock move once per Idempotency-Key; what is replaced whole by PUT may be repeated.
func checkWriting(t *testing.T, op *operation) {
	t.Helper()
	if op.method == http.MethodGet || op.method == http.MethodPut || op.Idempotent {
		require.False(t, op.Idempotent && op.method == http.MethodGet)
		return
	}
	require.NotEmpty(t, oncePerNature[op.name()], "takes no Idempotency-Key and is not known to be safe to repeat")
}

// TestRoutes_NothingElse asks for addresses and methods that are not there.
func TestRoutes_NothingElse(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	for _, path := range []string{"/", "/api", "/api/v1", "/api/v1/orders/", "/api/v2/orders", "/metrics", "/docs/../config", "/docs/..%2fpage.html", "/API/V1/me"} {
		a := w.ask(t, request{method: http.MethodGet, path: path})
		require.Equal(t, http.StatusNotFound, a.status, path)
		w.checkProblem(t, a)
	}
	for _, op := range w.ops {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			path := op.path
			if w.routed(method, w.fill(path)) {
				continue
			}
			a := w.ask(t, request{method: method, path: w.fill(path)})
			require.Equal(t, http.StatusMethodNotAllowed, a.status, "%s %s", method, path)
			w.checkProblem(t, a)
		}
	}
}
