package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerCommission(api *httpx.API) {
	tags := []string{"commissions"}
	httpx.Register(api, httpx.Op{ID: "list-commissions", Method: http.MethodGet, Path: "/commissions", Summary: "Commission rows, newest first", Permission: access.PermCommissionRead, Tags: tags}, a.listCommissions)
	httpx.Register(api, httpx.Op{ID: "get-commission", Method: http.MethodGet, Path: "/commissions/{id}", Summary: "A commission row, why it is what it is, what was taken back, what holds it", Permission: access.PermCommissionRead, Tags: tags}, a.getCommission)
	httpx.Register(api, httpx.Op{ID: "list-order-shares", Method: http.MethodGet, Path: "/orders/{id}/shares", Summary: "What everybody gets of an order, with the computation", Permission: access.PermCommissionRead, Tags: tags}, a.orderShares)
	httpx.Register(api, httpx.Op{
		ID: "hold-commissions", Method: http.MethodPost, Path: "/commission-holds", Summary: "Keep commissions of an order line or a distributor from ripening",
		Permission: access.PermCommissionHold, Tags: tags, Idempotent: true, Status: http.StatusCreated,
	}, a.holdCommissions)
	httpx.Register(api, httpx.Op{
		ID: "release-commission-hold", Method: http.MethodPost, Path: "/commission-holds/{id}/release", Summary: "Let held commissions ripen again",
		Permission: access.PermCommissionHold, Tags: tags, Idempotent: true,
	}, a.releaseHold)
	httpx.Register(api, httpx.Op{ID: "list-adjustments", Method: http.MethodGet, Path: "/adjustments", Summary: "Adjustments, newest first", Permission: access.PermCommissionRead, Tags: tags}, a.listAdjustments)
	httpx.Register(api, httpx.Op{
		ID: "request-adjustment", Method: http.MethodPost, Path: "/adjustments", Summary: "Ask for an adjustment; a second admin approves",
		Permission: access.PermCommissionAdjust, Tags: tags, Idempotent: true, Status: http.StatusCreated,
	}, a.requestAdjustment)
	httpx.Register(api, httpx.Op{
		ID: "approve-adjustment", Method: http.MethodPost, Path: "/adjustments/{id}/approve", Summary: "Approve what another admin asked for",
		Permission: access.PermAdjustmentApprove, Tags: tags, Idempotent: true,
	}, a.approveAdjustment)
	httpx.Register(api, httpx.Op{
		ID: "reject-adjustment", Method: http.MethodPost, Path: "/adjustments/{id}/reject", Summary: "Reject an adjustment",
		Permission: access.PermAdjustmentApprove, Tags: tags, Idempotent: true,
	}, a.rejectAdjustment)
}

type commissionRow struct {
	ID         base.CommissionID  `json:"id"`
	Order      base.OrderID       `json:"order_id"`
	Line       base.LineID        `json:"line_id"`
	Payee      base.DistributorID `json:"distributor_id"`
	Tier       base.Tier          `json:"tier"`
	Cycle      base.Cycle         `json:"cycle"`
	Kind       commission.RowKind `json:"kind" enum:"accrual,reversal_early,reversal_late,adjustment"`
	Amount     money.Fen          `json:"amount_fen"`
	Refund     base.RefundID      `json:"refund_id"`
	AccruedAt  *time.Time         `json:"accrued_at,omitempty"`
	EarliestAt *time.Time         `json:"earliest_at,omitempty" doc:"It ripens no earlier; absent: goods not received"`
	RipeAt     *time.Time         `json:"ripe_at,omitempty"`
	Period     string             `json:"period" doc:"First day of the period it settles with; empty: not ripe"`
}

func showCommission(r commission.Row) commissionRow {
	return commissionRow{
		ID: r.ID, Order: r.Order, Line: r.Line, Payee: r.Payee, Tier: r.Tier, Cycle: r.Cycle, Kind: r.Kind, Amount: r.Amount, Refund: r.Refund,
		AccruedAt: httpx.Time(r.AccruedMs), EarliestAt: httpx.Time(r.DueMs), RipeAt: httpx.Time(r.RipeMs), Period: showDay(r.Period),
	}
}

// showDay shows a business day; none is empty.
func showDay(d base.BusinessDay) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

type listCommissionsInput struct {
	httpx.FeedInput
	Order       base.OrderID       `query:"order_id"`
	Distributor base.DistributorID `query:"distributor_id"`
	Kind        string             `query:"kind" enum:"accrual,reversal_early,reversal_late,adjustment"`
}

type commissionFeed struct{ Body httpx.Feed[commissionRow] }

func (a *API) listCommissions(ctx context.Context, in *listCommissionsInput) (*commissionFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := commission.List(ctx, a.Flow.DB.Q(), commission.Filter{
		Order: in.Order, Payee: in.Distributor, Kind: commission.RowKind(in.Kind), Before: base.CommissionID(at.ID), Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return &commissionFeed{httpx.NewFeed(rows, in.Limit, func(r commission.Row) httpx.Cursor { return httpx.Cursor{ID: int64(r.ID)} }, showCommission)}, nil
}

type shareBody struct {
	ID          base.ShareID       `json:"id"`
	Line        base.LineID        `json:"line_id"`
	Tier        base.Tier          `json:"tier"`
	Revision    int                `json:"revision"`
	Payee       base.DistributorID `json:"distributor_id"`
	Level       base.LevelID       `json:"level_id"`
	Rule        base.RuleID        `json:"rule_id"`
	RuleVersion int                `json:"rule_version"`
	Base        money.Fen          `json:"base_fen"`
	Raw         money.Fen          `json:"raw_fen" doc:"Before the cap"`
	Sum         money.Fen          `json:"sum_fen" doc:"Of all raw shares of the line"`
	Cap         money.Fen          `json:"cap_fen"`
	Amount      money.Fen          `json:"amount_fen"`
	Formula     string             `json:"formula"`
	Explanation string             `json:"explanation"`
}

func showShare(ctx context.Context) func(commission.Share) shareBody {
	return func(s commission.Share) shareBody {
		e := commission.Explain(s)
		return shareBody{
			s.ID, s.Line, s.Tier, s.Revision, s.Payee, s.Level, s.Rule, s.RuleVersion, s.Base, s.Raw, s.Sum, s.Cap, s.Amount,
			e.Formula, inLanguage(ctx, e.Zh, e.En),
		}
	}
}

func inLanguage(ctx context.Context, zh, en string) string {
	if httpx.English(ctx) {
		return en
	}
	return zh
}

type reversalBody struct {
	commissionRow
	Explanation string `json:"explanation"`
}

type holdBody struct {
	Ref        string     `json:"ref" doc:"Of what holds it; an admin's own hold is released by it"`
	Scope      string     `json:"scope" enum:"line,distributor"`
	Reason     string     `json:"reason"`
	Actor      string     `json:"actor"`
	From       *time.Time `json:"from,omitempty"`
	Until      *time.Time `json:"until,omitempty" doc:"Absent: until released"`
	ReleasedAt *time.Time `json:"released_at,omitempty"`
}

func showHold(h commission.Held) holdBody {
	return holdBody{h.Ref, string(h.Scope), h.Reason, h.Actor, httpx.Time(h.FromMs), httpx.Time(h.UntilMs), httpx.Time(h.ReleasedMs)}
}

type commissionPath struct {
	ID base.CommissionID `path:"id"`
}

type commissionDetail struct {
	Body struct {
		Row       commissionRow  `json:"row"`
		Share     *shareBody     `json:"share,omitempty" doc:"Absent for an adjustment"`
		Reversals []reversalBody `json:"reversals" doc:"Everything that was taken back of the same share"`
		Holds     []holdBody     `json:"holds" doc:"Of the line and of the distributor, newest first"`
	}
}

func (a *API) getCommission(ctx context.Context, in *commissionPath) (*commissionDetail, error) {
	q := a.Flow.DB.Q()
	row, err := commission.RowByID(ctx, q, in.ID)
	if err != nil {
		return nil, err
	}
	var out commissionDetail
	out.Body.Row = showCommission(row)
	if row.Kind != commission.Adjusted {
		s, err := commission.ShareByID(ctx, q, row.Share)
		if err != nil {
			return nil, err
		}
		shown := showShare(ctx)(s)
		out.Body.Share = &shown
		rows, err := commission.RowsOfShare(ctx, q, row.Share)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.Kind == commission.Accrual {
				continue
			}
			e := commission.ExplainReversal(s.Amount, r)
			out.Body.Reversals = append(out.Body.Reversals, reversalBody{showCommission(r), inLanguage(ctx, e.Zh, e.En)})
		}
	}
	for _, h := range []struct {
		scope commission.HoldScope
		id    int64
	}{{commission.HoldLine, int64(row.Line)}, {commission.HoldDistributor, int64(row.Payee)}} {
		holds, err := commission.HoldsOf(ctx, q, h.scope, h.id)
		if err != nil {
			return nil, err
		}
		for _, held := range holds {
			out.Body.Holds = append(out.Body.Holds, showHold(held))
		}
	}
	return &out, nil
}

type sharesOfOrderPath struct {
	ID base.OrderID `path:"id"`
}

type shareList struct {
	Body struct {
		Items []shareBody `json:"items"`
	}
}

func (a *API) orderShares(ctx context.Context, in *sharesOfOrderPath) (*shareList, error) {
	shares, err := commission.SharesOf(ctx, a.Flow.DB.Q(), in.ID)
	if err == nil && len(shares) == 0 { // nobody earns it, or there is no such order
		_, err = order.Get(ctx, a.Flow.DB.Q(), in.ID)
	}
	if err != nil {
		return nil, err
	}
	var out shareList
	for _, s := range shares {
		out.Body.Items = append(out.Body.Items, showShare(ctx)(s))
	}
	return &out, nil
}

type holdCommissionsInput struct {
	Body struct {
		Line        base.LineID        `json:"line_id,omitempty" doc:"One of the two"`
		Distributor base.DistributorID `json:"distributor_id,omitempty"`
		Until       *time.Time         `json:"until,omitempty" doc:"Absent: a line until released, a distributor for 30 days"`
		Reason      string             `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type holdOutput struct {
	Body struct {
		ID    commission.HoldID `json:"id"`
		Holds []holdBody        `json:"holds"`
	}
}

func holdOut(id commission.HoldID, held []commission.Held, err error) (*holdOutput, error) {
	if err != nil {
		return nil, err
	}
	var out holdOutput
	out.Body.ID = id
	for _, h := range held {
		out.Body.Holds = append(out.Body.Holds, showHold(h))
	}
	return &out, nil
}

func (a *API) holdCommissions(ctx context.Context, in *holdCommissionsInput) (*holdOutput, error) {
	r := flow.HoldRequest{
		ID: commission.HoldID(httpx.OpID(ctx)), Line: in.Body.Line, Distributor: in.Body.Distributor, Reason: in.Body.Reason, By: httpx.PrincipalOf(ctx).Actor,
	}
	if in.Body.Until != nil {
		r.Until = *in.Body.Until
	}
	held, err := a.Flow.HoldCommissions(ctx, r)
	return holdOut(r.ID, held, err)
}

type releaseHoldInput struct {
	ID   commission.HoldID `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (a *API) releaseHold(ctx context.Context, in *releaseHoldInput) (*holdOutput, error) {
	held, err := a.Flow.ReleaseHold(ctx, flow.HoldRelease{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason})
	return holdOut(in.ID, held, err)
}

type adjustmentBody struct {
	ID          base.CommissionID          `json:"id"`
	Distributor base.DistributorID         `json:"distributor_id"`
	Amount      money.Fen                  `json:"amount_fen"`
	Statement   base.StatementID           `json:"statement_id" doc:"Whose dispute it settles; empty: none"`
	Reason      string                     `json:"reason"`
	State       commission.AdjustmentState `json:"state" enum:"requested,approved,rejected"`
	RequestedAt *time.Time                 `json:"requested_at,omitempty"`
	RequestedBy string                     `json:"requested_by"`
	DecidedAt   *time.Time                 `json:"decided_at,omitempty"`
	DecidedBy   string                     `json:"decided_by"`
}

func showAdjustment(x commission.Adjustment) adjustmentBody {
	return adjustmentBody{
		x.ID, x.Payee, x.Amount, x.Statement, x.Reason, x.State, httpx.Time(x.RequestedMs), x.RequestedBy, httpx.Time(x.DecidedMs), x.DecidedBy,
	}
}

type adjustmentOutput struct{ Body adjustmentBody }

func adjustmentOut(x commission.Adjustment, err error) (*adjustmentOutput, error) {
	if err != nil {
		return nil, err
	}
	return &adjustmentOutput{showAdjustment(x)}, nil
}

type listAdjustmentsInput struct {
	httpx.FeedInput
	State string `query:"state" enum:"requested,approved,rejected"`
}

type adjustmentFeed struct {
	Body httpx.Feed[adjustmentBody]
}

func (a *API) listAdjustments(ctx context.Context, in *listAdjustmentsInput) (*adjustmentFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := commission.Adjustments(ctx, a.Flow.DB.Q(), commission.AdjustmentState(in.State), base.CommissionID(at.ID), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &adjustmentFeed{httpx.NewFeed(rows, in.Limit, func(x commission.Adjustment) httpx.Cursor { return httpx.Cursor{ID: int64(x.ID)} }, showAdjustment)}, nil
}

type requestAdjustmentInput struct {
	Body struct {
		Distributor base.DistributorID `json:"distributor_id"`
		Amount      money.Fen          `json:"amount_fen" minimum:"-100000000" maximum:"100000000" doc:"Negative: taken"`
		Statement   base.StatementID   `json:"statement_id,omitempty"`
		Reason      string             `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (a *API) requestAdjustment(ctx context.Context, in *requestAdjustmentInput) (*adjustmentOutput, error) {
	return adjustmentOut(a.Flow.RequestAdjustment(ctx, flow.AdjustmentRequest{
		ID: base.CommissionID(httpx.OpID(ctx)), Distributor: in.Body.Distributor, Amount: in.Body.Amount, Statement: in.Body.Statement,
		Reason: in.Body.Reason, By: httpx.PrincipalOf(ctx).Actor,
	}))
}

type decideAdjustmentInput struct {
	ID   base.CommissionID `path:"id"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"500"`
	}
}

func (a *API) approveAdjustment(ctx context.Context, in *decideAdjustmentInput) (*adjustmentOutput, error) {
	return a.decideAdjustment(ctx, in, true)
}

func (a *API) rejectAdjustment(ctx context.Context, in *decideAdjustmentInput) (*adjustmentOutput, error) {
	return a.decideAdjustment(ctx, in, false)
}

func (a *API) decideAdjustment(ctx context.Context, in *decideAdjustmentInput, approve bool) (*adjustmentOutput, error) {
	return adjustmentOut(a.Flow.DecideAdjustment(ctx, flow.AdjustmentDecision{
		ID: in.ID, Approve: approve, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason,
	}))
}
