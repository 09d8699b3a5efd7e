package access_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

const customer = base.CustomerID(42 << 22)

func TestCustomers_TokensAndRefresh(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		cs, ctx := access.NewCustomers(db, crypt.Random(32)), t.Context()
		first, err := cs.IssueTokens(ctx, customer)
		require.NoError(t, err)
		h, err := cs.Authenticate(first.Access)
		require.NoError(t, err)
		require.Equal(t, access.Holder{Customer: customer, Session: first.Session}, h)
		_, err = cs.Authenticate(first.Refresh)
		require.ErrorIs(t, err, access.ErrTokenInvalid)
		_, err = cs.Refresh(ctx, first.Access)
		require.ErrorIs(t, err, access.ErrTokenInvalid)

		c.Advance(access.AccessLifetime)
		_, err = cs.Authenticate(first.Access)
		require.ErrorIs(t, err, access.ErrTokenExpired)
		second, err := cs.Refresh(ctx, first.Refresh)
		require.NoError(t, err)
		require.NotEqual(t, first.Refresh, second.Refresh)
		_, err = cs.Authenticate(second.Access)
		require.NoError(t, err)

		// The answer was lost: the same is given again, for a moment.
		again, err := cs.Refresh(ctx, first.Refresh)
		require.NoError(t, err)
		require.Equal(t, second.Refresh, again.Refresh)

		c.Advance(31 * time.Second)
		_, err = cs.Refresh(ctx, first.Refresh)
		require.ErrorIs(t, err, access.ErrTokenReused)
		_, err = cs.Refresh(ctx, second.Refresh)
		require.ErrorIs(t, err, access.ErrTokenExpired, "the family has ended")
	})
}

func TestCustomers_AnOlderTokenEndsTheFamilyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		cs, ctx := access.NewCustomers(db, crypt.Random(32)), t.Context()
		first, err := cs.IssueTokens(ctx, customer)
		require.NoError(t, err)
		second, err := cs.Refresh(ctx, first.Refresh)
		require.NoError(t, err)
		third, err := cs.Refresh(ctx, second.Refresh)
		require.NoError(t, err)
		_, err = cs.Refresh(ctx, first.Refresh)
		require.ErrorIs(t, err, access.ErrTokenReused)
		_, err = cs.Refresh(ctx, third.Refresh)
		require.ErrorIs(t, err, access.ErrTokenExpired)
	})
}

func TestCustomers_TwentyRefreshesAtOnceAgree(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		cs, ctx := access.NewCustomers(db, crypt.Random(32)), t.Context()
		first, err := cs.IssueTokens(ctx, customer)
		require.NoError(t, err)
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen := map[string]int{}
		for range 20 {
			wg.Go(func() {
				got, err := cs.Refresh(ctx, first.Refresh)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				seen[got.Refresh]++
			})
		}
		wg.Wait()
		require.Len(t, seen, 1)
	})
}

func TestCustomers_SessionsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		cs, ctx := access.NewCustomers(db, crypt.Random(32)), t.Context()
		a, err := cs.IssueTokens(ctx, customer)
		require.NoError(t, err)
		require.NoError(t, cs.Logout(ctx, a.Session))
		_, err = cs.Refresh(ctx, a.Refresh)
		require.ErrorIs(t, err, access.ErrTokenExpired)

		b, err := cs.IssueTokens(ctx, customer)
		require.NoError(t, err)
		other, err := cs.IssueTokens(ctx, customer+1)
		require.NoError(t, err)
		require.NoError(t, db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) error { return cs.EndAll(ctx, tx, customer, "erased") }))
		_, err = cs.Refresh(ctx, b.Refresh)
		require.ErrorIs(t, err, access.ErrTokenExpired)
		other, err = cs.Refresh(ctx, other.Refresh)
		require.NoError(t, err)

		c.Advance(access.RefreshLifetime + time.Second)
		_, err = cs.Refresh(ctx, other.Refresh)
		require.ErrorIs(t, err, access.ErrTokenExpired)
		n, err := cs.Purge(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, n)
	})
}

func TestCustomers_RefuseForgedTokens(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(storetest.Start)
	db := storetest.SQLite(t, c)
	cs := access.NewCustomers(db, crypt.Random(32))
	good, err := cs.IssueTokens(t.Context(), customer)
	require.NoError(t, err)
	alien, err := access.NewCustomers(db, crypt.Random(32)).IssueTokens(t.Context(), customer)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(good.Access[4:])
	require.NoError(t, err)
	raw[7]++ // another customer
	for _, bad := range []string{
		"", "fxa_", "x", good.Access[4:], good.Access + "A", good.Access[:len(good.Access)-1], alien.Access,
		"fxr_" + good.Access[4:], "fxa_" + base64.RawURLEncoding.EncodeToString(raw), strings.Repeat("fxa_", 100),
	} {
		_, err := cs.Authenticate(bad)
		require.ErrorIs(t, err, access.ErrTokenInvalid, bad)
	}
}

func FuzzCustomers_Authenticate(f *testing.F) {
	cs := access.NewCustomers(nil, make([]byte, 32))
	f.Add("fxa_AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := cs.Authenticate(token); err == nil {
			t.Fatalf("%q passed", token)
		}
	})
}
