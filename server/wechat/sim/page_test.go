package sim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

func (r *rig) pageText() string {
	r.t.Helper()
	res, err := r.http.Get(r.m.BaseURL + "/_sim/")
	require.NoError(r.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, 200, res.StatusCode)
	return string(raw)
}

func TestPage_ButtonsAndEscapes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	evil := with(r.orderBody("order0001", 19_980), "description", `<script>alert("x")</script>`)
	id := r.call("POST", ordersPath, evil).str("prepay_id")
	bill := with(r.transferBody("bill0001", 5_000), "transfer_remark", `"><img src=x onerror=y>`)
	require.Equal(t, 200, r.call("POST", billsPath, bill).status)
	text := r.pageText()
	require.Contains(t, text, "模拟 SIMULATED")
	require.NotContains(t, text, "<script>")
	require.NotContains(t, text, "<img")
	require.Contains(t, text, "199.80")
	require.Contains(t, text, `action="/_sim/pay/`+id+`"`)
	require.Contains(t, text, `action="/_sim/transfer/bill0001/confirm"`)

	click := func(path string) string {
		req, err := http.NewRequest("POST", r.m.BaseURL+path, strings.NewReader(""))
		require.NoError(t, err)
		req.Header.Set("Accept", "text/html")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := r.http.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "/_sim/", res.Request.URL.Path, "a click comes back to the page")
		return string(raw)
	}
	require.NotContains(t, click("/_sim/pay/"+id), "/_sim/pay/")
	require.NotContains(t, click("/_sim/transfer/bill0001/confirm"), "/_sim/transfer/")
	require.Equal(t, 0, r.ship(r.shipBody("order0001", "Z1", time.Now())))
	tx := r.query("order0001").str("transaction_id")
	require.Contains(t, r.pageText(), "/_sim/receipt/"+tx+"/confirm")
	require.NotContains(t, click("/_sim/receipt/"+tx+"/confirm"), "/_sim/receipt/")
	require.Equal(t, "SUCCESS", r.bill("bill0001").str("state"))
	require.Len(t, r.shop.all(), 2)
}

func TestPage_ExpiredOrdersAreNotOffered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order("order0001", 1)
	r.clock.Advance(8 * 24 * time.Hour)
	require.NotContains(t, r.pageText(), "/_sim/pay/")
	_, err := sim.New(sim.Options{Dir: "/dev/null/x"})
	require.Error(t, err)
}
