package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/httpx"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

func TestCursor_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := httpx.Cursor{TimeMs: rapid.Int64Min(0).Draw(t, "time"), ID: rapid.Int64Min(1).Draw(t, "id")}
		back, err := httpx.ParseCursor(c.String())
		require.NoError(t, err)
		require.Equal(t, c, back)
	})
	zero, err := httpx.ParseCursor("")
	require.NoError(t, err)
	require.Zero(t, zero)
}

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add("AQ")
	f.Add(httpx.Cursor{TimeMs: 1, ID: 2}.String())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := httpx.ParseCursor(s)
		if err == nil && s != "" && c.String() != s {
			t.Fatalf("%q reads as %+v, which is written %q", s, c, c.String())
		}
	})
}

func TestFeedAndPage(t *testing.T) {
	t.Parallel()
	at := func(n int) httpx.Cursor { return httpx.Cursor{TimeMs: int64(n), ID: int64(n)} }
	show := func(n int) string { return fmt.Sprint(n) }
	f := httpx.NewFeed([]int{5, 4, 3}, 2, at, show)
	require.Equal(t, []string{"5", "4"}, f.Items)
	require.Equal(t, at(4).String(), f.NextCursor)
	f = httpx.NewFeed([]int{5, 4}, 2, at, show)
	require.Empty(t, f.NextCursor)
	require.NotNil(t, httpx.NewFeed(nil, 2, at, show).Items)
	p := httpx.PageInput{Page: 3, PageSize: 20}
	require.Equal(t, 40, p.Offset())
	require.Equal(t, httpx.Page[string]{Items: []string{"1"}, Total: 41, Page: 3, PageSize: 20}, httpx.NewPage(p, 41, []int{1}, show))
	require.Nil(t, httpx.Time(0))
	require.Equal(t, "2026-11-23T01:00:00Z", httpx.Time(storetest.Start.UnixMilli()).Format(time.RFC3339Nano))
}

type limiterFunc func(name, key string) (bool, time.Duration, error)

func (f limiterFunc) Limit(_ context.Context, name, key string, _, _ int) (bool, time.Duration, error) {
	return f(name, key)
}

func limitSite(t *testing.T, l httpx.Limiter) *site {
	return newSite(t, httpx.Audience{Limiter: l, Rate: httpx.Rate{PerMinute: 100, Burst: 10}}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "read", Method: "GET", Path: "/read", Summary: "Read", Permission: access.Customer}, whoami)
		httpx.Register(a, httpx.Op{ID: "login", Method: "GET", Path: "/login", Summary: "Log in", Permission: access.Public, Rate: httpx.Rate{PerMinute: 6, Burst: 3, Strict: true}}, whoami)
	})
}

func TestLimit(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	full := atomic.Bool{}
	s := limitSite(t, limiterFunc(func(name, key string) (bool, time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, name+" "+key)
		return !full.Load(), 90 * time.Second, nil
	}))
	require.Equal(t, 200, s.do("GET", "/api/v1/read", "", "As", "customer").StatusCode)
	require.Equal(t, 200, s.do("GET", "/api/v1/login", "", "X-Forwarded-For", "1.2.3.4").StatusCode)
	require.Equal(t, 401, s.do("GET", "/api/v1/read", "", "As", "ghost").StatusCode)
	require.Equal(t, []string{
		"http:client customer:" + customerID.String(), "http:client ip:127.0.0.1", "http:login ip:127.0.0.1", "http:client ip:127.0.0.1",
	}, asked)
	full.Store(true)
	r := s.do("GET", "/api/v1/read", "", "As", "ghost")
	require.Equal(t, 429, r.StatusCode)
	require.Equal(t, "request.too_many", r.code())
	require.Equal(t, "90", r.Header.Get("Retry-After"))
}

func TestLimit_WithoutLimiterReadsPassAndLogInIsCountedHere(t *testing.T) {
	t.Parallel()
	down := limiterFunc(func(string, string) (bool, time.Duration, error) { return false, 0, errors.New("redis is down") })
	for name, l := range map[string]httpx.Limiter{"down": down, "none": nil} {
		s := limitSite(t, l)
		for range 20 {
			require.Equal(t, 200, s.do("GET", "/api/v1/read", "", "As", "customer").StatusCode, name)
		}
		var codes []int
		for range 5 {
			codes = append(codes, s.do("GET", "/api/v1/login", "").StatusCode)
		}
		require.Equal(t, []int{200, 200, 200, 429, 429}, codes, name)
	}
}

func TestAdminAuth_CookieNeedsCSRFAndBearerDoesNot(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(storetest.Start)
	db := storetest.SQLite(t, c)
	keys := crypt.NewKeys()
	box, err := crypt.NewBox(keys)
	require.NoError(t, err)
	admins := access.NewAdmins(db, box, keys.Token)
	cred, err := admins.Create(t.Context(), access.NewAdmin{By: base.System, Account: "boss", Name: "老板", Role: access.Owner})
	require.NoError(t, err)
	code, err := totp.GenerateCode(cred.TOTP.Secret, c.Now())
	require.NoError(t, err)
	session, err := admins.Login(t.Context(), access.Login{Account: "boss", Password: cred.Password, Code: code})
	require.NoError(t, err)

	auth := httpx.NewAdminAuth(admins, true)
	s := newSite(t, httpx.Audience{Auth: auth, Schemes: auth.Schemes()}, func(a *httpx.API) {
		for _, m := range []string{"GET", "POST"} {
			httpx.Register(a, httpx.Op{ID: "self-" + strings.ToLower(m), Method: m, Path: "/self", Summary: "Self", Permission: access.AdminSelf},
				func(ctx context.Context, _ *struct{}) (*struct {
					Body struct {
						CSRF string `json:"csrf"`
					}
				}, error) {
					out := &struct {
						Body struct {
							CSRF string `json:"csrf"`
						}
					}{}
					out.Body.CSRF = httpx.PrincipalOf(ctx).CSRF
					require.Equal(t, "boss", httpx.IdentityOf(ctx).Account)
					require.True(t, httpx.IdentityOf(ctx).MustChange)
					return out, nil
				})
		}
		httpx.Register(a, httpx.Op{ID: "orders", Method: "GET", Path: "/orders", Summary: "Orders", Permission: access.PermOrderRead}, whoami)
	})
	set := auth.Cookie(session)
	for _, part := range []string{"__Host-fenxiao_admin=" + session.Token, "Path=/", "HttpOnly", "Secure", "SameSite=Strict"} {
		require.Contains(t, set, part)
	}
	require.Contains(t, auth.ClearCookie(), "1970")
	require.NotContains(t, httpx.NewAdminAuth(admins, false).Cookie(session), "Secure")

	cookie := "__Host-fenxiao_admin=" + session.Token
	require.Equal(t, session.CSRF, s.do("GET", "/api/v1/self", "", "Cookie", cookie).json["csrf"])
	require.Equal(t, "auth.csrf", s.do("POST", "/api/v1/self", "", "Cookie", cookie).code())
	require.Equal(t, "auth.csrf", s.do("POST", "/api/v1/self", "", "Cookie", cookie, "X-CSRF-Token", "x").code())
	require.Equal(t, 200, s.do("POST", "/api/v1/self", "", "Cookie", cookie, "X-CSRF-Token", session.CSRF).StatusCode)
	require.Equal(t, 200, s.do("POST", "/api/v1/self", "", "Authorization", "bearer "+session.Token).StatusCode)
	require.Equal(t, "auth.required", s.do("GET", "/api/v1/self", "").code())
	require.Equal(t, "auth.session_expired", s.do("GET", "/api/v1/self", "", "Authorization", "Bearer nonsense").code())
	require.Equal(t, "auth.password_change_required", s.do("GET", "/api/v1/orders", "", "Cookie", cookie).code())
	c.Advance(access.SessionIdle)
	require.Equal(t, "auth.session_expired", s.do("GET", "/api/v1/self", "", "Cookie", cookie).code())
}

func TestCustomerAuth(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(storetest.Start)
	db := storetest.SQLite(t, c)
	customers := access.NewCustomers(db, crypt.Random(32))
	tokens, err := customers.IssueTokens(t.Context(), customerID)
	require.NoError(t, err)
	down := atomic.Bool{}
	auth := httpx.NewCustomerAuth(customers, func(_ context.Context, id base.CustomerID) (base.DistributorID, error) {
		if down.Load() {
			return 0, errors.New("database is gone")
		}
		return base.DistributorID(id + 1), nil
	})
	s := newSite(t, httpx.Audience{Auth: auth}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "mine", Method: "GET", Path: "/mine", Summary: "Mine", Permission: access.Distributor}, whoami)
	})
	bearer := "Bearer " + tokens.Access
	require.Equal(t, customerID.String(), s.do("GET", "/api/v1/mine", "", "Authorization", bearer).json["customer"])
	require.Equal(t, "auth.token_invalid", s.do("GET", "/api/v1/mine", "", "Authorization", "Bearer "+tokens.Refresh).code())
	require.Equal(t, "auth.required", s.do("GET", "/api/v1/mine", "", "Authorization", tokens.Access).code())
	down.Store(true)
	require.Equal(t, 500, s.do("GET", "/api/v1/mine", "", "Authorization", bearer).StatusCode)
	down.Store(false)
	c.Advance(access.AccessLifetime)
	require.Equal(t, "auth.token_expired", s.do("GET", "/api/v1/mine", "", "Authorization", bearer).code())
}

func TestHealth(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		redis := atomic.Bool{}
		broken := atomic.Bool{}
		s := newSite(t, httpx.Audience{}, func(a *httpx.API) {
			checks := httpx.DatabaseChecks(db)[:1] // the test database's tables were not made by goose
			checks = append(checks, httpx.DatabaseChecks(db)[2],
				httpx.Check{Name: "redis", Run: func(context.Context) error {
					if redis.Load() {
						return errors.New("redis at secret.host is down")
					}
					return nil
				}},
				httpx.Check{Name: "own", Critical: true, Run: func(context.Context) error {
					if broken.Load() {
						return errors.New("broken")
					}
					return nil
				}})
			httpx.RegisterHealth(a, checks...)
		})
		require.Equal(t, 200, s.do("GET", "/healthz", "").StatusCode)
		r := s.do("GET", "/readyz", "")
		require.Equal(t, 200, r.StatusCode, r.body)
		require.Equal(t, "ready", r.json["status"])
		redis.Store(true)
		r = s.do("GET", "/readyz", "")
		require.Equal(t, 200, r.StatusCode)
		require.Equal(t, "degraded", r.json["status"])
		require.NotContains(t, r.body, "secret.host")
		require.Contains(t, s.log.String(), "secret.host")
		broken.Store(true)
		r = s.do("GET", "/readyz", "")
		require.Equal(t, 503, r.StatusCode)
		require.Equal(t, "not ready", r.json["status"])
		broken.Store(false)
		s.engine.Drain()
		r = s.do("GET", "/readyz", "")
		require.Equal(t, 503, r.StatusCode)
		require.Equal(t, "stopping", r.json["status"])
	})
}

func TestDatabaseChecks_KnowPendingMigrations(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Options{File: t.TempDir() + "/empty.db", Clock: clock.System{}})
	require.NoError(t, err)
	defer db.Close()
	checks := httpx.DatabaseChecks(db)
	require.NoError(t, checks[0].Run(t.Context()))
	require.ErrorIs(t, checks[1].Run(t.Context()), store.ErrMigrationsPending)
	_, err = db.Migrate(t.Context())
	require.NoError(t, err)
	require.NoError(t, checks[1].Run(t.Context()))
	require.NoError(t, checks[2].Run(t.Context()))
	require.NoError(t, db.Close())
	require.Error(t, checks[0].Run(t.Context()))
}

func TestMetrics_CountByOperation(t *testing.T) {
	t.Parallel()
	m := httpx.NewMetrics()
	e, err := httpx.NewEngine(httpx.Options{Metrics: m})
	require.NoError(t, err)
	a := httpx.NewAPI(e, httpx.Audience{Name: "x", Prefix: "/x"})
	httpx.Register(a, httpx.Op{ID: "read", Method: "GET", Path: "/read/{id}", Summary: "Read", Permission: access.Public},
		func(context.Context, *struct {
			ID string `path:"id"`
		}) (*struct{}, error) {
			return nil, nil
		})
	for _, path := range []string{"/x/read/1", "/x/read/2", "/secret"} {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Contains(t, w.Body.String(), `fenxiao_http_requests_total{op="read",status="204"} 2`)
	require.Contains(t, w.Body.String(), `fenxiao_http_requests_total{op="none",status="404"} 1`)
	require.NotContains(t, w.Body.String(), "secret")
}

func TestServer_StopsWithoutLosingARequest(t *testing.T) {
	t.Parallel()
	e, err := httpx.NewEngine(httpx.Options{})
	require.NoError(t, err)
	a := httpx.NewAPI(e, httpx.Audience{Name: "x", Prefix: "/x"})
	entered := make(chan struct{}, 100)
	leave := make(chan struct{})
	httpx.Register(a, httpx.Op{ID: "slow", Method: "GET", Path: "/slow", Summary: "Slow", Permission: access.Public},
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			entered <- struct{}{}
			<-leave
			return nil, ctx.Err()
		})
	httpx.RegisterHealth(a)
	srv := &httpx.Server{Engine: e, Metrics: httpx.NewMetrics(), Addr: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0", Log: discard(),
		DrainDelay: 200 * time.Millisecond, ShutdownTimeout: 5 * time.Second}
	addr, err := srv.Listen(t.Context())
	require.NoError(t, err)
	_, err = (&httpx.Server{Addr: addr, Log: discard()}).Listen(t.Context())
	require.ErrorContains(t, err, "in use")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx) }()

	client := &http.Client{Transport: &http.Transport{}}
	get := func(url string) (int, string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			return 0, err.Error(), nil
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, err.Error(), nil
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b), res.Header
	}
	status, _, _ := get("http://" + srv.MetricsAddress() + "/metrics")
	require.Equal(t, 200, status)
	const n = 20
	results := make(chan int, n)
	for range n {
		go func() { s, _, _ := get("http://" + addr + "/x/slow"); results <- s }()
	}
	for range n {
		<-entered
	}
	cancel()
	require.Eventually(t, func() bool { s, _, _ := get("http://" + addr + "/readyz"); return s == 503 }, time.Second, time.Millisecond)
	time.AfterFunc(300*time.Millisecond, func() { close(leave) }) // after the listener has closed
	for range n {
		require.Equal(t, 204, <-results)
	}
	require.NoError(t, <-served)
	status, _, _ = get("http://" + addr + "/readyz")
	require.Zero(t, status, "nobody listens")
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
