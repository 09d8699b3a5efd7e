package region_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/region"
)

// Walking down from the provinces reaches every row of the table once, and each knows its way back.
func TestTable_IsWhole(t *testing.T) {
	t.Parallel()
	require.Len(t, region.Children(0), 34)
	seen := map[region.Code]bool{}
	var walk func(of region.Code)
	walk = func(of region.Code) {
		for _, r := range region.Children(of) {
			require.False(t, seen[r.Code], "%s twice", r.Code)
			seen[r.Code] = true
			require.NotEmpty(t, r.Name)
			require.Equal(t, of, r.Code.Parent())
			require.Contains(t, r.Code.FullName(), r.Code.Province().Name())
			again, err := region.Parse(r.Code.String())
			require.NoError(t, err)
			require.Equal(t, r.Code, again)
			walk(r.Code)
		}
	}
	walk(0)
	require.Len(t, seen, 3225)
	require.Empty(t, region.Children(441900), "Dongguan has no districts")
	require.Contains(t, region.Children(429000), region.Region{Code: 429004, Name: "仙桃市"})
}

func TestCode_FullName(t *testing.T) {
	t.Parallel()
	for code, want := range map[region.Code]string{
		330106: "浙江省杭州市西湖区",
		330100: "浙江省杭州市",
		110000: "北京市",
		110100: "北京市",
		110101: "北京市东城区",
		500229: "重庆市城口县",
		659001: "新疆维吾尔自治区石河子市",
		469001: "海南省五指山市",
		441900: "广东省东莞市",
		442000: "广东省中山市",
		460400: "海南省儋州市",
		710000: "台湾省",
		810000: "香港特别行政区",
		820000: "澳门特别行政区",
		0:      "",
	} {
		require.Equal(t, want, code.FullName())
	}
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
