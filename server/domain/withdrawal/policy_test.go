package withdrawal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
)

func TestPolicy_WithinALevel(t *testing.T) {
	t.Parallel()
	shop := withdrawal.Default()
	shop.MaxFen, shop.DailyAmountFen = 20_000, 200_000
	for name, c := range map[string]struct{ once, day, wantOnce, wantDay money.Fen }{
		"the shop's":                   {0, 0, 20_000, 200_000},
		"less at once":                 {5_000, 0, 5_000, 200_000},
		"less a day":                   {0, 30_000, 20_000, 30_000},
		"both":                         {5_000, 8_000, 5_000, 8_000},
		"never more than the shop":     {90_000, 900_000, 20_000, 200_000},
		"the same":                     {20_000, 200_000, 20_000, 200_000},
		"a day less than one can take": {0, 1, 20_000, 1},
	} {
		got := shop.Within(c.once, c.day)
		want := shop
		want.MaxFen, want.DailyAmountFen = c.wantOnce, c.wantDay
		require.Equal(t, want, got, name)
	}
	require.EqualValues(t, 20_000, shop.MaxFen, "the shop's policy stays as it is")
}
