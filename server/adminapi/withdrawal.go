package adminapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

func (a *API) registerWithdrawal(api *httpx.API) {
	tags := []string{"withdrawals"}
	httpx.Register(api, httpx.Op{ID: "list-withdrawals", Method: http.MethodGet, Path: "/withdrawals", Summary: "Withdrawals: the queue and the history", Permission: access.PermWithdrawalRead, Tags: tags}, a.listWithdrawals)
	httpx.Register(api, httpx.Op{ID: "get-withdrawal", Method: http.MethodGet, Path: "/withdrawals/{id}", Summary: "A withdrawal with what a decision needs: risk signs, what it is made of, what happened", Permission: access.PermWithdrawalRead, Tags: tags}, a.getWithdrawal)
	httpx.Register(api, httpx.Op{
		ID: "approve-withdrawal", Method: http.MethodPost, Path: "/withdrawals/{id}/approve", Summary: "Approve",
		Description: "Above the second limit two different admins approve; after the first one it stays requested.",
		Permission:  access.PermWithdrawalApprove, Tags: tags, Idempotent: true,
	}, a.approveWithdrawal)
	httpx.Register(api, httpx.Op{
		ID: "batch-approve-withdrawals", Method: http.MethodPost, Path: "/withdrawals/batch-approve", Summary: "Approve many, each for itself",
		Description: "Answers 200 with a result per item, also when some could not be approved.",
		Permission:  access.PermWithdrawalApprove, Tags: tags, Idempotent: true, Timeout: batchTimeout,
	}, a.batchApprove)
	httpx.Register(api, httpx.Op{ID: "reject-withdrawal", Method: http.MethodPost, Path: "/withdrawals/{id}/reject", Summary: "Reject; the amount goes back, debt first", Permission: access.PermWithdrawalReject, Tags: tags, Idempotent: true}, a.rejectWithdrawal)
	httpx.Register(api, httpx.Op{ID: "hold-withdrawal", Method: http.MethodPost, Path: "/withdrawals/{id}/hold", Summary: "Stop it until it is released; an approved one goes back to review", Permission: access.PermWithdrawalReject, Tags: tags, Idempotent: true}, a.holdWithdrawal)
	httpx.Register(api, httpx.Op{ID: "release-withdrawal", Method: http.MethodPost, Path: "/withdrawals/{id}/release", Summary: "End a hold", Permission: access.PermWithdrawalReject, Tags: tags, Idempotent: true}, a.releaseWithdrawal)
	httpx.Register(api, httpx.Op{ID: "query-withdrawal", Method: http.MethodPost, Path: "/withdrawals/{id}/query", Summary: "Ask WeChat now how the transfer stands", Permission: access.PermWithdrawalApprove, Tags: tags, Rate: httpx.Rate{PerMinute: 30, Burst: 10}}, a.queryWithdrawal)
}

// batchTimeout is what approving a whole batch may take.
const batchTimeout = time.Minute

type withdrawalBody struct {
	ID             base.WithdrawalID  `json:"id"`
	Distributor    base.DistributorID `json:"distributor_id"`
	Nickname       string             `json:"nickname"`
	LevelZH        string             `json:"level_name_zh"`
	LevelEN        string             `json:"level_name_en"`
	State          withdrawal.State   `json:"state" enum:"requested,approved,paying,awaiting_user,paid,rejected,failed,expired,cancelled"`
	Amount         money.Fen          `json:"amount_fen"`
	Fee            money.Fen          `json:"fee_fen"`
	Tax            money.Fen          `json:"tax_fen"`
	Net            money.Fen          `json:"net_fen" doc:"What WeChat is asked to pay"`
	TaxKind        withdrawal.TaxKind `json:"tax_kind" doc:"Empty while finance has not chosen"`
	Method         withdrawal.Method  `json:"method" enum:"wechat"`
	Day            string             `json:"day" doc:"Whose limits it counts against"`
	OutBill        string             `json:"out_bill_no"`
	TransferBill   string             `json:"transfer_bill_no"`
	WeChatState    string             `json:"wechat_state" doc:"WeChat's last word"`
	FailReason     string             `json:"fail_reason"`
	Trouble        string             `json:"trouble" doc:"What a person should look at; empty: nothing"`
	Reason         string             `json:"reason" doc:"Of the last move"`
	Held           bool               `json:"held"`
	HoldReason     string             `json:"hold_reason"`
	FirstApprover  base.AdminID       `json:"first_approver"`
	SecondApprover base.AdminID       `json:"second_approver"`
	RiskCodes      []string           `json:"risk_codes" doc:"Signs at the request"`
	RequestedAt    *time.Time         `json:"requested_at,omitempty"`
	ApprovedAt     *time.Time         `json:"approved_at,omitempty"`
	PayingAt       *time.Time         `json:"paying_at,omitempty"`
	AwaitingAt     *time.Time         `json:"awaiting_at,omitempty"`
	EndedAt        *time.Time         `json:"ended_at,omitempty"`
	CancelAskedAt  *time.Time         `json:"cancel_asked_at,omitempty"`
	Version        int                `json:"version" doc:"Send it with a decision"`
}

func showWithdrawal(w withdrawal.Withdrawal, who view.PayeeLabel) (withdrawalBody, error) {
	signs, err := withdrawal.DecodeSigns(w.Risk)
	if err != nil {
		return withdrawalBody{}, err
	}
	b := withdrawalBody{
		ID: w.ID, Distributor: w.Distributor, Nickname: who.Nickname, LevelZH: who.LevelZH, LevelEN: who.LevelEN, State: w.State,
		Amount: w.Amount, Fee: w.Fee, Tax: w.Tax, Net: w.Net, TaxKind: w.TaxKind, Method: w.Method, Day: w.Day.String(),
		OutBill: w.OutBillNo, TransferBill: w.TransferBillNo, WeChatState: w.WeChatState, FailReason: w.FailReason, Trouble: w.Trouble,
		Reason: w.Reason, Held: w.HeldMs != 0, HoldReason: w.HoldReason, FirstApprover: w.FirstApprover, SecondApprover: w.SecondApprover,
		RequestedAt: httpx.Time(w.RequestedMs), ApprovedAt: httpx.Time(w.ApprovedMs), PayingAt: httpx.Time(w.PayingMs),
		AwaitingAt: httpx.Time(w.AwaitingMs), EndedAt: httpx.Time(w.EndedMs), CancelAskedAt: httpx.Time(w.CancelAskedMs), Version: w.Version,
	}
	for _, s := range signs {
		b.RiskCodes = append(b.RiskCodes, s.Code)
	}
	return b, nil
}

func (a *API) showWithdrawals(ctx context.Context, list []withdrawal.Withdrawal) ([]withdrawalBody, error) {
	ids := make([]base.DistributorID, len(list))
	for i, w := range list {
		ids[i] = w.Distributor
	}
	labels, err := view.PayeeLabels(ctx, a.Flow.DB.Q(), ids)
	if err != nil {
		return nil, err
	}
	out := make([]withdrawalBody, len(list))
	for i, w := range list {
		if out[i], err = showWithdrawal(w, labels[w.Distributor]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type listWithdrawalsInput struct {
	httpx.PageInput
	States      string             `query:"state" maxLength:"120" doc:"One or more, with commas: requested,approved"`
	Distributor base.DistributorID `query:"distributor_id"`
	From        time.Time          `query:"created_from"`
	Until       time.Time          `query:"created_to" doc:"Before this moment"`
	Held        bool               `query:"held" doc:"Only those on hold"`
	Trouble     bool               `query:"trouble" doc:"Only those that a person should look at"`
	Sort        string             `query:"sort" enum:"requested_at,-requested_at" default:"-requested_at"`
}

var errState = errs.E(errs.Invalid, "withdrawal.unknown_state", "没有这种提现状态，请检查筛选条件",
	errs.EN("There is no such state."), errs.At("/query/state", "unknown", "states with commas between"))

func (in *listWithdrawalsInput) filter() (withdrawal.Filter, error) {
	f := withdrawal.Filter{
		Distributor: in.Distributor, FromMs: base.Ms(in.From), UntilMs: base.Ms(in.Until), Held: in.Held, Trouble: in.Trouble,
		Oldest: in.Sort == "requested_at", Limit: in.PageSize, Offset: in.Offset(),
	}
	if in.States == "" {
		return f, nil
	}
	for s := range strings.SplitSeq(in.States, ",") {
		state := withdrawal.State(s)
		if !state.Valid() {
			return f, errState
		}
		f.States = append(f.States, state)
	}
	return f, nil
}

type withdrawalPage struct {
	Body struct {
		httpx.Page[withdrawalBody]
		Amount money.Fen    `json:"amount_fen" doc:"Of all that were found"`
		Counts []stateCount `json:"counts" doc:"By state, under the other filters; every state is named"`
	}
}

func (a *API) listWithdrawals(ctx context.Context, in *listWithdrawalsInput) (*withdrawalPage, error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	q := a.Flow.DB.Q()
	list, err := withdrawal.Search(ctx, q, f)
	if err != nil {
		return nil, err
	}
	found, err := withdrawal.Count(ctx, q, f)
	if err != nil {
		return nil, err
	}
	counts, err := view.WithdrawalCounts(ctx, q, view.WithdrawalScope{
		Distributor: f.Distributor, FromMs: f.FromMs, UntilMs: f.UntilMs, Held: f.Held, Trouble: f.Trouble,
	})
	if err != nil {
		return nil, err
	}
	bodies, err := a.showWithdrawals(ctx, list)
	if err != nil {
		return nil, err
	}
	same := func(b withdrawalBody) withdrawalBody { return b }
	var out withdrawalPage
	out.Body.Page = httpx.NewPage(in.PageInput, found.Rows, bodies, same)
	out.Body.Amount, out.Body.Counts = found.Amount, showCounts(counts)
	return &out, nil
}

type withdrawalPath struct {
	ID base.WithdrawalID `path:"id"`
}

type withdrawalOutput struct{ Body withdrawalBody }

func (a *API) withdrawalOut(ctx context.Context, w withdrawal.Withdrawal, err error) (*withdrawalOutput, error) {
	if err != nil {
		return nil, err
	}
	bodies, err := a.showWithdrawals(ctx, []withdrawal.Withdrawal{w})
	if err != nil {
		return nil, err
	}
	return &withdrawalOutput{bodies[0]}, nil
}

type approveInput struct {
	ID   base.WithdrawalID `path:"id"`
	Body struct {
		Version int    `json:"version" minimum:"1" doc:"As you saw it"`
		Note    string `json:"note,omitempty" maxLength:"200"`
	}
}

func (a *API) approveWithdrawal(ctx context.Context, in *approveInput) (*withdrawalOutput, error) {
	w, err := a.Flow.ApproveWithdrawal(ctx, withdrawal.Decision{ID: in.ID, Version: in.Body.Version, Admin: httpx.PrincipalOf(ctx).Admin, Reason: in.Body.Note})
	return a.withdrawalOut(ctx, w, err)
}

type refuseInput struct {
	ID   base.WithdrawalID `path:"id"`
	Body struct {
		Version int    `json:"version" minimum:"1" doc:"As you saw it"`
		Reason  string `json:"reason" minLength:"1" maxLength:"200" doc:"The distributor reads why it was rejected"`
	}
}

func (in *refuseInput) decision(ctx context.Context) withdrawal.Decision {
	return withdrawal.Decision{ID: in.ID, Version: in.Body.Version, Admin: httpx.PrincipalOf(ctx).Admin, Reason: in.Body.Reason}
}

func (a *API) rejectWithdrawal(ctx context.Context, in *refuseInput) (*withdrawalOutput, error) {
	w, err := a.Flow.RejectWithdrawal(ctx, in.decision(ctx))
	return a.withdrawalOut(ctx, w, err)
}

func (a *API) holdWithdrawal(ctx context.Context, in *refuseInput) (*withdrawalOutput, error) {
	w, err := a.Flow.HoldWithdrawal(ctx, in.decision(ctx))
	return a.withdrawalOut(ctx, w, err)
}

func (a *API) releaseWithdrawal(ctx context.Context, in *refuseInput) (*withdrawalOutput, error) {
	w, err := a.Flow.ReleaseWithdrawal(ctx, in.decision(ctx))
	return a.withdrawalOut(ctx, w, err)
}

func (a *API) queryWithdrawal(ctx context.Context, in *withdrawalPath) (*withdrawalOutput, error) {
	w, err := a.Flow.QueryPayout(ctx, in.ID)
	return a.withdrawalOut(ctx, w, err)
}

type batchItem struct {
	ID      base.WithdrawalID `json:"id"`
	Version int               `json:"version" minimum:"1"`
}

type batchInput struct {
	Body struct {
		Items []batchItem `json:"items" minItems:"1" maxItems:"200"`
	}
}

type batchResult struct {
	ID      base.WithdrawalID `json:"id"`
	OK      bool              `json:"ok"`
	State   withdrawal.State  `json:"state,omitempty" doc:"requested: it waits for a second admin"`
	Version int               `json:"version,omitempty"`
	Code    string            `json:"code,omitempty" doc:"Why it was not approved"`
	Message string            `json:"message,omitempty"`
}

type batchOutput struct {
	Body struct {
		Approved int           `json:"approved_count"`
		Results  []batchResult `json:"results"`
	}
}

func (a *API) batchApprove(ctx context.Context, in *batchInput) (*batchOutput, error) {
	decisions := make([]withdrawal.Decision, len(in.Body.Items))
	for i, it := range in.Body.Items {
		decisions[i] = withdrawal.Decision{ID: it.ID, Version: it.Version, Admin: httpx.PrincipalOf(ctx).Admin}
	}
	results, err := a.Flow.ApproveWithdrawals(ctx, decisions)
	if err != nil {
		return nil, err
	}
	var out batchOutput
	for _, r := range results {
		b := batchResult{ID: r.Decision.ID, OK: r.Err == nil, State: r.Withdrawal.State, Version: r.Withdrawal.Version}
		if r.Err != nil {
			b.Code, b.Message = refusal(ctx, r.Err)
		} else {
			out.Body.Approved++
		}
		out.Body.Results = append(out.Body.Results, b)
	}
	return &out, nil
}

// refusal is what an item of a batch says about an error; one that is none of ours gives nothing away.
func refusal(ctx context.Context, err error) (code, message string) {
	e, ok := errs.As(err)
	if !ok {
		e = httpx.ErrInternal
	}
	if httpx.English(ctx) && e.English != "" {
		return e.Code, e.English
	}
	return e.Code, e.Message
}
