package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/wechat"
	"fenxiao/server/wechat/live"
	"fenxiao/server/wechat/sim"
)

var simKeys = sync.OnceValues(sim.GenerateKeys)

// rig is a simulated WeChat, a client of it, and a door for its notifications.
type rig struct {
	t     *testing.T
	sim   *sim.Server
	m     sim.Merchant
	c     *live.Client
	clock *clock.Manual
	door  *httptest.Server

	mu     sync.Mutex
	came   []wechat.Notification
	errs   []error
	number int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	keys, err := simKeys()
	require.NoError(t, err)
	r := &rig{t: t, clock: clock.NewManual(time.Date(2026, 11, 23, 12, 0, 0, 0, clock.Shop))}
	r.sim, err = sim.New(sim.Options{Now: r.clock.Now, Seed: 7, NotifySync: true, Keys: keys, RefundGap: -1,
		Transfer: sim.TransferLimits{MaxFen: 500_000, UserDayFen: 2_000_000}})
	require.NoError(t, err)
	base, err := r.sim.Start("127.0.0.1:0")
	require.NoError(t, err)
	r.m = r.sim.Merchant()
	r.c = newClient(t, live.Config{AppID: r.m.AppID, AppSecret: r.m.AppSecret, MchID: r.m.MchID, SerialNo: r.m.SerialNo,
		PrivateKeyPEM: r.m.PrivateKeyPEM, PublicKeyID: r.m.PublicKeyID, PublicKeyPEM: r.m.PublicKeyPEM, APIV3Key: r.m.APIV3Key,
		MiniBaseURL: base, PayBaseURL: base, Timeout: 3 * time.Second})
	r.door = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(func() {
		require.NoError(t, r.sim.Close(context.Background()))
		r.door.Close()
		require.Empty(t, r.sim.Check(), "the simulator's books")
		require.Empty(t, r.sim.Books().Violations, "we broke the protocol")
	})
	return r
}

// take answers notifications as the port asks for.
func (r *rig) take(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, q.Body, wechat.NotificationBytesMax))
	n, err := r.c.ParseNotification(q.Context(), q.Header, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.came = append(r.came, n)
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, wechat.ErrSignProbe):
		r.errs = append(r.errs, err)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		r.errs = append(r.errs, err)
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// last is the latest notification, which has to be of a kind.
func (r *rig) last(kind wechat.NotificationKind) wechat.Notification {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotEmpty(r.t, r.came)
	n := r.came[len(r.came)-1]
	require.Equal(r.t, kind, n.Kind)
	require.NotEmpty(r.t, n.ID)
	return n
}

func (r *rig) fault(m sim.Match, a sim.Action) {
	r.t.Helper()
	require.NoError(r.t, r.sim.AddFault(sim.Fault{Match: m, Action: a}))
}

func (r *rig) no(prefix string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	return fmt.Sprintf("%s%09d", prefix, r.number)
}

func (r *rig) prepay() wechat.PrepayRequest {
	return wechat.PrepayRequest{OutTradeNo: r.no("pa"), Description: "车厘子 5 斤", Total: 9900, OpenID: r.sim.OpenID("buyer"),
		ExpiresAt: r.clock.Now().Add(30 * time.Minute), NotifyURL: r.door.URL + "/pay", Attach: "a"}
}

// paid makes a payment and returns how WeChat sees it.
func (r *rig) paid() wechat.Payment {
	r.t.Helper()
	q := r.prepay()
	id, err := r.c.Prepay(r.t.Context(), q)
	require.NoError(r.t, err)
	require.NoError(r.t, r.sim.Pay(r.t.Context(), id))
	p, err := r.c.QueryPayment(r.t.Context(), q.OutTradeNo)
	require.NoError(r.t, err)
	return p
}

func (r *rig) refund(p wechat.Payment, amount money.Fen) wechat.RefundRequest {
	return wechat.RefundRequest{TransactionID: p.TransactionID, OutRefundNo: r.no("rf"), Reason: "少发一件", Amount: amount,
		Total: p.Total, NotifyURL: r.door.URL + "/refund"}
}

func (r *rig) transfer(amount money.Fen) wechat.TransferRequest {
	q := transferRequest()
	q.OutBillNo, q.OpenID, q.Amount, q.NotifyURL = r.no("wd"), r.sim.OpenID("leader"), amount, r.door.URL+"/transfer"
	return q
}

func TestSim_LogIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	code := r.sim.LoginCode("张三 & Co")
	who, err := r.c.Login(t.Context(), code)
	require.NoError(t, err)
	require.Equal(t, r.sim.OpenID("张三 & Co"), who.OpenID)
	_, err = r.c.Login(t.Context(), code)
	require.True(t, wechat.BadLoginCode(err), err)
	_, err = r.c.Login(t.Context(), "no such code")
	require.True(t, wechat.BadLoginCode(err), err)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err))
}

func TestSim_SceneCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	image, err := r.c.SceneCode(t.Context(), scene)
	require.NoError(t, err)
	require.Equal(t, "\xFF\xD8\xFF", string(image[:3]))
	require.Equal(t, "s=Ab3", r.sim.Books().Codes[0].Scene)

	for _, test := range []struct {
		action sim.Action
		class  wechat.Class
	}{
		{sim.Action{ErrCode: 45009, Message: "quota"}, wechat.Later},
		{sim.Action{ErrCode: 41030, Message: "page"}, wechat.Refused},
		{sim.Action{QR: "png"}, wechat.Unknown},
		{sim.Action{QR: "empty"}, wechat.Unknown},
		{sim.Action{Drop: true}, wechat.Unknown},
		{sim.Action{Status: 502}, wechat.Unknown},
	} {
		r.sim.ClearFaults()
		r.fault(sim.Match{Path: codePath}, test.action)
		_, err := r.c.SceneCode(t.Context(), scene)
		require.Equal(t, test.class, wechat.ClassOf(err), "%+v: %v", test.action, err)
	}
	r.sim.ClearFaults()
	r.fault(sim.Match{Path: codePath}, sim.Action{QR: "json_image"})
	_, err = r.c.SceneCode(t.Context(), scene)
	require.NotEmpty(t, wechat.CodeOf(err), "an error that calls itself an image: %v", err)
}

func TestSim_TokenRevoked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2 {
		_, err := r.c.SceneCode(t.Context(), scene)
		require.NoError(t, err)
		r.fault(sim.Match{}, sim.Action{RevokeToken: true}) // the retry has to fetch another
	}
	r.sim.ClearFaults()
	r.fault(sim.Match{}, sim.Action{ExpiresIn: 1})
	r.fault(sim.Match{}, sim.Action{RevokeToken: true})
	for range 3 {
		_, err := r.c.SceneCode(t.Context(), scene)
		require.NoError(t, err)
		time.Sleep(600 * time.Millisecond) // tokens live by the machine's clock
	}
	r.sim.ClearFaults()
	r.fault(sim.Match{Path: codePath}, sim.Action{ErrCode: 42001, Message: "access_token expired"})
	_, err := r.c.SceneCode(t.Context(), scene)
	require.Equal(t, "42001", wechat.CodeOf(err))
	require.Equal(t, 2, r.sim.Faults()[0].Fired, "one retry, no more")
}

func TestSim_Payment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	q := r.prepay()
	id, err := r.c.Prepay(t.Context(), q)
	require.NoError(t, err)
	_, err = r.c.Prepay(t.Context(), q)
	require.NoError(t, err, "the same again")
	p, err := r.c.QueryPayment(t.Context(), q.OutTradeNo)
	require.NoError(t, err)
	require.Equal(t, wechat.PaymentNotPay, p.State)

	other := q
	other.Total++
	_, err = r.c.Prepay(t.Context(), other)
	require.Equal(t, wechat.Exists, wechat.ClassOf(err), err)

	params, err := r.c.PayParams(id)
	require.NoError(t, err)
	require.NoError(t, r.sim.PaySigned(t.Context(), sim.PaySheet(params)))
	n := r.last(wechat.PaymentEvent)
	require.Equal(t, "TRANSACTION.SUCCESS", n.EventType)
	told, err := wechat.DecodePayment(n.Plain)
	require.NoError(t, err)
	asked, err := r.c.QueryPayment(t.Context(), q.OutTradeNo)
	require.NoError(t, err)
	require.Equal(t, asked, told, "a query says what the notification said")
	require.Equal(t, wechat.Payment{AppID: r.m.AppID, MchID: r.m.MchID, OutTradeNo: q.OutTradeNo, TransactionID: asked.TransactionID,
		State: wechat.PaymentSuccess, Total: 9900, PayerTotal: 9900, Currency: "CNY", OpenID: q.OpenID, Attach: "a",
		SuccessAt: r.clock.Now()}, asked)

	require.Equal(t, wechat.Exists, wechat.ClassOf(r.c.ClosePayment(t.Context(), q.OutTradeNo)), "paid")
	_, err = r.c.Prepay(t.Context(), q)
	require.Equal(t, wechat.Exists, wechat.ClassOf(err), "paid: %v", err)
	_, err = r.c.QueryPayment(t.Context(), "pa-nobody")
	require.Equal(t, wechat.NotFound, wechat.ClassOf(err), err)

	late := r.prepay()
	_, err = r.c.Prepay(t.Context(), late)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, r.c.ClosePayment(t.Context(), late.OutTradeNo), "closing again is no error")
	}
	p, err = r.c.QueryPayment(t.Context(), late.OutTradeNo)
	require.NoError(t, err)
	require.Equal(t, wechat.PaymentClosed, p.State)
	_, err = r.c.Prepay(t.Context(), late)
	require.Equal(t, wechat.Exists, wechat.ClassOf(err), "closed: %v", err)

	stranger := r.prepay()
	stranger.OpenID = r.sim.OpenIDIn("wxffffffffffffffff", "buyer")
	_, err = r.c.Prepay(t.Context(), stranger)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err), err)
}

func TestSim_Refund(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.paid()
	q := r.refund(p, 100)
	for range 2 {
		got, err := r.c.Refund(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, wechat.RefundProcessing, got.State)
	}
	r.clock.Advance(time.Minute)
	r.sim.Settle(t.Context())
	told, err := wechat.DecodeRefund(r.last(wechat.RefundEvent).Plain)
	require.NoError(t, err)
	require.Equal(t, r.m.MchID, told.MchID)
	asked, err := r.c.QueryRefund(t.Context(), q.OutRefundNo)
	require.NoError(t, err)
	require.Equal(t, wechat.RefundSuccess, asked.State)
	told.MchID = "" // answers do not name it
	require.Equal(t, asked, told)
	p, err = r.c.QueryPayment(t.Context(), p.OutTradeNo)
	require.NoError(t, err)
	require.Equal(t, wechat.PaymentRefund, p.State)
	require.True(t, p.State.Paid())

	changed := q
	changed.Amount++
	_, err = r.c.Refund(t.Context(), changed)
	require.Equal(t, wechat.Exists, wechat.ClassOf(err), err)
	_, err = r.c.Refund(t.Context(), r.refund(p, 9900))
	require.Equal(t, wechat.Refused, wechat.ClassOf(err), "more than is left: %v", err)
	_, err = r.c.QueryRefund(t.Context(), "rf-nobody")
	require.Equal(t, wechat.NotFound, wechat.ClassOf(err), err)
	nobody := r.refund(p, 1)
	nobody.TransactionID = "4200000000000000000000000000"
	_, err = r.c.Refund(t.Context(), nobody)
	require.Equal(t, wechat.NotFound, wechat.ClassOf(err), err)
}

func TestSim_Transfer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sim.SetRealName("leader", "张三")
	q := r.transfer(5000)
	first, err := r.c.Transfer(t.Context(), q)
	require.NoError(t, err)
	for first.State != wechat.TransferWaitConfirm {
		first, err = r.c.Transfer(t.Context(), q)
		require.NoError(t, err)
	}
	again, err := r.c.Transfer(t.Context(), q)
	require.NoError(t, err, "the name is encrypted anew, and the same to WeChat")
	require.NotEmpty(t, again.PackageInfo)
	changed := q
	changed.Amount++
	_, err = r.c.Transfer(t.Context(), changed)
	require.Equal(t, wechat.Exists, wechat.ClassOf(err), err)

	require.NoError(t, r.sim.ConfirmSigned(t.Context(), sim.ConfirmSheet{MchID: r.c.Account().MchID, AppID: r.c.Account().AppID,
		Package: again.PackageInfo, OpenID: q.OpenID}))
	told, err := wechat.DecodeTransfer(r.last(wechat.TransferEvent).Plain)
	require.NoError(t, err)
	asked, err := r.c.QueryTransfer(t.Context(), q.OutBillNo)
	require.NoError(t, err)
	require.Equal(t, asked, told)
	require.Equal(t, wechat.TransferSuccess, asked.State)
	require.Equal(t, money.Fen(5000), asked.Amount)
	require.Equal(t, q.OpenID, asked.OpenID)
	require.Equal(t, r.m.MchID, asked.MchID)

	_, err = r.c.QueryTransfer(t.Context(), "wdnobody")
	require.Equal(t, wechat.NotFound, wechat.ClassOf(err), err)
	_, err = r.c.CancelTransfer(t.Context(), "wdnobody")
	require.Equal(t, wechat.NotFound, wechat.ClassOf(err), err)
	_, err = r.c.CancelTransfer(t.Context(), q.OutBillNo)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err), "done already: %v", err)

	small := r.transfer(29)
	_, err = r.c.Transfer(t.Context(), small)
	require.NoError(t, err, "the name is left out")
	large := r.transfer(300_000)
	_, err = r.c.Transfer(t.Context(), large)
	require.NoError(t, err)
	tooLarge := r.transfer(600_000)
	_, err = r.c.Transfer(t.Context(), tooLarge)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err), err)
	scene := r.transfer(5000)
	scene.ReportInfos = scene.ReportInfos[:1]
	_, err = r.c.Transfer(t.Context(), scene)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err), err)
}

func TestSim_TransferThatEndsOtherwise(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	state := func(no string) wechat.Transfer {
		got, err := r.c.QueryTransfer(t.Context(), no)
		require.NoError(t, err)
		return got
	}
	start := func() string {
		q := r.transfer(5000)
		_, err := r.c.Transfer(t.Context(), q)
		require.NoError(t, err)
		return q.OutBillNo
	}
	cancelled := start()
	got, err := r.c.CancelTransfer(t.Context(), cancelled)
	require.NoError(t, err)
	require.Equal(t, wechat.TransferCanceling, got.State)
	r.clock.Advance(time.Minute)
	r.sim.Settle(t.Context())
	require.Equal(t, wechat.TransferCancelled, state(cancelled).State)
	told, err := wechat.DecodeTransfer(r.last(wechat.TransferEvent).Plain)
	require.NoError(t, err)
	require.Equal(t, state(cancelled), told)

	overdue := start()
	r.clock.Advance(25 * time.Hour)
	r.sim.Settle(t.Context())
	require.Equal(t, wechat.TransferFail, state(overdue).State)
	require.Equal(t, wechat.FailOverdue, state(overdue).FailReason)

	r.sim.SetRealName("leader", "李四")
	misnamed := start()
	require.NoError(t, r.sim.ConfirmTransfer(t.Context(), misnamed))
	require.True(t, state(misnamed).State.Returned())
	require.Equal(t, "NAME_NOT_CORRECT", state(misnamed).FailReason)
}

func TestSim_Shipping(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sim.Match{Path: shipPath}, sim.Action{ShipUnknownMS: 10_000})
	p := r.paid()
	s := wechat.Shipping{TransactionID: p.TransactionID, OpenID: p.OpenID, Logistics: wechat.Express, At: r.clock.Now(),
		Parcels: []wechat.Parcel{{TrackingNo: "SF1", Company: "SF", Items: "车厘子", ReceiverContactMasked: "189****1234"}}}
	err := r.c.UploadShipping(t.Context(), s)
	require.Equal(t, wechat.Later, wechat.ClassOf(err), err)
	r.clock.Advance(11 * time.Second)
	require.NoError(t, r.c.UploadShipping(t.Context(), s), "the first of two parcels")

	s.At, s.AllDelivered = r.clock.Now(), true
	s.Parcels = append(s.Parcels, wechat.Parcel{TrackingNo: "YT2", Company: "YTO", Items: "车厘子"})
	require.NoError(t, r.c.UploadShipping(t.Context(), s), "both")
	s.At = s.At.Add(time.Second)
	require.Equal(t, wechat.Exists, wechat.ClassOf(r.c.UploadShipping(t.Context(), s)), "nothing new")

	other := s
	other.TransactionID = "4200000000000000000000000000"
	require.Equal(t, wechat.Later, wechat.ClassOf(r.c.UploadShipping(t.Context(), other)))

	pickUp := r.paid()
	r.clock.Advance(11 * time.Second)
	require.NoError(t, r.c.UploadShipping(t.Context(), wechat.Shipping{TransactionID: pickUp.TransactionID, OpenID: pickUp.OpenID,
		Logistics: wechat.PickUp, AllDelivered: true, At: r.clock.Now(), Parcels: []wechat.Parcel{{Items: "车厘子"}}}))
}

// moneyOut is the calls that move money, each with a question whether it was done.
func (r *rig) moneyOut() map[string]struct {
	path  string
	do    func(context.Context) error
	asked func() error
} {
	type move = struct {
		path  string
		do    func(context.Context) error
		asked func() error
	}
	ctx := r.t.Context()
	prepay, refund, transfer := r.prepay(), r.refund(r.paid(), 100), r.transfer(5000)
	return map[string]move{
		"prepay": {prepayPath, func(ctx context.Context) error { _, err := r.c.Prepay(ctx, prepay); return err },
			func() error { _, err := r.c.QueryPayment(ctx, prepay.OutTradeNo); return err }},
		"refund": {refundsPath, func(ctx context.Context) error { _, err := r.c.Refund(ctx, refund); return err },
			func() error { _, err := r.c.QueryRefund(ctx, refund.OutRefundNo); return err }},
		"transfer": {transferPath, func(ctx context.Context) error { _, err := r.c.Transfer(ctx, transfer); return err },
			func() error { _, err := r.c.QueryTransfer(ctx, transfer.OutBillNo); return err }},
	}
}

// impatient waits half a second where there will be no answer.
func impatient(t *testing.T, yes bool) context.Context {
	if !yes {
		return t.Context()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// TestSim_UnknownIsDecidedByAsking: the error is the same whether the work was done or not; the query tells, and the
// same number again does no harm.
func TestSim_UnknownIsDecidedByAsking(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]sim.Action{
		"never answered":    {Hang: true},
		"connection lost":   {Drop: true},
		"system error":      {Status: 500},
		"gateway":           {Status: 502},
		"unknown code":      {Code: "SOMETHING_NEW"},
		"body cut":          {TruncateBody: true},
		"wrong signature":   {Sig: sim.SigWrong},
		"no signature":      {Sig: sim.SigMissing},
		"old signature":     {Sig: sim.SigStale},
		"unknown serial":    {Sig: sim.SigUnknownSerial},
		"signed by a cert":  {Sig: sim.SigCert},
		"late, and refused": {DelayMS: 50, Status: 503},
	} {
		for _, when := range []string{"before", "after"} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				action := action
				action.When = when
				executed := when == "after" || action.Sig != "" || action.TruncateBody
				for what, move := range r.moneyOut() {
					r.sim.ClearFaults()
					r.fault(sim.Match{Method: http.MethodPost, Path: move.path + "$", Times: 1}, action)
					err := move.do(impatient(t, action.Hang))
					require.Equal(t, wechat.Unknown, wechat.ClassOf(err), "%s: %v", what, err)
					require.Equal(t, 1, r.sim.Faults()[0].Fired)
					if executed {
						require.NoError(t, move.asked(), what)
					} else {
						require.Equal(t, wechat.NotFound, wechat.ClassOf(move.asked()), what)
					}
					require.NoError(t, move.do(t.Context()), "%s, the same number again", what)
					require.NoError(t, move.asked(), what)
				}
			})
		}
	}
}

func TestSim_NotExecutedNow(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED", "FREQUENCY_LIMIT", "RATELIMIT_EXCEEDED"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for what, move := range r.moneyOut() {
				r.sim.ClearFaults()
				r.fault(sim.Match{Method: http.MethodPost, Path: move.path + "$", Times: 1}, sim.Action{Code: code})
				require.Equal(t, wechat.Later, wechat.ClassOf(move.do(t.Context())), what)
				require.Equal(t, wechat.NotFound, wechat.ClassOf(move.asked()), what)
				require.NoError(t, move.do(t.Context()), what)
			}
		})
	}
	t.Run("balance", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		moves := r.moneyOut()
		r.sim.SetBalance(sim.Basic, 0)
		r.sim.SetBalance(sim.Operating, 0)
		for _, what := range []string{"refund", "transfer"} {
			require.Equal(t, wechat.Later, wechat.ClassOf(moves[what].do(t.Context())), what)
		}
		r.sim.SetBalance(sim.Basic, 1_000_000)
		r.sim.SetBalance(sim.Operating, 1_000_000)
		for _, what := range []string{"refund", "transfer"} {
			require.NoError(t, moves[what].do(t.Context()), "%s: topped up, the same number", what)
		}
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for what, move := range r.moneyOut() {
			for _, code := range []string{"NO_AUTH", "PARAM_ERROR", "SIGN_ERROR"} {
				r.sim.ClearFaults()
				r.fault(sim.Match{Method: http.MethodPost, Path: move.path + "$"}, sim.Action{Code: code})
				require.Equal(t, wechat.Refused, wechat.ClassOf(move.do(t.Context())), what)
				require.Equal(t, wechat.NotFound, wechat.ClassOf(move.asked()), what)
			}
		}
	})
}

func TestSim_Notifications(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		action sim.Action
		want   error
	}{
		"wrong signature":     {sim.Action{Sig: sim.SigWrong}, wechat.ErrBadSignature},
		"no signature":        {sim.Action{Sig: sim.SigMissing}, wechat.ErrBadSignature},
		"old signature":       {sim.Action{Sig: sim.SigStale}, wechat.ErrBadSignature},
		"unknown serial":      {sim.Action{Sig: sim.SigUnknownSerial}, wechat.ErrBadSignature},
		"signed by a cert":    {sim.Action{Sig: sim.SigCert}, wechat.ErrBadSignature},
		"probe first":         {sim.Action{Notify: sim.NotifyProbe}, wechat.ErrSignProbe},
		"no resource first":   {sim.Action{Notify: sim.NotifyMissingResource}, wechat.ErrMalformed},
		"short nonce first":   {sim.Action{Notify: sim.NotifyShortNonce}, wechat.ErrMalformed},
		"three times":         {sim.Action{Notify: sim.NotifyDuplicate, NotifyN: 3}, nil},
		"three times at once": {sim.Action{Notify: sim.NotifyConcurrent, NotifyN: 3}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.fault(sim.Match{Method: "NOTIFY", Times: 1}, test.action)
			p := r.paid()
			r.mu.Lock()
			defer r.mu.Unlock()
			if test.want != nil {
				require.Len(t, r.errs, 1)
				require.ErrorIs(t, r.errs[0], test.want)
			} else {
				require.Empty(t, r.errs)
				require.Len(t, r.came, 3)
				require.Equal(t, r.came[0].ID, r.came[2].ID)
			}
			for _, n := range r.came {
				told, err := wechat.DecodePayment(n.Plain)
				require.NoError(t, err)
				require.Equal(t, p, told)
			}
		})
	}
}

// TestSim_TwoAtOnce: two shops with two simulators in one process.
func TestSim_TwoAtOnce(t *testing.T) {
	t.Parallel()
	a, b := newRig(t), newRig(t)
	for range 5 {
		for _, r := range []*rig{a, b} {
			who, err := r.c.Login(t.Context(), r.sim.LoginCode("buyer"))
			require.NoError(t, err)
			require.Equal(t, r.sim.OpenID("buyer"), who.OpenID)
			_, err = r.c.SceneCode(t.Context(), scene)
			require.NoError(t, err)
		}
	}
	require.Len(t, a.sim.Books().Codes, 5)
	require.Len(t, b.sim.Books().Codes, 5)
}
