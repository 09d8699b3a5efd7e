// Package idem makes a repeated request have the effect of one. A key stands for one request of one caller: the first
// time it is seen it gets an operation id, which the handler uses as the primary key of what it creates. A run that
// died is taken over by the next attempt under the same id, so that what it had already done collides instead of
// being done twice.
package idem

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// Lease is how long a run may take before another attempt takes it over. Requests end well before (50 s at most).
const Lease = 60 * time.Second

// KeepAtLeast is how long answers are kept.
const KeepAtLeast = 24 * time.Hour

const (
	answerBytesMax = 1 << 20
	purgeRowsMax   = 1000
	place          = "idem.answer"
)

// Refusals. Each has a code that clients may rely on.
var (
	ErrMissing = errs.E(errs.Malformed, "idem.missing", "请求缺少 Idempotency-Key，请带上 16 到 64 位字母、数字、下划线或连字符后重试",
		errs.EN("Send an Idempotency-Key header of 16 to 64 letters, digits, _ or -."))
	ErrMismatch = errs.E(errs.Invalid, "idem.mismatch", "同一个 Idempotency-Key 已用于另一请求，请换一个新的再试",
		errs.EN("This Idempotency-Key was used for another request. Use a new one."))
	ErrRunning = errs.E(errs.Conflict, "idem.running", "同一请求正在处理中，请稍候再查看结果",
		errs.EN("The same request is still being worked on. Try again shortly."), errs.After(2*time.Second))
)

var keyForm = regexp.MustCompile(`^[0-9A-Za-z_-]{16,64}$`)

// Key names a request: who asks for what, the key that the caller chose, and a hash of everything asked.
type Key struct {
	Scope   string // "customer:cu…/pay-order": actor and operation, at most 120 characters
	Key     string
	BodySHA string // 64 hexadecimal digits
}

// Answer is what was answered, to be given again.
type Answer struct {
	Status int               `json:"-"`
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// Run is a claim on a key: the handler may work.
type Run struct {
	OpID  int64 // the same for all attempts of this key
	key   Key
	owner int64
}

// Store keeps keys and answers. Answers hold personal data and are sealed.
type Store struct {
	db   *store.DB
	box  *crypt.Box
	wall func() time.Time
}

// New returns a store over the database.
func New(db *store.DB, box *crypt.Box) *Store { return &Store{db: db, box: box, wall: clock.Wall} }

type row struct {
	BodySHA    string `db:"body_sha"`
	OpID       int64  `db:"op_id"`
	State      string `db:"state"`
	Owner      int64  `db:"owner"`
	LeaseUntil int64  `db:"lease_until_ms"`
	Status     int    `db:"status"`
	Answer     string `db:"answer"`
}

// States: running holds a lease; released was given back without an answer; done has an answer.
const (
	running  = "running"
	released = "released"
	done     = "done"
)

const (
	findSQL = `SELECT body_sha, op_id, state, owner, lease_until_ms, status, answer FROM idem WHERE scope = ? AND idem_key = ?`

	insertSQL = `
INSERT INTO idem (scope, idem_key, body_sha, op_id, state, owner, lease_until_ms, status, answer, made_ms)
VALUES (?, ?, ?, ?, 'running', ?, ?, 0, '', ?)`

	takeSQL = `
UPDATE idem SET state = 'running', owner = ?, lease_until_ms = ?
WHERE scope = ? AND idem_key = ? AND owner = ? AND (state = 'released' OR (state = 'running' AND lease_until_ms < ?))`

	finishSQL = `
UPDATE idem SET state = 'done', status = ?, answer = ?
WHERE scope = ? AND idem_key = ? AND owner = ? AND state = 'running'`

	releaseSQL = `
UPDATE idem SET state = 'released', lease_until_ms = 0
WHERE scope = ? AND idem_key = ? AND owner = ? AND state = 'running'`

	oldSQL   = `SELECT scope, idem_key FROM idem WHERE made_ms < ? AND lease_until_ms < ? ORDER BY made_ms LIMIT ?`
	purgeSQL = `DELETE FROM idem WHERE scope = ? AND idem_key = ? AND made_ms < ?`
)

// Begin claims a key. Either a run comes back, and the caller works and then calls Finish or Release; or the answer
// of the run that was there before; or ErrMissing, ErrMismatch or ErrRunning.
func (s *Store) Begin(ctx context.Context, k Key) (*Run, *Answer, error) {
	if !keyForm.MatchString(k.Key) {
		return nil, nil, ErrMissing
	}
	fresh, owner := s.db.Mint.Next(), s.db.Mint.Next()
	run, answer, err := s.claim(ctx, k, fresh, owner)
	if store.IsDup(err) { // another attempt came between our look and our insert
		run, answer, err = s.claim(ctx, k, fresh, owner)
	}
	if _, refused := errs.As(err); err != nil && !refused {
		err = fmt.Errorf("claim idempotency key: %w", err)
	}
	return run, answer, err
}

func (s *Store) claim(ctx context.Context, k Key, fresh, owner int64) (run *Run, answer *Answer, err error) {
	// Most repeats find an answer: that needs no write transaction.
	var r row
	err = s.db.Q().Get(ctx, &r, findSQL, k.Scope, k.Key)
	if err == nil && r.BodySHA != k.BodySHA {
		return nil, nil, ErrMismatch
	}
	if err == nil && r.State == done {
		answer, err = s.open(r)
		return nil, answer, err
	}
	if err != nil && !store.NotFound(err) {
		return nil, nil, err
	}
	absent := err != nil
	err = s.db.InTx(ctx, "idem.begin", func(ctx context.Context, tx *store.Tx) error {
		now := s.wall()
		until := now.Add(Lease).UnixMilli()
		if absent {
			_, err := tx.Exec(ctx, insertSQL, k.Scope, k.Key, k.BodySHA, fresh, owner, until, now.UnixMilli())
			run = &Run{OpID: fresh, key: k, owner: owner}
			return err
		}
		ok, err := tx.ExecOne(ctx, takeSQL, owner, until, k.Scope, k.Key, r.Owner, now.UnixMilli())
		if err == nil && !ok {
			err = ErrRunning
		}
		run = &Run{OpID: r.OpID, key: k, owner: owner}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return run, nil, nil
}

func (s *Store) open(r row) (*Answer, error) {
	plain, err := s.box.Open(place, r.Answer)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: r.Status}
	if err := json.Unmarshal([]byte(plain), a); err != nil {
		return nil, fmt.Errorf("read stored answer: %w", err)
	}
	return a, nil
}

// Finish stores the answer for the attempts to come. A run whose lease was taken over stores nothing; that is no
// error, because the other one works under the same operation id.
func (s *Store) Finish(ctx context.Context, r *Run, a Answer) error {
	if len(a.Body) > answerBytesMax {
		return s.Release(ctx, r)
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("store answer: %w", err)
	}
	sealed := s.box.Seal(place, string(plain))
	return s.db.InTx(ctx, "idem.finish", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ExecOne(ctx, finishSQL, a.Status, sealed, r.key.Scope, r.key.Key, r.owner)
		return err
	})
}

// Release gives the key back without an answer: the next attempt runs, under the same operation id.
func (s *Store) Release(ctx context.Context, r *Run) error {
	return s.db.InTx(ctx, "idem.release", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ExecOne(ctx, releaseSQL, r.key.Scope, r.key.Key, r.owner)
		return err
	})
}

// Purge forgets keys that were first seen before KeepAtLeast ago, at most 1,000 of them, and says how many.
func (s *Store) Purge(ctx context.Context) (int, error) {
	now := s.wall()
	before := now.Add(-KeepAtLeast).UnixMilli()
	var old []struct {
		Scope string `db:"scope"`
		Key   string `db:"idem_key"`
	}
	if err := s.db.Q().Select(ctx, &old, oldSQL, before, now.UnixMilli(), purgeRowsMax); err != nil {
		return 0, fmt.Errorf("find old idempotency keys: %w", err)
	}
	if len(old) == 0 {
		return 0, nil
	}
	err := s.db.InTx(ctx, "idem.purge", func(ctx context.Context, tx *store.Tx) error {
		for _, o := range old {
			if _, err := tx.Exec(ctx, purgeSQL, o.Scope, o.Key, before); err != nil {
				return err
			}
		}
		return nil
	})
	return len(old), err
}
