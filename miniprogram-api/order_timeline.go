package miniprogramapi

import (
	"context"
	"slices"
	"strings"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/domain/order"
)

// orderMoment is one thing that happened to an order, as its customer reads it.
type orderMoment struct {
	At     time.Time         `json:"at"`
	Kind   string            `json:"kind" enum:"created,paid,shipped,received,completed,cancelled,refund_requested,refund_approved,refund_rejected,refund_withdrawn,refund_done"`
	Parcel base.FulfilmentID `json:"parcel_id,omitempty"`
	Refund base.RefundID     `json:"refund_id,omitempty"`
	Text   string            `json:"text" doc:"In plain words"`
}

// momentWords say what happened, in both languages.
var momentWords = map[string][2]string{
	"created":          {"提交订单", "Order placed"},
	"paid":             {"付款成功", "Paid"},
	"shipped":          {"包裹已发出", "A parcel was sent"},
	"received":         {"包裹已签收", "A parcel was received"},
	"completed":        {"订单完成", "Order completed"},
	"cancelled":        {"订单已取消", "Order cancelled"},
	"refund_requested": {"申请退款", "Refund asked for"},
	"refund_approved":  {"退款已同意，款项将原路退回", "Refund approved; the money goes back the way it came"},
	"refund_rejected":  {"退款申请未通过", "Refund rejected"},
	"refund_withdrawn": {"已撤回退款申请", "Refund request withdrawn"},
	"refund_done":      {"退款到账", "Refund paid out"},
}

// orderTimeline tells what happened to an order from its rows, oldest first. Who did it on the shop's side is not told.
func orderTimeline(ctx context.Context, d order.Detail) []orderMoment {
	var out []orderMoment
	add := func(ms int64, m orderMoment, more string) {
		if ms == 0 {
			return
		}
		words := momentWords[m.Kind]
		m.At, m.Text = base.Time(ms), inLanguage(ctx, words[0], words[1])+more
		out = append(out, m)
	}
	o := d.Order
	add(o.CreatedMs, orderMoment{Kind: "created"}, "")
	add(o.PaidMs, orderMoment{Kind: "paid"}, "")
	for _, f := range d.Fulfilments {
		number := after(f.Carrier + " " + f.TrackingNo)
		add(f.ShippedMs, orderMoment{Kind: "shipped", Parcel: f.ID}, number)
		add(f.ReceivedMs, orderMoment{Kind: "received", Parcel: f.ID}, number)
	}
	for _, r := range d.Refunds {
		amount := after("¥" + r.Amount.String())
		if r.RequestedBy == base.Customer(o.Customer).String() {
			add(r.RequestedMs, orderMoment{Kind: "refund_requested", Refund: r.ID}, amount)
		}
		add(r.ApprovedMs, orderMoment{Kind: "refund_approved", Refund: r.ID}, amount)
		switch r.State {
		case order.RefundRejected:
			add(r.DecidedMs, orderMoment{Kind: "refund_rejected", Refund: r.ID}, after(r.RejectReason))
		case order.RefundWithdrawn:
			add(r.DecidedMs, orderMoment{Kind: "refund_withdrawn", Refund: r.ID}, "")
		}
		add(r.DoneMs, orderMoment{Kind: "refund_done", Refund: r.ID}, amount)
	}
	add(o.CompletedMs, orderMoment{Kind: "completed"}, "")
	add(o.CancelledMs, orderMoment{Kind: "cancelled"}, after(o.CancelReason))
	slices.SortStableFunc(out, func(a, b orderMoment) int { return a.At.Compare(b.At) })
	return out
}

// after joins what more there is to say.
func after(more string) string {
	if more = strings.TrimSpace(more); more == "" {
		return ""
	}
	return ": " + more
}
