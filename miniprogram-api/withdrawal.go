package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/wechat"
)

func (a *API) registerWithdrawal(api *httpx.API) {
	tags := []string{"withdrawals"}
	httpx.Register(api, httpx.Op{
		ID: "request-withdrawal", Method: http.MethodPost, Path: "/distributor/withdrawals", Summary: "Ask for a withdrawal to my WeChat wallet",
		Description: "Refusals come in this order, each with its own code: status, real name, minimum and maximum, what is available, cool-down after a change of name, today's count, today's amount, today's budget of the shop.",
		Permission:  access.Distributor, Tags: tags, Idempotent: true, Status: http.StatusCreated,
		Errors: []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, Rate: httpx.Rate{PerMinute: 10, Burst: 10},
	}, a.requestWithdrawal)
	httpx.Register(api, httpx.Op{ID: "list-my-withdrawals", Method: http.MethodGet, Path: "/distributor/withdrawals", Summary: "My withdrawals, newest first", Permission: access.Distributor, Tags: tags}, a.listWithdrawals)
	httpx.Register(api, httpx.Op{ID: "get-my-withdrawal", Method: http.MethodGet, Path: "/distributor/withdrawals/{id}", Summary: "One withdrawal with what happened to it", Permission: access.Distributor, Tags: tags}, a.getWithdrawal)
	httpx.Register(api, httpx.Op{
		ID: "cancel-my-withdrawal", Method: http.MethodPost, Path: "/distributor/withdrawals/{id}/cancel", Summary: "Take a withdrawal back",
		Description: "At once while it waits here. While WeChat waits for the confirmation, WeChat is asked to take it back, and its final word decides.",
		Permission:  access.Distributor, Tags: tags, Idempotent: true,
	}, a.cancelWithdrawal)
	httpx.Register(api, httpx.Op{
		ID: "get-withdrawal-confirmation", Method: http.MethodGet, Path: "/distributor/withdrawals/{id}/confirmation", Summary: "What wx.requestMerchantTransfer needs",
		Permission: access.Distributor, Tags: tags, Errors: []int{http.StatusConflict, http.StatusServiceUnavailable},
	}, a.getConfirmation)
	httpx.Register(api, httpx.Op{
		ID: "check-my-withdrawal", Method: http.MethodPost, Path: "/distributor/withdrawals/{id}/check", Summary: "I have just confirmed: ask WeChat how it stands",
		Permission: access.Distributor, Tags: tags, Rate: httpx.Rate{PerMinute: 12, Burst: 6},
	}, a.checkWithdrawal)
}

type withdrawalBody struct {
	ID          base.WithdrawalID `json:"id"`
	State       withdrawal.State  `json:"state" enum:"requested,approved,paying,awaiting_user,paid,rejected,failed,expired,cancelled"`
	StateText   string            `json:"state_text" doc:"In plain words"`
	Amount      money.Fen         `json:"amount_fen"`
	Fee         money.Fen         `json:"fee_fen,omitempty" doc:"Absent: none"`
	Tax         money.Fen         `json:"tax_fen,omitempty" doc:"Absent: none"`
	Net         money.Fen         `json:"net_fen" doc:"What arrives"`
	Reason      string            `json:"reason,omitempty" doc:"Why it was rejected, or was not paid"`
	CanCancel   bool              `json:"can_cancel"`
	CanConfirm  bool              `json:"can_confirm" doc:"wx.requestMerchantTransfer can be opened"`
	Cancelling  bool              `json:"cancelling" doc:"WeChat was asked to take it back"`
	RequestedAt *time.Time        `json:"requested_at,omitempty"`
	ApprovedAt  *time.Time        `json:"approved_at,omitempty"`
	AwaitingAt  *time.Time        `json:"awaiting_at,omitempty"`
	EndedAt     *time.Time        `json:"ended_at,omitempty"`
	Version     int               `json:"version"`
}

func showWithdrawal(ctx context.Context) func(withdrawal.Withdrawal) withdrawalBody {
	return func(w withdrawal.Withdrawal) withdrawalBody {
		zh, en := w.State.Words()
		if w.State == withdrawal.AwaitingUser && w.WeChatState == string(wechat.TransferPaying) {
			zh, en = "已确认，微信正在付款", "confirmed; WeChat is paying"
		}
		b := withdrawalBody{
			ID: w.ID, State: w.State, StateText: inLanguage(ctx, zh, en), Amount: w.Amount, Fee: w.Fee, Tax: w.Tax, Net: w.Net,
			CanCancel:  w.State == withdrawal.Requested || w.State == withdrawal.Approved || w.State == withdrawal.AwaitingUser && w.CancelAskedMs == 0,
			CanConfirm: confirmable(w), Cancelling: w.State == withdrawal.AwaitingUser && w.CancelAskedMs != 0,
			RequestedAt: httpx.Time(w.RequestedMs), ApprovedAt: httpx.Time(w.ApprovedMs), AwaitingAt: httpx.Time(w.AwaitingMs),
			EndedAt: httpx.Time(w.EndedMs), Version: w.Version,
		}
		switch {
		case w.State == withdrawal.Rejected:
			b.Reason = w.Reason
		case w.FailReason != "":
			b.Reason = failText(ctx, w.FailReason)
		}
		return b
	}
}

func failText(ctx context.Context, reason string) string {
	zh, en := withdrawal.FailWords(reason)
	return inLanguage(ctx, zh, en)
}

func confirmable(w withdrawal.Withdrawal) bool {
	return w.State == withdrawal.AwaitingUser && w.PackageInfo != "" && w.CancelAskedMs == 0 && w.WeChatState != string(wechat.TransferPaying)
}

type withdrawalOutput struct{ Body withdrawalBody }

func withdrawalOut(ctx context.Context, w withdrawal.Withdrawal, err error) (*withdrawalOutput, error) {
	if err != nil {
		return nil, err
	}
	return &withdrawalOutput{showWithdrawal(ctx)(w)}, nil
}

type requestWithdrawalInput struct {
	Body struct {
		Amount money.Fen `json:"amount_fen" minimum:"1" maximum:"1000000000000"`
	}
}

func (a *API) requestWithdrawal(ctx context.Context, in *requestWithdrawalInput) (*withdrawalOutput, error) {
	w, err := a.Flow.RequestWithdrawal(ctx, flow.WithdrawInput{
		ID: base.WithdrawalID(httpx.OpID(ctx)), Distributor: httpx.PrincipalOf(ctx).Distributor, Amount: in.Body.Amount,
	})
	return withdrawalOut(ctx, w, err)
}

type withdrawalFeed struct {
	Body httpx.Feed[withdrawalBody]
}

func (a *API) listWithdrawals(ctx context.Context, in *httpx.FeedInput) (*withdrawalFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := withdrawal.Of(ctx, a.Flow.DB.Q(), httpx.PrincipalOf(ctx).Distributor, base.WithdrawalID(at.ID), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &withdrawalFeed{httpx.NewFeed(rows, in.Limit, func(w withdrawal.Withdrawal) httpx.Cursor { return httpx.Cursor{ID: int64(w.ID)} }, showWithdrawal(ctx))}, nil
}

type withdrawalPath struct {
	ID base.WithdrawalID `path:"id"`
}

// ownWithdrawal reads a withdrawal of the caller.
func (a *API) ownWithdrawal(ctx context.Context, id base.WithdrawalID) (withdrawal.Withdrawal, error) {
	w, err := withdrawal.Get(ctx, a.Flow.DB.Q(), id)
	if err == nil && w.Distributor != httpx.PrincipalOf(ctx).Distributor {
		err = withdrawal.ErrNotFound
	}
	return w, err
}

type withdrawalStep struct {
	State  withdrawal.State `json:"state"`
	Text   string           `json:"text" doc:"In plain words"`
	Reason string           `json:"reason,omitempty" doc:"Why it was rejected, or was not paid"`
	At     *time.Time       `json:"at,omitempty"`
}

// showStep says a step to the distributor; false for what is the shop's business: who looked at it, and how often.
func showStep(ctx context.Context, w withdrawal.Withdrawal, s withdrawal.Step) (withdrawalStep, bool) {
	zh, en := s.To.Words()
	out := withdrawalStep{State: s.To, At: httpx.Time(s.AtMs)}
	switch {
	case s.What == "cancel_asked":
		zh, en = "已请微信撤销这笔转账，等待结果", "WeChat was asked to take the transfer back"
	case s.What != "move":
		return out, false
	case s.From == "":
		zh, en = "已提交申请，金额已冻结", "asked for; the amount is held"
	case s.From == withdrawal.Approved && s.To == withdrawal.Requested:
		zh, en = "退回复核", "looked at again"
	case s.To == withdrawal.Rejected:
		out.Reason = s.Reason
	case s.To.Returned() && w.FailReason != "":
		out.Reason = failText(ctx, w.FailReason)
	}
	out.Text = inLanguage(ctx, zh, en)
	return out, true
}

type withdrawalDetail struct {
	Body struct {
		withdrawalBody
		Timeline []withdrawalStep `json:"timeline" doc:"Oldest first"`
	}
}

func (a *API) getWithdrawal(ctx context.Context, in *withdrawalPath) (*withdrawalDetail, error) {
	w, err := a.ownWithdrawal(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	steps, err := withdrawal.History(ctx, a.Flow.DB.Q(), in.ID)
	if err != nil {
		return nil, err
	}
	var out withdrawalDetail
	out.Body.withdrawalBody = showWithdrawal(ctx)(w)
	for _, s := range steps {
		if step, shown := showStep(ctx, w, s); shown {
			out.Body.Timeline = append(out.Body.Timeline, step)
		}
	}
	return &out, nil
}

func (a *API) cancelWithdrawal(ctx context.Context, in *withdrawalPath) (*withdrawalOutput, error) {
	w, err := a.Flow.CancelWithdrawal(ctx, httpx.PrincipalOf(ctx).Distributor, in.ID)
	return withdrawalOut(ctx, w, err)
}

// Why there is nothing to confirm.
var (
	errNotAwaiting = errs.E(errs.Conflict, "withdrawal.not_awaiting_confirmation", "这笔提现现在不需要确认收款，请刷新查看状态",
		errs.EN("There is nothing to confirm for this withdrawal now. Reload to see where it stands."))
	errNotReady = errs.E(errs.Unavailable, "withdrawal.confirmation_not_ready", "正在准备收款确认，请稍后再试",
		errs.EN("The confirmation is being prepared. Try again in a moment."), errs.After(15*time.Second))
)

type confirmationOutput struct {
	Body struct {
		MchID   string `json:"mch_id"`
		AppID   string `json:"app_id"`
		Package string `json:"package_info" doc:"The package of wx.requestMerchantTransfer; pass it on unmodified"`
	}
}

func (a *API) getConfirmation(ctx context.Context, in *withdrawalPath) (*confirmationOutput, error) {
	w, err := a.ownWithdrawal(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case w.State == withdrawal.AwaitingUser && w.PackageInfo == "" && w.CancelAskedMs == 0:
		return nil, errNotReady
	case !confirmable(w):
		return nil, errNotAwaiting
	}
	account := a.Pay.Account()
	var out confirmationOutput
	out.Body.MchID, out.Body.AppID, out.Body.Package = account.MchID, account.AppID, w.PackageInfo
	return &out, nil
}

func (a *API) checkWithdrawal(ctx context.Context, in *withdrawalPath) (*withdrawalOutput, error) {
	if _, err := a.ownWithdrawal(ctx, in.ID); err != nil {
		return nil, err
	}
	w, err := a.Flow.QueryPayout(ctx, in.ID)
	return withdrawalOut(ctx, w, err)
}
