package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/domain/order"
)

// pairs checks every pair of a state table against the list of what is allowed.
func pairs[S ~string](t *testing.T, states []S, can func(from, to S) bool, allowed map[S][]S) {
	t.Helper()
	for _, from := range states {
		for _, to := range states {
			want := false
			for _, a := range allowed[from] {
				want = want || a == to
			}
			require.Equal(t, want, can(from, to), "%s to %s", from, to)
		}
	}
}

func TestStates_EveryPair(t *testing.T) {
	t.Parallel()
	pairs(t, []order.State{order.Created, order.Paid, order.Completed, order.Cancelled}, order.State.CanBecome, map[order.State][]order.State{
		"created": {"paid", "cancelled"}, "paid": {"completed"},
	})
	pairs(t, []order.PaymentState{order.PaymentOpen, order.PaymentCaptured, order.PaymentClosed}, order.PaymentState.CanBecome,
		map[order.PaymentState][]order.PaymentState{"open": {"captured", "closed"}, "closed": {"captured"}})
	pairs(t, []order.FulfilmentState{order.Allocated, order.Shipped, order.Received, order.Dropped}, order.FulfilmentState.CanBecome,
		map[order.FulfilmentState][]order.FulfilmentState{"allocated": {"shipped", "cancelled"}, "shipped": {"received"}})
	pairs(t, []order.RefundState{
		order.RefundRequested, order.RefundApproved, order.RefundProcessing, order.RefundDone, order.RefundRejected, order.RefundWithdrawn,
		order.RefundAbnormal, order.RefundClosed,
	}, order.RefundState.CanBecome, map[order.RefundState][]order.RefundState{
		"requested":  {"approved", "rejected", "withdrawn"},
		"approved":   {"processing", "done", "abnormal", "closed"},
		"processing": {"done", "abnormal", "closed"},
		"abnormal":   {"done", "closed"},
		"closed":     {"approved", "done"},
	})
}

func TestDerivedDelivery(t *testing.T) {
	t.Parallel()
	of := func(states ...order.FulfilmentState) (out []order.Fulfilment) {
		for _, s := range states {
			out = append(out, order.Fulfilment{State: s})
		}
		return out
	}
	tests := []struct {
		name              string
		parcels           []order.Fulfilment
		shipped, received order.DeliveryState
		upload            string
	}{
		{"nothing yet", of(order.Allocated), order.DeliveredNone, order.DeliveredNone, ""},
		{"one of two parcels sent", of(order.Shipped, order.Allocated), order.DeliveredPart, order.DeliveredNone, "1 part"},
		{"one received, one to go", of(order.Received, order.Allocated), order.DeliveredPart, order.DeliveredPart, "1 part"},
		{"all sent, one received", of(order.Received, order.Shipped), order.DeliveredAll, order.DeliveredPart, "2 all"},
		{"all received", of(order.Received, order.Received), order.DeliveredAll, order.DeliveredAll, "2 all"},
		{"no goods", nil, order.DeliveredNone, order.DeliveredNone, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.shipped, order.ShippedState(tt.parcels))
			require.Equal(t, tt.received, order.ReceivedState(tt.parcels))
			require.Equal(t, tt.upload, order.Upload(tt.parcels))
		})
	}
}
