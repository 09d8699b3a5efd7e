// Package flow tells what happens, moment by moment: one file each, the domains joined in one transaction. A door calls
// one method here; nothing above this floor opens a transaction over business tables, nothing below it knows two
// domains at once.
package flow

import (
	"context"
	"log/slog"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/crypt"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

// Flow joins the domains. Its fields are set once, by the wiring.
type Flow struct {
	DB         *store.DB
	Mini       wechat.Mini
	Pay        wechat.Pay
	Allowances Allowances // the day's withdrawal counters
	Limiter    Limiter    // how often somebody may ask WeChat for something
	Box        *crypt.Box // seals phone, name, ID number and address
	Shop       Shop
	Log        *slog.Logger
	Alarm      func(code, detail string) // something a person should look at; never nil
	Wake       func()                    // wakes the inbox's applier; never nil
}

// Shop is what the outside must know of this shop and the shop of the outside; it comes from the configuration.
type Shop struct {
	NotifyURL     string // where WeChat Pay sends notifications: https, without a query
	CodePage      string // mini-program page that scene codes open, without a leading slash
	CodeEnv       string // release, trial or develop
	CheckPage     bool   // let WeChat check that the page is in the released version
	LinkBase      string // address that promotion links begin with, for places without WeChat
	TransferScene string // WeChat's id of the transfer scene, "1005" for commissions
	TransferJob   string // 岗位类型 that is reported with a transfer
	TransferNote  string // 报酬说明 that is reported with a transfer
}

// Allowances are the withdrawals' counters of the day; redisx has them.
type Allowances interface {
	TakeAllowance(ctx context.Context, a redisx.Allowance) error
	KeepAllowance(ctx context.Context, e redisx.AllowanceEntry) error
	GiveBackAllowance(ctx context.Context, day base.BusinessDay, withdrawalID string) error
	RebuildDay(ctx context.Context, day base.BusinessDay, load func(context.Context) ([]redisx.AllowanceEntry, error)) error
}

// Limiter says whether a caller may do something once more now, and if not, when.
type Limiter interface {
	Limit(ctx context.Context, name, key string, perMinute, burst int) (allowed bool, retryAfter time.Duration, err error)
}
