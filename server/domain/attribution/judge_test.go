package attribution

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
)

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

const (
	me    = base.DistributorID(1) // the distributor that the customer is, where it is one
	alice = base.DistributorID(2)
	bob   = base.DistributorID(3)
)

// visit is a plain scan of alice's code by a customer who is nobody's.
func visit(change ...func(*facts)) facts {
	f := facts{kind: Scan, customer: 9, owner: alice, ownerIs: OwnerActive, holderIs: OwnerActive, now: noon}
	for _, c := range change {
		c(&f)
	}
	return f
}

func boundTo(d base.DistributorID, ago time.Duration) func(*facts) {
	return func(f *facts) { f.binding = &Binding{ID: 7, Distributor: d, AnchorMs: base.Ms(noon.Add(-ago))} }
}

func ordered(ago time.Duration) func(*facts) {
	return func(f *facts) { f.lastOrder = noon.Add(-ago) }
}

func TestJudge_ByModeAndTime(t *testing.T) {
	t.Parallel()
	type want struct {
		bind   bool
		reason Reason
		ends   Reason
	}
	keep := func(r Reason) want { return want{reason: r} }
	cases := map[string]struct {
		f                         facts
		protected, life, lastScan want
	}{
		"never bound, never ordered":  {visit(), want{true, BoundFirst, ""}, want{true, BoundFirst, ""}, want{true, BoundFirst, ""}},
		"ordered 89 days ago":         {visit(ordered(90*day - time.Millisecond)), keep(OrderedLately), keep(OrderedLately), keep(OrderedLately)},
		"ordered 90 days ago":         {visit(ordered(90 * day)), want{true, BoundIdle, ""}, want{true, BoundIdle, ""}, want{true, BoundIdle, ""}},
		"bound to her":                {visit(boundTo(alice, day)), keep(AlreadyBound), keep(AlreadyBound), keep(AlreadyBound)},
		"bound to her, unprotected":   {visit(boundTo(alice, 31*day)), keep(AlreadyBound), keep(AlreadyBound), keep(AlreadyBound)},
		"bound to another just now":   {visit(boundTo(bob, 0)), keep(StillProtected), keep(BoundForLife), want{true, ReplacedByScan, EndedReplaced}},
		"last millisecond protected":  {visit(boundTo(bob, 30*day-time.Millisecond)), keep(StillProtected), keep(BoundForLife), want{true, ReplacedByScan, EndedReplaced}},
		"first moment unprotected":    {visit(boundTo(bob, 30*day)), want{true, ReplacedIdle, EndedReplaced}, keep(BoundForLife), want{true, ReplacedByScan, EndedReplaced}},
		"last millisecond not lapsed": {visit(boundTo(bob, 180*day-time.Millisecond)), want{true, ReplacedIdle, EndedReplaced}, keep(BoundForLife), want{true, ReplacedByScan, EndedReplaced}},
		"lapsed":                      {visit(boundTo(bob, 180*day)), want{true, BoundAfterLapse, EndedLapsed}, keep(BoundForLife), want{true, BoundAfterLapse, EndedLapsed}},
		"lapsed, same distributor":    {visit(boundTo(alice, 180*day)), want{true, BoundAfterLapse, EndedLapsed}, keep(AlreadyBound), want{true, BoundAfterLapse, EndedLapsed}},
		"the other is suspended": {
			visit(boundTo(bob, day), func(f *facts) { f.holderIs = OwnerIsSuspended }),
			keep(StillProtected), keep(BoundForLife), want{true, ReplacedByScan, EndedReplaced},
		},
		"the other is closed": {
			visit(boundTo(bob, day), func(f *facts) { f.holderIs = OwnerIsClosed }),
			want{true, BoundAfterClosed, EndedOwnerClosed}, want{true, BoundAfterClosed, EndedOwnerClosed}, want{true, BoundAfterClosed, EndedOwnerClosed},
		},
		"the other is closed, ordered lately": {
			visit(boundTo(bob, day), ordered(day), func(f *facts) { f.holderIs = OwnerIsClosed }),
			want{false, OrderedLately, EndedOwnerClosed}, want{false, OrderedLately, EndedOwnerClosed}, want{false, OrderedLately, EndedOwnerClosed},
		},
	}
	for name, c := range cases {
		for mode, w := range map[Mode]want{Protected: c.protected, Life: c.life, LastScan: c.lastScan} {
			p := DefaultPolicy()
			p.Mode = mode
			got := p.judge(c.f)
			require.Equal(t, verdict{w.bind, w.reason, w.ends}, got, "%s, mode %s", name, mode)
		}
	}
}

func TestJudge_RefusesWhateverTheModeIs(t *testing.T) {
	t.Parallel()
	for want, f := range map[Reason]facts{
		Anonymous:      visit(func(f *facts) { f.customer = 0 }),
		NotAVisit:      visit(func(f *facts) { f.kind = Relay }),
		CodeUnknown:    visit(func(f *facts) { f.codeFault = CodeUnknown }),
		CodeExpired:    visit(func(f *facts) { f.codeFault = CodeExpired }),
		CodeDisabled:   visit(func(f *facts) { f.codeFault = CodeDisabled }),
		SelfScan:       visit(func(f *facts) { f.self = alice }),
		OwnerSuspended: visit(func(f *facts) { f.ownerIs = OwnerIsSuspended }),
		OwnerClosed:    visit(func(f *facts) { f.ownerIs = OwnerIsClosed }),
	} {
		for _, mode := range []Mode{Protected, Life, LastScan} {
			for _, b := range []*Binding{nil, {ID: 7, Distributor: bob}} {
				f.binding = b
				p := DefaultPolicy()
				p.Mode = mode
				require.Equal(t, verdict{reason: want}, p.judge(f), "mode %s", mode)
			}
		}
	}
}

// TestJudge_NeverBreaksTheRules draws any facts and any policy.
func TestJudge_NeverBreaksTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		days := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(t, name) }
		p := Policy{
			Mode: rapid.SampledFrom([]Mode{Protected, Life, LastScan}).Draw(t, "mode"), ProtectDays: days("protect", 0, 60),
			RebindIdleDays: days("idle", 0, 200), TouchWindowDays: days("window", 0, 30), OwnPurchase: rapid.Bool().Draw(t, "own"),
		}
		p.LapseDays = max(1, p.ProtectDays) + days("lapse", 0, 200)
		require.NoError(t, p.Validate())
		states := rapid.SampledFrom([]OwnerState{OwnerActive, OwnerIsSuspended, OwnerIsClosed})
		f := facts{
			kind:     rapid.SampledFrom([]TouchKind{Scan, Click, Share, Poster, Link, Relay}).Draw(t, "kind"),
			customer: base.CustomerID(days("customer", 0, 1)), self: base.DistributorID(days("self", 0, 3)),
			owner: base.DistributorID(days("owner", 1, 3)), ownerIs: states.Draw(t, "owner is"), holderIs: states.Draw(t, "holder is"),
			codeFault: rapid.SampledFrom([]Reason{"", CodeUnknown, CodeExpired, CodeDisabled}).Draw(t, "fault"), now: noon,
		}
		if ago := days("ordered ago", -1, 400); ago >= 0 {
			f.lastOrder = noon.Add(-time.Duration(ago) * day)
		}
		if holder := days("holder", 0, 3); holder > 0 {
			f.binding = &Binding{ID: 1, Distributor: base.DistributorID(holder), AnchorMs: base.Ms(noon.Add(-time.Duration(days("bound ago", 0, 400)) * day))}
		}
		v := p.judge(f)
		if v.bind {
			require.NotEqual(t, f.owner, f.self, "to oneself")
			require.Equal(t, OwnerActive, f.ownerIs)
			require.True(t, f.customer != 0 && f.kind.IsVisit() && f.codeFault == "")
			require.Equal(t, f.binding == nil, v.endOld == "", "the earlier binding ends, and only that")
		}
		if v.endOld != "" {
			require.NotNil(t, f.binding)
		}
		require.NotEmpty(t, v.reason)
		require.LessOrEqual(t, len(v.reason), 32, "fits its column")
		require.Equal(t, v, p.judge(f), "pure")
	})
}

func TestPolicy_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, DefaultPolicy().Validate())
	for name, change := range map[string]func(*Policy){
		"mode":             func(p *Policy) { p.Mode = "forever" },
		"negative protect": func(p *Policy) { p.ProtectDays = -1 },
		"lapse < protect":  func(p *Policy) { p.LapseDays = p.ProtectDays - 1 },
		"no lapse":         func(p *Policy) { p.ProtectDays, p.LapseDays = 0, 0 },
		"idle":             func(p *Policy) { p.RebindIdleDays = daysMax + 1 },
		"window":           func(p *Policy) { p.TouchWindowDays = windowMax + 1 },
	} {
		p := DefaultPolicy()
		change(&p)
		require.Error(t, p.Validate(), name)
	}
}
