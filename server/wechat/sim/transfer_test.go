package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

func (r *rig) transfer(no string, fen int64) answer {
	r.t.Helper()
	return r.call("POST", billsPath, r.transferBody(no, fen))
}

func (r *rig) cancel(no string, in any) answer {
	r.t.Helper()
	return r.call("POST", billsPath+"/out-bill-no/"+no+"/cancel", in)
}

func TestTransfer_Confirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.transfer("bill0001", 5_000)
	require.Equal(t, "WAIT_USER_CONFIRM", a.str("state"), string(a.raw))
	require.NotEmpty(t, a.str("package_info"))
	require.EqualValues(t, 100_000_000-5_000, r.s.Books().Accounts[sim.Operating], "the money is locked")
	q := r.bill("bill0001")
	require.Equal(t, "WAIT_USER_CONFIRM", q.str("state"))
	require.NotContains(t, q.body, "package_info")
	require.Equal(t, r.m.MchID, q.str("mch_id"))
	require.Equal(t, a.body, r.transfer("bill0001", 5_000).body, "the same parameters again")

	require.NoError(t, r.s.ConfirmTransfer(ctx, "bill0001"))
	n := r.shop.last(t)
	require.Equal(t, "MCHTRANSFER.BILL.FINISHED", n.event)
	require.Equal(t, "SUCCESS", n.plain["state"])
	require.Equal(t, "SUCCESS", r.bill("bill0001").str("state"))
	require.NotContains(t, r.transfer("bill0001", 5_000).body, "package_info")
	require.ErrorIs(t, r.s.ConfirmTransfer(ctx, "bill0001"), sim.ErrState)
	require.Equal(t, "INVALID_REQUEST", r.cancel("bill0001", obj{}).code())
	require.ErrorIs(t, r.s.ConfirmTransfer(ctx, "nobody"), sim.ErrUnknown)
}

func TestTransfer_Expires(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "lag"}, Action: sim.Action{ExpireLagMS: 3_600_000}}))
	r.transfer("bill0001", 5_000)
	r.transfer("bill0lag", 5_000)
	r.clock.Advance(24*time.Hour - time.Second)
	require.Equal(t, "WAIT_USER_CONFIRM", r.bill("bill0001").str("state"))
	r.clock.Advance(time.Second)
	r.s.Settle(ctx)
	q := r.bill("bill0001")
	require.Equal(t, "FAIL", q.str("state"))
	require.Equal(t, "OVERDUE_CLOSE", q.str("fail_reason"))
	require.Equal(t, "OVERDUE_CLOSE", r.shop.last(t).plain["fail_reason"])
	require.Equal(t, "WAIT_USER_CONFIRM", r.bill("bill0lag").str("state"), "closing may lag")
	require.EqualValues(t, 100_000_000-5_000, r.s.Books().Accounts[sim.Operating])
	r.clock.Advance(time.Hour)
	require.Equal(t, "FAIL", r.bill("bill0lag").str("state"))
	require.EqualValues(t, 100_000_000, r.s.Books().Accounts[sim.Operating], "all came back")
	r.clock.Advance(30 * 24 * time.Hour)
	require.Equal(t, "NOT_FOUND", r.bill("bill0001").code(), "after 30 days WeChat does not know it any more")
}

func TestTransfer_Cancel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "race"}, Action: sim.Action{User: sim.UserConfirmsAfterCancel}}))
	r.transfer("bill0001", 5_000)
	r.transfer("billrace", 5_000)
	for _, no := range []string{"bill0001", "billrace"} {
		require.Equal(t, "CANCELING", r.cancel(no, obj{}).str("state"))
		require.Equal(t, "CANCELING", r.cancel(no, nil).str("state"), "again, with an empty body")
	}
	require.Empty(t, r.s.Books().Violations)
	require.Equal(t, "CANCELING", r.cancel("bill0001", "null\n").str("state"))
	require.Equal(t, "cancel_body", r.s.Books().Violations[0].Code)
	r.s.Settle(ctx)
	require.Equal(t, "CANCELLED", r.bill("bill0001").str("state"))
	require.Equal(t, "SUCCESS", r.bill("billrace").str("state"), "the user was faster")
	require.Equal(t, "NOT_FOUND", r.cancel("nobody", obj{}).code())
	require.EqualValues(t, 100_000_000-5_000, r.s.Books().Accounts[sim.Operating])
}

func TestTransfer_NotEnough(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetBalance(sim.Operating, 4_999)
	a := r.transfer("bill0001", 5_000)
	require.Equal(t, 403, a.status)
	require.Equal(t, "NOT_ENOUGH", a.code())
	require.Equal(t, "NOT_FOUND", r.bill("bill0001").code())
	r.s.SetBalance(sim.Operating, 5_000)
	require.Equal(t, "WAIT_USER_CONFIRM", r.transfer("bill0001", 5_000).str("state"), "the same number after a top-up")
	require.NoError(t, r.s.RejectTransfer(ctx, "bill0001"))
	require.Equal(t, "FAIL", r.bill("bill0001").str("state"))
	require.EqualValues(t, 5_000, r.s.Books().Accounts[sim.Operating])
}

func TestTransfer_Lingers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, state := range []string{"ACCEPTED", "PROCESSING", "TRANSFERING", "CANCELING"} {
		no := "bill" + state
		require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: no}, Action: sim.Action{TransferState: state}}))
		a := r.transfer(no, 1_000)
		switch state {
		case "TRANSFERING":
			require.NoError(t, r.s.ConfirmTransfer(ctx, no))
		case "CANCELING":
			require.Equal(t, "CANCELING", r.cancel(no, obj{}).str("state"))
		default:
			require.Equal(t, state, a.str("state"))
			require.NotContains(t, a.body, "package_info")
		}
		r.s.Settle(ctx)
		require.Equal(t, state, r.bill(no).str("state"))
	}
	require.Equal(t, "INVALID_REQUEST", r.cancel("billTRANSFERING", obj{}).code())
	r.s.ClearFaults()
	r.s.Settle(ctx)
	for no, state := range map[string]string{
		"billACCEPTED": "WAIT_USER_CONFIRM", "billPROCESSING": "WAIT_USER_CONFIRM", "billTRANSFERING": "SUCCESS", "billCANCELING": "CANCELLED",
	} {
		require.Equal(t, state, r.bill(no).str("state"), no)
	}
}

func TestTransfer_FailsWhenConfirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetRealName("bob", "李四")
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "risk"}, Action: sim.Action{TransferFailReason: "TRANSFER_RISK"}}))
	r.s.SetTransferLimits(sim.TransferLimits{UserDayFen: 6_000})
	named := r.transferBody("billname", 5_000)
	named["user_name"] = r.hide("张三")
	require.Equal(t, 200, r.call("POST", billsPath, named).status)
	named["user_name"] = r.hide("张三")
	require.Equal(t, 200, r.call("POST", billsPath, named).status, "the cipher differs, the name does not")
	named["user_name"] = r.hide("王五")
	require.Equal(t, "INVALID_REQUEST", r.call("POST", billsPath, named).code())
	r.transfer("billrisk", 5_000)
	r.transfer("billgood", 5_000)
	r.transfer("billmore", 5_000)
	for no, reason := range map[string]string{"billname": "NAME_NOT_CORRECT", "billrisk": "TRANSFER_RISK"} {
		require.NoError(t, r.s.ConfirmTransfer(ctx, no))
		require.Equal(t, reason, r.bill(no).str("fail_reason"))
		require.Equal(t, "FAIL", r.shop.last(t).plain["state"])
	}
	require.NoError(t, r.s.ConfirmTransfer(ctx, "billgood"))
	require.NoError(t, r.s.ConfirmTransfer(ctx, "billmore"))
	require.Equal(t, "DAY_RECEIVED_QUOTA_EXCEED", r.bill("billmore").str("fail_reason"))
	require.EqualValues(t, 100_000_000-5_000, r.s.Books().Accounts[sim.Operating])
}

func TestTransfer_Strict(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ok := r.transferBody("bill0001", 5_000)
	info := func(kv ...string) []obj {
		var out []obj
		for i := 0; i < len(kv); i += 2 {
			out = append(out, obj{"info_type": kv[i], "info_content": kv[i+1]})
		}
		return out
	}
	for name, c := range map[string]struct {
		key  string
		v    any
		code string
	}{
		"no appid":             {"appid", nil, "PARAM_ERROR"},
		"other appid":          {"appid", "wx0000000000000001", "PARAM_ERROR"},
		"dash in number":       {"out_bill_no", "bill-0001", "PARAM_ERROR"},
		"underscore":           {"out_bill_no", "bill_0001", "PARAM_ERROR"},
		"long number":          {"out_bill_no", strings.Repeat("a", 33), "PARAM_ERROR"},
		"no scene":             {"transfer_scene_id", nil, "PARAM_ERROR"},
		"scene not approved":   {"transfer_scene_id", "1002", "INVALID_REQUEST"},
		"unknown openid":       {"openid", "oNobody", "PARAM_ERROR"},
		"openid of other app":  {"openid", r.s.OpenIDIn("wx9999999999999999", "bob"), "PARAM_ERROR"},
		"negative":             {"transfer_amount", -5, "PARAM_ERROR"},
		"below the minimum":    {"transfer_amount", 9, "INVALID_REQUEST"},
		"above the maximum":    {"transfer_amount", 20_001, "INVALID_REQUEST"},
		"large without name":   {"transfer_amount", 200_000, "PARAM_ERROR"},
		"no remark":            {"transfer_remark", nil, "PARAM_ERROR"},
		"long remark":          {"transfer_remark", strings.Repeat("长", 33), "PARAM_ERROR"},
		"http elsewhere":       {"notify_url", "http://shop.example/n", "PARAM_ERROR"},
		"name in the clear":    {"user_name", "张三", "PARAM_ERROR"},
		"odd perception":       {"user_recv_perception", "红包", "INVALID_REQUEST"},
		"no report":            {"transfer_scene_report_infos", nil, "PARAM_ERROR"},
		"half a report":        {"transfer_scene_report_infos", info("岗位类型", "分销员"), "PARAM_ERROR"},
		"report twice":         {"transfer_scene_report_infos", info("岗位类型", "分销员", "岗位类型", "x"), "PARAM_ERROR"},
		"report of a stranger": {"transfer_scene_report_infos", info("活动名称", "x", "奖励说明", "y"), "PARAM_ERROR"},
		"long report":          {"transfer_scene_report_infos", info("岗位类型", strings.Repeat("长", 33), "报酬说明", "y"), "PARAM_ERROR"},
	} {
		a := r.call("POST", billsPath, with(ok, c.key, c.v))
		require.Equal(t, 400, a.status, name)
		require.Equal(t, c.code, a.code(), name)
	}
	small := with(ok, "user_name", r.hide("张三"))
	small["transfer_amount"] = 29
	require.Equal(t, "PARAM_ERROR", r.call("POST", billsPath, small).code(), "no name below 0.30 yuan")
	require.Empty(t, r.s.Books().Transfers)
	require.Equal(t, "sensitive_field", r.s.Books().Violations[0].Code)
	require.Equal(t, 200, r.call("POST", billsPath, ok).status)
	require.Equal(t, "INVALID_REQUEST", r.call("POST", billsPath, with(ok, "transfer_amount", 5_001)).code(), "the number with other parameters")
}

func TestTransfer_ConfirmSheet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := sim.ConfirmSheet{MchID: r.m.MchID, AppID: r.m.AppID, Package: r.transfer("bill0001", 5_000).str("package_info")}
	wrong := p
	wrong.OpenID = r.s.OpenID("alice")
	require.ErrorIs(t, r.s.ConfirmSigned(ctx, wrong), sim.ErrState)
	wrong = p
	wrong.Package = "other"
	require.ErrorIs(t, r.s.ConfirmSigned(ctx, wrong), sim.ErrUnknown)
	wrong = p
	wrong.MchID = "1"
	require.ErrorIs(t, r.s.ConfirmSigned(ctx, wrong), sim.ErrState)
	require.NoError(t, r.s.ConfirmSigned(ctx, p))
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{User: sim.UserNeverConfirms}}))
	r.transfer("bill0002", 5_000)
	require.ErrorIs(t, r.s.ConfirmTransfer(ctx, "bill0002"), sim.ErrState)
}
