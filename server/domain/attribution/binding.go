package attribution

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// Binding ties a customer to a distributor. At most one of a customer's is active: its active_customer_id is the
// customer, which is unique, and NULL once it has ended.
type Binding struct {
	ID             base.BindingID     `db:"id"`
	Customer       base.CustomerID    `db:"customer_id"`
	ActiveCustomer *int64             `db:"active_customer_id"`
	Distributor    base.DistributorID `db:"distributor_id"`
	SinceMs        int64              `db:"since_ms"`
	AnchorMs       int64              `db:"anchor_ms"` // the start, or the last order since: what protection and lapse count from
	EndedMs        int64              `db:"ended_ms"`
	EndReason      Reason             `db:"end_reason"`
	Touch          base.TouchID       `db:"touch_id"` // that made it
	PolicyVersion  int                `db:"policy_version"`
	Reason         Reason             `db:"reason"`
}

// Anchor is what protection and lapse count from.
func (b Binding) Anchor() time.Time { return base.Time(b.AnchorMs) }

const (
	bindingColumns = `id, customer_id, active_customer_id, distributor_id, since_ms, anchor_ms, ended_ms, end_reason, touch_id, policy_version, reason`

	bindingActiveSQL = `SELECT ` + bindingColumns + ` FROM binding WHERE active_customer_id = ?`
	bindingByIDSQL   = `SELECT ` + bindingColumns + ` FROM binding WHERE id = ?`
	bindingInsertSQL = `INSERT INTO binding (` + bindingColumns + `)
VALUES (:id, :customer_id, :active_customer_id, :distributor_id, :since_ms, :anchor_ms, :ended_ms, :end_reason, :touch_id, :policy_version, :reason)`
	bindingEndSQL     = `UPDATE binding SET active_customer_id = NULL, ended_ms = ?, end_reason = ? WHERE id = ? AND active_customer_id = ?`
	bindingRefreshSQL = `UPDATE binding SET anchor_ms = ? WHERE active_customer_id = ? AND anchor_ms < ?`
	boundCountSQL     = `SELECT COUNT(*) FROM binding WHERE distributor_id = ? AND active_customer_id IS NOT NULL`
)

// ActiveRow returns a customer's binding that has not been ended, and whether there is one. By the policy in force it
// may have lapsed; BindingOf looks at that too.
func ActiveRow(ctx context.Context, q store.Q, customer base.CustomerID) (Binding, bool, error) {
	return oneBinding(ctx, q, bindingActiveSQL, customer)
}

// BindingOf returns the binding in force at an instant, and whether there is one.
func BindingOf(ctx context.Context, q store.Q, customer base.CustomerID, at time.Time) (Binding, bool, error) {
	b, ok, err := ActiveRow(ctx, q, customer)
	if err != nil || !ok {
		return Binding{}, false, err
	}
	policy, _, err := CurrentPolicy(ctx, q, at)
	if err != nil || policy.Lapsed(b, at) {
		return Binding{}, false, err
	}
	return b, true, nil
}

func oneBinding(ctx context.Context, q store.Q, query string, arg any) (Binding, bool, error) {
	var b Binding
	err := q.Get(ctx, &b, query, arg)
	if store.NotFound(err) {
		return Binding{}, false, nil
	}
	if err != nil {
		return Binding{}, false, fmt.Errorf("read binding: %w", err)
	}
	return b, true, nil
}

// CountBound counts the customers bound to a distributor, lapsed ones that nothing has ended yet among them.
func CountBound(ctx context.Context, q store.Q, d base.DistributorID) (n int, err error) {
	if err := q.Get(ctx, &n, boundCountSQL, d); err != nil {
		return 0, fmt.Errorf("count bindings: %w", err)
	}
	return n, nil
}

func endBinding(ctx context.Context, tx *store.Tx, b Binding, reason Reason) error {
	ok, err := tx.ExecOne(ctx, bindingEndSQL, tx.NowMs(), reason, b.ID, b.Customer)
	if err != nil {
		return fmt.Errorf("end binding: %w", err)
	}
	if !ok {
		return fmt.Errorf("end binding %s: it is not active", b.ID)
	}
	return nil
}

// OrderPlaced moves what protection and lapse of the customer's binding count from to the order. A binding that has
// lapsed by then is ended instead.
func OrderPlaced(ctx context.Context, tx *store.Tx, customer base.CustomerID, at time.Time) error {
	b, ok, err := ActiveRow(ctx, tx, customer)
	if err != nil || !ok {
		return err
	}
	policy, _, err := CurrentPolicy(ctx, tx, at)
	if err != nil {
		return err
	}
	if policy.Lapsed(b, at) {
		// Somebody else may have ended it since we looked: then there is nothing left to do.
		_, err := tx.ExecOne(ctx, bindingEndSQL, tx.NowMs(), EndedLapsed, b.ID, customer)
		return err
	}
	if _, err := tx.Exec(ctx, bindingRefreshSQL, base.Ms(at), customer, base.Ms(at)); err != nil {
		return fmt.Errorf("refresh binding: %w", err)
	}
	return nil
}
