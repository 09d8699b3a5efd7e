package play

import (
	"context"
	"net/url"

	"fenxiao/server/base/money"
)

// Wallet is a distributor's money.
type Wallet struct {
	Available   money.Fen `json:"available_fen"`
	Pending     money.Fen `json:"pending_fen"`
	Withdrawing money.Fen `json:"withdrawing_fen"`
	Debt        money.Fen `json:"debt_fen"`
}

// Wallet reads the distributor's money.
func (d *Distributor) Wallet(ctx context.Context) (w Wallet, err error) {
	err = d.Get(ctx, "/api/v1/distributor/wallet", &w)
	return w, err
}

// Statement is a settled period.
type Statement struct {
	ID         string    `json:"id"`
	Cycle      string    `json:"cycle"`
	First      string    `json:"first_day"`
	State      string    `json:"state"`
	Accrued    money.Fen `json:"accrued_fen"`
	Reversed   money.Fen `json:"reversed_fen"`
	Total      money.Fen `json:"total_fen"`
	Late       money.Fen `json:"late_fen"`
	DebtRepaid money.Fen `json:"debt_repaid_fen"`
}

// Statements lists the distributor's statements, newest first.
func (d *Distributor) Statements(ctx context.Context) ([]Statement, error) {
	var list items[Statement]
	err := d.Get(ctx, "/api/v1/distributor/statements", &list)
	return list.Items, err
}

// Withdrawal is a withdrawal, as the distributor or an admin sees it.
type Withdrawal struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Amount  money.Fen `json:"amount_fen"`
	Fee     money.Fen `json:"fee_fen"`
	Tax     money.Fen `json:"tax_fen"`
	Net     money.Fen `json:"net_fen"`
	OutBill string    `json:"out_bill_no"`
	Version int       `json:"version"`
}

// GiveName gives the real name that WeChat compares.
func (d *Distributor) GiveName(ctx context.Context, name string) error {
	return d.Put(ctx, "/api/v1/distributor/real-name", map[string]string{"real_name": name}, nil)
}

// Withdraw asks for a withdrawal.
func (d *Distributor) Withdraw(ctx context.Context, amount money.Fen) (w Withdrawal, err error) {
	err = d.Post(ctx, "/api/v1/distributor/withdrawals", map[string]any{"amount_fen": amount}, &w)
	return w, err
}

// Withdrawal reads one of the distributor's withdrawals.
func (d *Distributor) Withdrawal(ctx context.Context, id string) (w Withdrawal, err error) {
	err = d.Get(ctx, "/api/v1/distributor/withdrawals/"+id, &w)
	return w, err
}

const adminWithdrawals = "/api/admin/v1/withdrawals/"

// Approve is one admin's approval of a withdrawal as it stands.
func Approve(ctx context.Context, by *Person, id string) (w Withdrawal, err error) {
	return decide(ctx, by, id, "approve", "note")
}

// Reject refuses a withdrawal as it stands, with a reason that the distributor reads.
func Reject(ctx context.Context, by *Person, id string) (w Withdrawal, err error) {
	return decide(ctx, by, id, "reject", "reason")
}

func decide(ctx context.Context, by *Person, id, what, word string) (w Withdrawal, err error) {
	at := adminWithdrawals + url.PathEscape(id)
	w, err = AdminWithdrawal(ctx, by, id)
	if err != nil {
		return w, err
	}
	err = by.Post(ctx, at+"/"+what, map[string]any{"version": w.Version, word: "请核对后再提交"}, &w)
	return w, err
}

// AdminWithdrawal reads a withdrawal with the admin's eyes.
func AdminWithdrawal(ctx context.Context, by *Person, id string) (w Withdrawal, err error) {
	var out struct {
		Withdrawal Withdrawal `json:"withdrawal"`
	}
	err = by.Get(ctx, adminWithdrawals+url.PathEscape(id), &out)
	return out.Withdrawal, err
}

// PutSetting changes a setting of the shop, keeping what change does not name.
func (s *Shop) PutSetting(ctx context.Context, by *Person, name, field, reason string, change map[string]any) error {
	var now map[string]any
	path := "/api/admin/v1/settings/" + name
	if err := by.Get(ctx, path, &now); err != nil {
		return err
	}
	value, _ := now[field].(map[string]any)
	if value == nil {
		value = map[string]any{}
	}
	for k, v := range change {
		value[k] = v
	}
	return by.Put(ctx, path, map[string]any{field: value, "reason": reason}, nil)
}
