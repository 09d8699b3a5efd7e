package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/ledger"
	"fenxiao/server/view"
)

// composedOfMax is how many statements a withdrawal's page shows.
const composedOfMax = 10

type riskSign struct {
	Code     string         `json:"code"`
	Message  string         `json:"message"`
	Evidence map[string]any `json:"evidence"`
}

func showSigns(ctx context.Context, signs []withdrawal.Sign) []riskSign {
	out := make([]riskSign, 0, len(signs))
	for _, s := range signs {
		text := s.Message
		if httpx.English(ctx) {
			text = s.English
		}
		out = append(out, riskSign{s.Code, text, s.Evidence})
	}
	return out
}

type withdrawalStep struct {
	What   string           `json:"what" doc:"move, first_approval, review, hold, release, cancel_asked"`
	From   withdrawal.State `json:"from"`
	To     withdrawal.State `json:"to"`
	Actor  string           `json:"actor"`
	Reason string           `json:"reason"`
	At     *time.Time       `json:"at,omitempty"`
}

type payoutCall struct {
	Kind        withdrawal.Call `json:"kind" enum:"transfer,query,cancel"`
	Class       string          `json:"class" doc:"ok, refused, later, unknown, not_found, exists; empty: under way, or never heard of again"`
	Status      int             `json:"status"`
	Code        string          `json:"code"`
	Message     string          `json:"message"`
	WeChatState string          `json:"wechat_state"`
	RequestID   string          `json:"wechat_request_id"`
	StartedAt   *time.Time      `json:"started_at,omitempty"`
	EndedAt     *time.Time      `json:"ended_at,omitempty"`
}

type composedOf struct {
	Statement base.StatementID `json:"statement_id"`
	Cycle     base.Cycle       `json:"cycle"`
	First     string           `json:"first_day"`
	Total     money.Fen        `json:"total_fen"`
	Reversed  money.Fen        `json:"reversed_fen"`
	Rows      int64            `json:"row_count"`
	PostedAt  *time.Time       `json:"posted_at,omitempty"`
}

type paidPerson struct {
	Status         string     `json:"status" enum:"active,suspended,closed"`
	RealNameMasked string     `json:"real_name_masked"`
	NameChangedAt  *time.Time `json:"name_changed_at,omitempty"`
	Available      money.Fen  `json:"available_fen"`
	Withdrawing    money.Fen  `json:"withdrawing_fen"`
	Debt           money.Fen  `json:"debt_fen"`
	Pending        money.Fen  `json:"pending_fen"`
}

type withdrawalDetail struct {
	Body struct {
		Withdrawal  withdrawalBody   `json:"withdrawal"`
		NeedsSecond bool             `json:"needs_second_approver" doc:"Two different admins have to approve"`
		Payee       paidPerson        `json:"payee"`
		RiskBefore  []riskSign       `json:"risk_at_request"`
		RiskNow     []riskSign       `json:"risk_now"`
		ComposedOf  []composedOf     `json:"composed_of" doc:"The statements that filled the balance, newest first"`
		Timeline    []withdrawalStep `json:"timeline" doc:"Oldest first"`
		Calls       []payoutCall     `json:"wechat_calls" doc:"Oldest first"`
	}
}

func (a *API) getWithdrawal(ctx context.Context, in *withdrawalPath) (*withdrawalDetail, error) {
	w, err := withdrawal.Get(ctx, a.Flow.DB.Q(), in.ID)
	if err != nil {
		return nil, err
	}
	var out withdrawalDetail
	shown, err := a.withdrawalOut(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	out.Body.Withdrawal = shown.Body
	terms, err := a.Flow.WithdrawalTerms(ctx)
	if err != nil {
		return nil, err
	}
	out.Body.NeedsSecond = w.SecondApprover != 0 || w.FirstApprover != 0 && w.State == withdrawal.Requested || w.Amount > terms.Policy.SecondApproverAboveFen
	if out.Body.Payee, err = a.payee(ctx, w.Distributor); err != nil {
		return nil, err
	}
	before, err := withdrawal.DecodeSigns(w.Risk)
	if err != nil {
		return nil, err
	}
	now, err := a.Flow.Evidence(ctx, w)
	if err != nil {
		return nil, err
	}
	out.Body.RiskBefore, out.Body.RiskNow = showSigns(ctx, before), showSigns(ctx, now)
	if out.Body.ComposedOf, err = a.composedOf(ctx, w.Distributor); err != nil {
		return nil, err
	}
	out.Body.Timeline, out.Body.Calls, err = a.traces(ctx, w.ID)
	return &out, err
}

func (a *API) payee(ctx context.Context, id base.DistributorID) (paidPerson, error) {
	q := a.Flow.DB.Q()
	p, _, err := view.PayeeOf(ctx, q, id)
	if err != nil {
		return paidPerson{}, err
	}
	name, err := a.Flow.Box.Open(distributor.RealNamePlace, p.RealNameEnc)
	if err != nil {
		return paidPerson{}, err
	}
	wallet, err := ledger.WalletOf(ctx, q, id)
	if err != nil {
		return paidPerson{}, err
	}
	pending, err := ledger.PendingOf(ctx, q, id)
	return paidPerson{
		Status: p.Status, RealNameMasked: distributor.MaskName(name), NameChangedAt: httpx.Time(p.NameChangedMs),
		Available: wallet.Available, Withdrawing: wallet.Withdrawing, Debt: wallet.Debt, Pending: pending,
	}, err
}

func (a *API) composedOf(ctx context.Context, id base.DistributorID) ([]composedOf, error) {
	list, err := settlement.List(ctx, a.Flow.DB.Q(), settlement.Filter{Distributor: id, State: settlement.Posted, Limit: composedOfMax})
	if err != nil {
		return nil, err
	}
	out := make([]composedOf, len(list))
	for i, s := range list {
		out[i] = composedOf{s.ID, s.Cycle, s.First.String(), s.Total, s.Reversed, s.Rows, httpx.Time(s.PostedMs)}
	}
	return out, nil
}

func (a *API) traces(ctx context.Context, id base.WithdrawalID) ([]withdrawalStep, []payoutCall, error) {
	steps, err := withdrawal.History(ctx, a.Flow.DB.Q(), id)
	if err != nil {
		return nil, nil, err
	}
	calls, err := withdrawal.Calls(ctx, a.Flow.DB.Q(), id)
	if err != nil {
		return nil, nil, err
	}
	timeline, asked := make([]withdrawalStep, len(steps)), make([]payoutCall, len(calls))
	for i, s := range steps {
		timeline[i] = withdrawalStep{s.What, s.From, s.To, s.Actor, s.Reason, httpx.Time(s.AtMs)}
	}
	for i, c := range calls {
		asked[i] = payoutCall{c.Kind, c.Class, c.Status, c.Code, c.Message, c.WeChatState, c.RequestID, httpx.Time(c.StartedMs), httpx.Time(c.EndedMs)}
	}
	return timeline, asked, nil
}

func (a *API) registerWithdrawalSetting(api *httpx.API) {
	tags := []string{"settings"}
	httpx.Register(api, httpx.Op{ID: "get-withdrawal-setting", Method: http.MethodGet, Path: "/settings/withdrawal", Summary: "Limits, fee, approvals and risk signs of withdrawals", Permission: access.PermSettingRead, Tags: tags}, a.getWithdrawalPolicy)
	httpx.Register(api, httpx.Op{
		ID: "set-withdrawal-setting", Method: http.MethodPut, Path: "/settings/withdrawal", Summary: "Change limits, fee, approvals and risk signs, from the next request on",
		Permission: access.PermSettingMoney, Tags: tags, Idempotent: true,
	}, a.setWithdrawalPolicy)
	httpx.Register(api, httpx.Op{ID: "get-tax-policy", Method: http.MethodGet, Path: "/settings/tax-policy", Summary: "How income tax is withheld", Permission: access.PermSettingRead, Tags: tags}, a.getTaxPolicy)
	httpx.Register(api, httpx.Op{
		ID: "set-tax-policy", Method: http.MethodPut, Path: "/settings/tax-policy", Summary: "Choose how income tax is withheld",
		Description: "There is no default: nothing is paid out before finance has chosen. Only none is offered for now.",
		Permission:  access.PermSettingMoney, Tags: tags, Idempotent: true,
	}, a.setTaxPolicy)
}

type withdrawalPolicyOutput struct {
	Body struct {
		Policy  withdrawal.Policy `json:"policy"`
		Version int               `json:"version" doc:"0: nobody has changed it yet"`
	}
}

func (a *API) getWithdrawalPolicy(ctx context.Context, _ *struct{}) (*withdrawalPolicyOutput, error) {
	t, err := a.Flow.WithdrawalTerms(ctx)
	if err != nil {
		return nil, err
	}
	var out withdrawalPolicyOutput
	out.Body.Policy, out.Body.Version = t.Policy, t.PolicyVersion
	return &out, nil
}

type setWithdrawalPolicyInput struct {
	Body struct {
		Policy withdrawal.Policy `json:"policy"`
		Reason string            `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setWithdrawalPolicy(ctx context.Context, in *setWithdrawalPolicyInput) (*withdrawalPolicyOutput, error) {
	version, err := a.Flow.PutWithdrawalPolicy(ctx, in.Body.Policy, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	var out withdrawalPolicyOutput
	out.Body.Policy, out.Body.Version = in.Body.Policy, version
	return &out, nil
}

type taxPolicyBody struct {
	Policy  withdrawal.TaxPolicy `json:"policy"`
	Chosen  bool                 `json:"chosen" doc:"False: nothing can be paid out yet"`
	Version int                  `json:"version"`
}

type taxPolicyOutput struct{ Body taxPolicyBody }

func (a *API) getTaxPolicy(ctx context.Context, _ *struct{}) (*taxPolicyOutput, error) {
	t, err := a.Flow.WithdrawalTerms(ctx)
	if err != nil {
		return nil, err
	}
	return showTax(t), nil
}

func showTax(t flow.WithdrawalTerms) *taxPolicyOutput {
	return &taxPolicyOutput{taxPolicyBody{t.Tax, t.Tax.Chosen(), t.TaxVersion}}
}

type setTaxPolicyInput struct {
	Body struct {
		Policy withdrawal.TaxPolicy `json:"policy"`
		Reason string               `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setTaxPolicy(ctx context.Context, in *setTaxPolicyInput) (*taxPolicyOutput, error) {
	version, err := a.Flow.PutTaxPolicy(ctx, in.Body.Policy, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return showTax(flow.WithdrawalTerms{Tax: in.Body.Policy, TaxVersion: version}), nil
}
