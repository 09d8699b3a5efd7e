package sim_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

// fetch asks for a bill and downloads it.
func (r *rig) fetch(path string) (string, error) {
	r.t.Helper()
	a := r.call("GET", path, nil)
	if a.status != 200 {
		return "", fmt.Errorf("%s", a.code())
	}
	u := a.str("download_url")
	require.True(r.t, strings.HasPrefix(u, "https://api.mch.weixin.qq.com/v3/billdownload/file?token="))
	f := r.call("GET", strings.TrimPrefix(u, "https://api.mch.weixin.qq.com"), nil)
	require.Equal(r.t, 200, f.status)
	require.Empty(r.t, f.header.Get("Wechatpay-Signature"), "downloads are not signed")
	raw := f.raw
	if strings.Contains(path, "tar_type=GZIP") {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return "", err
		}
		if raw, err = io.ReadAll(z); err != nil {
			return "", err
		}
	}
	if sum := fmt.Sprintf("%x", sha1.Sum(raw)); sum != a.str("hash_value") {
		return string(raw), fmt.Errorf("hash")
	}
	return string(raw), nil
}

// table cuts a bill into rows of cells; every value must follow a backtick.
func table(t *testing.T, text string) (header []string, rows [][]string, sums []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n")
	cells := func(line string) []string {
		require.True(t, strings.HasPrefix(line, "`"), line)
		return strings.Split(line[1:], ",`")
	}
	for _, l := range lines[1 : len(lines)-2] {
		rows = append(rows, cells(l))
	}
	return strings.Split(lines[0], ","), rows, cells(lines[len(lines)-1])
}

const (
	tradePath = "/v3/bill/tradebill?bill_date="
	flowPath  = "/v3/bill/fundflowbill?bill_date="
)

// trading makes a day of trade on 23 November and moves to ten o'clock of the next, when its bills are ready.
func trading(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.paid("order0001", 19_980)
	r.paid("order0002", 10_020)
	r.refund("order0001", "r1", 3_000, 19_980)
	r.transfer("bill0001", 5_000)
	r.transfer("bill0002", 2_000)
	r.cancel("bill0002", obj{})
	r.s.Settle(ctx)
	require.NoError(t, r.s.ConfirmTransfer(ctx, "bill0001"))
	r.clock.Advance(22 * time.Hour)
	return r
}

func TestBill_Trade(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.paid("order0001", 19_980)
	r.paid("order0002", 10_020)
	r.refund("order0001", "r1", 3_000, 19_980)
	r.clock.Advance(21*time.Hour + 59*time.Minute)
	require.Equal(t, "STATEMENT_CREATING", r.call("GET", tradePath+"2026-11-23", nil).code())
	r.clock.Advance(time.Minute)
	text, err := r.fetch(tradePath + "2026-11-23&bill_type=ALL&tar_type=GZIP")
	require.NoError(t, err)
	header, rows, sums := table(t, text)
	require.Len(t, header, 27)
	require.Len(t, rows, 3)
	at := func(row []string, name string) string {
		for i, h := range header {
			if h == name {
				return row[i]
			}
		}
		t.Fatal(name)
		return ""
	}
	for _, row := range rows {
		require.Len(t, row, 27)
		require.Equal(t, "2026-11-23 12:00:00", at(row, "交易时间"))
		switch at(row, "商户订单号") + at(row, "交易状态") {
		case "order0001SUCCESS":
			require.Equal(t, "199.80", at(row, "订单金额"))
			require.Equal(t, "1.20000", at(row, "手续费"))
			require.Equal(t, "0.60%", at(row, "费率"))
			require.Equal(t, "苹果  5 斤", at(row, "商品名称"), "a comma would break the line")
		case "order0001REFUND":
			require.Equal(t, "30.00", at(row, "退款金额"))
			require.Equal(t, "r1", at(row, "商户退款单号"))
			require.Equal(t, "-0.18000", at(row, "手续费"))
		case "order0002SUCCESS":
		default:
			t.Fatal(row)
		}
	}
	require.Equal(t, []string{"3", "300.00", "30.00", "0.00", "1.62000", "300.00", "30.00"}, sums)
	for kind, n := range map[string]int{"SUCCESS": 2, "REFUND": 1} {
		text, err := r.fetch(tradePath + "2026-11-23&bill_type=" + kind)
		require.NoError(t, err)
		_, rows, _ := table(t, text)
		require.Len(t, rows, n)
	}
}

func TestBill_FundFlow(t *testing.T) {
	t.Parallel()
	r := trading(t)
	r.clock.Advance(time.Hour)
	text, err := r.fetch(flowPath + "2026-11-23&account_type=BASIC&tar_type=GZIP")
	require.NoError(t, err)
	header, rows, sums := table(t, text)
	require.Len(t, header, 11)
	require.Len(t, rows, 6, "two payments with their fees, a refund and the fee that comes back with it")
	require.Equal(t, []string{"6", "3", "300.18", "3", "31.80"}, sums)
	text, err = r.fetch(flowPath + "2026-11-23&account_type=OPERATION")
	require.NoError(t, err)
	_, rows, sums = table(t, text)
	require.Len(t, rows, 3)
	require.Equal(t, []string{"3", "1", "20.00", "2", "70.00"}, sums)
	require.Equal(t, "999950.00", rows[2][7], "the balance after the last line")
}

func TestBill_Refusals(t *testing.T) {
	t.Parallel()
	r := trading(t)
	for path, code := range map[string]string{
		tradePath:                              "PARAM_ERROR",
		tradePath + "20261123":                 "PARAM_ERROR",
		tradePath + "2026-11-25":               "PARAM_ERROR",
		tradePath + "2026-07-01":               "PARAM_ERROR",
		tradePath + "2026-11-22":               "NO_STATEMENT_EXIST",
		tradePath + "2026-11-23&bill_type=X":   "PARAM_ERROR",
		tradePath + "2026-11-23&tar_type=ZIP":  "PARAM_ERROR",
		flowPath + "2026-11-23&account_type=X": "PARAM_ERROR",
	} {
		require.Equal(t, code, r.call("GET", path, nil).code(), path)
	}
	require.Equal(t, "INVALID_REQUEST", r.call("GET", "/v3/billdownload/file?token=nothing", nil).code())
}

func TestBill_Faults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.paid("order0001", 19_980)
	r.paid("order0002", 10_020)
	r.clock.Advance(24 * time.Hour)
	path := tradePath + "2026-11-23&tar_type=GZIP"
	good, err := r.fetch(path)
	require.NoError(t, err)
	try := func(what string) (string, error) {
		r.s.ClearFaults()
		require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{Bill: what}}))
		return r.fetch(path)
	}
	for what, code := range map[string]string{sim.BillCreating: "STATEMENT_CREATING", sim.BillNone: "NO_STATEMENT_EXIST", sim.BillHash: "hash"} {
		_, err := try(what)
		require.ErrorContains(t, err, code)
	}
	_, err = try(sim.BillGzip)
	require.Error(t, err)
	text, err := try(sim.BillBomb)
	require.ErrorContains(t, err, "hash")
	require.Greater(t, len(text), 64<<20)
	for what, rows := range map[string]int{sim.BillMissingRow: 1, sim.BillExtraRow: 3, sim.BillAmount: 2} {
		text, err := try(what)
		require.NoError(t, err)
		require.NotEqual(t, good, text)
		_, got, _ := table(t, text)
		require.Len(t, got, rows, what)
	}
	text, err = try(sim.BillBOM)
	require.NoError(t, err)
	require.Equal(t, "\ufeff"+good, text)
}
