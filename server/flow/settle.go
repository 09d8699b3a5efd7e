package flow

import (
	"context"
	"errors"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/setting"
)

const (
	draftChunk   = 2_000 // distributors in one statement of SQL
	openChunk    = 500
	postChunk    = 50 // wallets locked in one transaction
	settleNowMax = 100_000
)

// DraftStatements drafts the statements of periods that ended at least 15 minutes ago, for at most limit distributors,
// and returns for how many. It can be stopped at any instant: the next call goes on where the last commit was.
func (f *Flow) DraftStatements(ctx context.Context, limit int) (done int, err error) {
	for _, cycle := range []base.Cycle{base.Weekly, base.Monthly} {
		for done < limit {
			n, more, err := f.draftChunk(ctx, cycle, min(draftChunk, limit-done))
			done += n
			if err != nil {
				return done, err
			}
			if !more {
				break
			}
		}
	}
	return done, nil
}

// draftChunk drafts the next statements of a cycle; more says that there may be others.
func (f *Flow) draftChunk(ctx context.Context, cycle base.Cycle, limit int) (n int, more bool, err error) {
	period, run, due, err := settlement.DuePeriod(ctx, f.DB.Q(), cycle, f.DB.Clock.Now())
	if err != nil || !due {
		return 0, false, err
	}
	if run.ID == 0 {
		id := f.DB.Mint.Next()
		err := f.DB.InTx(ctx, "flow.start_settlement", func(ctx context.Context, tx *store.Tx) (err error) {
			run, err = settlement.StartRun(ctx, tx, id, period)
			return err
		})
		if store.IsDup(err) {
			return 0, true, nil // another replica has just begun it
		}
		if err != nil {
			return 0, false, err
		}
	}
	err = f.DB.InTx(ctx, "flow.draft_statements", func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = settlement.Draft(ctx, tx, run.ID, limit)
		return err
	})
	return n, err == nil, err
}

// OpenStatements opens drafted statements of finished runs to dispute.
func (f *Flow) OpenStatements(ctx context.Context, limit int) (int, error) {
	return f.inChunks(ctx, "flow.open_statements", limit, settlement.OpenDrafted)
}

// ConfirmDue confirms statements whose days to dispute are over and that the settings let confirm by themselves.
func (f *Flow) ConfirmDue(ctx context.Context, limit int) (int, error) {
	return f.inChunks(ctx, "flow.confirm_statements", limit, settlement.ConfirmDue)
}

func (f *Flow) inChunks(ctx context.Context, name string, limit int, step func(context.Context, *store.Tx, int) (int, error)) (done int, err error) {
	for done < limit {
		chunk, n := min(openChunk, limit-done), 0
		err := f.DB.InTx(ctx, name, func(ctx context.Context, tx *store.Tx) (err error) {
			n, err = step(ctx, tx, chunk)
			return err
		})
		if err != nil {
			return done, err
		}
		done += n
		if n < chunk {
			break
		}
	}
	return done, nil
}

// PostStatements posts confirmed statements: what is pending becomes available, debts repaid first; a negative total
// becomes debt. Each is posted once. Balances are locked in the order of distributors, a few per transaction; where one
// cannot be posted, its neighbours are, and the error says which.
func (f *Flow) PostStatements(ctx context.Context, limit int) (done int, err error) {
	found, err := settlement.ToPost(ctx, f.DB.Q(), limit)
	if err != nil {
		return 0, fmt.Errorf("find statements to post: %w", err)
	}
	var failed error
	for from := 0; from < len(found); from += postChunk {
		chunk := found[from:min(from+postChunk, len(found))]
		n, err := f.postStatements(ctx, chunk)
		if err != nil && ctx.Err() == nil && len(chunk) > 1 {
			n, err = f.postOneByOne(ctx, chunk)
		}
		done += n
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return done, failed
}

func (f *Flow) postOneByOne(ctx context.Context, chunk []base.StatementID) (done int, failed error) {
	for i, id := range chunk {
		n, err := f.postStatements(ctx, chunk[i:i+1])
		done += n
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("post statement %s: %w", id, err))
		}
	}
	return done, failed
}

func (f *Flow) postStatements(ctx context.Context, chunk []base.StatementID) (done int, err error) {
	err = f.DB.InTx(ctx, "flow.post_statements", func(ctx context.Context, tx *store.Tx) error {
		done = 0
		for _, id := range chunk {
			s, ok, err := settlement.MarkPosted(ctx, tx, id)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := f.postStatement(ctx, tx, s); err != nil {
				return err
			}
			done++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return done, nil
}

func (f *Flow) postStatement(ctx context.Context, tx *store.Tx, s settlement.Statement) error {
	m := ledger.Move{
		Kind: "statement", Ref: "statement:" + s.ID.String(), Other: ledger.Of(ledger.Pending, s.Distributor),
		Distributor: s.Distributor, Amount: max(s.Total, -s.Total),
	}
	switch {
	case s.Total == 0:
		return nil
	case s.Total < 0:
		return f.takeBack(ctx, tx, m)
	}
	split, err := ledger.Credit(ctx, tx, m)
	if err != nil || split.Debt == 0 {
		return err
	}
	return settlement.NoteRepaid(ctx, tx, s.ID, split.Debt)
}

// Settled says what a settlement run on demand did.
type Settled struct {
	Ripened   int `json:"ripened"`
	Drafted   int `json:"drafted"`
	Opened    int `json:"opened"`
	Confirmed int `json:"confirmed"`
	Posted    int `json:"posted"`
}

// SettleNow does at once what the settlement jobs would do now, and nothing that they would not.
func (f *Flow) SettleNow(ctx context.Context, by base.Actor) (s Settled, err error) {
	for _, step := range []struct {
		done *int
		run  func(context.Context, int) (int, error)
	}{
		{&s.Ripened, f.Ripen}, {&s.Drafted, f.DraftStatements}, {&s.Opened, f.OpenStatements},
		{&s.Confirmed, f.ConfirmDue}, {&s.Posted, f.PostStatements},
	} {
		if *step.done, err = step.run(ctx, settleNowMax); err != nil {
			return s, err
		}
	}
	return s, f.log(ctx, auditlog.Entry{Actor: by, Action: "settlement.run", Object: "settlement", After: s})
}

// log writes one entry of the audit log by itself, for what has no transaction of its own.
func (f *Flow) log(ctx context.Context, e auditlog.Entry) error {
	e.ID = f.DB.Mint.Next()
	return f.DB.InTx(ctx, "flow.audit_log", func(ctx context.Context, tx *store.Tx) error { return auditlog.Write(ctx, tx, e) })
}

// StatementConfirm is an operator's word on an open statement.
type StatementConfirm struct {
	ID   base.StatementID
	By   base.Actor
	Note string // answers a dispute; else optional
}

// ConfirmStatement confirms an open statement before its days are over, or answers a dispute.
func (f *Flow) ConfirmStatement(ctx context.Context, in StatementConfirm) (s settlement.Statement, err error) {
	err = f.DB.InTx(ctx, "flow.confirm_statement", func(ctx context.Context, tx *store.Tx) (err error) {
		if s, err = settlement.Confirm(ctx, tx, in.ID, in.By, in.Note); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: "statement.confirm", Object: in.ID.String(), Reason: s.ConfirmNote,
			Before: statementFacts{settlement.Open, s.Total}, After: statementFacts{s.State, s.Total},
		})
	})
	return s, err
}

type statementFacts struct {
	State settlement.State `json:"state"`
	Total money.Fen        `json:"total_fen"`
}

// DisputeStatement is the distributor's word against an open statement; an operator answers it.
func (f *Flow) DisputeStatement(ctx context.Context, id base.StatementID, by base.DistributorID, note string) (s settlement.Statement, err error) {
	err = f.DB.InTx(ctx, "flow.dispute_statement", func(ctx context.Context, tx *store.Tx) (err error) {
		s, err = settlement.Dispute(ctx, tx, id, by, note)
		return err
	})
	return s, err
}

// SettlementChange is a new version of the settlement setting.
type SettlementChange struct {
	Setting settlement.Setting
	By      base.Actor
	Reason  string
}

// SetSettlement changes how statements go on by themselves, from now on.
func (f *Flow) SetSettlement(ctx context.Context, in SettlementChange) error {
	reason, err := checkReason(in.Reason)
	if err != nil {
		return err
	}
	return f.DB.InTx(ctx, "flow.set_settlement", func(ctx context.Context, tx *store.Tx) error {
		before, err := settlement.SettingAt(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		if _, err := setting.Put(ctx, tx, setting.Change{Name: settlement.SettingName, Value: in.Setting, Actor: in.By, Reason: reason}); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: "setting.settlement", Object: settlement.SettingName, Before: before, After: in.Setting, Reason: reason,
		})
	})
}
