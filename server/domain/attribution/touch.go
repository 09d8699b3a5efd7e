package attribution

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// TouchKind says what act of promotion it was.
type TouchKind string

const (
	Scan   TouchKind = "scan"   // a mini-program code or QR code was scanned
	Click  TouchKind = "click"  // a link or a card was opened
	Share  TouchKind = "share"  // a distributor shared a card
	Poster TouchKind = "poster" // a distributor saved a poster
	Link   TouchKind = "link"   // a distributor copied a link
	Relay  TouchKind = "relay"  // a customer forwarded a card, which keeps its code
)

// Valid says whether the kind is one of the six.
func (k TouchKind) Valid() bool {
	switch k {
	case Scan, Click, Share, Poster, Link, Relay:
		return true
	default:
		return false
	}
}

// IsVisit says whether the act brings a customer: only such a touch binds and wins orders.
func (k TouchKind) IsVisit() bool { return k == Scan || k == Click }

// Touch is one recorded act, with what was decided about it. It is never changed.
type Touch struct {
	ID            base.TouchID       `db:"id"`
	Kind          TouchKind          `db:"kind"`
	Customer      base.CustomerID    `db:"customer_id"`    // 0: not logged in
	Raw           string             `db:"raw"`            // what came, when it is no code of ours
	Code          base.CodeID        `db:"code_id"`        // 0: none
	Distributor   base.DistributorID `db:"distributor_id"` // 0: the code did not work
	AtMs          int64              `db:"at_ms"`
	Bound         bool               `db:"bound"`
	Reason        Reason             `db:"reason"`
	Binding       base.BindingID     `db:"binding_id"` // which it made
	PolicyVersion int                `db:"policy_version"`
}

const (
	touchRawMax = 64 // runes
	recentMax   = 20

	touchColumns = `id, kind, customer_id, raw, code_id, distributor_id, at_ms, bound, reason, binding_id, policy_version`
	touchByIDSQL = `SELECT ` + touchColumns + ` FROM touch WHERE id = ?`
	// recentSQL reads what may win an order: visits by working codes inside the window, newest first.
	recentSQL = `SELECT ` + touchColumns + ` FROM touch
WHERE customer_id = ? AND at_ms > ? AND at_ms <= ? AND distributor_id <> 0 AND kind IN ('scan', 'click')
ORDER BY at_ms DESC, id DESC LIMIT ?`
	touchInsertSQL = `INSERT INTO touch (` + touchColumns + `)
VALUES (:id, :kind, :customer_id, :raw, :code_id, :distributor_id, :at_ms, :bound, :reason, :binding_id, :policy_version)`
)

func touchOf(ctx context.Context, q store.Q, id base.TouchID) (Touch, bool, error) {
	var t Touch
	err := q.Get(ctx, &t, touchByIDSQL, id)
	if store.NotFound(err) {
		return Touch{}, false, nil
	}
	if err != nil {
		return Touch{}, false, fmt.Errorf("read touch: %w", err)
	}
	return t, true, nil
}

// window is the time before an order in which a touch can win it.
type window struct {
	customer base.CustomerID
	at       time.Time
	days     int
}

func recentTouches(ctx context.Context, q store.Q, w window) ([]Touch, error) {
	var rows []Touch
	since := w.at.Add(-time.Duration(w.days) * day)
	if err := q.Select(ctx, &rows, recentSQL, w.customer, base.Ms(since), base.Ms(w.at), recentMax); err != nil {
		return nil, fmt.Errorf("read touches: %w", err)
	}
	return rows, nil
}

// clipRaw keeps the readable beginning of what came from outside.
func clipRaw(s string) string {
	out := make([]rune, 0, touchRawMax)
	for _, r := range s {
		if r == utf8.RuneError || r < ' ' || r == 0x7f {
			r = '?'
		}
		if len(out) == touchRawMax {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
