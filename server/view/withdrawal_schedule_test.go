package view_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/view"
)

func TestPendingSlot_ExpectedOn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC) // a Wednesday in Shanghai
	day := func(d int) int64 { return base.Ms(base.BusinessDay(d).Start()) }
	terms := view.PostingTerms{DisputeDays: 3, Auto: true, Now: now}
	byHand := view.PostingTerms{DisputeDays: 3, Now: now}
	for _, tt := range []struct {
		name  string
		slot  view.PendingSlot
		terms view.PostingTerms
		want  base.BusinessDay
	}{
		{"ripens this week", view.PendingSlot{Stage: view.InWindow, Cycle: base.Weekly, DayMs: day(20261129)}, terms, 20261203},
		{"ripens on Monday", view.PendingSlot{Stage: view.InWindow, Cycle: base.Weekly, DayMs: day(20261130)}, terms, 20261210},
		{"ripens by the month", view.PendingSlot{Stage: view.InWindow, Cycle: base.Monthly, DayMs: day(20261129)}, terms, 20261204},
		{"should have ripened", view.PendingSlot{Stage: view.InWindow, Cycle: base.Weekly, DayMs: day(20261101)}, terms, 20261203},
		{"collecting", view.PendingSlot{Stage: view.Collecting, Cycle: base.Weekly, Period: 20261123}, terms, 20261203},
		{"a run is late", view.PendingSlot{Stage: view.Collecting, Cycle: base.Weekly, Period: 20261101}, terms, 20261125},
		{"a draft", view.PendingSlot{Stage: view.OnStatement, State: "drafted"}, terms, 20261128},
		{"open", view.PendingSlot{Stage: view.OnStatement, State: "open", DisputeUntilMs: day(20261127)}, terms, 20261127},
		{"disputed", view.PendingSlot{Stage: view.OnStatement, State: "open", DisputeUntilMs: day(20261127), Disputed: true}, terms, 0},
		{"confirmed", view.PendingSlot{Stage: view.OnStatement, State: "confirmed", Disputed: true}, byHand, 20261125},
		{"an operator confirms", view.PendingSlot{Stage: view.InWindow, Cycle: base.Weekly, DayMs: day(20261129)}, byHand, 0},
		{"goods are on their way", view.PendingSlot{Stage: view.AwaitingGoods, Cycle: base.Weekly}, terms, 0},
		{"on hold", view.PendingSlot{Stage: view.OnHold, Cycle: base.Weekly, DayMs: day(20261129)}, terms, 0},
	} {
		require.Equal(t, tt.want, tt.slot.ExpectedOn(tt.terms), tt.name)
	}
}

func TestOriginOrder_RefundState(t *testing.T) {
	t.Parallel()
	require.Equal(t, "none", view.OriginOrder{Total: 10}.RefundState())
	require.Equal(t, "part", view.OriginOrder{Total: 10, Refunded: 9}.RefundState())
	require.Equal(t, "full", view.OriginOrder{Total: 10, Refunded: 10}.RefundState())
	require.Equal(t, "open", view.OriginOrder{Total: 10, Refunded: 10, OpenRefunds: 1}.RefundState(), "on its way to the customer")
}
