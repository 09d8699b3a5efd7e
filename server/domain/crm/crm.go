// Package crm owns customers: who they are to WeChat, their phone (sealed), and when they last ordered.
package crm

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// OpenIDMax is how long WeChat's ids of people may be, in bytes.
const OpenIDMax = 64

// PhonePlace is where a phone is sealed and blinded: the argument of crypt.Box.
const PhonePlace = "customer.phone"

// Customer is a WeChat user of the mini-program. The phone is sealed; its hash finds it.
type Customer struct {
	ID          base.CustomerID `db:"id"`
	OpenID      string          `db:"openid"`
	UnionID     string          `db:"unionid"`
	PhoneEnc    string          `db:"phone_enc"`
	PhoneHash   string          `db:"phone_hash"`
	Nickname    string          `db:"nickname"`
	LastOrderMs int64           `db:"last_order_ms"`
	CreatedMs   int64           `db:"created_ms"`
	ErasedMs    int64           `db:"erased_ms"`
}

// LastOrder is when the customer last ordered; zero: never.
func (c Customer) LastOrder() time.Time { return base.Time(c.LastOrderMs) }

const (
	columns     = `id, openid, unionid, phone_enc, phone_hash, nickname, last_order_ms, created_ms, erased_ms`
	byIDSQL     = `SELECT ` + columns + ` FROM customer WHERE id = ?`
	lockSQL     = byIDSQL + ` /*! FOR UPDATE */`
	byOpenIDSQL = `SELECT ` + columns + ` FROM customer WHERE openid = ?`
	insertSQL   = `INSERT INTO customer (` + columns + `)
VALUES (:id, :openid, :unionid, :phone_enc, :phone_hash, :nickname, :last_order_ms, :created_ms, :erased_ms)`
	unionSQL   = `UPDATE customer SET unionid = ? WHERE id = ?`
	orderedSQL = `UPDATE customer SET last_order_ms = ? WHERE id = ? AND last_order_ms < ?`
	phoneSQL   = `UPDATE customer SET phone_enc = ?, phone_hash = ? WHERE id = ? AND erased_ms = 0`
	listSQL    = `SELECT ` + columns + ` FROM customer WHERE id < ? ORDER BY id DESC LIMIT ? OFFSET ?`
	byPhoneSQL = `SELECT ` + columns + ` FROM customer WHERE phone_hash = ? AND id < ? ORDER BY id DESC LIMIT ? OFFSET ?`
	countSQL   = `SELECT COUNT(*) FROM customer WHERE (? = '' OR phone_hash = ?)`
)

// ErrNotFound says that there is no such customer.
var ErrNotFound = errs.E(errs.NotFound, "customer.not_found", "没有找到该客户", errs.EN("There is no such customer."))

// Get returns a customer, or ErrNotFound.
func Get(ctx context.Context, q store.Q, id base.CustomerID) (Customer, error) {
	return one(ctx, q, byIDSQL, id)
}

// Lock returns a customer and keeps the row locked until the transaction ends: decisions about one customer take turns
// by it.
func Lock(ctx context.Context, tx *store.Tx, id base.CustomerID) (Customer, error) {
	return one(ctx, tx, lockSQL, id)
}

// ByOpenID finds a customer by WeChat's id, or ErrNotFound.
func ByOpenID(ctx context.Context, q store.Q, openid string) (Customer, error) {
	return one(ctx, q, byOpenIDSQL, openid)
}

func one(ctx context.Context, q store.Q, query string, arg any) (Customer, error) {
	var c Customer
	err := q.Get(ctx, &c, query, arg)
	if store.NotFound(err) {
		return Customer{}, ErrNotFound
	}
	if err != nil {
		return Customer{}, fmt.Errorf("read customer: %w", err)
	}
	return c, nil
}

// Visitor is who WeChat says has logged in.
type Visitor struct {
	ID      base.CustomerID // for a new customer; minted by the caller
	OpenID  string
	UnionID string // empty: not told
}

// Upsert returns the customer of an openid, made now if there was none. Of many first log-ins at once one makes it and
// the others find it.
func Upsert(ctx context.Context, tx *store.Tx, v Visitor) (c Customer, created bool, err error) {
	if v.OpenID == "" || len(v.OpenID) > OpenIDMax || len(v.UnionID) > OpenIDMax {
		return Customer{}, false, fmt.Errorf("upsert customer: openid of %d and unionid of %d bytes", len(v.OpenID), len(v.UnionID))
	}
	c, err = ByOpenID(ctx, tx, v.OpenID)
	if errs.CodeOf(err) == ErrNotFound.Code {
		c = Customer{ID: v.ID, OpenID: v.OpenID, UnionID: v.UnionID, CreatedMs: tx.NowMs()}
		err = tx.Insert(ctx, insertSQL, c)
		if err == nil {
			return c, true, nil
		}
		if !store.IsDup(err) {
			return Customer{}, false, fmt.Errorf("write customer: %w", err)
		}
		c, err = ByOpenID(ctx, tx, v.OpenID)
	}
	if err != nil {
		return Customer{}, false, err
	}
	if v.UnionID != "" && v.UnionID != c.UnionID {
		if _, err := tx.Exec(ctx, unionSQL, v.UnionID, c.ID); err != nil {
			return Customer{}, false, fmt.Errorf("write unionid: %w", err)
		}
		c.UnionID = v.UnionID
	}
	return c, false, nil
}

// Ordered records that the customer placed an order; an earlier moment than the last one changes nothing.
func Ordered(ctx context.Context, tx *store.Tx, id base.CustomerID, at time.Time) error {
	if _, err := tx.Exec(ctx, orderedSQL, base.Ms(at), id, base.Ms(at)); err != nil {
		return fmt.Errorf("write last order: %w", err)
	}
	return nil
}

// SealedPhone is a phone as it is stored: sealed, and blinded for finding it.
type SealedPhone struct{ Enc, Hash string }

// SetPhone stores a phone that the caller has checked by CheckPhone and sealed for PhonePlace.
func SetPhone(ctx context.Context, tx *store.Tx, id base.CustomerID, p SealedPhone) error {
	ok, err := tx.ExecOne(ctx, phoneSQL, p.Enc, p.Hash, id)
	if err != nil {
		return fmt.Errorf("write phone: %w", err)
	}
	if !ok {
		return ErrNotFound
	}
	return nil
}

// ErrPhone says that a text is no mobile phone number of the mainland.
var ErrPhone = errs.E(errs.Invalid, "customer.phone_invalid", "请填写 11 位手机号", errs.EN("Give a mobile phone number of 11 digits."))

// CheckPhone returns a phone as 11 digits, without country code, spaces and hyphens, or ErrPhone.
func CheckPhone(text string) (string, error) {
	p := strings.NewReplacer(" ", "", "-", "").Replace(text)
	p = strings.TrimPrefix(strings.TrimPrefix(p, "+86"), "86")
	if len(p) != 11 || p[0] != '1' || p[1] < '3' || p[1] > '9' {
		return "", ErrPhone
	}
	for _, c := range []byte(p) {
		if c < '0' || c > '9' {
			return "", ErrPhone
		}
	}
	return p, nil
}

// MaskPhone hides the middle of a phone: 138****1234.
func MaskPhone(phone string) string {
	if len(phone) != 11 {
		return strings.Repeat("*", min(utf8.RuneCountInString(phone), 11))
	}
	return phone[:3] + "****" + phone[7:]
}

// MaskOpenID leaves enough of an openid to tell two apart.
func MaskOpenID(openid string) string {
	if len(openid) <= 8 {
		return "****"
	}
	return openid[:4] + "****" + openid[len(openid)-4:]
}

// Page says which part of a list: Limit of those below Before (0: from the newest), after the first Offset.
type Page struct {
	Before base.CustomerID
	Offset int
	Limit  int
}

const lastID = base.CustomerID(1<<63 - 1)

// List returns customers, newest first. A phone hash finds those with that phone; "" is all.
func List(ctx context.Context, q store.Q, phoneHash string, p Page) ([]Customer, error) {
	if p.Before == 0 {
		p.Before = lastID
	}
	var rows []Customer
	var err error
	if phoneHash == "" {
		err = q.Select(ctx, &rows, listSQL, p.Before, p.Limit, p.Offset)
	} else {
		err = q.Select(ctx, &rows, byPhoneSQL, phoneHash, p.Before, p.Limit, p.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("list customers: %w", err)
	}
	return rows, nil
}

// Count counts what List would list without its page.
func Count(ctx context.Context, q store.Q, phoneHash string) (n int64, err error) {
	if err := q.Get(ctx, &n, countSQL, phoneHash, phoneHash); err != nil {
		return 0, fmt.Errorf("count customers: %w", err)
	}
	return n, nil
}
