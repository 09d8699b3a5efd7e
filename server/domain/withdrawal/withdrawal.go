package withdrawal

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Method is how the money leaves.
type Method string

// WeChat is a transfer to the payee's WeChat wallet (商家转账).
const WeChat Method = "wechat"

// Withdrawal is one row. Times are UTC milliseconds, 0 = not yet.
type Withdrawal struct {
	ID             base.WithdrawalID  `db:"id"`
	Distributor    base.DistributorID `db:"distributor_id"`
	Amount         money.Fen          `db:"amount_fen"` // held: Net + Fee + Tax
	Fee            money.Fen          `db:"fee_fen"`
	Tax            money.Fen          `db:"tax_fen"`
	Net            money.Fen          `db:"net_fen"`        // what WeChat is asked to pay
	PolicyVersion  int                `db:"policy_version"` // of the setting "withdrawal" at the request
	TaxKind        TaxKind            `db:"tax_kind"`       // empty while finance has not chosen
	TaxVersion     int                `db:"tax_version"`
	Method         Method             `db:"method"`
	State          State              `db:"state"`
	Day            base.BusinessDay   `db:"day"` // whose allowance it takes
	OpenID         string             `db:"openid"`
	OutBillNo      string             `db:"out_bill_no"`      // for life
	PayeeNameEnc   string             `db:"payee_name_enc"`   // sealed; empty: WeChat is not given a name
	TransferBody   string             `db:"transfer_body"`    // what every try sends, frozen before the first
	TransferBillNo string             `db:"transfer_bill_no"` // WeChat's number
	WeChatState    string             `db:"wechat_state"`     // WeChat's last word
	PackageInfo    string             `db:"package_info"`     // for wx.requestMerchantTransfer
	FailReason     string             `db:"fail_reason"`      // WeChat's code
	Trouble        string             `db:"trouble"`          // what a person should look at; empty: nothing
	Reason         string             `db:"reason"`           // of the last move
	HeldMs         int64              `db:"held_ms"`          // an admin stopped it
	HoldReason     string             `db:"hold_reason"`
	FirstApprover  base.AdminID       `db:"first_approver"`
	SecondApprover base.AdminID       `db:"second_approver"`
	Risk           string             `db:"risk"` // JSON of the signs at the request
	RequestedMs    int64              `db:"requested_ms"`
	ApprovedMs     int64              `db:"approved_ms"`
	PayingMs       int64              `db:"paying_ms"`
	AwaitingMs     int64              `db:"awaiting_ms"`
	EndedMs        int64              `db:"ended_ms"`
	CancelAskedMs  int64              `db:"cancel_asked_ms"`
	PostedMs       int64              `db:"posted_ms"`  // when the transfer was last sent
	UnknownMs      int64              `db:"unknown_ms"` // when a sending last ended without a definite answer
	NextMs         int64              `db:"next_ms"`
	Tries          int                `db:"tries"`
	Version        int                `db:"version"`
}

const (
	columns = `id, distributor_id, amount_fen, fee_fen, tax_fen, net_fen, policy_version, tax_kind, tax_version, method, state, day,
openid, out_bill_no, payee_name_enc, transfer_body, transfer_bill_no, wechat_state, package_info, fail_reason, trouble, reason,
held_ms, hold_reason, first_approver, second_approver, risk, requested_ms, approved_ms, paying_ms, awaiting_ms, ended_ms,
cancel_asked_ms, posted_ms, unknown_ms, next_ms, tries, version`
	insertSQL = `INSERT INTO withdrawal (` + columns + `) VALUES (:id, :distributor_id, :amount_fen, :fee_fen, :tax_fen, :net_fen,
:policy_version, :tax_kind, :tax_version, :method, :state, :day, :openid, :out_bill_no, :payee_name_enc, :transfer_body,
:transfer_bill_no, :wechat_state, :package_info, :fail_reason, :trouble, :reason, :held_ms, :hold_reason, :first_approver,
:second_approver, :risk, :requested_ms, :approved_ms, :paying_ms, :awaiting_ms, :ended_ms, :cancel_asked_ms, :posted_ms,
:unknown_ms, :next_ms, :tries, :version)`
	byIDSQL   = `SELECT ` + columns + ` FROM withdrawal WHERE id = ?`
	lockSQL   = `SELECT ` + columns + ` FROM withdrawal WHERE id = ? /*! FOR UPDATE */`
	byBillSQL = `SELECT ` + columns + ` FROM withdrawal WHERE out_bill_no = ?`
	ofSQL     = `SELECT ` + columns + ` FROM withdrawal WHERE distributor_id = ? AND id < ? ORDER BY id DESC LIMIT ?`
)

// ErrNotFound says that there is no such withdrawal, or none of the one who asks.
var ErrNotFound = errs.E(errs.NotFound, "withdrawal.not_found", "没有找到这笔提现，请返回提现列表查看",
	errs.EN("There is no such withdrawal. Look at your list of withdrawals."))

// Request is what a distributor asks for, with everything that is frozen at the request.
type Request struct {
	ID            base.WithdrawalID
	Distributor   base.DistributorID
	Quote         Quote
	PolicyVersion int
	Tax           TaxPolicy
	TaxVersion    int
	OpenID        string
	Risk          string // JSON
	Day           base.BusinessDay
}

// Create records a request. A second one under the same id meets the first: store.IsDup.
func Create(ctx context.Context, tx *store.Tx, r Request) error {
	row := Withdrawal{ID: r.ID, Distributor: r.Distributor, Amount: r.Quote.Amount, Fee: r.Quote.Fee, Tax: r.Quote.Tax,
		Net: r.Quote.Net, PolicyVersion: r.PolicyVersion, TaxKind: r.Tax.Kind, TaxVersion: r.TaxVersion, Method: WeChat,
		State: Requested, Day: r.Day, OpenID: r.OpenID, OutBillNo: r.ID.String(), Risk: r.Risk, RequestedMs: tx.NowMs(), Version: 1}
	if err := tx.Insert(ctx, insertSQL, row); err != nil {
		return fmt.Errorf("record withdrawal: %w", err)
	}
	return Note(ctx, tx, Event{r.ID, "", Requested, "move", base.Distributor(r.Distributor), ""})
}

// Get reads a withdrawal, or returns ErrNotFound.
func Get(ctx context.Context, q store.Q, id base.WithdrawalID) (Withdrawal, error) {
	return one(ctx, q, byIDSQL, id)
}

// Lock reads a withdrawal and keeps its row until the transaction ends, or returns ErrNotFound.
func Lock(ctx context.Context, tx *store.Tx, id base.WithdrawalID) (Withdrawal, error) {
	return one(ctx, tx, lockSQL, id)
}

// ByBillNo finds the withdrawal of one of our bill numbers, or returns ErrNotFound.
func ByBillNo(ctx context.Context, q store.Q, outBillNo string) (Withdrawal, error) {
	return one(ctx, q, byBillSQL, outBillNo)
}

func one(ctx context.Context, q store.Q, query string, arg any) (Withdrawal, error) {
	var w Withdrawal
	err := q.Get(ctx, &w, query, arg)
	if store.NotFound(err) {
		return w, ErrNotFound
	}
	if err != nil {
		return w, fmt.Errorf("read withdrawal: %w", err)
	}
	return w, nil
}

// Of lists a distributor's withdrawals, newest first, those before an id (0: from the newest).
func Of(ctx context.Context, q store.Q, distributor base.DistributorID, before base.WithdrawalID, limit int) ([]Withdrawal, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	var list []Withdrawal
	if err := q.Select(ctx, &list, ofSQL, distributor, before, limit); err != nil {
		return nil, fmt.Errorf("list withdrawals: %w", err)
	}
	return list, nil
}
