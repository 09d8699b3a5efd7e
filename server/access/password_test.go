package access

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/store/storetest"
)

func TestHasher(t *testing.T) {
	t.Parallel()
	h := newHasher()
	hash, err := h.hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=32768,t=3,p=1$"), hash)
	for password, want := range map[string]bool{"correct horse": true, "correct horsf": false, "": false} {
		ok, stale, err := h.check(t.Context(), hash, password)
		require.NoError(t, err)
		require.Equal(t, want, ok)
		require.False(t, stale)
	}
	for _, bad := range []string{"", "x", "$argon2i$v=19$m=1,t=1,p=1$AA$AA", "$argon2id$v=18$m=1,t=1,p=1$AA$AA", "$argon2id$v=19$m=1,t=0,p=1$AA$AA", "$argon2id$v=19$m=8,t=1,p=1$!$AA", "$argon2id$v=19$m=8,t=1,p=1$AA$"} {
		_, _, err := h.check(t.Context(), bad, "x")
		require.Error(t, err, bad)
	}
	busy := &hasher{slots: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = busy.hash(ctx, "x")
	require.ErrorIs(t, err, context.Canceled)
}

func TestLogin_HashesAgainWithTodaysCosts(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	keys := crypt.NewKeys()
	box, err := crypt.NewBox(keys)
	require.NoError(t, err)
	a := NewAdmins(db, box, keys.Token)
	c, err := a.Create(t.Context(), NewAdmin{Account: "packer", Name: "x", Role: Warehouse, WithoutTOTP: true})
	require.NoError(t, err)
	salt := crypt.Random(16)
	cheap := "$argon2id$v=19$m=64,t=1,p=1$" + b64(salt) + "$" + b64(argon2.IDKey([]byte(c.Password), salt, 1, 64, 1, 32))
	_, err = db.SQL().ExecContext(t.Context(), `UPDATE admin SET password_hash = ?`, cheap)
	require.NoError(t, err)
	for range 2 {
		_, err = a.Login(t.Context(), Login{Account: "packer", Password: c.Password})
		require.NoError(t, err)
	}
	var now string
	require.NoError(t, db.Q().Get(t.Context(), &now, `SELECT password_hash FROM admin`))
	require.Contains(t, now, "m=32768")
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for p, ok := range map[string]bool{
		"correct horse": true, "分销系统的一个很长的密码": true, "short": false, "aaaaaaaaaaaa": false, "password123": false, "1234567890": false,
		"my boss is great": false, strings.Repeat("abcdefgh", 17): false,
	} {
		require.Equal(t, ok, checkPassword(p, "boss") == nil, p)
	}
}

func b64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }
