package shop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/audit"
)

func TestBuild_TheBooksAreRight(t *testing.T) {
	t.Parallel()
	shop.Each(t, func(t *testing.T, o shop.Options) {
		town := shop.Build(t, shop.Open(t, o))
		report, err := audit.Run(t.Context(), town.App.DB)
		require.NoError(t, err)
		require.True(t, report.OK(), "%+v", report.Results)
		require.Empty(t, town.WX.Books().Violations)
		require.Empty(t, town.WX.Check())
	})
}
