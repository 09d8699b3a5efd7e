package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

// control calls the control API and returns the status and the answer.
func (r *rig) control(method, path string, in any) (int, obj) {
	r.t.Helper()
	raw, err := json.Marshal(in)
	require.NoError(r.t, err)
	req, err := http.NewRequest(method, r.m.BaseURL+"/_sim/"+path, bytes.NewReader(raw))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := r.http.Do(req)
	require.NoError(r.t, err)
	defer res.Body.Close()
	var o obj
	_ = json.NewDecoder(res.Body).Decode(&o) // lists are looked at by status only
	return res.StatusCode, o
}

func TestControl_Everything(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, o := r.control("GET", "users/alice", nil)
	require.Equal(t, r.s.OpenID("alice"), o["openid"])
	require.Equal(t, o["openid"], r.login(o["code"].(string))["openid"])
	_, o = r.control("POST", "users/alice", obj{"appid": "wx9999999999999999"})
	require.Equal(t, r.s.OpenIDIn("wx9999999999999999", "alice"), o["openid"])
	_, o = r.control("POST", "users/bob", obj{"real_name": "李四"})
	require.Equal(t, r.s.OpenID("bob"), o["openid"])
	_, o = r.control("POST", "phone-codes", obj{"phone": "13800000001"})
	require.NotEmpty(t, o["code"])

	id := r.order("order0001", 100)
	_, o = r.control("POST", "pay/"+id+"/cancel", obj{})
	require.Equal(t, "requestPayment:fail cancel", o["errMsg"])
	status, _ := r.control("POST", "pay/"+id, sim.PaySheet{AppID: r.m.AppID, Package: "prepay_id=other", SignType: "RSA"})
	require.Equal(t, 400, status)
	status, _ = r.control("POST", "pay/"+id, sim.PaySheet{AppID: r.m.AppID, Package: "prepay_id=" + id, SignType: "RSA", PaySign: "bm8="})
	require.Equal(t, 409, status)
	status, _ = r.control("POST", "pay/"+id, nil)
	require.Equal(t, 200, status)

	pack := r.transfer("bill0001", 1_000).str("package_info")
	status, _ = r.control("POST", "transfer/confirm", sim.ConfirmSheet{MchID: r.m.MchID, AppID: r.m.AppID, Package: pack})
	require.Equal(t, 200, status)
	r.transfer("bill0002", 1_000)
	status, _ = r.control("POST", "transfer/bill0002/reject", nil)
	require.Equal(t, 200, status)
	require.Equal(t, "FAIL", r.bill("bill0002").str("state"))
	status, _ = r.control("POST", "users/alice/grant", obj{"template_id": "tpl", "n": 1})
	require.Equal(t, 200, status)
	status, _ = r.control("POST", "certificates", obj{"on": true})
	require.Equal(t, 200, status)
	require.Equal(t, 200, r.call("GET", "/v3/certificates", nil).status)
	status, _ = r.control("POST", "push", obj{"url": ""})
	require.Equal(t, 200, status)
	r.refund("order0001", "r1", 100, 100)
	status, _ = r.control("POST", "tick", nil)
	require.Equal(t, 200, status)
	require.Equal(t, "SUCCESS", r.refunded("r1"))
	_, o = r.control("GET", "check", nil)
	require.Empty(t, o["problems"])
	for _, list := range []string{"books", "notifies", "violations", "faults"} {
		status, _ = r.control("GET", list, nil)
		require.Equal(t, 200, status, list)
	}
	status, _ = r.control("POST", "balance", obj{"OPERATION": "much"})
	require.Equal(t, 400, status)
	status, _ = r.control("GET", "nothing", nil)
	require.Equal(t, 404, status)
}

// TestRun starts what `fenxiao wxsim` starts, on a port that the system picks, and stops it by its context.
func TestRun(t *testing.T) {
	t.Parallel()
	keys, err := sharedKeys()
	require.NoError(t, err)
	dir := t.TempDir()
	run, stop := context.WithCancel(context.Background())
	base, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- sim.Run(run, sim.Options{Dir: dir, Keys: keys}, "127.0.0.1:0", func(b string) { base <- b })
	}()
	require.Equal(t, <-base, readFolder(t, dir).BaseURL, "merchant.json names the real port once it is told")
	stop()
	require.NoError(t, <-ended)

	// The next run takes the stale address away before it makes anything.
	_, err = sim.New(sim.Options{Dir: dir})
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(dir, "merchant.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Error(t, sim.Run(context.Background(), sim.Options{Keys: keys}, "256.0.0.1:1", nil))
	require.Error(t, sim.Run(context.Background(), sim.Options{Production: true}, "127.0.0.1:0", nil))
}

// TestRestart_KeepsTheSmallThings covers messages, breaches, names and the moved clock.
func TestRestart_KeepsTheSmallThings(t *testing.T) {
	t.Parallel()
	inDir := func(dir string) func(*sim.Options) { return func(o *sim.Options) { o.Dir = dir } }
	dir := t.TempDir()
	r := newRig(t, inDir(dir))
	r.s.Grant("alice", "tpl", 1)
	o := r.miniJSON("POST", "/cgi-bin/message/subscribe/send?access_token="+r.token(),
		obj{"touser": r.s.OpenID("alice"), "template_id": "tpl", "data": obj{"thing1": obj{"value": "到账了"}}})
	require.Equal(t, 0, errcode(o))
	r.transfer("bill0001", 1_000)
	r.cancel("bill0001", "null")
	r.s.Advance(ctx, 36*time.Hour)
	require.NoError(t, r.s.Close(ctx))
	before := r.s.Books()
	again := newRig(t, inDir(dir))
	after := again.s.Books()
	require.Equal(t, before.Messages, after.Messages)
	require.Equal(t, before.Violations, after.Violations)
	require.Equal(t, before.NowMS, after.NowMS)
	require.Equal(t, "CANCELLED", after.Transfers[0].State)
}
