package commission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// Status is where a rule version stands. Whether it is in force follows from its window.
type Status string

const (
	StatusDraft     Status = "draft"
	StatusAwaiting  Status = "awaiting" // a second person
	StatusPublished Status = "published"
	StatusRetired   Status = "retired"
	StatusDiscarded Status = "discarded"
)

// statusMoves is the whole life of a rule version.
var statusMoves = map[Status][]Status{
	StatusDraft:     {StatusAwaiting, StatusPublished, StatusDiscarded},
	StatusAwaiting:  {StatusPublished, StatusDiscarded},
	StatusPublished: {StatusRetired},
}

func canMove[S comparable](moves map[S][]S, from, to S) bool { return slices.Contains(moves[from], to) }

var (
	// ErrRuleMoved says that the rule version is no longer where the caller believed it to be.
	ErrRuleMoved = errs.E(errs.Conflict, "commission.rule_moved", "该规则版本的状态已变化，请刷新查看", errs.EN("This rule version has moved on. Reload."))
	// ErrRuleKey says that a new version is about something else than its rule.
	ErrRuleKey = errs.E(errs.Invalid, "commission.rule_other_subject", "新版本的适用范围、等级和收款方须与原规则一致；要改变它们请新建规则",
		errs.EN("A new version keeps scope, level and payee of its rule. For others make a new rule."))
	// ErrRuleOver says that the rule would end before it starts.
	ErrRuleOver = errs.E(errs.Invalid, "commission.rule_over", "规则的结束时间早于生效时间，请修改后再发布", errs.EN("The rule would end before it starts."))
)

const (
	ruleColumns = `id, rule_key, version, name, scope_kind, scope_id, category, level_id, payee, kind, rate_bp, amount_fen, priority,
	from_ms, until_ms, status, gate, created_ms, created_by, asked_by, published_ms, published_by`
	insertRuleSQL = `INSERT INTO commission_rule (` + ruleColumns + `) VALUES (:id, :rule_key, :version, :name, :scope_kind, :scope_id, :category,
	:level_id, :payee, :kind, :rate_bp, :amount_fen, :priority, :from_ms, :until_ms, :status, :gate, :created_ms, :created_by, :asked_by, :published_ms, :published_by)`
	ruleSQL       = `SELECT ` + ruleColumns + ` FROM commission_rule WHERE id = ?`
	versionsSQL   = `SELECT ` + ruleColumns + ` FROM commission_rule WHERE rule_key = ? ORDER BY version DESC`
	listRulesSQL  = `SELECT ` + ruleColumns + ` FROM commission_rule WHERE (? = '' OR status = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?`
	allInForceSQL = `SELECT ` + ruleColumns + ` FROM commission_rule WHERE published_ms > 0 AND from_ms <= ? AND (until_ms = 0 OR until_ms > ?)
  AND payee = ? AND (level_id = 0 OR level_id = ?)`
	moveRuleSQL = `UPDATE commission_rule SET status = ?, gate = ?, asked_by = ?, from_ms = ?, until_ms = ?, published_ms = ?, published_by = ? WHERE id = ? AND status = ?`
	// supersedeSQL ends the other versions of a rule where a new one begins; one that was to begin later never does.
	supersedeSQL = `UPDATE commission_rule SET until_ms = CASE WHEN from_ms > ? THEN from_ms ELSE ? END
WHERE rule_key = ? AND id <> ? AND published_ms > 0 AND (until_ms = 0 OR until_ms > ?)`
)

// NewRule is a draft to be stored. Key is the rule it is a new version of; 0 makes a new rule.
type NewRule struct {
	ID    base.RuleID
	Key   base.RuleID
	Draft Draft
	By    base.Actor
}

// CreateDraft stores a rule version that is not in force. With an id that is there already it returns that one.
func CreateDraft(ctx context.Context, tx *store.Tx, in NewRule) (Rule, error) {
	if there, err := RuleByID(ctx, tx, in.ID); err == nil || errs.CodeOf(err) != ErrNotFound.Code {
		return there, err
	}
	d := in.Draft
	if err := d.Validate(); err != nil {
		return Rule{}, err
	}
	terms, err := TermsAt(ctx, tx, tx.Now())
	if err != nil {
		return Rule{}, err
	}
	if err := terms.Allowed(d.Payee, d.Kind); err != nil {
		return Rule{}, err
	}
	r := Rule{
		ID: in.ID, Key: in.ID, Version: 1, Name: strings.TrimSpace(d.Name), ScopeKind: d.ScopeKind, ScopeID: d.scopeID(), Category: d.Category,
		Level: d.Level, Payee: d.Payee, Kind: d.Kind, Rate: d.Rate, Amount: d.Amount, Priority: d.Priority,
		Status: StatusDraft, CreatedMs: tx.NowMs(), CreatedBy: in.By.String(),
	}
	if d.From != nil {
		r.FromMs = base.Ms(*d.From)
	}
	if d.Until != nil {
		r.UntilMs = base.Ms(*d.Until)
	}
	if in.Key != 0 {
		if err := versionOf(ctx, tx, in.Key, &r); err != nil {
			return Rule{}, err
		}
	}
	err = tx.Insert(ctx, insertRuleSQL, r)
	if store.IsDup(err) {
		return Rule{}, ErrRuleMoved
	}
	return r, err
}

// versionOf makes r the next version of a rule.
func versionOf(ctx context.Context, tx *store.Tx, key base.RuleID, r *Rule) error {
	versions, err := Versions(ctx, tx, key)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return ErrNotFound
	}
	last := versions[0]
	if last.Scope() != r.Scope() || last.Level != r.Level || last.Payee != r.Payee {
		return ErrRuleKey
	}
	r.Key, r.Version = key, last.Version+1
	return nil
}

// RuleByID reads one version of a rule.
func RuleByID(ctx context.Context, q store.Q, id base.RuleID) (Rule, error) {
	var r Rule
	err := q.Get(ctx, &r, ruleSQL, id)
	if store.NotFound(err) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read rule %s: %w", id, err)
	}
	return r, nil
}

// Versions lists the versions of a rule, newest first.
func Versions(ctx context.Context, q store.Q, key base.RuleID) ([]Rule, error) {
	var rules []Rule
	err := q.Select(ctx, &rules, versionsSQL, key)
	return rules, err
}

// Rules lists rule versions, newest first, at most 101.
func Rules(ctx context.Context, q store.Q, status Status, before base.RuleID, limit int) ([]Rule, error) {
	var rules []Rule
	err := q.Select(ctx, &rules, listRulesSQL, status, status, before, before, pageOf(limit))
	return rules, err
}

// Replaces finds what a rule changes: the version of the same rule in force, else the rule that decides now where it
// would decide. False: nothing is paid there now.
func Replaces(ctx context.Context, q store.Q, r Rule, at time.Time) (Rule, bool, error) {
	var rules []Rule
	if err := q.Select(ctx, &rules, allInForceSQL, base.Ms(at), base.Ms(at), r.Payee, r.Level); err != nil {
		return Rule{}, false, fmt.Errorf("read rules in force: %w", err)
	}
	for _, o := range rules {
		if o.Key == r.Key && o.ID != r.ID {
			return o, true, nil
		}
	}
	l := LineInput{Category: r.Category}
	switch r.ScopeKind {
	case ScopeSKU:
		l.SKU = base.SKUID(r.ScopeID)
	case ScopeProduct:
		l.Product = base.ProductID(r.ScopeID)
	}
	prev, ok := pick(rules, Payee{Tier: r.Payee, Level: r.Level}, l)
	return prev, ok && prev.ID != r.ID, nil
}

// Publication is how a rule version gets into force.
type Publication struct {
	By      base.Actor
	Reasons []string // why a second person is needed; none: it is not
}

// Publish puts a rule version into force: at once or at its own start, or, where the gate has reasons, first to a second
// person and then at the next midnight at the earliest. The result's status says which of the two happened.
func Publish(ctx context.Context, tx *store.Tx, r Rule, p Publication) (Rule, error) {
	terms, err := TermsAt(ctx, tx, tx.Now())
	if err != nil {
		return r, err
	}
	if err := terms.Allowed(r.Payee, r.Kind); err != nil {
		return r, err
	}
	from, by := r.Status, p.By.String()
	if from == StatusDraft {
		r.AskedBy, r.Gate = by, strings.Join(p.Reasons, ",")
	}
	switch {
	case from == StatusDraft && len(p.Reasons) > 0:
		return r, moveRule(ctx, tx, &r, from, StatusAwaiting)
	case from == StatusAwaiting && by == r.AskedBy:
		return r, ErrSamePerson
	}
	start := tx.Now()
	if from == StatusAwaiting {
		start = base.DayOf(tx.Now()).End()
	}
	r.FromMs, r.PublishedMs, r.PublishedBy = max(r.FromMs, base.Ms(start)), tx.NowMs(), by
	if r.UntilMs != 0 && r.UntilMs <= r.FromMs {
		return r, ErrRuleOver
	}
	if err := moveRule(ctx, tx, &r, from, StatusPublished); err != nil {
		return r, err
	}
	if _, err := tx.Exec(ctx, supersedeSQL, r.FromMs, r.FromMs, r.Key, r.ID, r.FromMs); err != nil {
		return r, fmt.Errorf("end former versions of rule %s: %w", r.Key, err)
	}
	return r, nil
}

// ErrRuleScheduled says that a version has not begun and that the one before it ends where it begins: retired, it would
// leave a time in which the rule pays nobody.
var ErrRuleScheduled = errs.E(errs.Conflict, "commission.rule_scheduled", "该版本尚未生效，前一版本将在其生效时结束；如需撤回，请按原内容发布一个新版本",
	errs.EN("This version has not begun, and the one before it ends where it begins. To take it back, publish a new version with the former content."))

// Retire ends a published rule version now; a first version that has not begun never does. A draft is discarded instead.
func Retire(ctx context.Context, tx *store.Tx, r Rule) (Rule, error) {
	from := r.Status
	if from != StatusPublished {
		return r, moveRule(ctx, tx, &r, from, StatusDiscarded)
	}
	if r.Version > 1 && r.FromMs > tx.NowMs() {
		return r, ErrRuleScheduled
	}
	if end := max(tx.NowMs(), r.FromMs); r.UntilMs == 0 || r.UntilMs > end {
		r.UntilMs = end
	}
	return r, moveRule(ctx, tx, &r, from, StatusRetired)
}

func moveRule(ctx context.Context, tx *store.Tx, r *Rule, from, to Status) error {
	if !canMove(statusMoves, from, to) {
		return ErrRuleMoved
	}
	ok, err := tx.ExecOne(ctx, moveRuleSQL, to, r.Gate, r.AskedBy, r.FromMs, r.UntilMs, r.PublishedMs, r.PublishedBy, r.ID, from)
	if err == nil && !ok {
		err = ErrRuleMoved
	}
	r.Status = to
	return err
}
