package adminapi

import (
	"context"
	"slices"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/order"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

type parcelLine struct {
	Line base.LineID `json:"line_id"`
	Qty  int64       `json:"qty" minimum:"1" maximum:"999"`
}

type parcelBody struct {
	ID         base.FulfilmentID `json:"id"`
	State      string            `json:"state" enum:"allocated,shipped,received"`
	Carrier    string            `json:"carrier"`
	TrackingNo string            `json:"tracking_no"`
	ShippedAt  *time.Time        `json:"shipped_at,omitempty"`
	ShippedBy  string            `json:"shipped_by"`
	ReceivedAt *time.Time        `json:"received_at,omitempty"`
	ReceivedBy string            `json:"received_by"`
	AutoAt     *time.Time        `json:"auto_receive_at,omitempty"`
	Lines      []parcelLine      `json:"lines"`
}

func showParcel(f order.Fulfilment) parcelBody {
	b := parcelBody{
		ID: f.ID, State: string(f.State), Carrier: f.Carrier, TrackingNo: f.TrackingNo, ShippedAt: httpx.Time(f.ShippedMs), ShippedBy: f.ShippedBy,
		ReceivedAt: httpx.Time(f.ReceivedMs), ReceivedBy: f.ReceivedBy, AutoAt: httpx.Time(f.DueMs),
	}
	for _, l := range f.Lines {
		b.Lines = append(b.Lines, parcelLine{l.Line, l.Qty})
	}
	return b
}

type paymentBody struct {
	ID            base.PaymentID `json:"id"`
	OutTradeNo    string         `json:"out_trade_no"`
	TransactionID string         `json:"transaction_id" doc:"WeChat's, once captured"`
	State         string         `json:"state" enum:"open,captured,closed"`
	Amount        money.Fen      `json:"amount_fen"`
	Refunded      money.Fen      `json:"refunded_fen"`
	Counts        bool           `json:"counts" doc:"It is the payment that paid the order"`
	CreatedAt     time.Time      `json:"created_at"`
	CapturedAt    *time.Time     `json:"captured_at,omitempty"`
}

func showPayment(p order.Payment) paymentBody {
	return paymentBody{
		p.ID, p.OutTradeNo, p.Transaction(), string(p.State), p.Amount, p.Refunded, p.Counts(), base.Time(p.CreatedMs), httpx.Time(p.CapturedMs),
	}
}

// moment is one thing that happened to an order.
type moment struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind" enum:"created,paid,shipped,received,completed,cancelled,payment_captured,refund_requested,refund_approved,refund_rejected,refund_withdrawn,refund_done"`
	Actor  string    `json:"actor"`
	Detail string    `json:"detail"`
}

// timeline tells what happened to an order, in order, from its rows.
func timeline(d order.Detail) []moment {
	var out []moment
	add := func(ms int64, kind, actor, detail string) {
		if ms != 0 {
			out = append(out, moment{base.Time(ms), kind, actor, detail})
		}
	}
	o := d.Order
	add(o.CreatedMs, "created", base.Customer(o.Customer).String(), "")
	for _, p := range d.Payments {
		add(p.CapturedMs, "payment_captured", base.WeChat.String(), p.OutTradeNo)
	}
	add(o.PaidMs, "paid", "", "")
	for _, f := range d.Fulfilments {
		add(f.ShippedMs, "shipped", f.ShippedBy, f.Carrier+" "+f.TrackingNo)
		add(f.ReceivedMs, "received", f.ReceivedBy, f.Carrier+" "+f.TrackingNo)
	}
	for _, r := range d.Refunds {
		add(r.RequestedMs, "refund_requested", r.RequestedBy, r.ID.String()+": "+r.Reason)
		add(r.ApprovedMs, "refund_approved", r.DecidedBy, r.ID.String())
		if r.State == order.RefundRejected || r.State == order.RefundWithdrawn {
			add(r.DecidedMs, "refund_"+string(r.State), r.DecidedBy, r.ID.String()+": "+r.RejectReason)
		}
		add(r.DoneMs, "refund_done", base.WeChat.String(), r.ID.String())
	}
	add(o.CompletedMs, "completed", "", "")
	add(o.CancelledMs, "cancelled", o.CancelledBy, o.CancelReason)
	slices.SortStableFunc(out, func(a, b moment) int { return a.At.Compare(b.At) })
	return out
}

type orderOutput struct {
	Body struct {
		OrderBody
		Payments []paymentBody    `json:"payments"`
		Parcels  []parcelBody     `json:"parcels"`
		Refunds  []refundBody     `json:"refunds"`
		Timeline []moment         `json:"timeline" doc:"Oldest first"`
		Why      []order.Sentence `json:"why" doc:"How the price was computed, in words"`
		Policy   int              `json:"policy_version" doc:"Of the order settings it was priced by; 0: the default"`
	}
}

func (a *API) orderOut(ctx context.Context, d order.Detail, err error) (*orderOutput, error) {
	if err != nil {
		return nil, err
	}
	earn, err := view.EarnersOf(ctx, a.Flow.DB.Q(), []base.OrderID{d.Order.ID})
	if err != nil {
		return nil, err
	}
	priced, err := order.Explain(d.Order, d.Lines)
	if err != nil {
		return nil, err
	}
	var out orderOutput
	out.Body.OrderBody = showOrder(d, earn[d.Order.ID])
	for _, p := range d.Payments {
		out.Body.Payments = append(out.Body.Payments, showPayment(p))
	}
	for _, f := range d.Fulfilments {
		out.Body.Parcels = append(out.Body.Parcels, showParcel(f))
	}
	for _, r := range d.Refunds {
		out.Body.Refunds = append(out.Body.Refunds, showRefund(r))
	}
	out.Body.Timeline, out.Body.Why, out.Body.Policy = timeline(d), priced.Why, d.Order.PolicyVersion
	return &out, nil
}
