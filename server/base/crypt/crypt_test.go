package crypt_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base/crypt"
)

func newBox(t *testing.T) *crypt.Box {
	t.Helper()
	b, err := crypt.NewBox(crypt.NewKeys())
	require.NoError(t, err)
	return b
}

func TestBox_RoundTrip(t *testing.T) {
	t.Parallel()
	box := newBox(t)
	rapid.Check(t, func(t *rapid.T) {
		plain, place := rapid.String().Draw(t, "plain"), rapid.String().Draw(t, "place")
		sealed := box.Seal(place, plain)
		if len(plain) > 3 {
			require.NotContains(t, sealed, plain)
		}
		back, err := box.Open(place, sealed)
		require.NoError(t, err)
		require.Equal(t, plain, back)
	})
}

func TestBox_RefusesWhatWasChangedOrMoved(t *testing.T) {
	t.Parallel()
	box := newBox(t)
	sealed := box.Seal("customer.phone", "13800138000")
	require.NotEqual(t, sealed, box.Seal("customer.phone", "13800138000"))
	last := "A"
	if strings.HasSuffix(sealed, "A") {
		last = "B"
	}
	for name, c := range map[string]struct{ place, sealed string }{
		"moved":   {"customer.name", sealed},
		"changed": {"customer.phone", sealed[:20] + "xxxx" + sealed[24:]},
		"cut":     {"customer.phone", sealed[:8]},
		"no key":  {"customer.phone", "zz" + sealed[2:]},
		"plain":   {"customer.phone", "13800138000"},
		"tail":    {"customer.phone", sealed[:len(sealed)-2] + last + last},
	} {
		_, err := box.Open(c.place, c.sealed)
		require.ErrorIs(t, err, crypt.ErrSealed, name)
		require.NotContains(t, err.Error(), "13800138000"[:11]+"0", name)
	}
	_, err := newBox(t).Open("customer.phone", sealed)
	require.ErrorIs(t, err, crypt.ErrSealed)
}

func TestBox_RotatesKeys(t *testing.T) {
	t.Parallel()
	old := crypt.NewKeys()
	oldBox, err := crypt.NewBox(old)
	require.NoError(t, err)
	sealed := oldBox.Seal("p", "secret")
	next := crypt.Keys{Field: append([]crypt.FieldKey{{ID: "k2", Bytes: crypt.Random(32)}}, old.Field...), Index: old.Index, Token: old.Token}
	box, err := crypt.NewBox(next)
	require.NoError(t, err)
	back, err := box.Open("p", sealed)
	require.NoError(t, err)
	require.Equal(t, "secret", back)
	require.True(t, strings.HasPrefix(box.Seal("p", "secret"), "k2."))
	require.Equal(t, oldBox.Blind("p", "secret"), box.Blind("p", "secret"))
}

func TestBox_Blind(t *testing.T) {
	t.Parallel()
	box := newBox(t)
	require.Len(t, box.Blind("phone", "13800138000"), 64)
	require.NotEqual(t, box.Blind("phone", "13800138000"), box.Blind("name", "13800138000"))
	require.NotEqual(t, box.Blind("phone", "13800138000"), newBox(t).Blind("phone", "13800138000"))
	require.Empty(t, box.Blind("phone", ""))
}

func TestMAC_TellsListsApart(t *testing.T) {
	t.Parallel()
	key := crypt.Random(32)
	require.NotEqual(t, crypt.MAC(key, "l", "ab", "c"), crypt.MAC(key, "l", "a", "bc"))
	require.True(t, crypt.Equal(crypt.MAC(key, "l", "a"), crypt.MAC(key, "l", "a")))
}

func TestKeys_NeverPrint(t *testing.T) {
	t.Parallel()
	k := crypt.NewKeys()
	b, err := crypt.NewBox(k)
	require.NoError(t, err)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", k, k, k, k), fmt.Sprintf("%v %+v %#v", b, b, b), fmt.Sprintf("%#v", k.Field)} {
		require.NotContains(t, s, fmt.Sprint(k.Token[:4])[1:8])
		require.NotContains(t, s, base64.StdEncoding.EncodeToString(k.Token))
		require.Less(t, len(s), 100, s)
	}
}

func TestParseKeys_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString(crypt.Random(32))
	for _, tt := range []struct {
		name         string
		field        []string
		index, token string
		want         string
	}{
		{"none", nil, good, good, "no field key"},
		{"no id", []string{good}, good, good, "field key 1"},
		{"short", []string{"k1:AAAA"}, good, good, "field key k1"},
		{"twice", []string{"k1:" + good, "k1:" + good}, good, good, "used once"},
		{"index", []string{"k1:" + good}, "", good, "index key"},
		{"token", []string{"k1:" + good}, good, "?", "token key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := crypt.ParseKeys(tt.field, tt.index, tt.token)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), good)
		})
	}
}

func TestLoadOrCreateKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	var wg sync.WaitGroup
	got := make([]crypt.Keys, 8)
	errs := make([]error, 8)
	for i := range got {
		wg.Go(func() { got[i], errs[i] = crypt.LoadOrCreateKeys(path) })
	}
	wg.Wait()
	for i := range got {
		require.NoError(t, errs[i])
		require.Equal(t, got[0], got[i])
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
	_, err = crypt.LoadOrCreateKeys(path)
	require.Error(t, err)
}

func TestPassword_UsesItsLettersOnly(t *testing.T) {
	t.Parallel()
	seen := map[rune]bool{}
	for range 200 {
		p := crypt.Password(20)
		require.Len(t, p, 20)
		for _, c := range p {
			require.NotContains(t, "01loi", string(c))
			seen[c] = true
		}
	}
	require.Len(t, seen, 31)
	require.NotEqual(t, crypt.Token(32), crypt.Token(32))
}
