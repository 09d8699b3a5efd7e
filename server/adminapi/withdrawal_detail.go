package adminapi

import (
	"context"
	"slices"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/httpx"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/view"
)

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
	Statement  base.StatementID `json:"statement_id"`
	Cycle      base.Cycle       `json:"cycle" enum:"weekly,monthly"`
	First      string           `json:"first_day"`
	Last       string           `json:"last_day"`
	Total      money.Fen        `json:"total_fen"`
	Taken      money.Fen        `json:"taken_fen" doc:"The part of it that is in this withdrawal"`
	PostedAt   *time.Time       `json:"posted_at,omitempty"`
	OrderCount int64            `json:"order_count"`
	Orders     []composedOrder  `json:"orders" doc:"The 20 with the largest commissions"`
}

type composedOrder struct {
	Order       base.OrderID    `json:"order_id" doc:"Empty: adjustments, which have no order"`
	Buyer       base.CustomerID `json:"buyer_id"`
	Commission  money.Fen       `json:"commission_fen" doc:"As accrued on this statement"`
	TakenBack   money.Fen       `json:"taken_back_fen" doc:"Of this distributor's commissions on the order, to this day"`
	Paid        money.Fen       `json:"paid_fen"`
	Refunded    money.Fen       `json:"refunded_fen"`
	RefundState string          `json:"refund_state" enum:"none,open,part,full" doc:"open: one is under way or asked for"`
	OrderedAt   *time.Time      `json:"ordered_at,omitempty"`
}

type balances struct {
	Available   money.Fen `json:"available_fen"`
	Withdrawing money.Fen `json:"withdrawing_fen"`
	Debt        money.Fen `json:"debt_fen" doc:"Zero or negative"`
	Pending     money.Fen `json:"pending_fen"`
}

type withdrawalMoney struct {
	Before     money.Fen `json:"available_before_fen" doc:"Just before it was asked for"`
	After      money.Fen `json:"available_after_fen" doc:"Just after"`
	Now        balances  `json:"now"`
	IfPaid     *balances `json:"if_paid,omitempty" doc:"While it is not over"`
	IfReturned *balances `json:"if_returned,omitempty" doc:"While it is not over; a debt is repaid first"`
}

type paidPerson struct {
	Status         string     `json:"status" enum:"active,suspended,closed"`
	RealNameMasked string     `json:"real_name_masked"`
	NameChangedAt  *time.Time `json:"name_changed_at,omitempty"`
	AdmittedAt     *time.Time `json:"admitted_at,omitempty"`
}

type stateCount struct {
	State  withdrawal.State `json:"state" enum:"requested,approved,paying,awaiting_user,paid,rejected,failed,expired,cancelled"`
	Count  int64            `json:"count"`
	Amount money.Fen        `json:"amount_fen"`
}

// showCounts names every state, also those without a withdrawal.
func showCounts(counts map[string]view.WithdrawalCount) []stateCount {
	out := make([]stateCount, len(withdrawal.States))
	for i, s := range withdrawal.States {
		out[i] = stateCount{s, counts[string(s)].Count, counts[string(s)].Amount}
	}
	return out
}

type earlierWithdrawals struct {
	Counts []stateCount     `json:"counts" doc:"All others of this distributor"`
	Items  []withdrawalBody `json:"items" doc:"The newest 20 of them"`
}

type withdrawalDetail struct {
	Body struct {
		Withdrawal  withdrawalBody     `json:"withdrawal"`
		NeedsSecond bool               `json:"needs_second_approver" doc:"Two different admins have to approve"`
		Payee       paidPerson         `json:"payee"`
		Money       withdrawalMoney    `json:"money"`
		RiskBefore  []riskSign         `json:"risk_at_request"`
		RiskNow     []riskSign         `json:"risk_now"`
		ComposedOf  []composedOf       `json:"composed_of" doc:"The statements and orders that the money comes from, newest first, as if what came first had left first"`
		Earlier     earlierWithdrawals `json:"earlier" doc:"What else this distributor has withdrawn, or tried to"`
		Timeline    []withdrawalStep   `json:"timeline" doc:"Oldest first"`
		Calls       []payoutCall       `json:"wechat_calls" doc:"Oldest first"`
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
	if out.Body.Money, out.Body.ComposedOf, err = a.moneyOf(ctx, w); err != nil {
		return nil, err
	}
	if out.Body.Earlier, err = a.earlier(ctx, w); err != nil {
		return nil, err
	}
	out.Body.Timeline, out.Body.Calls, err = a.traces(ctx, w.ID)
	return &out, err
}

func (a *API) payee(ctx context.Context, id base.DistributorID) (paidPerson, error) {
	d, err := distributor.Get(ctx, a.Flow.DB.Q(), id)
	if err != nil {
		return paidPerson{}, err
	}
	name, err := a.Flow.Box.Open(distributor.RealNamePlace, d.RealNameEnc)
	if err != nil {
		return paidPerson{}, err
	}
	return paidPerson{string(d.Status), distributor.MaskName(name), httpx.Time(d.NameChangedMs), httpx.Time(d.AdmittedMs)}, nil
}

// moneyOf reads the balances and what they come from at one moment.
func (a *API) moneyOf(ctx context.Context, w withdrawal.Withdrawal) (m withdrawalMoney, composed []composedOf, err error) {
	err = a.Flow.DB.Snapshot(ctx, func(q store.Q) error {
		wallet, err := ledger.WalletOf(ctx, q, w.Distributor)
		if err != nil {
			return err
		}
		pending, err := ledger.PendingOf(ctx, q, w.Distributor)
		if err != nil {
			return err
		}
		origin, err := view.OriginOf(ctx, q, view.OriginScope{Withdrawal: w.ID, Distributor: w.Distributor, Amount: w.Amount, RequestedMs: w.RequestedMs})
		if err != nil {
			return err
		}
		now := balances{wallet.Available, wallet.Withdrawing, wallet.Debt, pending}
		m = withdrawalMoney{Before: origin.After + w.Amount, After: origin.After, Now: now}
		if !w.State.Final() {
			m.IfPaid, m.IfReturned = now.without(w.Amount), now.returned(w.Amount)
		}
		composed = showOrigin(origin.Statements)
		return nil
	})
	return m, composed, err
}

// without are the balances after a withdrawal was paid.
func (b balances) without(amount money.Fen) *balances {
	b.Withdrawing -= amount
	return &b
}

// returned are the balances after a withdrawal came back: debt first.
func (b balances) returned(amount money.Fen) *balances {
	repaid := min(amount, -b.Debt)
	b.Withdrawing -= amount
	b.Debt += repaid
	b.Available += amount - repaid
	return &b
}

func showOrigin(statements []view.OriginStatement) []composedOf {
	out := make([]composedOf, len(statements))
	for i, s := range statements {
		c := composedOf{
			Statement: s.ID, Cycle: s.Cycle, First: s.First.String(), Last: base.Period{Cycle: s.Cycle, First: s.First}.Last().String(),
			Total: s.Total, Taken: s.Taken, PostedAt: httpx.Time(s.PostedMs), OrderCount: s.OrderCount,
		}
		for _, o := range s.Orders {
			c.Orders = append(c.Orders, composedOrder{
				o.ID, o.Customer, o.Commission, o.TakenBack, o.Total, o.Refunded, o.RefundState(), httpx.Time(o.CreatedMs),
			})
		}
		out[i] = c
	}
	return out
}

const earlierMax = 20

func (a *API) earlier(ctx context.Context, w withdrawal.Withdrawal) (out earlierWithdrawals, err error) {
	q := a.Flow.DB.Q()
	counts, err := view.WithdrawalCounts(ctx, q, view.WithdrawalScope{Distributor: w.Distributor, But: w.ID})
	if err != nil {
		return out, err
	}
	list, err := withdrawal.Of(ctx, q, w.Distributor, 0, earlierMax+1)
	if err != nil {
		return out, err
	}
	list = slices.DeleteFunc(list, func(x withdrawal.Withdrawal) bool { return x.ID == w.ID })
	if len(list) > earlierMax {
		list = list[:earlierMax]
	}
	out.Counts = showCounts(counts)
	out.Items, err = a.showWithdrawals(ctx, list)
	return out, err
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
