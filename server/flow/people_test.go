package flow_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

var boss = base.Admin(1)

// peopleMini is WeChat for log-ins and scene codes: a log-in code is the openid, unless it is a word below.
type peopleMini struct {
	wechat.Mini
	drawn  atomic.Int64
	broken atomic.Bool
}

func (m *peopleMini) Login(_ context.Context, code string) (wechat.Session, error) {
	switch code {
	case "used":
		return wechat.Session{}, &wechat.Error{Op: wechat.OpLogin, Class: wechat.Refused, Code: "40163"}
	case "risky":
		return wechat.Session{}, &wechat.Error{Op: wechat.OpLogin, Class: wechat.Refused, Code: "40226"}
	case "busy":
		return wechat.Session{}, &wechat.Error{Op: wechat.OpLogin, Class: wechat.Later, Code: "-1"}
	}
	return wechat.Session{OpenID: code}, nil
}

func (m *peopleMini) SceneCode(_ context.Context, c wechat.SceneCode) ([]byte, error) {
	if m.broken.Load() {
		return nil, &wechat.Error{Op: wechat.OpSceneCode, Class: wechat.Later, Code: "45009"}
	}
	return fmt.Appendf(nil, "jpeg %d %s %s %d %s", m.drawn.Add(1), c.Scene, c.Page, c.Width, c.Env), nil
}

// peopleLimiter allows until it is told not to.
type peopleLimiter struct{ full, gone atomic.Bool }

func (l *peopleLimiter) Limit(context.Context, string, string, int, int) (bool, time.Duration, error) {
	if l.gone.Load() {
		return false, 0, context.DeadlineExceeded
	}
	return !l.full.Load(), 7 * time.Second, nil
}

// people is a shop with levels and nobody in it.
type people struct {
	t     *testing.T
	f     *flow.Flow
	db    *store.DB
	clock *clock.Manual
	mini  *peopleMini
	limit *peopleLimiter
	n     atomic.Int64
}

func newPeople(t *testing.T, db *store.DB, c *clock.Manual) *people {
	t.Helper()
	box, err := crypt.NewBox(crypt.NewKeys())
	require.NoError(t, err)
	p := &people{t: t, db: db, clock: c, mini: &peopleMini{}, limit: &peopleLimiter{}}
	p.f = &flow.Flow{
		DB: db, Mini: p.mini, Limiter: p.limit, Box: box, Log: slog.New(slog.DiscardHandler),
		Shop:  flow.Shop{CodePage: "pages/index/index", CodeEnv: "release", LinkBase: "https://shop.example/"},
		Alarm: func(string, string) {}, Wake: func() {},
	}
	require.NoError(t, p.f.SeedDefaults(t.Context()))
	return p
}

func eachPeople(t *testing.T, fn func(t *testing.T, p *people)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, newPeople(t, db, c)) })
}

func (p *people) customer() base.CustomerID {
	p.t.Helper()
	c, created, err := p.f.Login(p.t.Context(), fmt.Sprintf("openid-%d", p.n.Add(1)))
	require.NoError(p.t, err)
	require.True(p.t, created)
	return c.ID
}

func (p *people) apply(c base.CustomerID, code string) distributor.Application {
	p.t.Helper()
	a, err := p.f.Apply(p.t.Context(), p.application(c, code))
	require.NoError(p.t, err)
	return a
}

func (p *people) application(c base.CustomerID, code string) flow.ApplyInput {
	return flow.ApplyInput{
		ID: base.ApplicationID(p.db.Mint.Next()), Customer: c, InviterCode: code,
		AgreementVersion: distributor.DefaultAdmission().AgreementVersion,
	}
}

// distributor admits a new customer.
func (p *people) distributor() distributor.Distributor {
	p.t.Helper()
	a := p.apply(p.customer(), "")
	d, err := p.f.Approve(p.t.Context(), flow.DecideApplication{ID: a.ID, By: boss})
	require.NoError(p.t, err)
	return d
}

// leveled admits a new customer and gives a level.
func (p *people) leveled(code string) distributor.Distributor {
	p.t.Helper()
	d := p.distributor()
	l, err := distributor.LevelByCode(p.t.Context(), p.db.Q(), code)
	require.NoError(p.t, err)
	if l.ID == d.Level.ID {
		return d
	}
	d, err = p.f.SetLevel(p.t.Context(), flow.SetLevelInput{ID: d.ID, Version: d.Version, Level: l.ID, By: boss, Reason: "考核通过"})
	require.NoError(p.t, err)
	return d
}

func (p *people) code(d base.DistributorID) attribution.Code {
	p.t.Helper()
	c, err := p.f.MakeCode(p.t.Context(), attribution.NewCode{
		ID: base.CodeID(p.db.Mint.Next()), Distributor: d, Target: attribution.Target{Kind: attribution.TargetShop},
	})
	require.NoError(p.t, err)
	return c
}

func (p *people) scan(c base.CustomerID, raw string) flow.Scanned {
	p.t.Helper()
	s, err := p.f.Scan(p.t.Context(), p.scanInput(c, raw))
	require.NoError(p.t, err)
	return s
}

func (p *people) scanInput(c base.CustomerID, raw string) flow.ScanInput {
	return flow.ScanInput{Touch: base.TouchID(p.db.Mint.Next()), Kind: attribution.Scan, Raw: raw, Customer: c}
}

func (p *people) count(query string, args ...any) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.db.Q().Get(p.t.Context(), &n, query, args...))
	return n
}

// audited requires that the last audit entry about an object is of the action.
func (p *people) audited(object, action string) {
	p.t.Helper()
	rows, err := auditlog.Of(p.t.Context(), p.db.Q(), object)
	require.NoError(p.t, err)
	require.NotEmpty(p.t, rows)
	require.Equal(p.t, action, rows[len(rows)-1].Action)
}

func requireCode(t *testing.T, want string, err error) {
	t.Helper()
	require.Equal(t, want, errs.CodeOf(err), "%v", err)
}

// atOnce runs fn n times at the same instant and returns the errors.
func atOnce(n int, fn func(i int) error) []error {
	out := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// tally counts errors by code; "" is success.
func tally(list []error) map[string]int {
	out := map[string]int{}
	for _, err := range list {
		out[errs.CodeOf(err)]++
	}
	return out
}

func TestLogin(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		var created atomic.Int64
		var mu sync.Mutex
		seen := map[base.CustomerID]bool{}
		results := atOnce(40, func(int) error {
			c, fresh, err := p.f.Login(ctx, "the-one")
			if fresh {
				created.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[c.ID] = true
			return err
		})
		require.Equal(t, map[string]int{"": 40}, tally(results))
		require.Len(t, seen, 1, "many first log-ins of one openid make one customer")
		require.EqualValues(t, 1, created.Load())

		for code, want := range map[string]string{
			"": "auth.wechat_code_invalid", "used": "auth.wechat_code_invalid", "risky": "auth.wechat_refused",
			"busy": "wechat.unavailable", string(make([]byte, 200)): "auth.wechat_code_invalid",
		} {
			_, _, err := p.f.Login(ctx, code)
			requireCode(t, want, err)
		}
	})
}

func TestSetPhone_IsSealedAndFound(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx, c := t.Context(), p.customer()
		requireCode(t, "customer.phone_invalid", p.f.SetPhone(ctx, c, "12345"))
		require.NoError(t, p.f.SetPhone(ctx, c, "+86 138-0013-8000"))
		got, err := crm.Get(ctx, p.db.Q(), c)
		require.NoError(t, err)
		require.NotContains(t, got.PhoneEnc, "13800138000")
		phone, err := p.f.Box.Open(crm.PhonePlace, got.PhoneEnc)
		require.NoError(t, err)
		require.Equal(t, "13800138000", phone)
		found, err := crm.List(ctx, p.db.Q(), p.f.Box.Blind(crm.PhonePlace, "13800138000"), crm.Page{Limit: 5})
		require.NoError(t, err)
		require.Len(t, found, 1)
		requireCode(t, "customer.not_found", p.f.SetPhone(ctx, c+1, "13800138000"))
	})
}

func TestApply(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		inviter := p.distributor()
		code := p.code(inviter.ID)
		c := p.customer()

		in := p.application(c, attribution.EncodeScene(code.Text))
		in.AgreementVersion = "2020-01"
		_, err := p.f.Apply(ctx, in)
		requireCode(t, "application.agreement_outdated", err)

		in.AgreementVersion = distributor.DefaultAdmission().AgreementVersion
		results := atOnce(20, func(int) error {
			again := in
			again.ID = base.ApplicationID(p.db.Mint.Next())
			_, err := p.f.Apply(ctx, again)
			return err
		})
		require.Equal(t, map[string]int{"": 1, "application.pending": 19}, tally(results))

		a, ok, err := distributor.LatestApplication(ctx, p.db.Q(), c)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, distributor.Pending, a.State)
		require.Equal(t, inviter.ID, a.Upline)
		require.Equal(t, storetest.Start.UnixMilli(), a.AgreedMs, "when the agreement was accepted")
		same := in
		same.ID = a.ID
		again, err := p.f.Apply(ctx, same)
		require.NoError(t, err, "the same id again is the same application")
		require.Equal(t, a, again)

		requireCode(t, "request.reason_required", p.f.Reject(ctx, flow.DecideApplication{ID: a.ID, By: boss}))
		requireCode(t, "application.not_found", p.f.Reject(ctx, flow.DecideApplication{ID: a.ID + 1, By: boss, Reason: "x"}))

		p.clock.Advance(time.Hour)
		d, err := p.f.Approve(ctx, flow.DecideApplication{ID: a.ID, By: boss})
		require.NoError(t, err)
		require.Equal(t, distributor.Active, d.Status)
		require.Equal(t, distributor.Ordinary, d.Level.Code)
		require.Equal(t, inviter.ID, d.Upline)
		require.Equal(t, a.AgreedMs, d.AgreedMs)
		w, err := ledger.WalletOf(ctx, p.db.Q(), d.ID)
		require.NoError(t, err, "the wallet is there from admission on")
		require.Zero(t, w)
		p.audited(a.ID.String(), "application.approve")

		_, err = p.f.Approve(ctx, flow.DecideApplication{ID: a.ID, By: boss})
		requireCode(t, "application.decided", err)
		_, err = p.f.Apply(ctx, p.application(c, ""))
		requireCode(t, "distributor.already_admitted", err)
		_, err = p.f.Apply(ctx, p.application(c+1, ""))
		requireCode(t, "customer.not_found", err)
	})
}

func TestApprove_AndRejectAtOnce(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		for range 5 {
			c := p.customer()
			a := p.apply(c, "")
			results := atOnce(8, func(i int) error {
				in := flow.DecideApplication{ID: a.ID, By: boss, Reason: "资料不全"}
				if i%2 == 0 {
					return p.f.Reject(ctx, in)
				}
				_, err := p.f.Approve(ctx, in)
				return err
			})
			require.Equal(t, map[string]int{"": 1, "application.decided": 7}, tally(results))
			got, err := distributor.ApplicationOf(ctx, p.db.Q(), a.ID)
			require.NoError(t, err)
			_, is, err := distributor.ByCustomer(ctx, p.db.Q(), c)
			require.NoError(t, err)
			require.Equal(t, got.State == distributor.Approved, is)
			if got.State == distributor.Rejected {
				p.apply(c, "") // may try again
			}
		}
	})
}

func TestAdmission_AutoApprove(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		policy := distributor.DefaultAdmission()
		policy.AgreementText += "七、其他。"
		_, err := p.f.PutAdmission(ctx, policy, boss, "补充条款")
		requireCode(t, "admission.version_kept", err)
		policy.AgreementVersion, policy.LevelCode = "2026-02", "nobody"
		_, err = p.f.PutAdmission(ctx, policy, boss, "补充条款")
		requireCode(t, "level.not_found", err)
		policy.LevelCode, policy.AutoApprove = distributor.Senior, true
		version, err := p.f.PutAdmission(ctx, policy, boss, "补充条款")
		require.NoError(t, err)
		require.Equal(t, 1, version)
		p.audited(distributor.AdmissionSetting, "setting.put")

		c := p.customer()
		in := p.application(c, "s=unknown0")
		_, err = p.f.Apply(ctx, in)
		requireCode(t, "application.agreement_outdated", err)
		in.AgreementVersion = "2026-02"
		a, err := p.f.Apply(ctx, in)
		require.NoError(t, err)
		require.Equal(t, distributor.Approved, a.State)
		require.Equal(t, "system", a.DecidedBy)
		d, is, err := distributor.ByCustomer(ctx, p.db.Q(), c)
		require.NoError(t, err)
		require.True(t, is)
		require.Equal(t, a.Distributor, d.ID)
		require.Equal(t, distributor.Senior, d.Level.Code)
		require.Zero(t, d.Upline)
	})
}

func TestSuspend(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		d := p.distributor()
		decide := flow.PersonDecision{ID: d.ID, By: boss, Reason: "涉嫌刷单"}
		_, err := p.f.Suspend(ctx, flow.PersonDecision{ID: d.ID, By: boss})
		requireCode(t, "request.reason_required", err)
		_, err = p.f.Reactivate(ctx, decide)
		requireCode(t, "distributor.status_moved", err)
		_, err = p.f.Suspend(ctx, flow.PersonDecision{ID: d.ID + 1, By: boss, Reason: "x"})
		requireCode(t, "distributor.not_found", err)

		results := atOnce(8, func(int) error {
			_, err := p.f.Suspend(ctx, decide)
			return err
		})
		require.Equal(t, map[string]int{"": 1, "distributor.status_moved": 7}, tally(results))
		p.audited(d.ID.String(), "distributor.suspend")
		_, err = p.f.MakeCode(ctx, attribution.NewCode{ID: base.CodeID(p.db.Mint.Next()), Distributor: d.ID, Target: attribution.Target{Kind: attribution.TargetShop}})
		requireCode(t, "distributor.suspended", err)

		back, err := p.f.Reactivate(ctx, decide)
		require.NoError(t, err)
		require.Equal(t, distributor.Active, back.Status)
		history, err := distributor.History(ctx, p.db.Q(), d.ID)
		require.NoError(t, err)
		require.Len(t, history, 3)
		require.Equal(t, "suspended", history[1].To)
		require.Equal(t, "涉嫌刷单", history[1].Reason)
	})
}

func codeOf(err error) string { return errs.CodeOf(err) }
