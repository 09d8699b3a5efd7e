package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

const (
	ann base.DistributorID = 1001
	bob base.DistributorID = 1002
)

func inTx(t testing.TB, db *store.DB, fn func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	require.NoError(t, db.InTx(context.Background(), "test", fn))
}

func open(t testing.TB, db *store.DB, who ...base.DistributorID) {
	t.Helper()
	inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
		for _, d := range who {
			if err := ledger.OpenWallet(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func accrue(ref string, d base.DistributorID, fen money.Fen) ledger.Txn {
	return ledger.Txn{Kind: "accrual", Ref: ref, Postings: []ledger.Posting{
		{From: ledger.Platform(ledger.CommissionExpense), To: ledger.Of(ledger.Pending, d), Amount: fen},
	}}
}

func settle(ref string, d base.DistributorID, fen money.Fen) ledger.Move {
	return ledger.Move{Kind: "statement", Ref: ref, Other: ledger.Of(ledger.Pending, d), Distributor: d, Amount: fen}
}

func clawBack(ref string, d base.DistributorID, fen money.Fen) ledger.Move {
	return ledger.Move{Kind: "reversal", Ref: ref, Other: ledger.Platform(ledger.CommissionExpense), Distributor: d, Amount: fen}
}

func requireWallet(t testing.TB, db *store.DB, d base.DistributorID, want ledger.Wallet) {
	t.Helper()
	got, err := ledger.WalletOf(context.Background(), db.Q(), d)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestPost_TwiceIsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			return ledger.Post(ctx, tx, accrue("accrual:1", ann, 100))
		})
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			return ledger.Post(ctx, tx, accrue("accrual:1", ann, 100), accrue("accrual:2", bob, 7), accrue("accrual:3", bob, 0))
		})
		for d, want := range map[base.DistributorID]money.Fen{ann: 100, bob: 7} {
			got, err := ledger.PendingOf(ctx, db.Q(), d)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		got, err := ledger.Balance(ctx, db.Q(), ledger.Platform(ledger.CommissionExpense))
		require.NoError(t, err)
		require.Equal(t, money.Fen(-107), got)
	})
}

func TestPost_RefusesWhatIsNoPosting(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	for name, p := range map[string]ledger.Posting{
		"negative":             {From: ledger.Platform(ledger.Sales), To: ledger.Platform(ledger.Refunds), Amount: -1},
		"to itself":            {From: ledger.Platform(ledger.Sales), To: ledger.Platform(ledger.Sales), Amount: 1},
		"pending of nobody":    {From: ledger.Platform(ledger.Sales), To: ledger.Platform(ledger.Pending), Amount: 1},
		"sales of somebody":    {From: ledger.Of(ledger.Sales, ann), To: ledger.Platform(ledger.Refunds), Amount: 1},
		"an unknown account":   {From: ledger.Platform("mine"), To: ledger.Platform(ledger.Refunds), Amount: 1},
		"around the wallet":    {From: ledger.Platform(ledger.Sales), To: ledger.Of(ledger.Available, ann), Amount: 1},
		"out of the wallet":    {From: ledger.Of(ledger.Withdrawing, ann), To: ledger.Platform(ledger.Payout), Amount: 1},
		"debt without account": {From: ledger.Of(ledger.Debt, ann), To: ledger.Platform(ledger.Payout), Amount: 1},
	} {
		err := db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
			return ledger.Post(ctx, tx, ledger.Txn{Kind: "x", Ref: name, Postings: []ledger.Posting{p}})
		})
		require.Error(t, err, name)
	}
}

func TestWallet_CreditRepaysDebtFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		open(t, db, ann)
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			split, err := ledger.ClawBack(ctx, tx, clawBack("reversal:1", ann, 300))
			require.Equal(t, ledger.Split{Debt: 300}, split)
			return err
		})
		requireWallet(t, db, ann, ledger.Wallet{Debt: -300})

		for range 2 { // the second time does nothing
			inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
				_, err := ledger.Credit(ctx, tx, settle("statement:1", ann, 200))
				return err
			})
			requireWallet(t, db, ann, ledger.Wallet{Debt: -100})
		}
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			split, err := ledger.Credit(ctx, tx, settle("statement:2", ann, 500))
			require.Equal(t, ledger.Split{Debt: 100, Available: 400}, split)
			return err
		})
		requireWallet(t, db, ann, ledger.Wallet{Available: 400})
	})
}

func TestWallet_HoldPayOutAndRelease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		open(t, db, ann)
		hold := func(ref string, fen money.Fen) error {
			return db.InTx(t.Context(), "hold", func(ctx context.Context, tx *store.Tx) error {
				return ledger.Hold(ctx, tx, ledger.Move{Kind: "hold", Ref: ref, Distributor: ann, Amount: fen})
			})
		}
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			_, err := ledger.Credit(ctx, tx, settle("statement:1", ann, 1000))
			return err
		})
		require.ErrorIs(t, hold("hold:1", 1001), ledger.ErrInsufficient)
		require.Error(t, hold("hold:1", 0))
		require.NoError(t, hold("hold:1", 600))
		require.NoError(t, hold("hold:1", 600), "the same hold again does nothing")
		require.NoError(t, hold("hold:2", 400))
		requireWallet(t, db, ann, ledger.Wallet{Withdrawing: 1000})

		// A clawback does not touch what is held; giving the hold back repays the debt first.
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			_, err := ledger.ClawBack(ctx, tx, clawBack("reversal:1", ann, 50))
			return err
		})
		requireWallet(t, db, ann, ledger.Wallet{Withdrawing: 1000, Debt: -50})
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			_, err := ledger.Credit(ctx, tx, ledger.Move{Kind: "release", Ref: "release:2", Other: ledger.Of(ledger.Withdrawing, ann), Distributor: ann, Amount: 400})
			return err
		})
		requireWallet(t, db, ann, ledger.Wallet{Available: 350, Withdrawing: 600})

		pay := func(p ledger.Parts) error {
			return db.InTx(t.Context(), "pay", func(ctx context.Context, tx *store.Tx) error {
				return ledger.PayOut(ctx, tx, ledger.Move{Kind: "payout", Ref: "payout:1", Distributor: ann, Amount: 600}, p)
			})
		}
		require.Error(t, pay(ledger.Parts{Net: 599}), "the parts must add up")
		require.NoError(t, pay(ledger.Parts{Net: 550, Fee: 30, Tax: 20}))
		require.NoError(t, pay(ledger.Parts{Net: 550, Fee: 30, Tax: 20}), "again does nothing")
		requireWallet(t, db, ann, ledger.Wallet{Available: 350})
		for account, want := range map[ledger.Account]money.Fen{ledger.Payout: 550, ledger.FeeIncome: 30, ledger.TaxPayable: 20} {
			got, err := ledger.Balance(t.Context(), db.Q(), ledger.Platform(account))
			require.NoError(t, err)
			require.Equal(t, want, got, account)
		}
	})
}

func TestWallet_FiftyHoldsOfAllOfIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		open(t, db, ann)
		inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
			_, err := ledger.Credit(ctx, tx, settle("statement:1", ann, 1000))
			return err
		})
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				err := db.InTx(t.Context(), "hold", func(ctx context.Context, tx *store.Tx) error {
					return ledger.Hold(ctx, tx, ledger.Move{Kind: "hold", Ref: fmt.Sprint("hold:", i), Distributor: ann, Amount: 1000})
				})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ledger.ErrInsufficient):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
		requireWallet(t, db, ann, ledger.Wallet{Withdrawing: 1000})
	})
}

const trialSQL = `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry`

// TestWallet_AnySequence plays any sequence of moves against a plain model.
func TestWallet_AnySequence(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	ctx := t.Context()
	var runs int64
	rapid.Check(t, func(t *rapid.T) {
		runs++
		d := base.DistributorID(runs * 1000)
		inTxR := func(fn func(ctx context.Context, tx *store.Tx) error) error { return db.InTx(ctx, "test", fn) }
		require.NoError(t, inTxR(func(ctx context.Context, tx *store.Tx) error { return ledger.OpenWallet(ctx, tx, d) }))
		var model ledger.Wallet
		n := 0
		amount := func(t *rapid.T) money.Fen { return money.Fen(rapid.Int64Range(1, 500).Draw(t, "fen")) }
		ref := func() string { n++; return fmt.Sprintf("%d:%d", d, n) }
		t.Repeat(map[string]func(*rapid.T){
			"credit": func(t *rapid.T) {
				fen := amount(t)
				repaid := min(fen, -model.Debt)
				model.Debt += repaid
				model.Available += fen - repaid
				require.NoError(t, inTxR(func(ctx context.Context, tx *store.Tx) error {
					_, err := ledger.Credit(ctx, tx, settle(ref(), d, fen))
					return err
				}))
			},
			"claw back": func(t *rapid.T) {
				fen := amount(t)
				taken := min(fen, model.Available)
				model.Available -= taken
				model.Debt -= fen - taken
				require.NoError(t, inTxR(func(ctx context.Context, tx *store.Tx) error {
					_, err := ledger.ClawBack(ctx, tx, clawBack(ref(), d, fen))
					return err
				}))
			},
			"hold": func(t *rapid.T) {
				fen := amount(t)
				err := inTxR(func(ctx context.Context, tx *store.Tx) error {
					return ledger.Hold(ctx, tx, ledger.Move{Kind: "hold", Ref: ref(), Distributor: d, Amount: fen})
				})
				if fen > model.Available {
					require.ErrorIs(t, err, ledger.ErrInsufficient)
					return
				}
				require.NoError(t, err)
				model.Available -= fen
				model.Withdrawing += fen
			},
			"": func(t *rapid.T) {
				w, err := ledger.WalletOf(ctx, db.Q(), d)
				require.NoError(t, err)
				require.Equal(t, model, w)
				require.False(t, w.Available > 0 && w.Debt < 0)
				for account, kept := range map[ledger.Account]money.Fen{ledger.Available: w.Available, ledger.Withdrawing: w.Withdrawing, ledger.Debt: w.Debt} {
					sum, err := ledger.Balance(ctx, db.Q(), ledger.Of(account, d))
					require.NoError(t, err)
					require.Equal(t, kept, sum, account)
				}
			},
		})
		var trial money.Fen
		require.NoError(t, db.Q().Get(ctx, &trial, trialSQL))
		require.Zero(t, trial)
	})
}

func TestRollUp_EqualsTheEntriesUnderItsMark(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		ctx := t.Context()
		balance := func(s ledger.Side) money.Fen {
			got, err := ledger.Balance(ctx, db.Q(), s)
			require.NoError(t, err)
			return got
		}
		for round := range 3 {
			for i := range 10 {
				inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
					return ledger.Post(ctx, tx, accrue(fmt.Sprintf("accrual:%d:%d", round, i), base.DistributorID(2000+i), 10))
				})
			}
			n, err := ledger.RollUp(ctx, db, 1000)
			require.NoError(t, err)
			want := 0
			if round > 0 {
				want = 11 // ten pendings and the expense of the rounds before the horizon
			}
			require.Equal(t, want, n, "round %d", round)
			require.Equal(t, money.Fen(10*(round+1)), balance(ledger.Of(ledger.Pending, 2003)))
			require.Equal(t, money.Fen(-100*(round+1)), balance(ledger.Platform(ledger.CommissionExpense)))
			c.Advance(ledger.Horizon + time.Second)
		}
		var wg sync.WaitGroup
		for range 4 { // several replicas at once
			wg.Go(func() {
				if _, err := ledger.RollUp(ctx, db, 1000); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, money.Fen(30), balance(ledger.Of(ledger.Pending, 2003)))
		var wrong int
		require.NoError(t, db.Q().Get(ctx, &wrong, `
SELECT COUNT(*) FROM ledger_rollup r WHERE r.balance_fen <> (SELECT COALESCE(SUM(e.amount_fen), 0) FROM ledger_entry e
WHERE e.account = r.account AND e.owner_id = r.owner_id AND e.id <= r.mark_id)`))
		require.Zero(t, wrong)
	})
}

// A large batch is written in several statements: one that was posted before must not make the others look so.
func TestPost_LargeBatchWithOneThatIsThere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		var batch []ledger.Txn
		for i := range 1_200 {
			batch = append(batch, accrue(fmt.Sprintf("accrual:%d", i), ann, 1))
		}
		for _, part := range [][]ledger.Txn{batch[1_100:1_101], batch} {
			inTx(t, db, func(ctx context.Context, tx *store.Tx) error { return ledger.Post(ctx, tx, part...) })
		}
		sum, err := ledger.PendingOf(t.Context(), db.Q(), ann)
		require.NoError(t, err)
		require.EqualValues(t, 1_200, sum)
	})
}

// A roll-up that was stopped has folded some accounts and others not: every balance is right all the same, and the next
// entry brings in who was left behind.
func TestRollUp_StoppedAnywhere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		post := func(ref string) {
			for _, d := range []base.DistributorID{ann, bob} {
				inTx(t, db, func(ctx context.Context, tx *store.Tx) error {
					return ledger.Post(ctx, tx, accrue(fmt.Sprintf("%s:%d", ref, d), d, 7))
				})
			}
			c.Advance(ledger.Horizon + time.Minute)
		}
		rollUp := func(limit, want int) {
			n, err := ledger.RollUp(t.Context(), db, limit)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		balances := func(want money.Fen) {
			for _, d := range []base.DistributorID{ann, bob} {
				got, err := ledger.PendingOf(t.Context(), db.Q(), d)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			got, err := ledger.Balance(t.Context(), db.Q(), ledger.Platform(ledger.CommissionExpense))
			require.NoError(t, err)
			require.Equal(t, -2*want, got)
		}
		post("a")
		rollUp(1, 1)
		balances(7)
		rollUp(10, 0)
		post("b")
		balances(14)
		rollUp(10, 3)
		balances(14)
		var marks int
		require.NoError(t, db.Q().Get(t.Context(), &marks, `SELECT COUNT(DISTINCT mark_id) FROM ledger_rollup`))
		require.Equal(t, 1, marks, "all have come to the same mark")
	})
}
