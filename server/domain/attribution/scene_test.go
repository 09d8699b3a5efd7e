package attribution_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/domain/attribution"
	"fenxiao/server/wechat"
)

func TestScene_IsWhatWeChatDraws(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		code := attribution.NewCodeText()
		require.True(t, attribution.IsCode(code), code)
		require.False(t, seen[code], "drawn twice")
		seen[code] = true
		scene := attribution.EncodeScene(code)
		require.NoError(t, wechat.CheckScene(scene))
	}
	require.NoError(t, wechat.CheckScene(attribution.EncodeScene(strings.Repeat("z", attribution.CodeMax))))
}

func TestDecodeScene(t *testing.T) {
	t.Parallel()
	const code = "aB3dE6gH9j"
	for raw, want := range map[string]string{
		"s=" + code:                      code,
		"s%3D" + code:                    code,
		"s%253D" + code:                  code,
		"s%25253D" + code:                code,
		"s%2525253D" + code:              "", // encoded four times is nobody's accident
		" s=" + code + "\n":              code,
		code:                             code,
		"scene=s%3D" + code:              code,
		"scene=s=" + code:                code,
		"scene=s%253D" + code:            code,
		"?scene=s%3D" + code + "&x=1":    code,
		"pages/index/index?s=" + code:    code,
		"https://shop.example/l/" + code: code,
		"https://shop.example/l/" + code + "?from=timeline": code,
		"https%3A%2F%2Fshop.example%2Fl%2F" + code:          code,
		"":                    "",
		"s=":                  "",
		"s=abc":               "", // too short
		"s=" + code + code:    "", // too long
		"s=aB3d-6gH9j":        "",
		"s=%":                 "",
		"s=%zz":               "",
		"t=" + code:           "",
		"scancode_time=12345": "",
		"s=推广码推广码":            "",
		strings.Repeat("%25", 400) + "s%3D" + code: "", // too long to look at
	} {
		got, ok := attribution.DecodeScene(raw)
		require.Equal(t, want, got, "%.80q", raw)
		require.Equal(t, want != "", ok, "%.80q", raw)
	}
}

func FuzzDecodeScene(f *testing.F) {
	for _, s := range []string{"s=aB3dE6gH9j", "s%3DaB3dE6gH9j", "scene=s%253DaB3dE6gH9j", "https://x/l/aB3dE6gH9j?y", "%", "=&=", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		code, ok := attribution.DecodeScene(raw)
		if ok != attribution.IsCode(code) || !ok && code != "" {
			t.Fatalf("%q gives %q, %v", raw, code, ok)
		}
		if ok && wechat.CheckScene(attribution.EncodeScene(code)) != nil {
			t.Fatalf("%q gives %q, which WeChat would not draw", raw, code)
		}
		if attribution.IsCode(raw) { // whatever is a code comes back, however it was wrapped
			for _, wrapped := range []string{attribution.EncodeScene(raw), url.QueryEscape(attribution.EncodeScene(raw)), attribution.LinkPath(raw)} {
				if got, ok := attribution.DecodeScene(wrapped); !ok || got != raw {
					t.Fatalf("%q gives %q, %v", wrapped, got, ok)
				}
			}
		}
	})
}
