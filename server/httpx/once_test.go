package httpx_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/httpx"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

type payInput struct {
	ID   string `path:"id"`
	Body struct {
		Amount int64 `json:"amount_fen"`
	}
}

type payOutput struct {
	Location string `header:"Location"`
	Body     struct {
		OpID string `json:"op_id"`
		Run  int64  `json:"run"`
	}
}

const aKey = "0123456789abcdef"

// paySite has an idempotent operation whose next runs fail as told, and counts its runs.
func paySite(t *testing.T, db *store.DB, runs *atomic.Int64, how func(run int64) error) *site {
	return newSite(t, httpx.Audience{Idem: newIdem(t, db)}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "pay", Method: "POST", Path: "/orders/{id}/pay", Summary: "Pay", Permission: access.Customer, Idempotent: true, Status: 201},
			func(ctx context.Context, in *payInput) (*payOutput, error) {
				run := runs.Add(1)
				if err := how(run); err != nil {
					return nil, err
				}
				out := &payOutput{Location: "/orders/" + in.ID}
				out.Body.OpID, out.Body.Run = jsonNumber(httpx.OpID(ctx)), run
				return out, nil
			})
	})
}

func jsonNumber(n int64) string { b, _ := json.Marshal(n); return string(b) }

func fine(int64) error { return nil }

func TestOnce_RunsOnceAndAnswersAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		var runs atomic.Int64
		s := paySite(t, db, &runs, fine)
		const path, body = "/api/v1/orders/a/pay", `{"amount_fen":1}`
		first := s.do("POST", path, body, "As", "customer", "Idempotency-Key", aKey)
		require.Equal(t, 201, first.StatusCode, first.body)
		require.NotEqual(t, "0", first.json["op_id"])
		require.Empty(t, first.Header.Get("Idempotency-Replayed"))

		again := s.do("POST", path, body, "As", "customer", "Idempotency-Key", aKey)
		require.Equal(t, 201, again.StatusCode)
		require.Equal(t, first.body, again.body)
		require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
		require.Equal(t, "/orders/a", again.Header.Get("Location"))
		require.Equal(t, "application/json", again.Header.Get("Content-Type"))
		require.EqualValues(t, 1, runs.Load())

		for name, r := range map[string]reply{
			"other body":  s.do("POST", path, `{"amount_fen":2}`, "As", "customer", "Idempotency-Key", aKey),
			"other order": s.do("POST", "/api/v1/orders/b/pay", body, "As", "customer", "Idempotency-Key", aKey),
		} {
			require.Equal(t, 422, r.StatusCode, name)
			require.Equal(t, "idem.mismatch", r.code(), name)
		}
		for _, key := range []string{"", "short", "0123456789abcde!"} {
			r := s.do("POST", path, body, "As", "customer", "Idempotency-Key", key)
			require.Equal(t, 400, r.StatusCode)
			require.Equal(t, "idem.missing", r.code())
			require.Equal(t, []string{"/header/Idempotency-Key form"}, r.pointers())
		}
		require.EqualValues(t, 1, runs.Load())
		require.Equal(t, 201, s.do("POST", path, body, "As", "other", "Idempotency-Key", aKey).StatusCode)
		require.EqualValues(t, 2, runs.Load(), "another caller's key is another key")
		require.Equal(t, "auth.required", s.do("POST", path, body, "Idempotency-Key", aKey).code())
	})
}

func TestOnce_KeepsRefusalsAndForgetsFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		for name, tt := range map[string]struct {
			err  error
			kept bool
		}{
			"refusal":     {errs.E(errs.Conflict, "order.moved", "x"), true},
			"failure":     {errors.New("down"), false},
			"unavailable": {errs.E(errs.Unavailable, "x.y", "x"), false},
			"too often":   {errs.E(errs.Limited, "x.y", "x"), false},
		} {
			var runs atomic.Int64
			s := paySite(t, db, &runs, func(run int64) error {
				if run == 1 {
					return tt.err
				}
				return nil
			})
			key := "key-for-" + strings.ReplaceAll(name, " ", "-") + "-123456"
			do := func() reply {
				return s.do("POST", "/api/v1/orders/a/pay", `{"amount_fen":1}`, "As", "customer", "Idempotency-Key", key)
			}
			first, second := do(), do()
			require.GreaterOrEqual(t, first.StatusCode, 400, name)
			if tt.kept {
				require.Equal(t, first.StatusCode, second.StatusCode, name)
				require.Equal(t, "application/problem+json", second.Header.Get("Content-Type"))
				require.EqualValues(t, 1, runs.Load(), name)
			} else {
				require.Equal(t, 201, second.StatusCode, name)
				require.EqualValues(t, 2, runs.Load(), name)
			}
		}
	})
}

func TestOnce_TheSameOperationIDAfterAPanic(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	var runs atomic.Int64
	var mu sync.Mutex
	var ids []int64
	s := newSite(t, httpx.Audience{Idem: newIdem(t, db)}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "pay", Method: "POST", Path: "/pay", Summary: "Pay", Permission: access.Customer, Idempotent: true},
			func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				mu.Lock()
				ids = append(ids, httpx.OpID(ctx))
				mu.Unlock()
				if runs.Add(1) < 3 {
					panic("died")
				}
				return nil, nil
			})
	})
	do := func() int {
		return s.do("POST", "/api/v1/pay", "", "As", "customer", "Idempotency-Key", aKey).StatusCode
	}
	require.Equal(t, []int{500, 500, 204, 204}, []int{do(), do(), do(), do()})
	require.Len(t, ids, 3)
	require.NotZero(t, ids[0])
	require.Equal(t, []int64{ids[0], ids[0], ids[0]}, ids)
}

func TestOnce_TwentyAtOnceRunOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		var runs atomic.Int64
		s := paySite(t, db, &runs, func(int64) error { time.Sleep(50 * time.Millisecond); return nil })
		var mu sync.Mutex
		var wg sync.WaitGroup
		count := map[int]int{}
		for range 20 {
			wg.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/api/v1/orders/a/pay", strings.NewReader(`{"amount_fen":1}`))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("As", "customer")
				req.Header.Set("Idempotency-Key", aKey)
				res, err := s.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = res.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				count[res.StatusCode]++
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, runs.Load())
		require.GreaterOrEqual(t, count[201], 1)
		require.Equal(t, 20, count[201]+count[409], "%v", count)
	})
}

func TestOnce_FinishesWhenTheCallerHasGone(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	var runs atomic.Int64
	entered, leave := make(chan struct{}), make(chan struct{})
	s := paySite(t, db, &runs, func(int64) error { close(entered); <-leave; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		req, _ := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v1/orders/a/pay", strings.NewReader(`{"amount_fen":1}`))
		req.Header.Set("As", "customer")
		req.Header.Set("Idempotency-Key", aKey)
		if res, err := s.Client().Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-entered
	cancel()
	<-gone
	close(leave)
	require.Eventually(t, func() bool {
		return s.do("POST", "/api/v1/orders/a/pay", `{"amount_fen":1}`, "As", "customer", "Idempotency-Key", aKey).StatusCode == 201
	}, 5*time.Second, 20*time.Millisecond)
	require.EqualValues(t, 1, runs.Load())
}
