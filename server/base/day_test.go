package base_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
)

func TestDayOf_IsShanghais(t *testing.T) {
	t.Parallel()
	require.Equal(t, base.BusinessDay(20261123), base.DayOf(time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)))
	require.Equal(t, base.BusinessDay(20261122), base.DayOf(time.Date(2026, 11, 22, 15, 59, 59, 999e6, time.UTC)))
	require.Equal(t, base.BusinessDay(20270101), base.BusinessDay(20261231).Add(1))
	require.Equal(t, "2026-11-23", base.BusinessDay(20261123).String())
}

func TestPeriodOf(t *testing.T) {
	t.Parallel()
	sunday := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC) // 23:00 in Shanghai
	require.Equal(t, base.BusinessDay(20261116), base.PeriodOf(base.Weekly, sunday).First)
	require.Equal(t, base.BusinessDay(20261123), base.PeriodOf(base.Weekly, sunday.Add(time.Hour)).First)
	month := base.PeriodOf(base.Monthly, sunday)
	require.Equal(t, base.BusinessDay(20261101), month.First)
	require.Equal(t, base.BusinessDay(20261130), month.Last())
	require.Equal(t, base.BusinessDay(20261201), month.Next().First)
	require.Equal(t, base.BusinessDay(20270101), month.Next().Next().First)
	require.Equal(t, base.BusinessDay(20261001), month.Previous().First)
}

func TestPeriods_TileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 4102444800000).Draw(t, "ms"))
		cycle := rapid.SampledFrom([]base.Cycle{base.Weekly, base.Monthly}).Draw(t, "cycle")
		p := base.PeriodOf(cycle, at)
		require.False(t, at.Before(p.Start()))
		require.True(t, at.Before(p.End()))
		require.Equal(t, p.End(), p.Next().Start())
		require.Equal(t, p, p.Next().Previous())
	})
}
