package flow

import (
	"context"
	"errors"

	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// ApplyInbox applies a group of events in one transaction: it is the inbox's Apply. Events of one kind keep their
// order; kinds do not depend on each other.
func (f *Flow) ApplyInbox(ctx context.Context, tx *store.Tx, events []inbox.Event) ([]inbox.Result, error) {
	results := make([]inbox.Result, len(events))
	payments, refunds, transfers := sorter[wechat.Payment]{}, sorter[wechat.Refund]{}, sorter[wechat.Transfer]{}
	for i, e := range events {
		var err error
		switch wechat.NotificationKind(e.Kind) {
		case wechat.PaymentEvent:
			err = payments.add(i, []byte(e.Body), wechat.DecodePayment)
		case wechat.RefundEvent:
			err = refunds.add(i, []byte(e.Body), wechat.DecodeRefund)
		case wechat.TransferEvent:
			err = transfers.add(i, []byte(e.Body), wechat.DecodeTransfer)
		default:
			results[i] = inbox.Result{State: inbox.Kept, Outcome: "no handler for " + e.Kind}
		}
		if err != nil {
			results[i] = inbox.Result{State: inbox.Kept, Outcome: err.Error()}
		}
	}
	err := errors.Join(
		payments.apply(ctx, tx, results, f.applyPayments),
		refunds.apply(ctx, tx, results, f.applyRefunds),
		transfers.apply(ctx, tx, results, f.applyTransfers),
	)
	return results, err
}

// sorter collects the events of one kind and where they stood.
type sorter[T any] struct {
	at     []int
	values []T
}

func (s *sorter[T]) add(i int, body []byte, decode func([]byte) (T, error)) error {
	v, err := decode(body)
	if err == nil {
		s.at, s.values = append(s.at, i), append(s.values, v)
	}
	return err
}

func (s *sorter[T]) apply(ctx context.Context, tx *store.Tx, into []inbox.Result, fn func(context.Context, *store.Tx, []T) ([]inbox.Result, error)) error {
	if len(s.values) == 0 {
		return nil
	}
	results, err := fn(ctx, tx, s.values)
	for i, r := range results {
		into[s.at[i]] = r
	}
	return err
}
