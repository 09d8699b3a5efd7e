package settlement

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// State is where a statement stands.
type State string

const (
	Drafted   State = "drafted"
	Open      State = "open" // to dispute
	Confirmed State = "confirmed"
	Posted    State = "posted" // in the ledger
)

// moves is the whole life of a statement. What is not here cannot happen.
var moves = map[State][]State{
	Drafted:   {Open},
	Open:      {Confirmed},
	Confirmed: {Posted},
}

// Moves lists the states after one.
func Moves(from State) []State { return slices.Clone(moves[from]) }

// Statement is one distributor's settled commissions of one cycle and period. Its figures are never changed.
type Statement struct {
	ID             base.StatementID   `db:"id"`
	Distributor    base.DistributorID `db:"distributor_id"`
	Cycle          base.Cycle         `db:"cycle"`
	First          base.BusinessDay   `db:"period"`
	FromMs         int64              `db:"from_ms"`
	UntilMs        int64              `db:"until_ms"`
	Accrued        money.Fen          `db:"accrued_fen"`
	Reversed       money.Fen          `db:"reversed_fen"` // ≤ 0
	Adjusted       money.Fen          `db:"adjusted_fen"`
	Total          money.Fen          `db:"total_fen"` // of the three; negative: becomes debt
	Rows           int64              `db:"row_count"`
	Late           money.Fen          `db:"late_fen"` // late reversals of the period, for information, outside the total
	LateRows       int64              `db:"late_count"`
	State          State              `db:"state"`
	DraftedMs      int64              `db:"drafted_ms"`
	OpenMs         int64              `db:"open_ms"`
	DisputeUntilMs int64              `db:"dispute_until_ms"`
	DisputedMs     int64              `db:"disputed_ms"`
	DisputeNote    string             `db:"dispute_note"`
	ConfirmedMs    int64              `db:"confirmed_ms"`
	ConfirmedBy    string             `db:"confirmed_by"`
	ConfirmNote    string             `db:"confirm_note"`
	PostedMs       int64              `db:"posted_ms"`
	DebtRepaid     money.Fen          `db:"debt_repaid_fen"` // of the total, when it was posted
}

var (
	// ErrNotFound says that there is no such statement, or none for the caller.
	ErrNotFound = errs.E(errs.NotFound, "settlement.not_found", "没有找到该结算单", errs.EN("There is no such statement."))
	// ErrMoved says that the statement is no longer where the caller believed it to be.
	ErrMoved = errs.E(errs.Conflict, "settlement.moved", "结算单状态已变化，请刷新查看", errs.EN("The statement has moved on. Reload."))
	// ErrDisputeOver says that the statement is not open to dispute.
	ErrDisputeOver = errs.E(errs.Conflict, "settlement.dispute_over", "该结算单不在异议期内；如有疑问请联系客服",
		errs.EN("The statement is not open to dispute. Ask customer service."))
	// ErrNote says that a reason is missing or too long.
	ErrNote = errs.E(errs.Invalid, "settlement.note_required", "请填写 500 字以内的说明", errs.EN("Give a reason of at most 500 characters."))
)

const (
	listMax = 101 // a page of 100 and one more row, which says that there is another page
	noteMax = 500

	columns = `id, distributor_id, cycle, period, from_ms, until_ms, accrued_fen, reversed_fen, adjusted_fen, total_fen, row_count, late_fen, late_count, state,
	drafted_ms, open_ms, dispute_until_ms, disputed_ms, dispute_note, confirmed_ms, confirmed_by, confirm_note, posted_ms, debt_repaid_fen`
	byIDSQL = `SELECT ` + columns + ` FROM statement WHERE id = ?`
	listSQL = `SELECT ` + columns + ` FROM statement
WHERE (? = 0 OR distributor_id = ?) AND (? = '' OR state = ?) AND (? = '' OR cycle = ?) AND (? = 0 OR period = ?) AND (? = 0 OR state <> 'drafted') AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`
	countSQL = `SELECT COUNT(*) FROM statement WHERE (? = 0 OR distributor_id = ?) AND (? = '' OR state = ?) AND (? = '' OR cycle = ?) AND (? = 0 OR period = ?) AND (? = 0 OR state <> 'drafted')`

	// draftedSQL finds statements to open: those of a finished run. (An anti-join, so that the few statements in the state
	// are looked at and not those of all runs.)
	draftedSQL = `SELECT s.id FROM statement s WHERE s.state = 'drafted'
  AND NOT EXISTS (SELECT 1 FROM settlement_run r WHERE r.cycle = s.cycle AND r.period = s.period AND r.drafted_ms = 0) ORDER BY s.distributor_id LIMIT ?`
	openSQL = `UPDATE statement SET state = ?, open_ms = ?, dispute_until_ms = ? WHERE id IN (?) AND state = ?`
	// undisputedSQL finds statements that confirm by themselves.
	undisputedSQL = `SELECT s.id FROM statement s WHERE s.state = 'open' AND s.dispute_until_ms <= ? AND s.disputed_ms = 0 AND (? = 0 OR s.total_fen <= ?)
  AND NOT EXISTS (SELECT 1 FROM settlement_run r WHERE r.cycle = s.cycle AND r.period = s.period AND ? > 0 AND r.total_fen > ?) ORDER BY s.distributor_id LIMIT ?`
	confirmDueSQL = `UPDATE statement SET state = ?, confirmed_ms = ?, confirmed_by = ? WHERE id IN (?) AND state = ? AND disputed_ms = 0`
	confirmSQL    = `UPDATE statement SET state = ?, confirmed_ms = ?, confirmed_by = ?, confirm_note = ? WHERE id = ? AND state = ?`
	disputeSQL    = `UPDATE statement SET disputed_ms = ?, dispute_note = ? WHERE id = ? AND distributor_id = ? AND state = 'open' AND dispute_until_ms > ? AND disputed_ms = 0`
	toPostSQL     = `SELECT id FROM statement WHERE state = 'confirmed' ORDER BY distributor_id, id LIMIT ?`
	postSQL       = `UPDATE statement SET state = ?, posted_ms = ? WHERE id = ? AND state = ?`
	repaidSQL     = `UPDATE statement SET debt_repaid_fen = ? WHERE id = ? AND state = 'posted'`
)

// must refuses a move that the table does not have: such a call is a bug.
func must(from, to State) {
	if !slices.Contains(moves[from], to) {
		panic("settlement: no way from " + string(from) + " to " + string(to))
	}
}

// pageOf bounds the length of a list; 0 is the most there may be.
func pageOf(limit int) int {
	if limit < 1 || limit > listMax {
		return listMax
	}
	return limit
}

// ByID reads one statement.
func ByID(ctx context.Context, q store.Q, id base.StatementID) (Statement, error) {
	var s Statement
	err := q.Get(ctx, &s, byIDSQL, id)
	if store.NotFound(err) {
		return s, ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("read statement %s: %w", id, err)
	}
	return s, nil
}

// Filter says which statements to list; zero fields do not filter.
type Filter struct {
	Distributor base.DistributorID
	State       State
	Cycle       base.Cycle
	First       base.BusinessDay
	Shown       bool             // only what the distributor may see: no drafts
	Before      base.StatementID // older than this one
	Limit       int
}

func (f Filter) args() []any {
	return []any{f.Distributor, f.Distributor, f.State, f.State, f.Cycle, f.Cycle, f.First, f.First, f.Shown}
}

// List returns statements, newest first, at most 101.
func List(ctx context.Context, q store.Q, f Filter) ([]Statement, error) {
	var out []Statement
	err := q.Select(ctx, &out, listSQL, append(f.args(), f.Before, f.Before, pageOf(f.Limit))...)
	return out, err
}

// Count tells how many statements a filter has.
func Count(ctx context.Context, q store.Q, f Filter) (int64, error) {
	var n int64
	err := q.Get(ctx, &n, countSQL, f.args()...)
	return n, err
}

// Words says plainly, in Chinese and in English, where the statement stands.
func (s Statement) Words() (zh, en string) {
	switch {
	case s.State == Posted && s.Total < 0:
		return "已入账，合计为负的部分记为欠款", "posted; the negative total became debt"
	case s.State == Posted:
		return "已入账到可提现余额", "posted into the available balance"
	case s.State == Confirmed:
		return "已确认，即将入账", "confirmed; it is posted shortly"
	case s.DisputedMs > 0:
		return "已收到您的异议，正在核对", "your dispute is being looked into"
	case s.State == Open:
		return "请核对，如有异议请在截止时间前提出", "please check; dispute it before the deadline if something is wrong"
	default:
		return "正在生成", "being drawn up"
	}
}

// OpenDrafted opens at most limit drafted statements to dispute and returns how many.
func OpenDrafted(ctx context.Context, tx *store.Tx, limit int) (int, error) {
	must(Drafted, Open)
	set, err := SettingAt(ctx, tx, tx.Now())
	if err != nil {
		return 0, err
	}
	var found []base.StatementID
	if err := tx.Select(ctx, &found, draftedSQL, limit); err != nil || len(found) == 0 {
		return 0, err
	}
	until := tx.Now().Add(time.Duration(set.DisputeDays) * 24 * time.Hour)
	query, args, err := store.In(openSQL, Open, tx.NowMs(), base.Ms(until), found, Drafted)
	if err != nil {
		return 0, err
	}
	n, err := tx.Exec(ctx, query, args...)
	return int(n), err
}

// ConfirmDue confirms at most limit statements whose days are over, that nobody disputes and that the setting lets
// confirm by themselves.
func ConfirmDue(ctx context.Context, tx *store.Tx, limit int) (int, error) {
	must(Open, Confirmed)
	set, err := SettingAt(ctx, tx, tx.Now())
	if err != nil || !set.AutoConfirm {
		return 0, err
	}
	var found []base.StatementID
	err = tx.Select(ctx, &found, undisputedSQL, tx.NowMs(), set.AutoConfirmMax, set.AutoConfirmMax, set.PeriodBudget, set.PeriodBudget, limit)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	query, args, err := store.In(confirmDueSQL, Confirmed, tx.NowMs(), base.System.String(), found, Open)
	if err != nil {
		return 0, err
	}
	n, err := tx.Exec(ctx, query, args...)
	return int(n), err
}

// Confirm is an operator's word on an open statement, disputed or not. A disputed one needs a note that answers it.
func Confirm(ctx context.Context, tx *store.Tx, id base.StatementID, by base.Actor, note string) (Statement, error) {
	must(Open, Confirmed)
	s, err := ByID(ctx, tx, id)
	if err != nil {
		return s, err
	}
	note = strings.TrimSpace(note)
	if s.DisputedMs > 0 && note == "" || utf8.RuneCountInString(note) > noteMax {
		return s, ErrNote
	}
	ok, err := tx.ExecOne(ctx, confirmSQL, Confirmed, tx.NowMs(), by.String(), note, id, Open)
	if err != nil {
		return s, err
	}
	if !ok {
		return s, ErrMoved
	}
	return ByID(ctx, tx, id)
}

// Dispute is the distributor's word against an open statement: it no longer confirms by itself.
func Dispute(ctx context.Context, tx *store.Tx, id base.StatementID, distributor base.DistributorID, note string) (Statement, error) {
	note = strings.TrimSpace(note)
	if note == "" || utf8.RuneCountInString(note) > noteMax {
		return Statement{}, ErrNote
	}
	s, err := ByID(ctx, tx, id)
	if err != nil || s.Distributor != distributor {
		return Statement{}, firstOf(err, ErrNotFound)
	}
	ok, err := tx.ExecOne(ctx, disputeSQL, tx.NowMs(), note, id, distributor, tx.NowMs())
	if err != nil {
		return s, err
	}
	if !ok {
		return s, ErrDisputeOver
	}
	return ByID(ctx, tx, id)
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// ToPost lists confirmed statements in the order in which their distributors' balances are to be locked.
func ToPost(ctx context.Context, q store.Q, limit int) ([]base.StatementID, error) {
	var found []base.StatementID
	err := q.Select(ctx, &found, toPostSQL, limit)
	return found, err
}

// MarkPosted takes a confirmed statement to posted and returns it. False: it is posted already, or not confirmed. The
// ledger's entries are written by the caller, in the same transaction.
func MarkPosted(ctx context.Context, tx *store.Tx, id base.StatementID) (Statement, bool, error) {
	must(Confirmed, Posted)
	ok, err := tx.ExecOne(ctx, postSQL, Posted, tx.NowMs(), id, Confirmed)
	if err != nil || !ok {
		return Statement{}, false, err
	}
	s, err := ByID(ctx, tx, id)
	return s, err == nil, err
}

// NoteRepaid notes how much of a posted statement went into a debt.
func NoteRepaid(ctx context.Context, tx *store.Tx, id base.StatementID, repaid money.Fen) error {
	_, err := tx.ExecOne(ctx, repaidSQL, repaid, id)
	return err
}
