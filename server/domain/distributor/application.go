package distributor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// ApplicationState is where an application stands.
type ApplicationState string

const (
	Pending  ApplicationState = "pending"
	Approved ApplicationState = "approved"
	Rejected ApplicationState = "rejected" // the customer may apply again
)

// applicationMoves is the whole life of an application.
var applicationMoves = map[ApplicationState][]ApplicationState{Pending: {Approved, Rejected}}

// CanBecome says whether an application may go from s to the state to.
func (s ApplicationState) CanBecome(to ApplicationState) bool {
	return slices.Contains(applicationMoves[s], to)
}

// Application is a customer's wish to become a distributor, with the agreement that was accepted and when.
type Application struct {
	ID               base.ApplicationID `db:"id"`
	Customer         base.CustomerID    `db:"customer_id"`
	OpenCustomer     *int64             `db:"open_customer_id"` // the customer while it is pending: at most one
	State            ApplicationState   `db:"state"`
	Upline           base.DistributorID `db:"upline_id"` // who invited, by code; 0: nobody
	AgreementVersion string             `db:"agreement_version"`
	AgreedMs         int64              `db:"agreed_ms"`
	MadeMs           int64              `db:"made_ms"`
	DecidedMs        int64              `db:"decided_ms"`
	DecidedBy        string             `db:"decided_by"`
	Reason           string             `db:"reason"`
	Distributor      base.DistributorID `db:"distributor_id"` // whom it made; 0: nobody
}

const (
	applicationColumns = `id, customer_id, open_customer_id, state, upline_id, agreement_version, agreed_ms, made_ms,
decided_ms, decided_by, reason, distributor_id`
	applicationByIDSQL   = `SELECT ` + applicationColumns + ` FROM distributor_application WHERE id = ?`
	applicationLatestSQL = `SELECT ` + applicationColumns + ` FROM distributor_application WHERE customer_id = ? ORDER BY id DESC LIMIT 1`
	applicationListSQL   = `SELECT ` + applicationColumns + ` FROM distributor_application
WHERE (? = '' OR state = ?) ORDER BY id DESC LIMIT ? OFFSET ?`
	applicationCountSQL  = `SELECT COUNT(*) FROM distributor_application WHERE (? = '' OR state = ?)`
	applicationInsertSQL = `
INSERT INTO distributor_application (id, customer_id, open_customer_id, state, upline_id, agreement_version, agreed_ms,
made_ms, decided_ms, decided_by, reason, distributor_id)
VALUES (:id, :customer_id, :open_customer_id, :state, :upline_id, :agreement_version, :agreed_ms,
:made_ms, :decided_ms, :decided_by, :reason, :distributor_id)`
	applicationMoveSQL = `
UPDATE distributor_application SET state = ?, open_customer_id = NULL, decided_ms = ?, decided_by = ?, reason = ?,
distributor_id = ? WHERE id = ? AND state = ?`
)

// What this package refuses about applications.
var (
	ErrApplicationNotFound = errs.E(errs.NotFound, "application.not_found", "没有找到该申请", errs.EN("There is no such application."))
	ErrApplicationPending  = errs.E(errs.Conflict, "application.pending", "您的申请正在审核中，请耐心等待",
		errs.EN("Your application is being reviewed. Please wait."))
	ErrApplicationDecided = errs.E(errs.Conflict, "application.decided", "该申请已处理，请刷新后查看",
		errs.EN("The application has been decided already. Reload to see."))
)

// Apply stores a pending application. The second of two at once is ErrApplicationPending.
func Apply(ctx context.Context, tx *store.Tx, a Application) error {
	open := int64(a.Customer)
	a.OpenCustomer, a.State, a.MadeMs = &open, Pending, tx.NowMs()
	err := tx.Insert(ctx, applicationInsertSQL, a)
	if store.IsDup(err) {
		return ErrApplicationPending
	}
	if err != nil {
		return fmt.Errorf("write application: %w", err)
	}
	return nil
}

// ApplicationOf returns an application, or ErrApplicationNotFound.
func ApplicationOf(ctx context.Context, q store.Q, id base.ApplicationID) (Application, error) {
	var a Application
	err := q.Get(ctx, &a, applicationByIDSQL, id)
	if store.NotFound(err) {
		return Application{}, ErrApplicationNotFound
	}
	if err != nil {
		return Application{}, fmt.Errorf("read application: %w", err)
	}
	return a, nil
}

// LatestApplication returns a customer's newest application and whether there is one.
func LatestApplication(ctx context.Context, q store.Q, customer base.CustomerID) (Application, bool, error) {
	var a Application
	err := q.Get(ctx, &a, applicationLatestSQL, customer)
	if store.NotFound(err) {
		return Application{}, false, nil
	}
	if err != nil {
		return Application{}, false, fmt.Errorf("read application: %w", err)
	}
	return a, true, nil
}

// Decision ends an application.
type Decision struct {
	ID          base.ApplicationID
	To          ApplicationState
	By          base.Actor
	Reason      string
	Distributor base.DistributorID // for Approved: whom it makes
}

// Decide moves a pending application to its end. Of two that decide at once, one gets ErrApplicationDecided.
func Decide(ctx context.Context, tx *store.Tx, d Decision) error {
	if !Pending.CanBecome(d.To) {
		return ErrApplicationDecided
	}
	ok, err := tx.ExecOne(ctx, applicationMoveSQL, d.To, tx.NowMs(), d.By.String(), d.Reason, d.Distributor, d.ID, Pending)
	if err != nil {
		return fmt.Errorf("write application: %w", err)
	}
	if !ok {
		return ErrApplicationDecided
	}
	return nil
}

// Window is a part of a list: Limit rows after the first Offset.
type Window struct{ Offset, Limit int }

// Applications lists applications of a state ("": all), newest first.
func Applications(ctx context.Context, q store.Q, state ApplicationState, w Window) ([]Application, error) {
	var rows []Application
	if err := q.Select(ctx, &rows, applicationListSQL, state, state, w.Limit, w.Offset); err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	return rows, nil
}

// CountApplications counts applications of a state ("": all).
func CountApplications(ctx context.Context, q store.Q, state ApplicationState) (n int64, err error) {
	if err := q.Get(ctx, &n, applicationCountSQL, state, state); err != nil {
		return 0, fmt.Errorf("count applications: %w", err)
	}
	return n, nil
}

// AdmissionSetting is the name of the setting of type AdmissionPolicy.
const AdmissionSetting = "distributor_admission"

// AdmissionPolicy says how people become distributors.
type AdmissionPolicy struct {
	AgreementVersion string `json:"agreement_version"` // what an application has to accept
	AgreementText    string `json:"agreement_text"`    // shown before accepting; a new text takes a new version
	AutoApprove      bool   `json:"auto_approve"`
	LevelCode        string `json:"level_code"` // of the newly admitted
}

// DefaultAdmission is in force until an operator stores another.
func DefaultAdmission() AdmissionPolicy {
	return AdmissionPolicy{
		AgreementVersion: "2026-01",
		AgreementText: "一、加入免费，无需购买商品或缴纳任何费用。二、佣金仅来自您本人推广成交的商品，不因邀请他人加入而获得报酬。" +
			"三、如实介绍商品，不虚假宣传、不刷单。四、佣金在商品签收且售后期满后结算，发生退款的相应佣金会被冲回。" +
			"五、平台依法代扣代缴税款。六、违反约定的，平台可暂停或终止分销资格，已结算的佣金仍可提现。",
		LevelCode: Ordinary,
	}
}

const (
	agreementVersionMax = 32     // bytes
	agreementTextMax    = 20_000 // runes
)

// Validate checks the policy by itself; that the level exists is checked where it is stored.
func (p AdmissionPolicy) Validate() error {
	e := errs.E(errs.Invalid, "admission.invalid", "分销员准入设置有误，请检查标出的项目", errs.EN("Something about the admission setting is wrong; see the fields."))
	if v := p.AgreementVersion; v == "" || len(v) > agreementVersionMax || strings.TrimSpace(v) != v {
		errs.At("/agreement_version", "invalid", "1 to 32 characters")(e)
	}
	if n := utf8.RuneCountInString(p.AgreementText); n == 0 || n > agreementTextMax || !utf8.ValidString(p.AgreementText) {
		errs.At("/agreement_text", "invalid", "1 to 20000 characters")(e)
	}
	if !levelCode.MatchString(p.LevelCode) {
		errs.At("/level_code", "invalid", "the code of a level")(e)
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}
