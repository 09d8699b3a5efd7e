package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"fenxiao/config"
	"fenxiao/server/access"
	"fenxiao/server/app"
	"fenxiao/server/audit"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/play"
	"fenxiao/server/wechat/sim"
)

// start is when the story begins: a Monday morning in Shanghai.
var start = time.Date(2026, 11, 2, 2, 0, 0, 0, time.UTC)

// Options say where the story is played.
type Options struct {
	Config  config.Config // its database is absent or empty; the rest is made fit for a story
	Out     io.Writer
	Unhappy bool
	English bool
	JSON    bool
	Log     *slog.Logger
}

// Story is one play under way.
type Story struct {
	*Teller
	clock *clock.Manual
	wx    *sim.Server
	app   *app.App
	shop  *play.Shop

	leader, partner *play.Distributor
	buyer           *play.Person
	coffee          play.Product
}

// Run plays the story and proves the invariants afterwards. ErrFailed says that a figure was not as it should be; any
// other error that the story could not be played.
func Run(ctx context.Context, o Options) error {
	s := &Story{Teller: NewTeller(o.Out, o.English, o.JSON), clock: clock.NewManual(start)}
	stop, err := s.open(ctx, o)
	if err != nil {
		return err
	}
	defer stop()
	err = s.play(ctx, o.Unhappy)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.broken(err)
	}
	s.end()
	report, err := audit.Run(ctx, s.app.DB)
	if err != nil {
		return err
	}
	s.verdict(report)
	if s.failed || !report.OK() {
		return ErrFailed
	}
	return nil
}

// open starts the simulator and the shop on free ports of this machine.
func (s *Story) open(ctx context.Context, o Options) (stop func(), err error) {
	s.wx, err = sim.New(sim.Options{Now: s.clock.Now, Seed: 1, NotifySync: true, Log: o.Log})
	if err != nil {
		return nil, err
	}
	if _, err := s.wx.Start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	closeSim := func() { _ = s.wx.Close(context.WithoutCancel(ctx)) }
	client, err := play.ClientOf(s.wx.Merchant())
	if err != nil {
		closeSim()
		return nil, err
	}
	s.app, err = app.New(ctx, fit(o.Config), app.Deps{Clock: s.clock, Log: o.Log, WeChat: client})
	if err != nil {
		closeSim()
		return nil, err
	}
	stopShop, err := s.serve(ctx)
	if err != nil {
		s.app.Close(context.WithoutCancel(ctx))
		closeSim()
		return nil, err
	}
	return func() {
		stopShop()
		s.app.Close(context.WithoutCancel(ctx))
		closeSim()
	}, nil
}

// fit makes a configuration fit for a story: loopback, no schedule of jobs (the story moves the clock and lets them run),
// no limits of rate.
func fit(c config.Config) config.Config {
	c.HTTP.Addr, c.HTTP.MetricsAddr = "127.0.0.1:0", ""
	c.HTTP.RatePerMinute = 0
	c.Jobs.Enabled = false
	c.WeChat.EnvVersion = "release"
	return c
}

func (s *Story) serve(ctx context.Context) (stop func(), err error) {
	addr, err := s.app.Listen(ctx)
	if err != nil {
		return nil, err
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.app.Run(serving) }()
	s.shop = &play.Shop{Base: "http://" + addr, Clock: s.clock, WeChat: s.wx}
	return func() {
		cancel()
		<-ended
	}, nil
}

// play is the story: the main job, and the unhappy ways behind it.
func (s *Story) play(ctx context.Context, unhappy bool) error {
	chapters := []func(context.Context) error{s.openShop, s.people, s.goods, s.scanAndOrder, s.deliver, s.settle, s.withdraw}
	if unhappy {
		chapters = append(chapters, s.unhappy()...)
	}
	chapters = append(chapters, s.booksOfWeChat)
	for _, chapter := range chapters {
		if err := chapter(ctx); err != nil {
			return err
		}
		s.end()
	}
	return nil
}

// owner makes the first admin as the command line does, and changes the one-time password.
func (s *Story) owner(ctx context.Context) error {
	made, err := s.app.Admins.Create(ctx, access.NewAdmin{By: base.System, Account: "boss", Name: "店主", Role: access.Owner})
	if err != nil {
		return err
	}
	login := play.AdminLogin{Account: "boss", Password: made.Password, Secret: made.TOTP.Secret}
	_, s.shop.Owner, err = play.NewPassword(ctx, s.shop.Base, login, s.clock, "Kapok-Street-1998")
	return err
}

// pass lets time go by and does what became due.
func (s *Story) pass(ctx context.Context, d time.Duration) error {
	s.clock.Advance(d)
	return s.settleDue(ctx)
}

// until lets time go by up to an instant in Asia/Shanghai.
func (s *Story) until(ctx context.Context, month time.Month, day, hour, minute int) error {
	s.clock.Set(time.Date(2026, month, day, hour, minute, 0, 0, clock.Shop))
	return s.settleDue(ctx)
}

// settleDue lets WeChat and the shop's jobs do what is due, until nothing is left.
func (s *Story) settleDue(ctx context.Context) error {
	s.wx.Settle(ctx)
	if err := s.app.Settle(ctx); err != nil {
		return err
	}
	s.wx.Settle(ctx)
	return s.app.Settle(ctx)
}

// refused turns an expected refusal into its code; any other error is returned.
func refused(err error) (code string, other error) {
	var p *play.Problem
	if errors.As(err, &p) {
		return p.Code, nil
	}
	if err == nil {
		return "", nil
	}
	return "", err
}

type verdictLine struct {
	Result string         `json:"result"`
	Audit  []audit.Result `json:"audit"`
}

// verdict prints the proof and the last line.
func (s *Story) verdict(report audit.Report) {
	good := !s.failed && report.OK()
	if s.asJSON {
		line := verdictLine{Result: "ok", Audit: report.Results}
		if !good {
			line.Result = "failed"
		}
		s.json(line)
		return
	}
	fmt.Fprintf(s.out, "\n%s\n", s.say(text{"审计", "Audit"}))
	for _, r := range report.Results {
		mark := "✓"
		if !r.OK() {
			mark = "✗"
		}
		fmt.Fprintf(s.out, "%s  %d %s\n", mark, r.Invariant, s.say(text{r.Chinese, r.Name}))
		for _, w := range r.Wrong {
			fmt.Fprintf(s.out, "     %s: %s / %s\n", w.Subject, w.Want, w.Got)
		}
	}
	last := text{"全部相符。", "Everything as it should be."}
	if !good {
		last = text{"有不符之处，见上面的 ✗。", "Something is wrong: see ✗ above."}
	}
	fmt.Fprintf(s.out, "\n%s\n", s.say(last))
}
