package money_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base/money"
)

func TestShare_IsFloored(t *testing.T) {
	t.Parallel()
	require.Equal(t, money.Fen(2237), money.Fen(18_648).Share(1200), "the worked example of docs/money")
	require.Equal(t, money.Fen(0), money.Fen(0).Share(1200))
	require.Equal(t, money.Fen(math.MaxInt64), money.Fen(math.MaxInt64).Share(money.Whole), "no overflow")
	require.Panics(t, func() { money.Fen(-1).Share(1) })
	require.Panics(t, func() { money.Fen(1).Share(10_001) })
}

func TestPart_ReversalsOfTheWorkedExample(t *testing.T) {
	t.Parallel()
	require.Equal(t, money.Fen(1118), money.Fen(2237).Part(9324, 18_648))
	require.Equal(t, money.Fen(1478), money.Fen(2237).Part(12_324, 18_648))
	require.Equal(t, money.Fen(132), money.Fen(200).Part(12_324, 18_648))
	require.Equal(t, money.Fen(0), money.Fen(5).Part(0, 0))
}

func TestSplit_LargestRemainder(t *testing.T) {
	t.Parallel()
	require.Equal(t, []money.Fen{1332, 668}, money.Split(2000, []money.Fen{19_980, 10_020}))
	require.Equal(t, []money.Fen{34, 33, 33}, money.Split(100, []money.Fen{1, 1, 1}))
	require.Equal(t, []money.Fen{7, 0}, money.Split(7, []money.Fen{0, 0}))
	require.Empty(t, money.Split(7, nil))
}

func TestSplit_AddsUpAndStaysWithinOneFen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := money.Fen(rapid.Int64Range(0, int64(money.Max)).Draw(t, "whole"))
		weights := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) money.Fen {
			return money.Fen(rapid.Int64Range(0, int64(money.Max)).Draw(t, "weight"))
		}), 1, 20).Draw(t, "weights")
		parts := money.Split(whole, weights)
		sum, err := money.Add(parts...)
		require.NoError(t, err)
		require.Equal(t, whole, sum)
		total, err := money.Add(weights...)
		require.NoError(t, err)
		if total == 0 {
			return
		}
		for i, p := range parts {
			floor := whole.Part(weights[i], total)
			require.True(t, p == floor || p == floor+1, "part %d is %d, floor %d", i, p, floor)
		}
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]money.Fen{"0": 0, "12": 1200, "12.3": 1230, "12.34": 1234, "-0.01": -1, "0.00": 0} {
		got, err := money.Parse(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "-", ".5", "1.", "1.234", "1e3", "+1", "¥1", " 1", "1,000", "99999999999999999999"} {
		_, err := money.Parse(in)
		require.Error(t, err, in)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("12.34")
	f.Add("-0.01")
	f.Add("`1.00")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := money.Parse(in)
		if err != nil {
			return
		}
		back, err := money.Parse(got.String())
		require.NoError(t, err)
		require.Equal(t, got, back)
	})
}

func TestAddAndTimes_RefuseToWrap(t *testing.T) {
	t.Parallel()
	_, err := money.Add(math.MaxInt64, 1)
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = money.Add(math.MinInt64, -1)
	require.ErrorIs(t, err, money.ErrOverflow)
	sum, err := money.Add(5, -7, 0)
	require.NoError(t, err)
	require.Equal(t, money.Fen(-2), sum)

	_, err = money.Max.Times(math.MaxInt64)
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = money.Fen(-1).Times(2)
	require.ErrorIs(t, err, money.ErrRange)
	got, err := money.Fen(9990).Times(2)
	require.NoError(t, err)
	require.Equal(t, money.Fen(19_980), got)
}

func TestString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "-12.05", money.Fen(-1205).String())
	require.Equal(t, "0.00", money.Fen(0).String())
	require.Equal(t, "-92233720368547758.08", money.Fen(math.MinInt64).String())
	require.Equal(t, "12.00%", money.BasisPoints(1200).String())
}

func TestCheck(t *testing.T) {
	t.Parallel()
	require.NoError(t, money.Check(0))
	require.NoError(t, money.Check(money.Max))
	require.ErrorIs(t, money.Check(-1), money.ErrRange)
	require.ErrorIs(t, money.Check(money.Max+1), money.ErrRange)
}
