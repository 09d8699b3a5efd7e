// Package settlement sums up what ripened in a period into one statement per distributor, cycle and period, and takes
// statements to their posting. It reads commission's tables and writes its own.
package settlement

import (
	"context"
	"time"

	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
)

// SettingName is the setting's name.
const SettingName = "settlement"

// Setting says how statements go on by themselves.
type Setting struct {
	DisputeDays    int       `json:"dispute_days" minimum:"0" maximum:"30" doc:"Days a statement is open to dispute"`
	AutoConfirm    bool      `json:"auto_confirm" doc:"Confirm undisputed statements when their days are over"`
	AutoConfirmMax money.Fen `json:"auto_confirm_max_fen" minimum:"0" doc:"A larger statement waits for an operator; 0: no bound"`
	PeriodBudget   money.Fen `json:"period_budget_fen" minimum:"0" doc:"When all statements of a period are more than this together, none confirms by itself; 0: no bound"`
}

// DefaultSetting is in force until an operator stores another.
var DefaultSetting = Setting{DisputeDays: 3, AutoConfirm: true}

// Validate implements setting.Validator.
func (s Setting) Validate() error {
	if s.DisputeDays < 0 || s.DisputeDays > 30 || money.Check(s.AutoConfirmMax) != nil || money.Check(s.PeriodBudget) != nil {
		return errs.E(errs.Invalid, "settlement.setting_invalid", "异议期须在 0 到 30 天之间，金额不能为负",
			errs.EN("The days to dispute lie between 0 and 30, amounts are not negative."))
	}
	return nil
}

// SettingAt reads the setting in force at an instant.
func SettingAt(ctx context.Context, q store.Q, at time.Time) (Setting, error) {
	s, _, err := setting.Current(ctx, q, SettingName, at, DefaultSetting)
	return s, err
}
