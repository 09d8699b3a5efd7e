package live

import (
	"context"
	"net/http"
	"net/url"

	"github.com/wechatpay-apiv3/wechatpay-go/core"

	"fenxiao/server/wechat"
)

// The library has no service for the merchant transfer of 2025, only for its predecessor, so its client is used
// directly.
const transferURL = "https://" + PayHost + "/v3/fund-app/mch-transfer/transfer-bills"

type transferRequest struct {
	AppID       string       `json:"appid"`
	OutBillNo   string       `json:"out_bill_no"`
	SceneID     string       `json:"transfer_scene_id"`
	OpenID      string       `json:"openid"`
	UserName    *string      `json:"user_name,omitempty" encryption:"EM_APIV3"`
	Amount      int64        `json:"transfer_amount"`
	Remark      string       `json:"transfer_remark"`
	NotifyURL   string       `json:"notify_url"`
	ReportInfos []reportInfo `json:"transfer_scene_report_infos"`
}

type reportInfo struct {
	Type    string `json:"info_type"`
	Content string `json:"info_content"`
}

// Transfer sends money to a user.
func (p *pay) Transfer(ctx context.Context, r wechat.TransferRequest) (wechat.Transfer, error) {
	if err := r.Check(); err != nil {
		return wechat.Transfer{}, refuse(wechat.OpTransfer, err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	// Made anew for every try, because encryption happens in place.
	request := &transferRequest{AppID: p.account.AppID, OutBillNo: r.OutBillNo, SceneID: r.SceneID, OpenID: r.OpenID,
		Amount: int64(r.Amount), Remark: r.Remark, NotifyURL: r.NotifyURL}
	for _, info := range r.ReportInfos {
		request.ReportInfos = append(request.ReportInfos, reportInfo(info))
	}
	if r.UserName != "" && r.Amount >= wechat.TransferNameFrom {
		request.UserName = core.String(r.UserName)
		if _, err := p.client.EncryptRequest(ctx, request); err != nil {
			return wechat.Transfer{}, refuse(wechat.OpTransfer, err)
		}
	}
	result, err := p.client.Post(ctx, transferURL, request)
	return transferAnswer(wechat.OpTransfer, r.OutBillNo, result, err)
}

// QueryTransfer asks how a transfer stands.
func (p *pay) QueryTransfer(ctx context.Context, outBillNo string) (wechat.Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	result, err := p.client.Get(ctx, billURL(outBillNo))
	return transferAnswer(wechat.OpQueryTransfer, outBillNo, result, err)
}

// CancelTransfer withdraws a transfer that was not confirmed.
func (p *pay) CancelTransfer(ctx context.Context, outBillNo string) (wechat.Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	// Post with nil would send the word null; Request sends an empty body.
	result, err := p.client.Request(ctx, http.MethodPost, billURL(outBillNo)+"/cancel", nil, nil, nil, "application/json")
	return transferAnswer(wechat.OpCancelTransfer, outBillNo, result, err)
}

func billURL(outBillNo string) string {
	return transferURL + "/out-bill-no/" + url.PathEscape(outBillNo)
}

func transferAnswer(op wechat.Op, outBillNo string, result *core.APIResult, err error) (wechat.Transfer, error) {
	if err != nil {
		return wechat.Transfer{}, payFailure(op, result, err)
	}
	answer, err := decode(result, wechat.DecodeTransfer)
	if err == nil && answer.OutBillNo != outBillNo {
		err = errOtherNumber
	}
	if err != nil {
		return wechat.Transfer{}, payFailure(op, result, err)
	}
	return answer, nil
}
