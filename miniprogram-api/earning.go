package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

func (a *API) registerEarning(api *httpx.API) {
	tags := []string{"earnings"}
	httpx.Register(api, httpx.Op{ID: "list-my-commissions", Method: http.MethodGet, Path: "/distributor/commissions", Summary: "My commissions, newest first", Permission: access.Distributor, Tags: tags}, a.listEarnings)
	httpx.Register(api, httpx.Op{ID: "get-my-commission", Method: http.MethodGet, Path: "/distributor/commissions/{id}", Summary: "One commission: the computation, and what was taken back", Permission: access.Distributor, Tags: tags}, a.getEarning)
	httpx.Register(api, httpx.Op{ID: "list-my-statements", Method: http.MethodGet, Path: "/distributor/statements", Summary: "My statements, newest first", Permission: access.Distributor, Tags: tags}, a.listMyStatements)
	httpx.Register(api, httpx.Op{ID: "get-my-statement", Method: http.MethodGet, Path: "/distributor/statements/{id}", Summary: "One statement", Permission: access.Distributor, Tags: tags}, a.getMyStatement)
	httpx.Register(api, httpx.Op{ID: "list-my-statement-lines", Method: http.MethodGet, Path: "/distributor/statements/{id}/lines", Summary: "The rows of a statement, oldest first", Permission: access.Distributor, Tags: tags}, a.myStatementLines)
	httpx.Register(api, httpx.Op{
		ID: "dispute-my-statement", Method: http.MethodPost, Path: "/distributor/statements/{id}/dispute", Summary: "Say that an open statement is wrong",
		Permission: access.Distributor, Tags: tags, Idempotent: true,
	}, a.disputeMyStatement)
}

type earningBody struct {
	ID         base.CommissionID       `json:"id"`
	Order      base.OrderID            `json:"order_id"`
	Product    string                  `json:"product"`
	Qty        int64                   `json:"qty"`
	Tier       base.Tier               `json:"tier" enum:"seller,upline,territory"`
	Amount     money.Fen               `json:"amount_fen" doc:"As accrued"`
	TakenBack  money.Fen               `json:"taken_back_fen" doc:"By refunds, so far"`
	State      settlement.EarningState `json:"state" enum:"awaiting_goods,in_window,on_hold,ripe,settled,taken_back"`
	StateText  string                  `json:"state_text" doc:"In plain words"`
	At         *time.Time              `json:"at,omitempty"`
	EarliestAt *time.Time              `json:"earliest_at,omitempty" doc:"It settles no earlier; absent: not known yet"`
	Statement  base.StatementID        `json:"statement_id" doc:"Empty: on none yet"`
}

func showEarning(ctx context.Context, e settlement.Earning, line view.LineName) earningBody {
	zh, en := e.State.Words()
	return earningBody{
		e.ID, e.Order, line.Name, line.Qty, e.Tier, e.Amount, e.Reversed, e.State, inLanguage(ctx, zh, en),
		httpx.Time(e.AccruedMs), httpx.Time(e.DueMs), e.Statement,
	}
}

// inLanguage picks the text the caller reads.
func inLanguage(ctx context.Context, zh, en string) string {
	if httpx.English(ctx) {
		return en
	}
	return zh
}

type earningFeed struct{ Body httpx.Feed[earningBody] }

func (a *API) listEarnings(ctx context.Context, in *httpx.FeedInput) (*earningFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	q := a.Flow.DB.Q()
	rows, err := settlement.Earnings(ctx, q, settlement.EarningFilter{
		Payee: httpx.PrincipalOf(ctx).Distributor, Before: base.CommissionID(at.ID), Limit: in.Limit + 1, Now: a.Flow.DB.Clock.Now(),
	})
	if err != nil {
		return nil, err
	}
	lines := make([]base.LineID, len(rows))
	for i, r := range rows {
		lines[i] = r.OrderLine
	}
	names, err := view.LineNames(ctx, q, lines)
	if err != nil {
		return nil, err
	}
	feed := httpx.NewFeed(rows, in.Limit, func(e settlement.Earning) httpx.Cursor { return httpx.Cursor{ID: int64(e.ID)} },
		func(e settlement.Earning) earningBody { return showEarning(ctx, e, names[e.OrderLine]) })
	return &earningFeed{feed}, nil
}

type takenBack struct {
	Amount      money.Fen  `json:"amount_fen"`
	At          *time.Time `json:"at,omitempty"`
	Explanation string     `json:"explanation"`
}

type earningDetail struct {
	Body struct {
		Commission  earningBody `json:"commission"`
		Formula     string      `json:"formula"`
		Explanation string      `json:"explanation"`
		TakenBack   []takenBack `json:"taken_back"`
	}
}

type earningPath struct {
	ID base.CommissionID `path:"id"`
}

func (a *API) getEarning(ctx context.Context, in *earningPath) (*earningDetail, error) {
	q := a.Flow.DB.Q()
	e, err := settlement.EarningOf(ctx, q, settlement.EarningFilter{Payee: httpx.PrincipalOf(ctx).Distributor, Now: a.Flow.DB.Clock.Now()}, in.ID)
	if err != nil {
		return nil, err
	}
	share, err := commission.ShareByID(ctx, q, e.Share)
	if err != nil {
		return nil, err
	}
	rows, err := commission.RowsOfShare(ctx, q, e.Share)
	if err != nil {
		return nil, err
	}
	names, err := view.LineNames(ctx, q, []base.LineID{e.OrderLine})
	if err != nil {
		return nil, err
	}
	var out earningDetail
	why := commission.Explain(share)
	out.Body.Commission = showEarning(ctx, e, names[e.OrderLine])
	out.Body.Formula, out.Body.Explanation = why.Formula, inLanguage(ctx, why.Zh, why.En)
	for _, r := range rows {
		if r.Kind == commission.Accrual {
			continue
		}
		x := commission.ExplainReversal(e.Amount, r)
		out.Body.TakenBack = append(out.Body.TakenBack, takenBack{-r.Amount, httpx.Time(r.AccruedMs), inLanguage(ctx, x.Zh, x.En)})
	}
	return &out, nil
}
