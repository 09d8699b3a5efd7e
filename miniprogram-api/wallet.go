package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

func (a *API) registerWallet(api *httpx.API) {
	httpx.Register(api, httpx.Op{
		ID: "get-my-wallet", Method: http.MethodGet, Path: "/distributor/wallet", Summary: "My money: what it waits for, and what I can withdraw now",
		Permission: access.Distributor, Tags: []string{"withdrawals"},
	}, a.getWallet)
}

type pendingPart struct {
	Stage      string     `json:"stage" enum:"awaiting_goods,in_window,settling"`
	StageText  string     `json:"stage_text" doc:"In plain words"`
	Amount     money.Fen  `json:"amount_fen"`
	EarliestAt *time.Time `json:"earliest_at,omitempty" doc:"in_window: the first of it settles no earlier"`
}

type pendingSlot struct {
	Stage      view.PendingStage `json:"stage" enum:"awaiting_goods,on_hold,in_window,collecting,on_statement"`
	Text       string            `json:"text" doc:"What it waits for, in plain words"`
	Amount     money.Fen         `json:"amount_fen" doc:"May be negative: taken back"`
	RipensOn   string            `json:"ripens_on,omitempty" doc:"in_window: the day on which its after-sale window ends"`
	ExpectedOn string            `json:"expected_on,omitempty" doc:"The day on which it should be available if nobody objects; absent: cannot be said yet"`
	Statement  base.StatementID  `json:"statement_id,omitempty" doc:"on_statement"`
}

type blockedBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type withdrawLimits struct {
	Min         money.Fen         `json:"min_fen"`
	Max         money.Fen         `json:"max_fen"`
	CountLeft   int               `json:"count_left_today"`
	AmountLeft  money.Fen         `json:"amount_left_today_fen"`
	MostNow     money.Fen         `json:"most_now_fen" doc:"The most that can be asked for now"`
	FeeRate     money.BasisPoints `json:"fee_bps,omitempty" doc:"Absent: no fee"`
	BlockedNow  *blockedBody      `json:"blocked,omitempty" doc:"Why nothing can be withdrawn now"`
	CanWithdraw bool              `json:"can_withdraw"`
}

type walletBody struct {
	Available    money.Fen      `json:"available_fen" doc:"Can be withdrawn"`
	Pending      money.Fen      `json:"pending_fen" doc:"Earned, not settled yet"`
	Withdrawing  money.Fen      `json:"withdrawing_fen" doc:"On its way"`
	Debt         money.Fen      `json:"debt_fen" doc:"Zero or negative: taken back beyond what was available; the next statements repay it first"`
	PendingParts []pendingPart  `json:"pending_parts" doc:"What the pending money waits for; adds up to pending_fen"`
	Schedule     []pendingSlot  `json:"schedule" doc:"The same in parts that move on together, with the days; adds up to pending_fen too"`
	Withdrawal   withdrawLimits `json:"withdrawal"`
}

type walletOutput struct{ Body walletBody }

var stageTexts = map[string][2]string{
	"awaiting_goods": {"等待客户收货", "waiting for customers to receive their goods"},
	"in_window":      {"售后期内，期满后进入结算", "in the after-sale window; it settles afterwards"},
	"settling":       {"已进入结算单，等待入账", "on a statement that is not posted yet"},
}

var slotTexts = map[view.PendingStage][2]string{
	view.AwaitingGoods: stageTexts["awaiting_goods"],
	view.OnHold:        {"有售后或核查未结束，暂缓结算", "held by an open after-sale request or an investigation"},
	view.InWindow:      stageTexts["in_window"],
	view.Collecting:    {"已到期，等待本期结算单生成", "ripe; waits for the period's statement"},
	view.OnStatement:   stageTexts["settling"],
}

func (a *API) schedule(ctx context.Context, d base.DistributorID) ([]pendingSlot, error) {
	q, now := a.Flow.DB.Q(), a.Flow.DB.Clock.Now()
	setting, err := settlement.SettingAt(ctx, q, now)
	if err != nil {
		return nil, err
	}
	slots, err := view.PendingSchedule(ctx, q, d, now)
	if err != nil {
		return nil, err
	}
	terms := view.PostingTerms{DisputeDays: setting.DisputeDays, Auto: setting.AutoConfirm, Now: now}
	out := make([]pendingSlot, len(slots))
	for i, s := range slots {
		text := slotTexts[s.Stage]
		out[i] = pendingSlot{Stage: s.Stage, Text: inLanguage(ctx, text[0], text[1]), Amount: s.Amount, ExpectedOn: dayText(s.ExpectedOn(terms)), Statement: s.Statement}
		if s.Stage == view.InWindow {
			out[i].RipensOn = base.DayOf(base.Time(s.DayMs)).String()
		}
	}
	return out, nil
}

// dayText shows a business day; none is empty.
func dayText(d base.BusinessDay) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (a *API) getWallet(ctx context.Context, _ *struct{}) (*walletOutput, error) {
	me := httpx.PrincipalOf(ctx).Distributor
	o, err := a.Flow.WithdrawalOutlook(ctx, me)
	if err != nil {
		return nil, err
	}
	b := walletBody{Available: o.Wallet.Available, Pending: o.Pending, Withdrawing: o.Wallet.Withdrawing, Debt: o.Wallet.Debt}
	if b.Schedule, err = a.schedule(ctx, me); err != nil {
		return nil, err
	}
	for _, p := range o.Parts {
		text := stageTexts[p.Stage]
		b.PendingParts = append(b.PendingParts, pendingPart{p.Stage, inLanguage(ctx, text[0], text[1]), p.Amount, httpx.Time(p.EarliestMs)})
	}
	b.Withdrawal = withdrawLimits{
		Min: o.Policy.MinFen, Max: o.Policy.MaxFen, CountLeft: max(o.Policy.DailyCount-o.Today.Count, 0),
		AmountLeft: max(o.Policy.DailyAmountFen-o.Today.Taken, 0), MostNow: o.Most, FeeRate: o.Policy.FeeBP, CanWithdraw: o.Blocked == nil,
	}
	if e, ok := errs.As(o.Blocked); ok {
		b.Withdrawal.BlockedNow = &blockedBody{e.Code, inLanguage(ctx, e.Message, e.English)}
	}
	return &walletOutput{b}, nil
}
