package sim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

// onCreate fits the creation of an order and nothing else.
func onCreate(a sim.Action) sim.Fault {
	return sim.Fault{Match: sim.Match{Method: "POST", Path: "/jsapi$", Times: 1}, Action: a}
}

func TestFault_BeforeAndAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a    sim.Action
		look func(t *testing.T, a answer, err error)
	}{
		"delay":    {sim.Action{DelayMS: 20}, func(t *testing.T, a answer, err error) { require.Equal(t, 200, a.status) }},
		"drop":     {sim.Action{Drop: true}, func(t *testing.T, _ answer, err error) { require.Error(t, err) }},
		"truncate": {sim.Action{TruncateBody: true}, func(t *testing.T, _ answer, err error) { require.Error(t, err) }},
		"hang":     {sim.Action{Hang: true}, func(t *testing.T, _ answer, err error) { require.ErrorContains(t, err, "Timeout") }},
		"500":      {sim.Action{Status: 500}, func(t *testing.T, a answer, err error) { require.Equal(t, "SYSTEM_ERROR", a.code()) }},
		"502": {sim.Action{Status: 502}, func(t *testing.T, a answer, err error) {
			require.Equal(t, 502, a.status)
			require.Contains(t, string(a.raw), "<html>")
		}},
		"code":    {sim.Action{Code: "RATELIMIT_EXCEEDED"}, func(t *testing.T, a answer, err error) { require.Equal(t, 429, a.status) }},
		"unknown": {sim.Action{Code: "NEVER_HEARD", Status: 418}, func(t *testing.T, a answer, err error) { require.Equal(t, 418, a.status) }},
	} {
		for _, when := range []string{"before", "after"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				if name == "hang" {
					r.http.Timeout = 150 * time.Millisecond
				}
				a := c.a
				a.When = when
				require.NoError(t, r.s.AddFault(onCreate(a)))
				res, err := r.try("POST", ordersPath, r.orderBody("order0001", 100))
				if name == "hang" {
					require.ErrorContains(t, err, "exceeded")
				} else {
					c.look(t, res, err)
				}
				executed := when == "after" || name == "delay" || name == "truncate"
				require.Equal(t, executed, len(r.s.Books().Orders) == 1)
				require.Equal(t, 1, r.s.Faults()[0].Fired)
				r.order("order0001", 100) // the same number again works either way
			})
		}
	}
}

func TestFault_Proofs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, sig := range []string{sim.SigWrong, sim.SigMissing, sim.SigStale, sim.SigUnknownSerial, sim.SigCert} {
		require.NoError(t, r.s.AddFault(onCreate(sim.Action{Sig: sig})))
		a := r.call("POST", ordersPath, r.orderBody(fmt.Sprintf("order000%d", i), 100))
		require.Equal(t, 200, a.status)
		require.Error(t, r.proven(a), sig)
		require.Len(t, r.s.Books().Orders, i+1, "it was executed")
		r.s.ClearFaults()
	}
	a := r.query("order0000")
	require.NoError(t, r.proven(a))
}

func TestFault_Matching(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Error(t, r.s.AddFault(sim.Fault{Match: sim.Match{Path: "("}}))
	require.Error(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "("}}))
	for i := range 6 {
		r.order(fmt.Sprintf("order000%d", i), 1)
	}
	fired := func(m sim.Match) string {
		r.s.ClearFaults()
		require.NoError(t, r.s.AddFault(sim.Fault{Match: m, Action: sim.Action{Code: "NO_AUTH"}}))
		var out strings.Builder
		for i := range 6 {
			if r.query(fmt.Sprintf("order000%d", i)).status == 403 {
				fmt.Fprint(&out, i)
			}
		}
		return out.String()
	}
	require.Equal(t, "012345", fired(sim.Match{}))
	require.Equal(t, "", fired(sim.Match{Method: "POST"}))
	require.Equal(t, "", fired(sim.Match{Path: "/refunds"}))
	require.Equal(t, "35", fired(sim.Match{Number: "[35]$"}))
	require.Equal(t, "2345", fired(sim.Match{Nth: 3}))
	require.Equal(t, "23", fired(sim.Match{Nth: 3, Times: 2}))
	some := fired(sim.Match{Percent: 50, Seed: 4})
	require.Equal(t, some, fired(sim.Match{Percent: 50, Seed: 4}), "a seed repeats the draw")
	require.NotEqual(t, "", some)
	require.NotEqual(t, "012345", some)
}

func TestFault_Users(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "order0001"}, Action: sim.Action{User: sim.UserPaysDuringClose}}))
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "order0002"}, Action: sim.Action{User: sim.UserPaysTwice}}))
	r.order("order0001", 100)
	require.Equal(t, "ORDERPAID", r.close("order0001").code())
	require.Equal(t, "SUCCESS", r.query("order0001").str("trade_state"))
	r.paid("order0002", 100)
	require.Empty(t, r.s.Check(), "the second attempt took nothing")
	require.Empty(t, r.s.Books().Violations)
}

func TestFault_OverHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	post := func(path, body string) (int, obj) {
		t.Helper()
		res, err := r.http.Post(r.m.BaseURL+"/_sim/"+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer res.Body.Close()
		var o obj
		require.NoError(t, json.NewDecoder(res.Body).Decode(&o))
		return res.StatusCode, o
	}
	status, _ := post("faults", `{"match":{"path":"/jsapi$","times":1},"action":{"code":"NOT_ENOUGH"}}`)
	require.Equal(t, 200, status)
	require.Equal(t, "NOT_ENOUGH", r.call("POST", ordersPath, r.orderBody("order0001", 1)).code())
	status, _ = post("faults", `{"match":{},"action":{"cod":"typo"}}`)
	require.Equal(t, 400, status)
	req, err := http.NewRequest("DELETE", r.m.BaseURL+"/_sim/faults", nil)
	require.NoError(t, err)
	res, err := r.http.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	require.Empty(t, r.s.Faults())
	status, _ = post("balance", `{"OPERATION":5}`)
	require.Equal(t, 200, status)
	require.EqualValues(t, 5, r.s.Books().Accounts[sim.Operating])
	status, _ = post("limits", `{"max_fen":100000}`)
	require.Equal(t, 200, status)
	require.Equal(t, "NOT_ENOUGH", r.transfer("bill0001", 90_000).code())
	for _, path := range []string{"pay/nobody", "transfer/nobody/confirm", "receipt/nobody/confirm", "notifies/nobody/resend"} {
		status, _ = post(path, "")
		require.Equal(t, 404, status, path)
	}
	id := r.order("order0001", 1)
	status, _ = post("pay/"+id, "")
	require.Equal(t, 200, status)
	status, o := post("pay/"+id, "")
	require.Equal(t, 409, status, o)
	status, o = post("clock", `{"advance_ms":3600000}`)
	require.Equal(t, 200, status)
	require.Equal(t, r.clock.Now().Add(time.Hour).UnixMilli(), r.s.Books().NowMS, o)
	status, o = post("refunds", `{"out_trade_no":"order0001","refund_fen":1}`)
	require.Equal(t, 200, status)
	require.NotEmpty(t, o["out_refund_no"])
}

func TestFault_Balance(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{Balance: map[string]int64{sim.Operating: 1}}}))
	require.Equal(t, "NOT_ENOUGH", r.transfer("bill0001", 100).code())
}

func TestFault_RotateCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.Certificates = true })
	serial := func() string {
		a := r.call("GET", "/v3/certificates", nil)
		require.Equal(t, 200, a.status)
		return a.body["data"].([]any)[0].(obj)["serial_no"].(string)
	}
	old := serial()
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{RotateCert: true}}))
	require.NotEqual(t, old, serial())
	r.sign = func(q *http.Request, _, _ string) { q.Header.Set("Wechatpay-Serial", old) }
	require.Equal(t, old, r.call("GET", "/v3/certificates", nil).header.Get("Wechatpay-Serial"), "who still names the old one gets it")
	r.s.SetCertificates(false)
	require.Equal(t, 404, r.call("GET", "/v3/certificates", nil).status)
}
