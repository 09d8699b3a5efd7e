// Package audit proves the invariants of the business over the whole database: the command, the nightly job and the
// crash tests run this same code. All checks see one read-only snapshot, so that it holds on a running shop.
package audit

import (
	"context"
	"fmt"

	"fenxiao/server/store"
)

// examplesMax bounds the rows named for one check that fails.
const examplesMax = 20

// Finding is a row that breaks an invariant.
type Finding struct {
	Subject string `db:"subject" json:"subject"` // the table and the row's key
	Want    string `db:"want" json:"want"`
	Got     string `db:"got" json:"got"`
}

// Result is what one check saw.
type Result struct {
	Invariant int       `json:"invariant"` // the number of docs/money.md
	Name      string    `json:"name"`
	Chinese   string    `json:"name_zh"`
	Figures   []Figure  `json:"figures"`
	Wrong     []Finding `json:"wrong,omitempty"` // at most 20
}

// OK says whether the invariant holds.
func (r Result) OK() bool { return len(r.Wrong) == 0 }

// Figure is one number that a check is about.
type Figure struct {
	Label string `json:"label"`
	Value int64  `json:"value"`
}

// Report is the whole proof.
type Report struct {
	Results []Result `json:"results"`
}

// OK says whether every invariant holds.
func (r Report) OK() bool {
	for _, res := range r.Results {
		if !res.OK() {
			return false
		}
	}
	return true
}

// check is one part of an invariant. The statements of wrong select the offending rows as subject, want, got; more
// looks where SQL cannot.
type check struct {
	invariant int
	name, zh  string
	figures   []figure
	wrong     []string
	more      func(ctx context.Context, q store.Q) ([]Finding, error)
}

type figure struct{ label, sql string }

// Run proves all invariants. An error means that the proof could not be made, not that one failed.
func Run(ctx context.Context, db *store.DB) (Report, error) {
	var report Report
	err := db.Snapshot(ctx, func(q store.Q) error {
		for _, c := range checks {
			res, err := c.run(ctx, q)
			if err != nil {
				return fmt.Errorf("audit %d %s: %w", c.invariant, c.name, err)
			}
			report.Results = append(report.Results, res)
		}
		return nil
	})
	return report, err
}

func (c check) run(ctx context.Context, q store.Q) (Result, error) {
	res := Result{Invariant: c.invariant, Name: c.name, Chinese: c.zh}
	for _, f := range c.figures {
		var v int64
		if err := q.Get(ctx, &v, f.sql); err != nil {
			return res, err
		}
		res.Figures = append(res.Figures, Figure{f.label, v})
	}
	for _, sql := range c.wrong {
		var found []Finding
		if err := q.Select(ctx, &found, sql+limitSQL, examplesMax-min(len(res.Wrong), examplesMax)); err != nil {
			return res, err
		}
		res.Wrong = append(res.Wrong, found...)
	}
	if c.more == nil {
		return res, nil
	}
	found, err := c.more(ctx, q)
	res.Wrong = append(res.Wrong, found[:min(len(found), examplesMax-min(len(res.Wrong), examplesMax))]...)
	return res, err
}

const limitSQL = ` LIMIT ?`
