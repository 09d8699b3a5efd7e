package region_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/region"
)

func TestTable_IsWhole(t *testing.T) {
	t.Parallel()
	provinces := region.Children(0)
	require.Len(t, provinces, 34)
	total := 0
	var count func(r region.Region)
	count = func(r region.Region) {
		total++
		require.NotEmpty(t, r.Name)
		for _, child := range region.Children(r.Code) {
			count(child)
		}
	}
	for _, p := range provinces[:3] { // 北京, 天津, 河北
		count(p)
	}
	require.Greater(t, total, 200)
}

func TestCode_Chain(t *testing.T) {
	t.Parallel()
	tianhe, err := region.Parse("440106")
	require.NoError(t, err)
	require.Equal(t, []region.Code{440106, 440100, 440000}, tianhe.Chain())
	require.Equal(t, "广东省广州市天河区", tianhe.FullName())
	require.Equal(t, region.Code(440100), tianhe.Parent())
	require.Equal(t, region.District, tianhe.Level())

	chaoyang := region.Code(110105) // of a municipality
	require.Equal(t, region.Code(110100), chaoyang.Parent())
	require.Equal(t, []region.Code{110105, 110100, 110000}, chaoyang.Chain())
	require.Equal(t, "北京市朝阳区", chaoyang.FullName())

	xiantao := region.Code(429004) // a city directly under a province
	require.Equal(t, "湖北省仙桃市", xiantao.FullName())
	require.Equal(t, region.Code(429000), xiantao.Parent())

	dongguan := region.Code(441900) // a city without districts
	require.Equal(t, region.City, dongguan.Level())
	require.Equal(t, []region.Code{441900, 440000}, dongguan.Chain())
	require.Nil(t, region.Code(0).Chain())
}

func TestParse_RefusesWhatIsNoCode(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "44", "440199x", "990099", "44010 ", "4401061"} {
		_, err := region.Parse(in)
		require.Error(t, err, in)
	}
}
