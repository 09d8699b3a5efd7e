package withdrawal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

// PayeeNamePlace is where a payee's name is sealed: the place argument of crypt.Box.
const PayeeNamePlace = "withdrawal.payee_name"

// Transfer is what every try of a payout sends, but for the payee's name, which is sealed beside it. It is frozen
// before the first try, because WeChat wants every repetition to be the same.
type Transfer struct {
	Remark    string              `json:"remark"`
	SceneID   string              `json:"scene_id"`
	Reports   []wechat.ReportInfo `json:"reports"`
	NotifyURL string              `json:"notify_url"`
}

// NameSent says whether WeChat is given the payee's name with a transfer.
func NameSent(net money.Fen) bool { return net >= wechat.TransferNameFrom }

// PostingLease is how long a payout that is being sent again is left to who sends it.
const PostingLease = 2 * time.Minute

// Call is what was asked of WeChat.
type Call string

const (
	CallTransfer Call = "transfer"
	CallQuery    Call = "query"
	CallCancel   Call = "cancel"
)

const (
	freezeSQL = `UPDATE withdrawal SET payee_name_enc = ?, transfer_body = ?, posted_ms = ?, tries = 1 WHERE id = ?`
	dueSQL    = `SELECT ` + columns + ` FROM withdrawal WHERE state = ? AND next_ms <= ? ORDER BY next_ms, id LIMIT ?`
	// A claim is a compare-and-set of next_ms: of two replicas that saw the same row, one gets it.
	claimSQL  = `UPDATE withdrawal SET next_ms = ?, tries = tries + 1 WHERE id = ? AND state = ? AND next_ms = ?`
	postedSQL = `UPDATE withdrawal SET posted_ms = ?, next_ms = ?, tries = tries + 1
WHERE id = ? AND tries = ? AND state IN ('paying', 'awaiting_user')`
	laterSQL     = `UPDATE withdrawal SET next_ms = ?, trouble = ?, version = version + 1 WHERE id = ? AND state IN ('paying', 'awaiting_user', 'approved')`
	unknownSQL   = `UPDATE withdrawal SET unknown_ms = ? WHERE id = ?`
	wordSQL      = `UPDATE withdrawal SET wechat_state = ?, trouble = '' WHERE id = ? AND state IN ('paying', 'awaiting_user')`
	billNoSQL    = `UPDATE withdrawal SET transfer_bill_no = ? WHERE id = ? AND transfer_bill_no = ''`
	packageSQL   = `UPDATE withdrawal SET package_info = ? WHERE id = ? AND state IN ('paying', 'awaiting_user')`
	failSQL      = `UPDATE withdrawal SET fail_reason = ?, package_info = '' WHERE id = ?`
	troubleSQL   = `UPDATE withdrawal SET trouble = ?, version = version + 1 WHERE id = ?`
	askCancelSQL = `
UPDATE withdrawal SET cancel_asked_ms = ?, next_ms = ?, version = version + 1 WHERE id = ? AND state = 'awaiting_user' AND cancel_asked_ms = 0`
	beginCallSQL = `
INSERT INTO payout_call (id, withdrawal_id, kind, started_ms, ended_ms, class, status, code, message, wechat_state, request_id)
VALUES (:id, :withdrawal_id, :kind, :started_ms, 0, '', 0, '', '', '', '')`
	endCallSQL = `
UPDATE payout_call SET ended_ms = ?, class = ?, status = ?, code = ?, message = ?, wechat_state = ?, request_id = ?
WHERE id = ? AND ended_ms = 0`
	callsSQL = `
SELECT id, withdrawal_id, kind, started_ms, ended_ms, class, status, code, message, wechat_state, request_id
FROM payout_call WHERE withdrawal_id = ? ORDER BY id`
)

// Due lists withdrawals of a state that a job should look at now, the longest waiting first.
func Due(ctx context.Context, q store.Q, s State, now time.Time, limit int) ([]Withdrawal, error) {
	var list []Withdrawal
	if err := q.Select(ctx, &list, dueSQL, s, base.Ms(now), limit); err != nil {
		return nil, fmt.Errorf("list due withdrawals: %w", err)
	}
	return list, nil
}

// Start moves the locked withdrawal w from approved to paying and freezes what will be sent. Until leaseMs nobody else
// touches it. The call to WeChat comes after the commit.
func Start(ctx context.Context, tx *store.Tx, w Withdrawal, t Transfer, nameEnc string, leaseMs int64) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("start payout: %w", err)
	}
	if err := Move(ctx, tx, Change{ID: w.ID, From: Approved, To: Paying, By: base.System, NextMs: leaseMs}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, freezeSQL, nameEnc, string(body), tx.NowMs(), w.ID); err != nil {
		return fmt.Errorf("start payout: %w", err)
	}
	return nil
}

// Claim takes a withdrawal that was seen due, until leaseMs, and says whether it was still free.
func Claim(ctx context.Context, tx *store.Tx, seen Withdrawal, leaseMs int64) (bool, error) {
	return tx.ExecOne(ctx, claimSQL, leaseMs, seen.ID, seen.State, seen.NextMs)
}

// Posting notes that the transfer is about to be sent again. ErrMoved says that it has ended meanwhile, or that somebody
// else has claimed it since w was read: Tries counts the claims, so that it tells one holder from the next.
func Posting(ctx context.Context, tx *store.Tx, w Withdrawal) error {
	ok, err := tx.ExecOne(ctx, postedSQL, tx.NowMs(), base.Ms(tx.Now().Add(PostingLease)), w.ID, w.Tries)
	if err != nil {
		return fmt.Errorf("send payout again: %w", err)
	}
	if !ok {
		return ErrMoved
	}
	return nil
}

// Frozen reads what every try sends.
func (w Withdrawal) Frozen() (Transfer, error) {
	var t Transfer
	if err := json.Unmarshal([]byte(w.TransferBody), &t); err != nil {
		return t, fmt.Errorf("read the frozen transfer of %s: %w", w.ID, err)
	}
	return t, nil
}

// Later sets when a payout is looked at next; trouble is what a person should know meanwhile, empty for nothing.
func Later(ctx context.Context, tx *store.Tx, id base.WithdrawalID, nextMs int64, trouble string) error {
	if _, err := tx.Exec(ctx, laterSQL, nextMs, clip(trouble), id); err != nil {
		return fmt.Errorf("put payout off: %w", err)
	}
	return nil
}

// Unknown notes that a sending ended without a definite answer: it may still land.
func Unknown(ctx context.Context, tx *store.Tx, id base.WithdrawalID) error {
	if _, err := tx.Exec(ctx, unknownSQL, tx.NowMs(), id); err != nil {
		return fmt.Errorf("note unknown payout: %w", err)
	}
	return nil
}

// Word keeps WeChat's last word about a transfer that is under way, and its number for it. An answer that comes after
// the end changes nothing.
func Word(ctx context.Context, tx *store.Tx, id base.WithdrawalID, t wechat.Transfer) error {
	if _, err := tx.Exec(ctx, wordSQL, string(t.State), id); err != nil {
		return fmt.Errorf("keep WeChat's word: %w", err)
	}
	if t.TransferBillNo != "" {
		if _, err := tx.Exec(ctx, billNoSQL, t.TransferBillNo, id); err != nil {
			return fmt.Errorf("keep WeChat's number: %w", err)
		}
	}
	if t.PackageInfo == "" {
		return nil
	}
	if _, err := tx.Exec(ctx, packageSQL, t.PackageInfo, id); err != nil {
		return fmt.Errorf("keep the confirmation package: %w", err)
	}
	return nil
}

// FailReason keeps why WeChat did not pay; nothing can be confirmed any more.
func FailReason(ctx context.Context, tx *store.Tx, id base.WithdrawalID, reason string) error {
	if _, err := tx.Exec(ctx, failSQL, clip(reason), id); err != nil {
		return fmt.Errorf("keep the fail reason: %w", err)
	}
	return nil
}

// Trouble marks a withdrawal for a person to look at.
func Trouble(ctx context.Context, tx *store.Tx, id base.WithdrawalID, what string) error {
	if _, err := tx.Exec(ctx, troubleSQL, clip(what), id); err != nil {
		return fmt.Errorf("mark withdrawal: %w", err)
	}
	return nil
}

// AskCancel notes that the distributor wants the transfer back that WeChat is waiting with. The second wish changes
// nothing.
func AskCancel(ctx context.Context, tx *store.Tx, w Withdrawal, by base.Actor) error {
	ok, err := tx.ExecOne(ctx, askCancelSQL, tx.NowMs(), tx.NowMs(), w.ID)
	if err != nil {
		return fmt.Errorf("ask for cancellation: %w", err)
	}
	if !ok {
		return nil
	}
	return Note(ctx, tx, Event{w.ID, AwaitingUser, AwaitingUser, "cancel_asked", by, ""})
}

// CallLog is one call to WeChat about a withdrawal.
type CallLog struct {
	ID          int64             `db:"id"`
	Withdrawal  base.WithdrawalID `db:"withdrawal_id"`
	Kind        Call              `db:"kind"`
	StartedMs   int64             `db:"started_ms"`
	EndedMs     int64             `db:"ended_ms"` // 0: under way, or the process died
	Class       string            `db:"class"`    // ok, or the class of the error
	Status      int               `db:"status"`
	Code        string            `db:"code"`
	Message     string            `db:"message"`
	WeChatState string            `db:"wechat_state"`
	RequestID   string            `db:"request_id"`
}

// BeginCall writes down that a call is about to be made. The id is minted by the caller.
func BeginCall(ctx context.Context, tx *store.Tx, id int64, w base.WithdrawalID, kind Call) error {
	if err := tx.Insert(ctx, beginCallSQL, CallLog{ID: id, Withdrawal: w, Kind: kind, StartedMs: tx.NowMs()}); err != nil {
		return fmt.Errorf("log payout call: %w", err)
	}
	return nil
}

// EndCall writes down how a call ended.
func EndCall(ctx context.Context, tx *store.Tx, c CallLog) error {
	_, err := tx.Exec(ctx, endCallSQL, tx.NowMs(), c.Class, c.Status, c.Code, clip(c.Message), c.WeChatState, c.RequestID, c.ID)
	if err != nil {
		return fmt.Errorf("log payout call: %w", err)
	}
	return nil
}

// Calls lists what was asked of WeChat about a withdrawal, oldest first.
func Calls(ctx context.Context, q store.Q, id base.WithdrawalID) ([]CallLog, error) {
	var calls []CallLog
	if err := q.Select(ctx, &calls, callsSQL, id); err != nil {
		return nil, fmt.Errorf("read payout calls: %w", err)
	}
	return calls, nil
}

const textRunesMax = 190

// clip shortens a text by characters, so that it fits its column.
func clip(s string) string {
	if r := []rune(s); len(r) > textRunesMax {
		return string(r[:textRunesMax])
	}
	return s
}
