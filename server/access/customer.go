package access

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// How long a customer's tokens last.
const (
	AccessLifetime  = 15 * time.Minute
	RefreshLifetime = 30 * 24 * time.Hour

	// refreshGrace is how long the token before the current one gets the current one again: the answer to a refresh
	// may be lost on the way, and a mini-program may refresh twice at once.
	refreshGrace = 30 * time.Second
)

// What a customer's token can be refused for.
var (
	ErrTokenExpired = errs.E(errs.Unauthorized, "auth.token_expired", "登录已过期，请重新进入小程序",
		errs.EN("Your log-in has expired. Please log in again."))
	ErrTokenInvalid = errs.E(errs.Unauthorized, "auth.token_invalid", "登录凭证无效，请重新登录",
		errs.EN("The token is not valid. Please log in again."))
	ErrTokenReused = errs.E(errs.Unauthorized, "auth.token_reused", "登录凭证已被使用过，为保护账号安全请重新登录",
		errs.EN("The token was used before. To protect the account, please log in again."))
)

// Customers issues and checks customers' tokens. Access tokens are signed and need no database: after a log-out one
// still works until it ends, 15 minutes at most. Refresh tokens are signed numbers of a row, so that the database
// holds nothing that could be used as one.
type Customers struct {
	db  *store.DB
	key []byte
}

// NewCustomers returns the issuer of tokens.
func NewCustomers(db *store.DB, tokenKey []byte) *Customers { return &Customers{db: db, key: tokenKey} }

// Tokens are what a customer's device keeps.
type Tokens struct {
	Access        string
	AccessExpires time.Time
	Refresh       string
	Session       int64
}

// Holder is whom an access token stands for.
type Holder struct {
	Customer base.CustomerID
	Session  int64
}

const (
	customerSessionSQL = `
INSERT INTO customer_session (id, customer_id, generation, created_ms, rotated_ms, expires_ms, ended_ms, ended_reason)
VALUES (?, ?, 1, ?, ?, ?, 0, '')`

	rotateSQL = `
UPDATE customer_session SET generation = generation + 1, rotated_ms = ?, expires_ms = ?
WHERE id = ? AND generation = ? AND ended_ms = 0 AND expires_ms > ?`

	familySQL      = `SELECT customer_id, generation, rotated_ms, expires_ms, ended_ms FROM customer_session WHERE id = ?`
	endFamilySQL   = `UPDATE customer_session SET ended_ms = ?, ended_reason = ? WHERE id = ? AND ended_ms = 0`
	endCustomerSQL = `UPDATE customer_session SET ended_ms = ?, ended_reason = ? WHERE customer_id = ? AND ended_ms = 0`
	familiesOldSQL = `SELECT id FROM customer_session WHERE expires_ms < ? ORDER BY expires_ms LIMIT ?`
	familyDropSQL  = `DELETE FROM customer_session WHERE id = ?`
)

// IssueTokens begins a session for a customer who has just logged in with WeChat.
func (c *Customers) IssueTokens(ctx context.Context, customer base.CustomerID) (Tokens, error) {
	id := c.db.Mint.Next()
	var now time.Time
	err := c.db.InTx(ctx, "access.issue_tokens", func(ctx context.Context, tx *store.Tx) error {
		now = tx.Now()
		_, err := tx.Exec(ctx, customerSessionSQL, id, customer, tx.NowMs(), tx.NowMs(), now.Add(RefreshLifetime).UnixMilli())
		return err
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("issue tokens: %w", err)
	}
	return c.tokens(customer, id, 1, now), nil
}

// Refresh gives new tokens for a refresh token, which is used up. An old one that comes again ends the session: one of
// the two who have it is a thief.
func (c *Customers) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	id, generation, err := c.parseRefresh(refresh)
	if err != nil {
		return Tokens{}, err
	}
	var t Tokens
	var refused error
	err = c.db.InTx(ctx, "access.refresh", func(ctx context.Context, tx *store.Tx) error {
		t, refused = Tokens{}, nil
		rotated, err := tx.ExecOne(ctx, rotateSQL, tx.NowMs(), tx.Now().Add(RefreshLifetime).UnixMilli(), id, generation, tx.NowMs())
		if err != nil {
			return fmt.Errorf("rotate refresh token: %w", err)
		}
		f, err := readFamily(ctx, tx, id)
		if err != nil {
			return err
		}
		switch {
		case rotated:
			t = c.tokens(f.Customer, id, generation+1, tx.Now())
		case f.Ended != 0 || f.Expires <= tx.NowMs():
			return ErrTokenExpired
		case f.Generation == generation+1 && tx.Now().Sub(base.Time(f.Rotated)) <= refreshGrace:
			t = c.tokens(f.Customer, id, f.Generation, tx.Now())
		default:
			refused = ErrTokenReused // committed with the end of the session
			_, err = tx.Exec(ctx, endFamilySQL, tx.NowMs(), "reused", id)
		}
		return err
	})
	if err == nil {
		err = refused
	}
	return t, err
}

type family struct {
	Customer   base.CustomerID `db:"customer_id"`
	Generation int             `db:"generation"`
	Rotated    int64           `db:"rotated_ms"`
	Expires    int64           `db:"expires_ms"`
	Ended      int64           `db:"ended_ms"`
}

func readFamily(ctx context.Context, tx *store.Tx, id int64) (family, error) {
	var f family
	err := tx.Get(ctx, &f, familySQL, id)
	if store.NotFound(err) {
		return f, ErrTokenExpired
	}
	if err != nil {
		return f, fmt.Errorf("read session: %w", err)
	}
	return f, nil
}

// Logout ends a session: its refresh token no longer works.
func (c *Customers) Logout(ctx context.Context, session int64) error {
	return c.db.InTx(ctx, "access.customer_logout", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, endFamilySQL, tx.NowMs(), "logout", session)
		return err
	})
}

// EndAll ends all sessions of a customer, for a reason of at most 32 characters.
func (c *Customers) EndAll(ctx context.Context, tx *store.Tx, customer base.CustomerID, reason string) error {
	if _, err := tx.Exec(ctx, endCustomerSQL, tx.NowMs(), reason, customer); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// Purge forgets sessions that ended by their time, at most 1,000, and says how many.
func (c *Customers) Purge(ctx context.Context) (int, error) {
	var old []int64
	if err := c.db.Q().Select(ctx, &old, familiesOldSQL, c.db.Clock.Now().UnixMilli(), purgeRowsMax); err != nil {
		return 0, fmt.Errorf("find old sessions: %w", err)
	}
	if len(old) == 0 {
		return 0, nil
	}
	err := c.db.InTx(ctx, "access.purge_customers", func(ctx context.Context, tx *store.Tx) error {
		for _, id := range old {
			if _, err := tx.Exec(ctx, familyDropSQL, id); err != nil {
				return err
			}
		}
		return nil
	})
	return len(old), err
}

// Authenticate finds whom an access token stands for: ErrTokenInvalid or ErrTokenExpired if nobody.
func (c *Customers) Authenticate(token string) (Holder, error) {
	b, err := c.open(token, accessLabel, accessBytes)
	if err != nil {
		return Holder{}, err
	}
	expires := int64(binary.BigEndian.Uint64(b[16:]))
	if c.db.Clock.Now().UnixMilli() >= expires {
		return Holder{}, ErrTokenExpired
	}
	return Holder{Customer: base.CustomerID(binary.BigEndian.Uint64(b)), Session: int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// A token is label, payload and MAC. Access: customer, session, end. Refresh: session, generation.
const (
	accessLabel  = "fxa_"
	refreshLabel = "fxr_"
	accessBytes  = 24
	refreshBytes = 12
	macBytes     = 32
)

func (c *Customers) tokens(customer base.CustomerID, session int64, generation int, now time.Time) Tokens {
	ends := now.Add(AccessLifetime)
	b := binary.BigEndian.AppendUint64(nil, uint64(customer))
	b = binary.BigEndian.AppendUint64(b, uint64(session))
	b = binary.BigEndian.AppendUint64(b, uint64(ends.UnixMilli()))
	r := binary.BigEndian.AppendUint64(nil, uint64(session))
	r = binary.BigEndian.AppendUint32(r, uint32(generation))
	return Tokens{Access: c.sign(accessLabel, b), AccessExpires: ends, Refresh: c.sign(refreshLabel, r), Session: session}
}

func (c *Customers) sign(label string, payload []byte) string {
	return label + base64.RawURLEncoding.EncodeToString(append(payload, crypt.MAC(c.key, label, string(payload))...))
}

// open checks the MAC in constant time before anything is believed.
func (c *Customers) open(token, label string, size int) ([]byte, error) {
	text, ok := strings.CutPrefix(token, label)
	if !ok || len(text) > 128 {
		return nil, ErrTokenInvalid
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != size+macBytes || !crypt.Equal(crypt.MAC(c.key, label, string(b[:size])), b[size:]) {
		return nil, ErrTokenInvalid
	}
	return b[:size], nil
}

func (c *Customers) parseRefresh(token string) (session int64, generation int, err error) {
	b, err := c.open(token, refreshLabel, refreshBytes)
	if err != nil {
		return 0, 0, err
	}
	return int64(binary.BigEndian.Uint64(b)), int(binary.BigEndian.Uint32(b[8:])), nil
}
