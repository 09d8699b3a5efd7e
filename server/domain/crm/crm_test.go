package crm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/domain/crm"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

func TestUpsertAndOrdered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		ctx := t.Context()
		upsert := func(v crm.Visitor) (out crm.Customer, created bool) {
			t.Helper()
			require.NoError(t, db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) (err error) {
				out, created, err = crm.Upsert(ctx, tx, v)
				return err
			}))
			return out, created
		}
		first, created := upsert(crm.Visitor{ID: 1, OpenID: "o1"})
		require.True(t, created)
		again, created := upsert(crm.Visitor{ID: 2, OpenID: "o1", UnionID: "u1"})
		require.False(t, created)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, "u1", again.UnionID)
		kept, _ := upsert(crm.Visitor{ID: 3, OpenID: "o1"})
		require.Equal(t, "u1", kept.UnionID, "a log-in that is not told the unionid does not forget it")
		other, created := upsert(crm.Visitor{ID: 4, OpenID: "O1"})
		require.True(t, created, "openids tell capitals apart")

		ordered := func(at time.Time) {
			t.Helper()
			require.NoError(t, db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) error {
				return crm.Ordered(ctx, tx, first.ID, at)
			}))
		}
		ordered(c.Now())
		ordered(c.Now().Add(-time.Hour))
		got, err := crm.Get(ctx, db.Q(), first.ID)
		require.NoError(t, err)
		require.Equal(t, c.Now(), got.LastOrder(), "an earlier order does not move it back")
		never, err := crm.ByOpenID(ctx, db.Q(), "O1")
		require.NoError(t, err)
		require.Equal(t, other, never)
		require.True(t, never.LastOrder().IsZero())
		_, err = crm.Get(ctx, db.Q(), 99)
		require.ErrorIs(t, err, crm.ErrNotFound)

		page, err := crm.List(ctx, db.Q(), "", crm.Page{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, []base.CustomerID{other.ID}, []base.CustomerID{page[0].ID}, "newest first")
		page, err = crm.List(ctx, db.Q(), "", crm.Page{Before: page[0].ID, Limit: 5})
		require.NoError(t, err)
		require.Len(t, page, 1)
		require.Error(t, db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) error {
			_, _, err := crm.Upsert(ctx, tx, crm.Visitor{ID: 9, OpenID: strings.Repeat("o", 65)})
			return err
		}), "WeChat's openids are shorter")
	})
}

func TestCheckPhone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"13800138000": "13800138000", "+86 138 0013 8000": "13800138000", "86-13800138000": "13800138000", "19912345678": "19912345678",
		"": "", "1380013800": "", "12800138000": "", "1380013800a": "", "138001380000": "", "+1 3800138000": "",
	} {
		got, err := crm.CheckPhone(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == "", err != nil, text)
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	require.Equal(t, "138****8000", crm.MaskPhone("13800138000"))
	require.Equal(t, "***", crm.MaskPhone("138"))
	require.Equal(t, "", crm.MaskPhone(""))
	require.Equal(t, "oABC****wxyz", crm.MaskOpenID("oABCdefghijklmnopqrstuwxyz"))
	require.Equal(t, "****", crm.MaskOpenID("oABC"))
}
