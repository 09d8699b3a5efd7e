// Package ledger is the double-entry book of the shop's money: append only, every transaction sums to zero, every
// business event has one transaction under its unique reference.
//
// Platform accounts and a distributor's pending have no balance row, because every paid order touches them and one
// updated row would limit the whole shop: their balance is the last roll-up plus the entries since. Available,
// withdrawing and debt have one row per distributor (the wallet), locked when a split depends on it and guarded by
// conditional updates.
package ledger

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/ids"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Account is one kind of account.
type Account string

// The platform's accounts have one owner, the shop; the others are per distributor.
const (
	Sales             Account = "sales"              // what customers paid (grows negative: it is where money comes from)
	Refunds           Account = "refunds"            // what customers got back
	WechatClearing    Account = "wechat_clearing"    // what WeChat owes us
	WechatFee         Account = "wechat_fee"         // what WeChat kept
	CommissionExpense Account = "commission_expense" // what commissions cost the merchant (grows negative)
	Payout            Account = "payout"             // left through WeChat Pay or a bank
	FeeIncome         Account = "fee_income"         // withdrawal fees
	TaxPayable        Account = "tax_payable"        // income tax withheld
	WriteOff          Account = "write_off"          // debts given up

	Pending     Account = "pending"     // accrued, not on a posted statement
	Available   Account = "available"   // settled, may be withdrawn
	Withdrawing Account = "withdrawing" // held by a withdrawal under way
	Debt        Account = "debt"        // owed, never positive
)

// ofDistributor says which accounts belong to distributors; those in the wallet move by the functions of wallet.go.
var ofDistributor = map[Account]bool{Pending: true, Available: true, Withdrawing: true, Debt: true}

var ofPlatform = map[Account]bool{
	Sales: true, Refunds: true, WechatClearing: true, WechatFee: true, CommissionExpense: true,
	Payout: true, FeeIncome: true, TaxPayable: true, WriteOff: true,
}

// Side is one account of one owner.
type Side struct {
	Account Account            `db:"account"`
	Owner   base.DistributorID `db:"owner_id"` // 0: the platform
}

// Platform is one of the shop's own accounts.
func Platform(a Account) Side { return Side{Account: a} }

// Of is a distributor's account.
func Of(a Account, d base.DistributorID) Side { return Side{a, d} }

func (s Side) valid() bool {
	return s.Owner == 0 && ofPlatform[s.Account] || s.Owner != 0 && ofDistributor[s.Account]
}

func (s Side) inWallet() bool {
	return s.Account == Available || s.Account == Withdrawing || s.Account == Debt
}

// Posting moves an amount (> 0) from one side to another: −amount on From, +amount on To.
type Posting struct {
	From, To Side
	Amount   money.Fen
}

// Txn is what one business event does to the book. Ref is unique over the whole ledger.
type Txn struct {
	Kind     string
	Ref      string
	Postings []Posting
}

// Post writes transactions between accounts without a balance row (the platform's and pending). One whose Ref is there
// already is left out, so that the second attempt does nothing. Postings of zero are left out; a transaction without
// any other posting is still recorded.
func Post(ctx context.Context, tx *store.Tx, txns ...Txn) error {
	for _, t := range txns {
		for _, p := range t.Postings {
			if p.From.inWallet() || p.To.inWallet() {
				return fmt.Errorf("ledger: %s: %s to %s has a balance row; use the wallet's functions", t.Ref, p.From.Account, p.To.Account)
			}
		}
	}
	for part := range slices.Chunk(txns, txnsMax) {
		if err := post(ctx, tx, part); err != nil {
			return err
		}
	}
	return nil
}

// txnsMax bounds the transactions that are written by one statement. All of them or none are in the book after it, so
// that where one was there before, the others are known to be new.
const txnsMax = 200

type txRow struct {
	ID   int64  `db:"id"`
	Kind string `db:"kind"`
	Ref  string `db:"ref"`
	AtMs int64  `db:"at_ms"`
}

type entryRow struct {
	ID      int64              `db:"id"`
	TxID    int64              `db:"tx_id"`
	Account Account            `db:"account"`
	Owner   base.DistributorID `db:"owner_id"`
	Amount  money.Fen          `db:"amount_fen"`
	AtMs    int64              `db:"at_ms"`
}

const (
	insertTxSQL    = `INSERT INTO ledger_tx (id, kind, ref, at_ms) VALUES (:id, :kind, :ref, :at_ms)`
	insertEntrySQL = `INSERT INTO ledger_entry (id, tx_id, account, owner_id, amount_fen, at_ms)
VALUES (:id, :tx_id, :account, :owner_id, :amount_fen, :at_ms)`
	postedSQL = `SELECT COUNT(*) FROM ledger_tx WHERE ref = ?`
)

func post(ctx context.Context, tx *store.Tx, txns []Txn) error {
	heads, entries, err := rows(tx, txns)
	if err != nil {
		return err
	}
	err = tx.Insert(ctx, insertTxSQL, heads)
	if store.IsDup(err) {
		return postOneByOne(ctx, tx, heads, entries)
	}
	if err == nil {
		err = tx.Insert(ctx, insertEntrySQL, entries)
	}
	if err != nil {
		return fmt.Errorf("post to ledger: %w", err)
	}
	return nil
}

// postOneByOne is for the rare batch in which some transaction was posted before.
func postOneByOne(ctx context.Context, tx *store.Tx, heads []txRow, entries []entryRow) error {
	fresh := make(map[int64]bool, len(heads))
	for _, h := range heads {
		err := tx.Insert(ctx, insertTxSQL, h)
		if err != nil && !store.IsDup(err) {
			return fmt.Errorf("post to ledger: %w", err)
		}
		fresh[h.ID] = err == nil
	}
	kept := entries[:0]
	for _, e := range entries {
		if fresh[e.TxID] {
			kept = append(kept, e)
		}
	}
	if err := tx.Insert(ctx, insertEntrySQL, kept); err != nil {
		return fmt.Errorf("post to ledger: %w", err)
	}
	return nil
}

func rows(tx *store.Tx, txns []Txn) (heads []txRow, entries []entryRow, err error) {
	for _, t := range txns {
		head := txRow{tx.NextID(), t.Kind, t.Ref, tx.NowMs()}
		heads = append(heads, head)
		for _, p := range t.Postings {
			if p.Amount == 0 {
				continue
			}
			if p.Amount < 0 || !p.From.valid() || !p.To.valid() || p.From == p.To {
				return nil, nil, fmt.Errorf("ledger: %s: cannot post %d from %v to %v", t.Ref, p.Amount, p.From, p.To)
			}
			first := tx.Block(2)
			entries = append(entries,
				entryRow{first, head.ID, p.From.Account, p.From.Owner, -p.Amount, head.AtMs},
				entryRow{first + ids.Stride, head.ID, p.To.Account, p.To.Owner, p.Amount, head.AtMs})
		}
	}
	return heads, entries, nil
}

// Posted says whether a reference is in the book.
func Posted(ctx context.Context, q store.Q, ref string) (bool, error) {
	var n int
	err := q.Get(ctx, &n, postedSQL, ref)
	return n > 0, err
}
