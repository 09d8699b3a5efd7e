package ledger

import (
	"context"
	"errors"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// ErrInsufficient says that less is available than the hold needs. The caller tells the person in its own words.
var ErrInsufficient = errors.New("ledger: less is available than the hold needs")

// errMissing is a bug: a wallet is opened on admission.
var errMissing = errors.New("ledger: the distributor has no wallet")

// Wallet is what a distributor has. Available > 0 and Debt < 0 never stand together.
type Wallet struct {
	Available   money.Fen `db:"available_fen"`
	Withdrawing money.Fen `db:"withdrawing_fen"`
	Debt        money.Fen `db:"debt_fen"` // ≤ 0
}

const (
	openWalletSQL = `INSERT INTO wallet (distributor_id, available_fen, withdrawing_fen, debt_fen, opened_ms) VALUES (?, 0, 0, 0, ?)`
	walletSQL     = `SELECT available_fen, withdrawing_fen, debt_fen FROM wallet WHERE distributor_id = ?`
	lockWalletSQL = walletSQL + ` /*! FOR UPDATE */`
	moveWalletSQL = `
UPDATE wallet SET available_fen = available_fen + ?, withdrawing_fen = withdrawing_fen + ?, debt_fen = debt_fen + ?
WHERE distributor_id = ? AND available_fen + ? >= 0 AND withdrawing_fen + ? >= 0 AND debt_fen + ? <= 0`
)

// OpenWallet makes the balance row of a distributor; a second time does nothing.
func OpenWallet(ctx context.Context, tx *store.Tx, d base.DistributorID) error {
	_, err := tx.Exec(ctx, openWalletSQL, d, tx.NowMs())
	if err != nil && !store.IsDup(err) {
		return fmt.Errorf("open wallet: %w", err)
	}
	return nil
}

// WalletOf reads a distributor's balances.
func WalletOf(ctx context.Context, q store.Q, d base.DistributorID) (Wallet, error) {
	return readWallet(ctx, q, walletSQL, d)
}

func readWallet(ctx context.Context, q store.Q, query string, d base.DistributorID) (w Wallet, err error) {
	err = q.Get(ctx, &w, query, d)
	if store.NotFound(err) {
		return w, fmt.Errorf("%w: %s", errMissing, d)
	}
	return w, err
}

// Move is money that enters or leaves a wallet. Other is where it comes from or goes to: pending, withdrawing or
// commission_expense.
type Move struct {
	Kind        string
	Ref         string
	Other       Side
	Distributor base.DistributorID
	Amount      money.Fen
}

// Split says how a Move was divided; both are ≥ 0. Of a Credit: Debt was repaid, Available became available. Of a
// ClawBack: Available was taken, Debt was added to what is owed.
type Split struct {
	Debt      money.Fen
	Available money.Fen
}

// Credit brings an amount in from Other: it repays debt first, the rest becomes available. A Ref that is in the book
// already does nothing and returns an empty Split.
func Credit(ctx context.Context, tx *store.Tx, m Move) (Split, error) {
	w, fresh, err := m.begin(ctx, tx)
	if err != nil || !fresh {
		return Split{}, err
	}
	s := Split{Debt: min(m.Amount, -w.Debt)}
	s.Available = m.Amount - s.Debt
	change := Wallet{Available: s.Available, Debt: s.Debt}
	if m.Other.Account == Withdrawing {
		change.Withdrawing = -m.Amount
	}
	return s, m.finish(ctx, tx, change, []Posting{
		{m.Other, Of(Debt, m.Distributor), s.Debt},
		{m.Other, Of(Available, m.Distributor), s.Available},
	})
}

// ClawBack takes an amount out to Other: from available, and what is not there becomes debt. What a withdrawal holds is
// never touched. A Ref that is in the book already does nothing and returns an empty Split.
func ClawBack(ctx context.Context, tx *store.Tx, m Move) (Split, error) {
	w, fresh, err := m.begin(ctx, tx)
	if err != nil || !fresh {
		return Split{}, err
	}
	s := Split{Available: min(m.Amount, w.Available)}
	s.Debt = m.Amount - s.Available
	return s, m.finish(ctx, tx, Wallet{Available: -s.Available, Debt: -s.Debt}, []Posting{
		{Of(Available, m.Distributor), m.Other, s.Available},
		{Of(Debt, m.Distributor), m.Other, s.Debt},
	})
}

// begin locks the wallet, because the split depends on it, and says whether the reference is new.
func (m Move) begin(ctx context.Context, tx *store.Tx) (w Wallet, fresh bool, err error) {
	if m.Amount < 0 {
		return w, false, fmt.Errorf("ledger: %s: amount %d", m.Ref, m.Amount)
	}
	if w, err = readWallet(ctx, tx, lockWalletSQL, m.Distributor); err != nil {
		return w, false, fmt.Errorf("lock wallet: %w", err)
	}
	posted, err := Posted(ctx, tx, m.Ref)
	return w, !posted, err
}

// finish writes the transaction and then, last, moves the wallet. A reference that somebody else has posted meanwhile
// changes nothing.
func (m Move) finish(ctx context.Context, tx *store.Tx, change Wallet, postings []Posting) error {
	heads, entries, err := rows(tx, []Txn{{m.Kind, m.Ref, postings}})
	if err != nil {
		return err
	}
	err = tx.Insert(ctx, insertTxSQL, heads[0])
	if store.IsDup(err) {
		return nil
	}
	if err == nil {
		err = tx.Insert(ctx, insertEntrySQL, entries)
	}
	if err == nil {
		err = move(ctx, tx, m.Distributor, change)
	}
	if err != nil {
		return fmt.Errorf("post %s: %w", m.Ref, err)
	}
	return nil
}

// errGuard says that a guarded update found the balance other than it must be.
var errGuard = errors.New("ledger: the balance does not allow it")

func move(ctx context.Context, tx *store.Tx, d base.DistributorID, c Wallet) error {
	ok, err := tx.ExecOne(ctx, moveWalletSQL, c.Available, c.Withdrawing, c.Debt, d, c.Available, c.Withdrawing, c.Debt)
	if err == nil && !ok {
		err = errGuard
	}
	return err
}

// Hold moves available to withdrawing for a withdrawal, or returns ErrInsufficient. Call it last: it takes the one row
// that others may want too.
func Hold(ctx context.Context, tx *store.Tx, m Move) error {
	if m.Amount <= 0 {
		return fmt.Errorf("ledger: %s: hold of %d", m.Ref, m.Amount)
	}
	err := m.finish(ctx, tx, Wallet{Available: -m.Amount, Withdrawing: m.Amount}, []Posting{
		{Of(Available, m.Distributor), Of(Withdrawing, m.Distributor), m.Amount},
	})
	if errors.Is(err, errGuard) {
		return ErrInsufficient
	}
	return err
}

// Parts is where the amount of a paid withdrawal went; they add up to what was held.
type Parts struct {
	Net, Fee, Tax money.Fen
}

// PayOut books a withdrawal that was paid: withdrawing → payout, fee_income, tax_payable.
func PayOut(ctx context.Context, tx *store.Tx, m Move, p Parts) error {
	if p.Net+p.Fee+p.Tax != m.Amount || min(p.Net, p.Fee, p.Tax) < 0 {
		return fmt.Errorf("ledger: %s: %d is not %+v", m.Ref, m.Amount, p)
	}
	from := Of(Withdrawing, m.Distributor)
	return m.finish(ctx, tx, Wallet{Withdrawing: -m.Amount}, []Posting{
		{from, Platform(Payout), p.Net},
		{from, Platform(FeeIncome), p.Fee},
		{from, Platform(TaxPayable), p.Tax},
	})
}
