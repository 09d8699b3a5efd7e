package view

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// Payee is what paying a distributor needs to know. Name and openid are never logged.
type Payee struct {
	Distributor   base.DistributorID `db:"id"`
	Customer      base.CustomerID    `db:"customer_id"`
	Status        string             `db:"status"`
	OpenID        string             `db:"openid"`
	RealNameEnc   string             `db:"real_name_enc"` // sealed; empty: not given
	NameChangedMs int64              `db:"name_changed_ms"`
}

const payeeSQL = `
SELECT d.id, d.customer_id, d.status, c.openid, d.real_name_enc, d.name_changed_ms
FROM distributor d JOIN customer c ON c.id = d.customer_id WHERE d.id = ?`

// PayeeOf reads a distributor as a payee; false if there is none.
func PayeeOf(ctx context.Context, q store.Q, id base.DistributorID) (p Payee, found bool, err error) {
	err = q.Get(ctx, &p, payeeSQL, id)
	if store.NotFound(err) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read payee: %w", err)
	}
	return p, true, nil
}
