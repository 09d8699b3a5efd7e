// Package distributor owns the people who promote: levels with rights and duties, applications, admission, suspension,
// uplines, territory contracts and real names.
package distributor

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// Status is where a distributor stands.
type Status string

const (
	Active    Status = "active"
	Suspended Status = "suspended" // binds nobody; new orders earn nothing
	Closed    Status = "closed"    // for good; what was earned may be withdrawn
)

// moves is the whole life of a distributor. What is not here cannot happen.
var moves = map[Status][]Status{
	Active:    {Suspended, Closed},
	Suspended: {Active, Closed},
}

// Valid says whether the status is one of the three.
func (s Status) Valid() bool { return s == Active || s == Suspended || s == Closed }

// CanBecome says whether a distributor may go from s to the status to.
func (s Status) CanBecome(to Status) bool { return slices.Contains(moves[s], to) }

// Distributor is a customer who was admitted to promote. Names and ID numbers are sealed.
type Distributor struct {
	ID               base.DistributorID
	Customer         base.CustomerID
	Level            Level
	Status           Status
	Upline           base.DistributorID // 0: none
	Application      base.ApplicationID
	AgreementVersion string
	AgreedMs         int64
	AdmittedMs       int64
	StatusMs         int64 // when the status was reached
	RealNameEnc      string
	IDNoEnc          string
	IDNoHash         string
	NamedMs          int64 // when a real name was given first; 0: none yet
	NameChangedMs    int64 // when it was last replaced by another one: a risk sign; 0: never
	Version          int
}

// Earns says whether orders placed now may earn this distributor something.
func (d Distributor) Earns() bool { return d.Status == Active }

// HasRealName says whether a real name was given.
func (d Distributor) HasRealName() bool { return d.RealNameEnc != "" }

type row struct {
	ID               base.DistributorID `db:"id"`
	Customer         base.CustomerID    `db:"customer_id"`
	LevelID          base.LevelID       `db:"level_id"`
	Status           Status             `db:"status"`
	Upline           base.DistributorID `db:"upline_id"`
	Application      base.ApplicationID `db:"application_id"`
	AgreementVersion string             `db:"agreement_version"`
	AgreedMs         int64              `db:"agreed_ms"`
	AdmittedMs       int64              `db:"admitted_ms"`
	StatusMs         int64              `db:"status_ms"`
	RealNameEnc      string             `db:"real_name_enc"`
	IDNoEnc          string             `db:"id_no_enc"`
	IDNoHash         string             `db:"id_no_hash"`
	NamedMs          int64              `db:"named_ms"`
	NameChangedMs    int64              `db:"name_changed_ms"`
	Version          int                `db:"version"`
}

const (
	columns = `id, customer_id, level_id, status, upline_id, application_id, agreement_version, agreed_ms, admitted_ms,
status_ms, real_name_enc, id_no_enc, id_no_hash, named_ms, name_changed_ms, version`
	byIDSQL       = `SELECT ` + columns + ` FROM distributor WHERE id = ?`
	lockSQL       = byIDSQL + ` /*! FOR UPDATE */`
	byCustomerSQL = `SELECT ` + columns + ` FROM distributor WHERE customer_id = ?`
	listSQL       = `SELECT ` + columns + ` FROM distributor
WHERE (? = '' OR status = ?) AND (? = 0 OR level_id = ?) AND (? = 0 OR upline_id = ?)
ORDER BY id DESC LIMIT ? OFFSET ?`
	countSQL = `SELECT COUNT(*) FROM distributor
WHERE (? = '' OR status = ?) AND (? = 0 OR level_id = ?) AND (? = 0 OR upline_id = ?)`
	insertSQL = `
INSERT INTO distributor (id, customer_id, level_id, status, upline_id, application_id, agreement_version, agreed_ms,
admitted_ms, status_ms, real_name_enc, id_no_enc, id_no_hash, named_ms, name_changed_ms, version)
VALUES (:id, :customer_id, :level_id, :status, :upline_id, :application_id, :agreement_version, :agreed_ms,
:admitted_ms, :status_ms, :real_name_enc, :id_no_enc, :id_no_hash, :named_ms, :name_changed_ms, :version)`
	statusSQL = `UPDATE distributor SET status = ?, status_ms = ?, version = version + 1 WHERE id = ? AND status = ?`
	levelSQL  = `UPDATE distributor SET level_id = ?, version = version + 1 WHERE id = ? AND version = ?`
)

// What this package refuses.
var (
	ErrNotFound = errs.E(errs.NotFound, "distributor.not_found", "没有找到该分销员", errs.EN("There is no such distributor."))
	ErrNone     = errs.E(errs.Forbidden, "distributor.not_admitted", "您还不是分销员，请先提交申请",
		errs.EN("You are not a distributor yet. Please apply first."))
	ErrExists = errs.E(errs.Conflict, "distributor.already_admitted", "您已经是分销员，无需再次申请",
		errs.EN("You are a distributor already."))
	ErrMoved = errs.E(errs.Conflict, "distributor.status_moved", "该分销员的状态已变化，请刷新后再试",
		errs.EN("The distributor's status has changed meanwhile. Reload and try again."))
	ErrChanged = errs.E(errs.Conflict, "distributor.changed", "该分销员的资料刚被他人修改，请刷新后再试",
		errs.EN("Somebody else has just changed this distributor. Reload and try again."))
	ErrSuspended = errs.E(errs.Forbidden, "distributor.suspended", "您的分销资格已暂停，请联系客服",
		errs.EN("Your distributor account is suspended. Please contact customer service."))
	ErrClosed = errs.E(errs.Forbidden, "distributor.closed", "您的分销资格已终止，仍可提现已结算的佣金",
		errs.EN("Your distributor account is closed. What is settled can still be withdrawn."))
)

// MustBeActive returns nil for an active distributor, else the refusal that tells the person why.
func (d Distributor) MustBeActive() error {
	switch d.Status {
	case Active:
		return nil
	case Suspended:
		return ErrSuspended
	default:
		return ErrClosed
	}
}

// Get returns a distributor with the level, or ErrNotFound.
func Get(ctx context.Context, q store.Q, id base.DistributorID) (Distributor, error) {
	return one(ctx, q, byIDSQL, id)
}

// Lock returns a distributor and keeps the row locked until the transaction ends.
func Lock(ctx context.Context, tx *store.Tx, id base.DistributorID) (Distributor, error) {
	return one(ctx, tx, lockSQL, id)
}

// ByCustomer returns the distributor that a customer is, of any status, and whether there is one.
func ByCustomer(ctx context.Context, q store.Q, customer base.CustomerID) (Distributor, bool, error) {
	d, err := one(ctx, q, byCustomerSQL, customer)
	if errs.CodeOf(err) == ErrNotFound.Code {
		return Distributor{}, false, nil
	}
	return d, err == nil, err
}

func one(ctx context.Context, q store.Q, query string, arg any) (Distributor, error) {
	var r row
	err := q.Get(ctx, &r, query, arg)
	if store.NotFound(err) {
		return Distributor{}, ErrNotFound
	}
	if err != nil {
		return Distributor{}, fmt.Errorf("read distributor: %w", err)
	}
	level, err := LevelOf(ctx, q, r.LevelID)
	if err != nil {
		return Distributor{}, err
	}
	return r.with(level), nil
}

func (r row) with(level Level) Distributor {
	return Distributor{
		ID: r.ID, Customer: r.Customer, Level: level, Status: r.Status, Upline: r.Upline, Application: r.Application,
		AgreementVersion: r.AgreementVersion, AgreedMs: r.AgreedMs, AdmittedMs: r.AdmittedMs, StatusMs: r.StatusMs,
		RealNameEnc: r.RealNameEnc, IDNoEnc: r.IDNoEnc, IDNoHash: r.IDNoHash, NamedMs: r.NamedMs,
		NameChangedMs: r.NameChangedMs, Version: r.Version,
	}
}

// Filter says which distributors to list; zero values do not restrict.
type Filter struct {
	Status Status
	Level  base.LevelID
	Upline base.DistributorID
	Offset int
	Limit  int
}

// List returns distributors, newest first.
func List(ctx context.Context, q store.Q, f Filter) ([]Distributor, error) {
	var rows []row
	err := q.Select(ctx, &rows, listSQL, f.Status, f.Status, f.Level, f.Level, f.Upline, f.Upline, f.Limit, f.Offset)
	if err != nil {
		return nil, fmt.Errorf("list distributors: %w", err)
	}
	levels, err := Levels(ctx, q)
	if err != nil {
		return nil, err
	}
	byID := make(map[base.LevelID]Level, len(levels))
	for _, l := range levels {
		byID[l.ID] = l
	}
	out := make([]Distributor, len(rows))
	for i, r := range rows {
		out[i] = r.with(byID[r.LevelID])
	}
	return out, nil
}

// Count counts what List would list without offset and limit.
func Count(ctx context.Context, q store.Q, f Filter) (n int64, err error) {
	err = q.Get(ctx, &n, countSQL, f.Status, f.Status, f.Level, f.Level, f.Upline, f.Upline)
	if err != nil {
		return 0, fmt.Errorf("count distributors: %w", err)
	}
	return n, nil
}

// Admission makes a customer a distributor.
type Admission struct {
	ID               base.DistributorID // minted by the caller
	Customer         base.CustomerID
	Level            base.LevelID
	Upline           base.DistributorID // who invited; 0: nobody. A new distributor has no downline, so no cycle can arise
	Application      base.ApplicationID // 0: admitted without one
	AgreementVersion string
	AgreedMs         int64
	By               base.Actor
}

// Admit writes the distributor and the history. The wallet is opened by the caller, in the same transaction.
func Admit(ctx context.Context, tx *store.Tx, a Admission) error {
	r := row{
		ID: a.ID, Customer: a.Customer, LevelID: a.Level, Status: Active, Upline: a.Upline, Application: a.Application,
		AgreementVersion: a.AgreementVersion, AgreedMs: a.AgreedMs, AdmittedMs: tx.NowMs(), StatusMs: tx.NowMs(), Version: 1,
	}
	err := tx.Insert(ctx, insertSQL, r)
	if store.IsDup(err) {
		return ErrExists
	}
	if err != nil {
		return fmt.Errorf("write distributor: %w", err)
	}
	return record(ctx, tx, Change{Distributor: a.ID, Kind: ChangeAdmitted, To: a.Level.String(), By: a.By})
}

// Move is a change of status.
type Move struct {
	ID       base.DistributorID
	From, To Status
	By       base.Actor
	Reason   string
}

// SetStatus moves a distributor from one status to another. Of two callers that move it at once, one gets ErrMoved; so
// does a move that cannot happen.
func SetStatus(ctx context.Context, tx *store.Tx, m Move) error {
	if !m.From.CanBecome(m.To) {
		return ErrMoved
	}
	ok, err := tx.ExecOne(ctx, statusSQL, m.To, tx.NowMs(), m.ID, m.From)
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if !ok {
		return ErrMoved
	}
	return record(ctx, tx, Change{Distributor: m.ID, Kind: ChangeStatus, From: string(m.From), To: string(m.To), By: m.By, Reason: m.Reason})
}

// LevelChange gives a distributor another level.
type LevelChange struct {
	ID       base.DistributorID
	Version  int // of the distributor, as the caller saw it
	From, To Level
	By       base.Actor
	Reason   string
}

// SetLevel changes the level from the next order on. A version that has moved is ErrChanged; a level out of use is
// ErrLevelInactive.
func SetLevel(ctx context.Context, tx *store.Tx, c LevelChange) error {
	if !c.To.Active {
		return ErrLevelInactive
	}
	ok, err := tx.ExecOne(ctx, levelSQL, c.To.ID, c.ID, c.Version)
	if err != nil {
		return fmt.Errorf("write level: %w", err)
	}
	if !ok {
		return ErrChanged
	}
	return record(ctx, tx, Change{Distributor: c.ID, Kind: ChangeLevel, From: c.From.ID.String(), To: c.To.ID.String(), By: c.By, Reason: c.Reason})
}
