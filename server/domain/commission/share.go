package commission

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Share is what one payee gets of one line. It is never changed; a correction is a new revision.
type Share struct {
	ID          base.ShareID       `db:"id"`
	Order       base.OrderID       `db:"order_id"`
	Line        base.LineID        `db:"line_id"`
	Tier        base.Tier          `db:"tier"`
	Revision    int                `db:"revision"`
	Payee       base.DistributorID `db:"payee_id"`
	Level       base.LevelID       `db:"level_id"`
	Cycle       base.Cycle         `db:"cycle"`
	Rule        base.RuleID        `db:"rule_id"`
	RuleVersion int                `db:"rule_version"`
	Kind        Kind               `db:"kind"`
	Base        money.Fen          `db:"base_fen"`
	Qty         int64              `db:"qty"`
	Rate        money.BasisPoints  `db:"rate_bp"`
	Unit        money.Fen          `db:"unit_fen"` // per unit, or per order, by kind
	Raw         money.Fen          `db:"raw_fen"`  // before the cap
	Sum         money.Fen          `db:"sum_fen"`  // of all raw shares of the line
	Cap         money.Fen          `db:"cap_fen"`  // what they may be together
	Amount      money.Fen          `db:"amount_fen"`
	Inputs      Inputs             `db:"-"`
	InputsJSON  string             `db:"inputs"`
	CreatedMs   int64              `db:"created_ms"`
}

// Inputs is what else a share was computed from, so that it can be computed again.
type Inputs struct {
	RuleName   string            `json:"rule_name"`
	Scope      string            `json:"scope"`
	Policy     int               `json:"policy"` // version
	CapRate    money.BasisPoints `json:"cap_bps"`
	MarginRate money.BasisPoints `json:"margin_cap_bps"`
	Cost       money.Fen         `json:"cost_fen"` // of the line; −1: not known
	Split      *Split            `json:"split,omitempty"`
	Dropped    []Dropped         `json:"dropped,omitempty"`
}

// Split is how an amount per order was divided: over these bases, this share being the one at Index.
type Split struct {
	Weights []money.Fen `json:"weights"`
	Index   int         `json:"index"`
}

// Dropped is a share that the same person would have had in another tier; the higher one counts.
type Dropped struct {
	Tier base.Tier `json:"tier"`
	Raw  money.Fen `json:"raw_fen"`
}

const (
	shareColumns = `id, order_id, line_id, tier, revision, payee_id, level_id, cycle, rule_id, rule_version, kind, base_fen, qty, rate_bp,
	unit_fen, raw_fen, sum_fen, cap_fen, amount_fen, inputs, created_ms`
	insertShareSQL = `INSERT INTO share (` + shareColumns + `) VALUES (:id, :order_id, :line_id, :tier, :revision, :payee_id, :level_id, :cycle,
	:rule_id, :rule_version, :kind, :base_fen, :qty, :rate_bp, :unit_fen, :raw_fen, :sum_fen, :cap_fen, :amount_fen, :inputs, :created_ms)`
	sharesOfOrderSQL = `SELECT ` + shareColumns + ` FROM share WHERE order_id = ? ORDER BY line_id, revision, id`
	shareByIDSQL     = `SELECT ` + shareColumns + ` FROM share WHERE id = ?`
	sharesByLineSQL  = `SELECT ` + shareColumns + ` FROM share ORDER BY line_id, tier, revision`
)

// StoreShares writes the shares of an order that is being created, ids included. An upline share while that payee is
// off is refused here too, whoever computed it.
func StoreShares(ctx context.Context, tx *store.Tx, shares []Share) error {
	if len(shares) == 0 {
		return nil
	}
	rows := make([]Share, len(shares))
	for i, s := range shares {
		if s.Tier == base.Upline {
			terms, err := TermsAt(ctx, tx, tx.Now())
			if err != nil {
				return err
			}
			if !terms.Upline {
				return ErrUplineOff
			}
		}
		inputs, err := json.Marshal(s.Inputs)
		if err != nil {
			return fmt.Errorf("store shares: %w", err)
		}
		s.InputsJSON, s.CreatedMs = string(inputs), tx.NowMs()
		if s.ID == 0 {
			s.ID = base.ShareID(tx.NextID())
		}
		rows[i] = s
	}
	if err := tx.Insert(ctx, insertShareSQL, rows); err != nil {
		return fmt.Errorf("store shares: %w", err)
	}
	return nil
}

// SharesOf lists the shares of an order by line.
func SharesOf(ctx context.Context, q store.Q, order base.OrderID) ([]Share, error) {
	var shares []Share
	if err := q.Select(ctx, &shares, sharesOfOrderSQL, order); err != nil {
		return nil, fmt.Errorf("read shares of %s: %w", order, err)
	}
	return shares, readInputs(shares)
}

// ShareByID reads one share.
func ShareByID(ctx context.Context, q store.Q, id base.ShareID) (Share, error) {
	var s Share
	err := q.Get(ctx, &s, shareByIDSQL, id)
	if store.NotFound(err) {
		return s, ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("read share %s: %w", id, err)
	}
	one := []Share{s}
	err = readInputs(one)
	return one[0], err
}

// EachLine calls fn with the shares of every line and revision of the shop, line by line, without holding them all.
// The audit recomputes them.
func EachLine(ctx context.Context, q store.Q, fn func([]Share) error) error {
	var line []Share
	flush := func() error {
		byRevision := map[int][]Share{}
		last := 0
		for _, s := range line {
			byRevision[s.Revision] = append(byRevision[s.Revision], s)
			last = max(last, s.Revision)
		}
		line = line[:0]
		for r := 0; r <= last; r++ {
			if len(byRevision[r]) == 0 {
				continue
			}
			if err := fn(byRevision[r]); err != nil {
				return err
			}
		}
		return nil
	}
	err := q.Each(ctx, sharesByLineSQL, func(rows *sqlx.Rows) error {
		one := make([]Share, 1)
		if err := rows.StructScan(&one[0]); err != nil {
			return err
		}
		if err := readInputs(one); err != nil {
			return err
		}
		if len(line) > 0 && line[0].Line != one[0].Line {
			if err := flush(); err != nil {
				return err
			}
		}
		line = append(line, one[0])
		return nil
	})
	if err != nil {
		return fmt.Errorf("read shares: %w", err)
	}
	return flush()
}

func readInputs(shares []Share) error {
	for i := range shares {
		if err := json.Unmarshal([]byte(shares[i].InputsJSON), &shares[i].Inputs); err != nil {
			return fmt.Errorf("read inputs of share %s: %w", shares[i].ID, err)
		}
	}
	return nil
}
