package flow

import (
	"context"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/setting"
)

// reasonMax bounds what an operator writes about a decision, in characters.
const reasonMax = 200

// ErrReason says that a decision needs a reason in words.
var ErrReason = errs.E(errs.Invalid, "request.reason_required", "请填写原因（200 字以内）",
	errs.EN("Give a reason of at most 200 characters."), errs.At("/reason", "invalid", "1 to 200 characters"))

func checkReason(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > reasonMax || !utf8.ValidString(text) {
		return "", ErrReason
	}
	return text, nil
}

// SeedDefaults gives a new shop its levels. What is there already stays as the operators made it.
func (f *Flow) SeedDefaults(ctx context.Context) error {
	levels := distributor.DefaultLevels()
	for i := range levels {
		levels[i].ID = base.LevelID(f.DB.Mint.Next())
	}
	return f.DB.InTx(ctx, "flow.seed_defaults", func(ctx context.Context, tx *store.Tx) error {
		for _, l := range levels {
			_, err := distributor.LevelByCode(ctx, tx, l.Code)
			if errs.CodeOf(err) == distributor.ErrLevelNotFound.Code {
				err = distributor.CreateLevel(ctx, tx, l)
			}
			if err != nil && errs.CodeOf(err) != distributor.ErrLevelCode.Code {
				return err
			}
		}
		return nil
	})
}

// Admission returns how people become distributors now.
func (f *Flow) Admission(ctx context.Context) (distributor.AdmissionPolicy, int, error) {
	return admission(ctx, f.DB.Q(), f.DB.Clock.Now().UnixMilli())
}

func admission(ctx context.Context, q store.Q, nowMs int64) (distributor.AdmissionPolicy, int, error) {
	return setting.Current(ctx, q, distributor.AdmissionSetting, base.Time(nowMs), distributor.DefaultAdmission())
}

// ErrAgreementKept says that a new text was given the version of another one.
var ErrAgreementKept = errs.E(errs.Conflict, "admission.version_kept", "协议内容有变化，请同时更换协议版本号",
	errs.EN("The agreement's text has changed: give it a new version too."))

// PutAdmission stores a new version of how people become distributors, and returns its number.
func (f *Flow) PutAdmission(ctx context.Context, p distributor.AdmissionPolicy, by base.Actor, reason string) (version int, err error) {
	if reason, err = checkReason(reason); err != nil {
		return 0, err
	}
	err = f.DB.InTx(ctx, "flow.put_admission", func(ctx context.Context, tx *store.Tx) error {
		before, _, err := admission(ctx, tx, tx.NowMs())
		if err != nil {
			return err
		}
		if p.AgreementVersion == before.AgreementVersion && p.AgreementText != before.AgreementText {
			return ErrAgreementKept
		}
		level, err := distributor.LevelByCode(ctx, tx, p.LevelCode)
		if err != nil {
			return err
		}
		if !level.Active {
			return distributor.ErrLevelInactive
		}
		version, err = putSetting(ctx, tx, setting.Change{Name: distributor.AdmissionSetting, Value: p, Actor: by, Reason: reason}, before)
		return err
	})
	return version, err
}

// putSetting stores a version of a setting and what it replaces in the audit log.
func putSetting(ctx context.Context, tx *store.Tx, c setting.Change, before any) (version int, err error) {
	if version, err = setting.Put(ctx, tx, c); err != nil {
		return 0, err
	}
	return version, auditlog.Write(ctx, tx, auditlog.Entry{
		ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: c.Actor, Action: "setting.put", Object: c.Name, Before: before, After: c.Value, Reason: c.Reason,
	})
}

// ErrAgreement says that another version of the agreement has to be accepted.
var ErrAgreement = errs.E(errs.Conflict, "application.agreement_outdated", "分销协议已更新，请阅读并同意最新版本后再提交",
	errs.EN("The agreement has changed. Read and accept the present version, then apply again."))

// ApplyInput is a customer's wish to become a distributor.
type ApplyInput struct {
	ID               base.ApplicationID // minted by the caller, who keeps it for every retry
	Customer         base.CustomerID
	AgreementVersion string // that the customer accepted just now
	InviterCode      string // scene, link or code of who invited; empty or not working: nobody
}

// Apply stores an application. With auto-approval the customer is a distributor when it returns. The id of an
// application that is there already returns that one.
func (f *Flow) Apply(ctx context.Context, in ApplyInput) (a distributor.Application, err error) {
	newID := base.DistributorID(f.DB.Mint.Next())
	err = f.DB.InTx(ctx, "flow.apply", func(ctx context.Context, tx *store.Tx) error {
		a, err = distributor.ApplicationOf(ctx, tx, in.ID)
		if err == nil && a.Customer == in.Customer || errs.CodeOf(err) != distributor.ErrApplicationNotFound.Code && err != nil {
			return err
		}
		if err := f.apply(ctx, tx, in, newID); err != nil {
			return err
		}
		a, err = distributor.ApplicationOf(ctx, tx, in.ID)
		return err
	})
	return a, err
}

func (f *Flow) apply(ctx context.Context, tx *store.Tx, in ApplyInput, newID base.DistributorID) error {
	if _, err := crm.Lock(ctx, tx, in.Customer); err != nil {
		return err
	}
	_, is, err := distributor.ByCustomer(ctx, tx, in.Customer)
	if err != nil {
		return err
	}
	if is {
		return distributor.ErrExists
	}
	policy, _, err := admission(ctx, tx, tx.NowMs())
	if err != nil {
		return err
	}
	if in.AgreementVersion != policy.AgreementVersion {
		return ErrAgreement
	}
	upline, err := inviter(ctx, tx, in.InviterCode)
	if err != nil {
		return err
	}
	err = distributor.Apply(ctx, tx, distributor.Application{
		ID: in.ID, Customer: in.Customer, Upline: upline, AgreementVersion: in.AgreementVersion, AgreedMs: tx.NowMs(),
	})
	if err != nil || !policy.AutoApprove {
		return err
	}
	_, err = f.admit(ctx, tx, DecideApplication{ID: in.ID, By: base.System, Reason: "自动通过"}, newID)
	return err
}

// inviter returns the active distributor whose working code it is, or 0.
func inviter(ctx context.Context, tx *store.Tx, raw string) (base.DistributorID, error) {
	text, ok := attribution.DecodeScene(raw)
	if !ok {
		return 0, nil
	}
	code, err := attribution.CodeByText(ctx, tx, text)
	if errs.CodeOf(err) == attribution.ErrCodeNotFound.Code {
		return 0, nil
	}
	if err != nil || !code.Works(tx.Now()) {
		return 0, err
	}
	d, err := distributor.Get(ctx, tx, code.Distributor)
	if err != nil || !d.Earns() {
		return 0, err
	}
	return d.ID, nil
}

// DecideApplication is an operator's word about an application.
type DecideApplication struct {
	ID     base.ApplicationID
	By     base.Actor
	Reason string // needed to reject
}

// Approve makes the applicant a distributor, with a wallet. Of two decisions at once one wins.
func (f *Flow) Approve(ctx context.Context, in DecideApplication) (d distributor.Distributor, err error) {
	newID := base.DistributorID(f.DB.Mint.Next())
	err = f.DB.InTx(ctx, "flow.approve", func(ctx context.Context, tx *store.Tx) error {
		d, err = f.admit(ctx, tx, in, newID)
		return err
	})
	return d, err
}

func (f *Flow) admit(ctx context.Context, tx *store.Tx, in DecideApplication, newID base.DistributorID) (distributor.Distributor, error) {
	none := distributor.Distributor{}
	a, err := distributor.ApplicationOf(ctx, tx, in.ID)
	if err != nil {
		return none, err
	}
	decision := distributor.Decision{ID: a.ID, To: distributor.Approved, By: in.By, Reason: in.Reason, Distributor: newID}
	if err := distributor.Decide(ctx, tx, decision); err != nil {
		return none, err
	}
	policy, _, err := admission(ctx, tx, tx.NowMs())
	if err != nil {
		return none, err
	}
	level, err := distributor.LevelByCode(ctx, tx, policy.LevelCode)
	if err != nil {
		return none, err
	}
	upline, err := stillActive(ctx, tx, a.Upline)
	if err != nil {
		return none, err
	}
	err = distributor.Admit(ctx, tx, distributor.Admission{
		ID: newID, Customer: a.Customer, Level: level.ID, Upline: upline, Application: a.ID,
		AgreementVersion: a.AgreementVersion, AgreedMs: a.AgreedMs, By: in.By,
	})
	if err != nil {
		return none, err
	}
	if err := ledger.OpenWallet(ctx, tx, newID); err != nil {
		return none, err
	}
	err = auditlog.Write(ctx, tx, auditlog.Entry{
		ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "application.approve", Object: a.ID.String(), Reason: in.Reason,
		After: map[string]any{"distributor": newID, "customer": a.Customer, "level": level.Code, "upline": upline},
	})
	if err != nil {
		return none, err
	}
	return distributor.Get(ctx, tx, newID)
}

// stillActive returns the distributor if active, else 0: nobody is invited by somebody who may not promote.
func stillActive(ctx context.Context, q store.Q, id base.DistributorID) (base.DistributorID, error) {
	if id == 0 {
		return 0, nil
	}
	d, err := distributor.Get(ctx, q, id)
	if err != nil || !d.Earns() {
		return 0, err
	}
	return id, nil
}

// Reject ends an application with a reason, which the applicant reads.
func (f *Flow) Reject(ctx context.Context, in DecideApplication) (err error) {
	if in.Reason, err = checkReason(in.Reason); err != nil {
		return err
	}
	return f.DB.InTx(ctx, "flow.reject", func(ctx context.Context, tx *store.Tx) error {
		if _, err := distributor.ApplicationOf(ctx, tx, in.ID); err != nil {
			return err
		}
		err := distributor.Decide(ctx, tx, distributor.Decision{ID: in.ID, To: distributor.Rejected, By: in.By, Reason: in.Reason})
		if err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "application.reject", Object: in.ID.String(), Reason: in.Reason,
		})
	})
}
