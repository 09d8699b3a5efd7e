package commission

import (
	"context"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
)

// PolicyName is the setting's name.
const PolicyName = "commission"

// Acknowledgement is what the owner types, letter by letter, to switch on a payee or kind that carries legal risk.
const Acknowledgement = "我已了解《禁止传销条例》关于团队计酬的规定，愿意承担由此产生的全部法律责任"

// Policy bounds what all rules together may give.
type Policy struct {
	Cap              money.BasisPoints `json:"cap_bps" doc:"All shares of a line together, of the line's net amount" minimum:"0" maximum:"10000"`
	MarginCap        money.BasisPoints `json:"margin_cap_bps" doc:"All shares of a line together, of the line's gross margin where the cost is known" minimum:"0" maximum:"10000"`
	Upline           bool              `json:"upline" doc:"Pay uplines on their downline's sales. Off; carries legal risk"`
	TerritoryPercent bool              `json:"territory_percent" doc:"Allow a percentage of sales for territory partners. Off; carries legal risk"`
	Acknowledgement  string            `json:"acknowledgement,omitempty" maxLength:"500" doc:"Typed by the owner when switching on one of the two"`
}

// DefaultPolicy is in force until an operator stores another.
var DefaultPolicy = Policy{Cap: 2_500, MarginCap: 6_000}

// ErrAcknowledge says that the risk was not acknowledged in the owner's own typing.
var ErrAcknowledge = errs.E(errs.Invalid, "commission.acknowledgement_required",
	"开启该选项需由店主逐字输入风险确认语："+Acknowledgement,
	errs.EN("Switching this on needs the owner to type the acknowledgement of the risk, letter by letter."),
	errs.Param("acknowledgement", Acknowledgement))

// Risky says whether the policy has something switched on that needs the owner's acknowledgement.
func (p Policy) Risky() bool { return p.Upline || p.TerritoryPercent }

// Validate implements setting.Validator.
func (p Policy) Validate() error {
	if p.Cap < 0 || p.Cap > money.Whole || p.MarginCap < 0 || p.MarginCap > money.Whole {
		return errs.E(errs.Invalid, "commission.policy_invalid", "佣金上限须在 0% 到 100% 之间", errs.EN("Caps lie between 0 % and 100 %."))
	}
	if p.Risky() && p.Acknowledgement != Acknowledgement {
		return ErrAcknowledge
	}
	return nil
}

// Terms are the policy in force with its version, which every share stores.
type Terms struct {
	Policy
	Version int
}

// TermsAt reads the policy in force at an instant.
func TermsAt(ctx context.Context, q store.Q, at time.Time) (Terms, error) {
	p, version, err := setting.Current(ctx, q, PolicyName, at, DefaultPolicy)
	return Terms{p, version}, err
}

// SetPolicy stores a new version of the policy. Who may do it is the caller's business; the acknowledgement is
// checked here.
func SetPolicy(ctx context.Context, tx *store.Tx, p Policy, by base.Actor, reason string) (Terms, error) {
	if !p.Risky() {
		p.Acknowledgement = ""
	}
	version, err := setting.Put(ctx, tx, setting.Change{Name: PolicyName, Value: p, Actor: by, Reason: reason})
	return Terms{p, version}, err
}
