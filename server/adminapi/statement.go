package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

// settleTimeout is what a settlement run on demand may take; what is left is done by the jobs.
const settleTimeout = 5 * time.Minute

func (a *API) registerStatement(api *httpx.API) {
	tags := []string{"settlement"}
	httpx.Register(api, httpx.Op{ID: "list-statements", Method: http.MethodGet, Path: "/statements", Summary: "Statements, newest first", Permission: access.PermStatementRead, Tags: tags}, a.listStatements)
	httpx.Register(api, httpx.Op{ID: "get-statement", Method: http.MethodGet, Path: "/statements/{id}", Summary: "A statement", Permission: access.PermStatementRead, Tags: tags}, a.getStatement)
	httpx.Register(api, httpx.Op{ID: "list-statement-lines", Method: http.MethodGet, Path: "/statements/{id}/lines", Summary: "The rows of a statement, oldest first", Permission: access.PermStatementRead, Tags: tags}, a.statementLines)
	httpx.Register(api, httpx.Op{
		ID: "confirm-statement", Method: http.MethodPost, Path: "/statements/{id}/confirm", Summary: "Confirm an open statement; a disputed one with an answer",
		Permission: access.PermStatementConfirm, Tags: tags, Idempotent: true,
	}, a.confirmStatement)
	httpx.Register(api, httpx.Op{ID: "list-settlement-runs", Method: http.MethodGet, Path: "/settlement-runs", Summary: "Settled periods, newest first", Permission: access.PermStatementRead, Tags: tags}, a.listRuns)
	httpx.Register(api, httpx.Op{
		ID: "run-settlement", Method: http.MethodPost, Path: "/settlement-runs", Summary: "Do at once what the settlement jobs would do now",
		Permission: access.PermSettlementRun, Tags: tags, Idempotent: true, Timeout: settleTimeout,
	}, a.runSettlement)
	httpx.Register(api, httpx.Op{ID: "get-settlement-setting", Method: http.MethodGet, Path: "/settings/settlement", Summary: "How statements go on by themselves", Permission: access.PermSettingRead, Tags: tags}, a.getSettlement)
	httpx.Register(api, httpx.Op{
		ID: "set-settlement-setting", Method: http.MethodPut, Path: "/settings/settlement", Summary: "Change how statements go on by themselves",
		Permission: access.PermSettingMoney, Tags: tags, Idempotent: true,
	}, a.setSettlement)
}

type statementBody struct {
	ID           base.StatementID   `json:"id"`
	Distributor  base.DistributorID `json:"distributor_id"`
	Cycle        base.Cycle         `json:"cycle" enum:"weekly,monthly"`
	First        string             `json:"first_day"`
	Last         string             `json:"last_day"`
	Accrued      money.Fen          `json:"accrued_fen"`
	Reversed     money.Fen          `json:"reversed_fen"`
	Adjusted     money.Fen          `json:"adjusted_fen"`
	Total        money.Fen          `json:"total_fen" doc:"Negative: becomes debt"`
	Rows         int64              `json:"row_count"`
	Late         money.Fen          `json:"late_fen" doc:"Taken back after earlier statements, for information; not in the total"`
	LateRows     int64              `json:"late_count"`
	State        settlement.State   `json:"state" enum:"drafted,open,confirmed,posted"`
	DisputeUntil *time.Time         `json:"dispute_until,omitempty"`
	DisputedAt   *time.Time         `json:"disputed_at,omitempty"`
	DisputeNote  string             `json:"dispute_note"`
	ConfirmedAt  *time.Time         `json:"confirmed_at,omitempty"`
	ConfirmedBy  string             `json:"confirmed_by"`
	ConfirmNote  string             `json:"confirm_note"`
	PostedAt     *time.Time         `json:"posted_at,omitempty"`
	DebtRepaid   money.Fen          `json:"debt_repaid_fen"`
}

func showStatement(s settlement.Statement) statementBody {
	return statementBody{
		ID: s.ID, Distributor: s.Distributor, Cycle: s.Cycle, First: s.First.String(), Last: base.Period{Cycle: s.Cycle, First: s.First}.Last().String(),
		Accrued: s.Accrued, Reversed: s.Reversed, Adjusted: s.Adjusted, Total: s.Total, Rows: s.Rows, Late: s.Late, LateRows: s.LateRows, State: s.State,
		DisputeUntil: httpx.Time(s.DisputeUntilMs), DisputedAt: httpx.Time(s.DisputedMs), DisputeNote: s.DisputeNote, ConfirmedAt: httpx.Time(s.ConfirmedMs),
		ConfirmedBy: s.ConfirmedBy, ConfirmNote: s.ConfirmNote, PostedAt: httpx.Time(s.PostedMs), DebtRepaid: s.DebtRepaid,
	}
}

type statementOutput struct{ Body statementBody }

func statementOut(s settlement.Statement, err error) (*statementOutput, error) {
	if err != nil {
		return nil, err
	}
	return &statementOutput{showStatement(s)}, nil
}

type listStatementsInput struct {
	httpx.FeedInput
	Distributor base.DistributorID `query:"distributor_id"`
	State       string             `query:"state" enum:"drafted,open,confirmed,posted"`
	Cycle       string             `query:"cycle" enum:"weekly,monthly"`
}

type statementFeed struct{ Body httpx.Feed[statementBody] }

func (a *API) listStatements(ctx context.Context, in *listStatementsInput) (*statementFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := settlement.List(ctx, a.Flow.DB.Q(), settlement.Filter{
		Distributor: in.Distributor, State: settlement.State(in.State), Cycle: base.Cycle(in.Cycle), Before: base.StatementID(at.ID), Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return &statementFeed{httpx.NewFeed(rows, in.Limit, func(s settlement.Statement) httpx.Cursor { return httpx.Cursor{ID: int64(s.ID)} }, showStatement)}, nil
}

type statementPath struct {
	ID base.StatementID `path:"id"`
}

func (a *API) getStatement(ctx context.Context, in *statementPath) (*statementOutput, error) {
	return statementOut(settlement.ByID(ctx, a.Flow.DB.Q(), in.ID))
}

type statementLine struct {
	ID        base.CommissionID `json:"id"`
	Order     base.OrderID      `json:"order_id"`
	Line      base.LineID       `json:"line_id"`
	Tier      base.Tier         `json:"tier"`
	Kind      string            `json:"kind" enum:"accrual,reversal_early,reversal_late,adjustment"`
	Amount    money.Fen         `json:"amount_fen"`
	InTotal   bool              `json:"in_total" doc:"False: for information"`
	Refund    base.RefundID     `json:"refund_id"`
	AccruedAt *time.Time        `json:"accrued_at,omitempty"`
	RipeAt    *time.Time        `json:"ripe_at,omitempty"`
}

func showStatementLine(l settlement.Line) statementLine {
	return statementLine{l.ID, l.Order, l.OrderLine, l.Tier, l.Kind, l.Amount, l.InTotal(), l.Refund, httpx.Time(l.AccruedMs), httpx.Time(l.RipeMs)}
}

type statementLinesInput struct {
	ID base.StatementID `path:"id"`
	httpx.FeedInput
}

type statementLineFeed struct{ Body httpx.Feed[statementLine] }

func (a *API) statementLines(ctx context.Context, in *statementLinesInput) (*statementLineFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	s, err := settlement.ByID(ctx, a.Flow.DB.Q(), in.ID)
	if err != nil {
		return nil, err
	}
	lines, err := settlement.Lines(ctx, a.Flow.DB.Q(), s, base.CommissionID(at.ID), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &statementLineFeed{httpx.NewFeed(lines, in.Limit, func(l settlement.Line) httpx.Cursor { return httpx.Cursor{ID: int64(l.ID)} }, showStatementLine)}, nil
}

type confirmStatementInput struct {
	ID   base.StatementID `path:"id"`
	Body struct {
		Note string `json:"note,omitempty" maxLength:"500" doc:"Answers a dispute"`
	}
}

func (a *API) confirmStatement(ctx context.Context, in *confirmStatementInput) (*statementOutput, error) {
	return statementOut(a.Flow.ConfirmStatement(ctx, flow.StatementConfirm{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Note: in.Body.Note}))
}

type settlementRun struct {
	Cycle      base.Cycle `json:"cycle" enum:"weekly,monthly"`
	First      string     `json:"first_day"`
	Statements int64      `json:"statement_count"`
	Total      money.Fen  `json:"total_fen"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	DraftedAt  *time.Time `json:"drafted_at,omitempty" doc:"Absent: under way"`
}

type listRunsInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type runList struct {
	Body struct {
		Items []settlementRun `json:"items"`
	}
}

func (a *API) listRuns(ctx context.Context, in *listRunsInput) (*runList, error) {
	runs, err := settlement.Runs(ctx, a.Flow.DB.Q(), in.Limit)
	if err != nil {
		return nil, err
	}
	var out runList
	for _, r := range runs {
		out.Body.Items = append(out.Body.Items, settlementRun{r.Cycle, r.First.String(), r.Statements, r.Total, httpx.Time(r.StartedMs), httpx.Time(r.DraftedMs)})
	}
	return &out, nil
}

type settledOutput struct{ Body flow.Settled }

func (a *API) runSettlement(ctx context.Context, _ *struct{}) (*settledOutput, error) {
	done, err := a.Flow.SettleNow(ctx, httpx.PrincipalOf(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return &settledOutput{done}, nil
}

type settlementSetting struct{ Body settlement.Setting }

func (a *API) getSettlement(ctx context.Context, _ *struct{}) (*settlementSetting, error) {
	s, err := settlement.SettingAt(ctx, a.Flow.DB.Q(), a.Flow.DB.Clock.Now())
	if err != nil {
		return nil, err
	}
	return &settlementSetting{s}, nil
}

type setSettlementInput struct {
	Body struct {
		Setting settlement.Setting `json:"setting"`
		Reason  string             `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (a *API) setSettlement(ctx context.Context, in *setSettlementInput) (*settlementSetting, error) {
	err := a.Flow.SetSettlement(ctx, flow.SettlementChange{Setting: in.Body.Setting, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return &settlementSetting{in.Body.Setting}, nil
}
