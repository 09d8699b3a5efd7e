package miniprogramapi

import (
	"context"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

type myStatement struct {
	ID           base.StatementID `json:"id"`
	Cycle        base.Cycle       `json:"cycle" enum:"weekly,monthly"`
	First        string           `json:"first_day"`
	Last         string           `json:"last_day"`
	Accrued      money.Fen        `json:"accrued_fen"`
	Reversed     money.Fen        `json:"reversed_fen" doc:"Taken back before settlement"`
	Adjusted     money.Fen        `json:"adjusted_fen"`
	Total        money.Fen        `json:"total_fen" doc:"Negative: becomes debt"`
	Rows         int64            `json:"row_count"`
	Late         money.Fen        `json:"late_fen" doc:"Taken back from the balance in this period, for information; not in the total"`
	State        settlement.State `json:"state" enum:"open,confirmed,posted"`
	StateText    string           `json:"state_text" doc:"In plain words"`
	DisputeUntil *time.Time       `json:"dispute_until,omitempty"`
	DisputeNote  string           `json:"dispute_note"`
	Answer       string           `json:"answer" doc:"To a dispute"`
	PostedAt     *time.Time       `json:"posted_at,omitempty"`
	DebtRepaid   money.Fen        `json:"debt_repaid_fen"`
}

func showMyStatement(ctx context.Context) func(settlement.Statement) myStatement {
	return func(s settlement.Statement) myStatement {
		zh, en := s.Words()
		return myStatement{
			ID: s.ID, Cycle: s.Cycle, First: s.First.String(), Last: base.Period{Cycle: s.Cycle, First: s.First}.Last().String(),
			Accrued: s.Accrued, Reversed: s.Reversed, Adjusted: s.Adjusted, Total: s.Total, Rows: s.Rows, Late: s.Late, State: s.State,
			StateText: inLanguage(ctx, zh, en), DisputeUntil: httpx.Time(s.DisputeUntilMs), DisputeNote: s.DisputeNote, Answer: s.ConfirmNote,
			PostedAt: httpx.Time(s.PostedMs), DebtRepaid: s.DebtRepaid,
		}
	}
}

type myStatementFeed struct{ Body httpx.Feed[myStatement] }

func (a *API) listMyStatements(ctx context.Context, in *httpx.FeedInput) (*myStatementFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := settlement.List(ctx, a.Flow.DB.Q(), settlement.Filter{
		Distributor: httpx.PrincipalOf(ctx).Distributor, Before: base.StatementID(at.ID), Limit: in.Limit + 1, Shown: true,
	})
	if err != nil {
		return nil, err
	}
	return &myStatementFeed{httpx.NewFeed(rows, in.Limit, func(s settlement.Statement) httpx.Cursor { return httpx.Cursor{ID: int64(s.ID)} }, showMyStatement(ctx))}, nil
}

type myStatementPath struct {
	ID base.StatementID `path:"id"`
}

type myStatementOutput struct{ Body myStatement }

// ownStatement reads a statement of the caller; a draft is not shown yet.
func (a *API) ownStatement(ctx context.Context, id base.StatementID) (settlement.Statement, error) {
	s, err := settlement.ByID(ctx, a.Flow.DB.Q(), id)
	if err == nil && (s.Distributor != httpx.PrincipalOf(ctx).Distributor || s.State == settlement.Drafted) {
		err = settlement.ErrNotFound
	}
	return s, err
}

func (a *API) getMyStatement(ctx context.Context, in *myStatementPath) (*myStatementOutput, error) {
	s, err := a.ownStatement(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &myStatementOutput{showMyStatement(ctx)(s)}, nil
}

type myStatementLine struct {
	ID      base.CommissionID `json:"id"`
	Order   base.OrderID      `json:"order_id"`
	Product string            `json:"product"`
	Tier    base.Tier         `json:"tier"`
	Kind    string            `json:"kind" enum:"accrual,reversal_early,reversal_late,adjustment"`
	Amount  money.Fen         `json:"amount_fen"`
	InTotal bool              `json:"in_total" doc:"False: for information"`
	At      *time.Time        `json:"at,omitempty"`
}

type myStatementLinesInput struct {
	ID base.StatementID `path:"id"`
	httpx.FeedInput
}

type myStatementLineFeed struct{ Body httpx.Feed[myStatementLine] }

func (a *API) myStatementLines(ctx context.Context, in *myStatementLinesInput) (*myStatementLineFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	s, err := a.ownStatement(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	rows, err := settlement.Lines(ctx, a.Flow.DB.Q(), s, base.CommissionID(at.ID), in.Limit+1)
	if err != nil {
		return nil, err
	}
	lines := make([]base.LineID, len(rows))
	for i, r := range rows {
		lines[i] = r.OrderLine
	}
	names, err := view.LineNames(ctx, a.Flow.DB.Q(), lines)
	if err != nil {
		return nil, err
	}
	feed := httpx.NewFeed(rows, in.Limit, func(l settlement.Line) httpx.Cursor { return httpx.Cursor{ID: int64(l.ID)} },
		func(l settlement.Line) myStatementLine {
			return myStatementLine{l.ID, l.Order, names[l.OrderLine].Name, l.Tier, l.Kind, l.Amount, l.InTotal(), httpx.Time(l.AccruedMs)}
		})
	return &myStatementLineFeed{feed}, nil
}

type disputeInput struct {
	ID   base.StatementID `path:"id"`
	Body struct {
		Note string `json:"note" minLength:"1" maxLength:"500" doc:"What is wrong"`
	}
}

func (a *API) disputeMyStatement(ctx context.Context, in *disputeInput) (*myStatementOutput, error) {
	s, err := a.Flow.DisputeStatement(ctx, in.ID, httpx.PrincipalOf(ctx).Distributor, in.Body.Note)
	if err != nil {
		return nil, err
	}
	return &myStatementOutput{showMyStatement(ctx)(s)}, nil
}
