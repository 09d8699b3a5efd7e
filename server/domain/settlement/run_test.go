package settlement_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
	"fenxiao/server/store/storetest"
)

const day = 24 * time.Hour

// week is the period in which the clock of tests starts.
var week = base.PeriodOf(base.Weekly, storetest.Start)

type book struct {
	t     *testing.T
	db    *store.DB
	clock *clock.Manual
}

func eachBook(t *testing.T, fn func(t *testing.T, b *book)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, &book{t, db, c}) })
}

func (b *book) tx(fn func(context.Context, *store.Tx) error) {
	b.t.Helper()
	require.NoError(b.t, b.db.InTx(b.t.Context(), "test", fn))
}

// row writes a commission row as package commission would.
func (b *book) row(payee base.DistributorID, kind string, fen money.Fen, ripe time.Time, cycle base.Cycle) {
	b.t.Helper()
	b.tx(func(ctx context.Context, tx *store.Tx) error {
		id := tx.NextID()
		period := base.BusinessDay(0)
		if !ripe.IsZero() {
			period = base.PeriodOf(cycle, ripe).First
		}
		_, err := tx.Exec(ctx, `
INSERT INTO commission (id, share_id, order_id, line_id, tier, revision, payee_id, cycle, kind, amount_fen, refund_id, refunded_fen, base_fen, accrued_ms, due_ms, ripe_ms, period)
VALUES (?, ?, 5, 6, 'seller', 0, ?, ?, ?, ?, 0, 0, 0, ?, 0, ?, ?)`, id, id, payee, cycle, kind, fen, tx.NowMs(), base.Ms(ripe), period)
		return err
	})
}

func (b *book) seed() {
	for d := base.DistributorID(1); d <= 7; d++ {
		b.row(d, "accrual", 100*money.Fen(d), storetest.Start, base.Weekly)
		b.row(d, "accrual", 11, storetest.Start.Add(time.Hour), base.Weekly)
		b.row(d, "reversal_early", -30, storetest.Start, base.Weekly)
		b.row(d, "reversal_late", -500, storetest.Start, base.Weekly)
		b.row(d, "accrual", 7_000, week.End(), base.Weekly) // of the next week
		b.row(d, "accrual", 9_000, time.Time{}, base.Weekly)
		b.row(d, "accrual", 40, storetest.Start, base.Monthly)
	}
	b.row(3, "adjustment", -5_000, storetest.Start, base.Weekly)
	b.row(9, "reversal_late", -1, storetest.Start, base.Weekly)
}

// draft works one chunk of what is due, and says whether something was.
func (b *book) draft(limit int, after func() error) (n int, due bool, err error) {
	b.t.Helper()
	period, run, due, err := settlement.DuePeriod(b.t.Context(), b.db.Q(), base.Weekly, b.clock.Now())
	require.NoError(b.t, err)
	if !due {
		return 0, false, nil
	}
	if run.ID == 0 {
		b.tx(func(ctx context.Context, tx *store.Tx) (err error) {
			run, err = settlement.StartRun(ctx, tx, b.db.Mint.Next(), period)
			return err
		})
	}
	err = b.db.InTx(b.t.Context(), "test", func(ctx context.Context, tx *store.Tx) (err error) {
		if n, err = settlement.Draft(ctx, tx, run.ID, limit); err != nil {
			return err
		}
		return after()
	})
	return n, true, err
}

func (b *book) draftAll(limit int) {
	b.t.Helper()
	for {
		_, due, err := b.draft(limit, func() error { return nil })
		require.NoError(b.t, err)
		if !due {
			return
		}
	}
}

func (b *book) statements(f settlement.Filter) []settlement.Statement {
	b.t.Helper()
	out, err := settlement.List(b.t.Context(), b.db.Q(), f)
	require.NoError(b.t, err)
	return out
}

func TestDraft_SumsWhatRipenedInThePeriod(t *testing.T) {
	t.Parallel()
	eachBook(t, func(t *testing.T, b *book) {
		b.seed()
		b.clock.Set(week.End().Add(15*time.Minute - time.Millisecond))
		_, due, err := b.draft(100, func() error { return nil })
		require.NoError(t, err)
		require.False(t, due, "the period ended less than 15 minutes ago")
		b.clock.Advance(time.Millisecond)
		b.draftAll(100)

		require.Len(t, b.statements(settlement.Filter{}), 8)
		got := b.statements(settlement.Filter{Distributor: 3})[0]
		require.Equal(t, settlement.Statement{
			ID: got.ID, Distributor: 3, Cycle: base.Weekly, First: week.First, FromMs: base.Ms(week.Start()), UntilMs: base.Ms(week.End()),
			Accrued: 311, Reversed: -30, Adjusted: -5_000, Total: -4_719, Rows: 4, Late: -500, LateRows: 1, State: settlement.Drafted, DraftedMs: base.Ms(b.clock.Now()),
		}, got)
		informed := b.statements(settlement.Filter{Distributor: 9})[0]
		require.Zero(t, informed.Total)
		require.EqualValues(t, 1, informed.LateRows, "a late reversal alone is listed for information")

		runs, err := settlement.Runs(t.Context(), b.db.Q(), 10)
		require.NoError(t, err)
		require.Len(t, runs, 1)
		require.EqualValues(t, 8, runs[0].Statements)
		require.EqualValues(t, 100*28+7*(11-30)-5_000, runs[0].Total)

		lines, err := settlement.Lines(t.Context(), b.db.Q(), got, 0, 100)
		require.NoError(t, err)
		var sum, all money.Fen
		require.NoError(t, settlement.EachLine(t.Context(), b.db.Q(), got, func(l settlement.Line) error {
			all += l.Amount
			return nil
		}))
		for _, l := range lines {
			if l.InTotal() {
				sum += l.Amount
			}
		}
		require.Len(t, lines, 5)
		require.Equal(t, got.Total, sum)
		require.Equal(t, got.Total+got.Late, all)
		page, err := settlement.Lines(t.Context(), b.db.Q(), got, lines[1].ID, 2)
		require.NoError(t, err)
		require.Equal(t, lines[2:4], page)
	})
}

// plain is a statement without what differs from run to run.
func plain(all []settlement.Statement) []settlement.Statement {
	out := make([]settlement.Statement, len(all))
	for i, s := range all {
		s.ID, s.DraftedMs = 0, 0
		out[i] = s
	}
	return out
}

func TestDraft_KilledAnywhereAndRunAgain(t *testing.T) {
	t.Parallel()
	eachBook(t, func(t *testing.T, b *book) {
		b.seed()
		b.clock.Set(week.End().Add(time.Hour))

		whole := &book{t, storetest.SQLite(t, b.clock), b.clock}
		whole.seed()
		whole.draftAll(100)

		killed := errors.New("killed")
		for k := 0; ; k++ {
			_, due, err := b.draft(2, func() error {
				if k%3 == 2 {
					panic("power cut")
				}
				return killed
			})
			if !due {
				break
			}
			require.Error(t, err)
			before := len(b.statements(settlement.Filter{}))
			require.LessOrEqual(t, before, 2*k)
			_, _, err = b.draft(2, func() error { return nil })
			require.NoError(t, err)
		}
		require.ElementsMatch(t, plain(whole.statements(settlement.Filter{})), plain(b.statements(settlement.Filter{})))
		n, err := settlement.Count(t.Context(), b.db.Q(), settlement.Filter{})
		require.NoError(t, err)
		require.EqualValues(t, 8, n)
	})
}

func TestDuePeriod_GoesThroughAllOfThem(t *testing.T) {
	t.Parallel()
	eachBook(t, func(t *testing.T, b *book) {
		now := week.End().Add(40 * day)
		b.clock.Set(now)
		_, _, due, err := settlement.DuePeriod(t.Context(), b.db.Q(), base.Monthly, now)
		require.NoError(t, err)
		require.False(t, due, "nothing has ripened yet")

		b.row(1, "accrual", 1, storetest.Start, base.Weekly)
		b.row(1, "accrual", 2, week.End().Add(15*day), base.Weekly)
		b.draftAll(1)
		runs, err := settlement.Runs(t.Context(), b.db.Q(), 100)
		require.NoError(t, err)
		require.Len(t, runs, 6, "also the weeks in which nothing ripened")
		require.Len(t, b.statements(settlement.Filter{}), 2)
		for _, r := range runs {
			require.NotZero(t, r.DraftedMs)
			require.LessOrEqual(t, r.UntilMs, base.Ms(now))
		}
	})
}

func (b *book) set(s settlement.Setting) {
	b.t.Helper()
	b.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := setting.Put(ctx, tx, setting.Change{Name: settlement.SettingName, Value: s, Actor: base.System, Reason: "test"})
		return err
	})
}

func (b *book) step(fn func(context.Context, *store.Tx, int) (int, error)) (n int) {
	b.t.Helper()
	b.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = fn(ctx, tx, 100)
		return err
	})
	return n
}

func TestStatement_FromDraftToPosted(t *testing.T) {
	t.Parallel()
	eachBook(t, func(t *testing.T, b *book) {
		b.seed()
		b.clock.Set(week.End().Add(time.Hour))
		_, _, err := b.draft(5, func() error { return nil })
		require.NoError(t, err)
		require.Zero(t, b.step(settlement.OpenDrafted), "the run is not at its end")
		b.draftAll(5)
		require.Equal(t, 8, b.step(settlement.OpenDrafted))
		require.Zero(t, b.step(settlement.OpenDrafted))

		one := b.statements(settlement.Filter{Distributor: 1})[0]
		dispute := func(by base.DistributorID) error {
			return b.db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
				_, err := settlement.Dispute(ctx, tx, one.ID, by, " 少了一单 ")
				return err
			})
		}
		require.ErrorIs(t, dispute(2), settlement.ErrNotFound, "somebody else's")
		require.NoError(t, dispute(1))
		require.ErrorIs(t, dispute(1), settlement.ErrDisputeOver)

		b.clock.Advance(3*day - time.Millisecond)
		require.Zero(t, b.step(settlement.ConfirmDue))
		b.clock.Advance(time.Millisecond)
		b.set(settlement.Setting{DisputeDays: 3})
		require.Zero(t, b.step(settlement.ConfirmDue), "switched off")
		b.clock.Advance(1)
		b.set(settlement.Setting{DisputeDays: 3, AutoConfirm: true, PeriodBudget: 1})
		require.Equal(t, 7, b.step(settlement.ConfirmDue), "the total of the period, −2,333, is within any budget; the disputed one waits")

		confirm := func(note string) error {
			return b.db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
				_, err := settlement.Confirm(ctx, tx, one.ID, base.Admin(4), note)
				return err
			})
		}
		require.ErrorIs(t, confirm(""), settlement.ErrNote, "a dispute wants an answer")
		require.NoError(t, confirm("已核对，补一笔调整"))
		require.ErrorIs(t, confirm("再次"), settlement.ErrMoved)

		toPost, err := settlement.ToPost(t.Context(), b.db.Q(), 100)
		require.NoError(t, err)
		require.Len(t, toPost, 8)
		require.Equal(t, one.ID, toPost[0], "in the order of distributors")
		post := func() (ok bool) {
			b.tx(func(ctx context.Context, tx *store.Tx) (err error) {
				_, ok, err = settlement.MarkPosted(ctx, tx, one.ID)
				return err
			})
			return ok
		}
		require.True(t, post())
		require.False(t, post())
		b.tx(func(ctx context.Context, tx *store.Tx) error { return settlement.NoteRepaid(ctx, tx, one.ID, 5) })
		got, err := settlement.ByID(t.Context(), b.db.Q(), one.ID)
		require.NoError(t, err)
		require.Equal(t, settlement.Posted, got.State)
		require.EqualValues(t, 5, got.DebtRepaid)
		require.Equal(t, "少了一单", got.DisputeNote)
		require.Equal(t, base.Admin(4).String(), got.ConfirmedBy)
	})
}

func TestConfirmDue_BoundsOfTheSetting(t *testing.T) {
	t.Parallel()
	eachBook(t, func(t *testing.T, b *book) {
		for d := base.DistributorID(1); d <= 4; d++ {
			b.row(d, "accrual", 100*money.Fen(d), storetest.Start, base.Weekly)
		}
		b.clock.Set(week.End().Add(time.Hour))
		b.draftAll(100)
		b.set(settlement.Setting{AutoConfirm: true, AutoConfirmMax: 300, PeriodBudget: 999})
		b.clock.Advance(time.Second)
		require.Equal(t, 4, b.step(settlement.OpenDrafted))
		require.Zero(t, b.step(settlement.ConfirmDue), "1,000 is over the budget of the period")
		b.set(settlement.Setting{AutoConfirm: true, AutoConfirmMax: 300, PeriodBudget: 1_000})
		b.clock.Advance(time.Second)
		require.Equal(t, 3, b.step(settlement.ConfirmDue), "the one of 400 waits for an operator")
		require.Len(t, b.statements(settlement.Filter{State: settlement.Open}), 1)
	})
}

func TestStates_EveryPair(t *testing.T) {
	t.Parallel()
	states := []settlement.State{settlement.Drafted, settlement.Open, settlement.Confirmed, settlement.Posted}
	next := map[settlement.State]settlement.State{settlement.Drafted: settlement.Open, settlement.Open: settlement.Confirmed, settlement.Confirmed: settlement.Posted}
	b := &book{t, storetest.SQLite(t, clock.NewManual(storetest.Start)), nil}
	for _, from := range states {
		if to, ok := next[from]; ok {
			require.Equal(t, []settlement.State{to}, settlement.Moves(from))
		} else {
			require.Empty(t, settlement.Moves(from))
		}
		for i, move := range []func(context.Context, *store.Tx, base.StatementID) (settlement.State, error){
			func(ctx context.Context, tx *store.Tx, _ base.StatementID) (settlement.State, error) {
				_, err := settlement.OpenDrafted(ctx, tx, 10)
				return settlement.Open, err
			},
			func(ctx context.Context, tx *store.Tx, id base.StatementID) (settlement.State, error) {
				_, err := settlement.Confirm(ctx, tx, id, base.System, "")
				return settlement.Confirmed, err
			},
			func(ctx context.Context, tx *store.Tx, id base.StatementID) (settlement.State, error) {
				_, _, err := settlement.MarkPosted(ctx, tx, id)
				return settlement.Posted, err
			},
		} {
			id := base.StatementID(int64(i+1)<<32 + int64(len(from)))
			b.statement(id, from)
			var to settlement.State
			err := b.db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) (err error) {
				to, err = move(ctx, tx, id)
				return err
			})
			got, readErr := settlement.ByID(t.Context(), b.db.Q(), id)
			require.NoError(t, readErr)
			if next[from] == to {
				require.NoError(t, err)
				require.Equal(t, to, got.State)
			} else {
				require.Equal(t, from, got.State, "%s to %s", from, to)
			}
			if err != nil {
				require.Equal(t, "settlement.moved", errs.CodeOf(err))
			}
			b.tx(func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM statement`)
				return err
			})
		}
	}
}

func (b *book) statement(id base.StatementID, state settlement.State) {
	b.t.Helper()
	b.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO statement (id, distributor_id, cycle, period, from_ms, until_ms, accrued_fen, reversed_fen, adjusted_fen, total_fen, row_count,
late_fen, late_count, state, drafted_ms, open_ms, dispute_until_ms, disputed_ms, dispute_note, confirmed_ms, confirmed_by, confirm_note, posted_ms, debt_repaid_fen)
VALUES (?, 1, 'weekly', 20261123, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?, 0, 0, 0, 0, '', 0, '', '', 0, 0)`, id, state)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM settlement_run`); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO settlement_run (id, cycle, period, from_ms, until_ms, next_payee, statement_count, total_fen, started_ms, drafted_ms)
VALUES (1, 'weekly', 20261123, 0, 0, 0, 0, 0, 1, 1)`)
		return err
	})
}

func TestEarnings_StatesInPlainWords(t *testing.T) {
	t.Parallel()
	eachBook(t, func(t *testing.T, b *book) {
		list := func() map[money.Fen]settlement.EarningState {
			all, err := settlement.Earnings(t.Context(), b.db.Q(), settlement.EarningFilter{Payee: 1, Now: b.clock.Now()})
			require.NoError(t, err)
			out := map[money.Fen]settlement.EarningState{}
			for _, e := range all {
				out[e.Amount] = e.State
			}
			return out
		}
		b.row(1, "accrual", 10, time.Time{}, base.Weekly)
		b.row(1, "accrual", 20, time.Time{}, base.Weekly)
		b.row(1, "accrual", 30, time.Time{}, base.Weekly)
		b.row(1, "accrual", 40, storetest.Start, base.Weekly)
		b.row(1, "accrual", 50, storetest.Start, base.Weekly)
		b.row(2, "accrual", 60, storetest.Start, base.Weekly)
		b.tx(func(ctx context.Context, tx *store.Tx) error {
			for _, sql := range []string{
				`UPDATE commission SET due_ms = 5 WHERE amount_fen IN (20, 30)`,
				`UPDATE commission SET line_id = 77 WHERE amount_fen = 30`,
				`INSERT INTO commission_hold (id, scope, scope_id, ref, reason, actor, from_ms, until_ms, released_ms) VALUES (1, 'line', 77, 'x', 'x', 'x', 1, 0, 0)`,
				`INSERT INTO commission (id, share_id, order_id, line_id, tier, revision, payee_id, cycle, kind, amount_fen, refund_id, refunded_fen, base_fen, accrued_ms, due_ms, ripe_ms, period)
SELECT 1, share_id, order_id, line_id, tier, revision, payee_id, cycle, 'reversal_early', -50, 8, 0, 0, 0, 0, ripe_ms, period FROM commission WHERE amount_fen = 50`,
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
		want := map[money.Fen]settlement.EarningState{10: settlement.AwaitingGoods, 20: settlement.InWindow, 30: settlement.OnHold, 40: settlement.Ripe, 50: settlement.TakenBack}
		require.Equal(t, want, list())

		b.clock.Set(week.End().Add(time.Hour))
		b.draftAll(10)
		require.Equal(t, want, list(), "a draft is not settled")
		b.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE statement SET state = 'posted'`)
			return err
		})
		want[40] = settlement.Settled
		require.Equal(t, want, list())

		all, err := settlement.Earnings(t.Context(), b.db.Q(), settlement.EarningFilter{Payee: 1, Limit: 2, Now: b.clock.Now()})
		require.NoError(t, err)
		require.Len(t, all, 2)
		one, err := settlement.EarningOf(t.Context(), b.db.Q(), settlement.EarningFilter{Payee: 1, Now: b.clock.Now()}, all[0].ID)
		require.NoError(t, err)
		require.Equal(t, all[0], one)
		require.NotZero(t, one.Statement)
		_, err = settlement.EarningOf(t.Context(), b.db.Q(), settlement.EarningFilter{Payee: 2, Now: b.clock.Now()}, all[0].ID)
		require.ErrorIs(t, err, settlement.ErrNotFound)
		seen := map[string]bool{}
		for _, s := range want {
			zh, en := s.Words()
			require.NotEmpty(t, en)
			require.False(t, seen[zh], zh)
			seen[zh] = true
		}
	})
}

func TestSetting_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, settlement.DefaultSetting.Validate())
	for _, s := range []settlement.Setting{{DisputeDays: -1}, {DisputeDays: 31}, {AutoConfirmMax: -1}, {PeriodBudget: money.Max + 1}} {
		require.Equal(t, "settlement.setting_invalid", errs.CodeOf(s.Validate()))
	}
}
