package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// The sources of the inbox: what WeChat tells us, and what it answers when we ask.
const (
	sourceNotify = "wechat_pay"
	sourceQuery  = "wechat_pay_query"
)

// ErrNotification is what WeChat gets for a notification that cannot be taken; it sends it again.
var ErrNotification = errs.E(errs.Malformed, "wechat.notification_refused", "通知无法受理", errs.EN("The notification cannot be accepted."))

// ErrNoEvent says that an event is not there, or has been applied already.
var ErrNoEvent = errs.E(errs.NotFound, "inbox.not_waiting", "该通知不存在或已处理", errs.EN("There is no such event, or it has been applied."))

// ReplayEvent lets an event that was kept, or backs off, be tried again now.
func (f *Flow) ReplayEvent(ctx context.Context, id base.EventID, by base.Actor) error {
	entry := f.DB.Mint.Next()
	err := f.DB.InTx(ctx, "flow.replay_event", func(ctx context.Context, tx *store.Tx) error {
		ok, err := inbox.Revive(ctx, tx, int64(id))
		if err == nil && !ok {
			err = ErrNoEvent
		}
		if err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: entry, Actor: by, Action: "inbox.replay", Object: id.String(), RequestID: reqid.Of(ctx)})
	})
	if err == nil {
		f.Wake()
	}
	return err
}

// TakeNotification stores a verified notification whole, under its unique id, and wakes the applier. Once it returns,
// the notification may be acknowledged: it will be applied exactly once.
func (f *Flow) TakeNotification(ctx context.Context, n wechat.Notification) error {
	ref, err := refOf(n)
	if err != nil {
		return ErrNotification
	}
	err = inbox.Store(ctx, f.DB, inbox.Event{
		ID: f.DB.Mint.Next(), Source: sourceNotify, EventID: n.ID, Kind: string(n.Kind), Ref: ref, Body: string(n.Plain),
	})
	if err != nil {
		return fmt.Errorf("take notification: %w", err)
	}
	f.Wake()
	return nil
}

// refOf finds our number in a notification. One that cannot be read is refused before it is stored.
func refOf(n wechat.Notification) (string, error) {
	switch n.Kind {
	case wechat.PaymentEvent:
		p, err := wechat.DecodePayment(n.Plain)
		return p.OutTradeNo, err
	case wechat.RefundEvent:
		r, err := wechat.DecodeRefund(n.Plain)
		return r.OutRefundNo, err
	case wechat.TransferEvent:
		t, err := wechat.DecodeTransfer(n.Plain)
		return t.OutBillNo, err
	default:
		return "", nil // kept for a person
	}
}

// takePayment, takeRefund and takeTransfer bring the answer of a query of ours through the same inbox as the
// notifications, so that there is one way in which an outcome is applied. The same answer again is the same event.
func (f *Flow) takePayment(ctx context.Context, p wechat.Payment) (eventID string, err error) {
	eventID = fmt.Sprintf("%s:%s", p.OutTradeNo, p.State)
	return eventID, f.takeAnswer(ctx, wechat.PaymentEvent, eventID, p.OutTradeNo, wechat.EncodePayment(p))
}

func (f *Flow) takeRefund(ctx context.Context, r wechat.Refund) error {
	return f.takeAnswer(ctx, wechat.RefundEvent, fmt.Sprintf("%s:%s", r.OutRefundNo, r.State), r.OutRefundNo, wechat.EncodeRefund(r))
}

func (f *Flow) takeTransfer(ctx context.Context, t wechat.Transfer) error {
	return f.takeAnswer(ctx, wechat.TransferEvent, fmt.Sprintf("%s:%s", t.OutBillNo, t.State), t.OutBillNo, wechat.EncodeTransfer(t))
}

func (f *Flow) takeAnswer(ctx context.Context, kind wechat.NotificationKind, eventID, ref string, plain []byte) error {
	err := inbox.Store(ctx, f.DB, inbox.Event{
		ID: f.DB.Mint.Next(), Source: sourceQuery, EventID: eventID, Kind: string(kind), Ref: ref, Body: string(plain),
	})
	if err != nil {
		return fmt.Errorf("take WeChat's answer: %w", err)
	}
	f.Wake()
	return nil
}

const (
	awaitMax  = 2 * time.Second
	awaitStep = 20 * time.Millisecond
)

// awaitApplied waits until the applier has taken an answer in, for at most two seconds, and says whether it has.
func (f *Flow) awaitApplied(ctx context.Context, eventID string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, awaitMax)
	defer cancel()
	tick := time.NewTicker(awaitStep)
	defer tick.Stop()
	for {
		state, err := inbox.StateOf(ctx, f.DB.Q(), sourceQuery, eventID)
		if err == nil && state != inbox.Waiting {
			return state == inbox.Applied, nil
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-tick.C:
		}
	}
}
