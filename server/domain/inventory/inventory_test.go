package inventory_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

func book(ctx context.Context, db *store.DB, kind inventory.Kind, ref string, items ...inventory.Item) error {
	return db.InTx(ctx, "test.book", func(ctx context.Context, tx *store.Tx) error {
		return inventory.Book(ctx, tx, inventory.Move{Kind: kind, Ref: ref, Warehouse: inventory.Main, Items: items, Actor: base.System})
	})
}

func stock(t require.TestingT, ctx context.Context, db *store.DB, sku base.SKUID) inventory.Stock {
	list, err := inventory.Of(ctx, db.Q(), []base.SKUID{sku})
	require.NoError(t, err)
	if len(list) == 0 {
		return inventory.Stock{}
	}
	return list[0]
}

func TestBook_LifeOfAUnit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		require.ErrorIs(t, book(ctx, db, inventory.Reserve, "or0", inventory.Item{SKU: 7, Qty: 1}), inventory.ErrShort, "a SKU that nobody received")
		steps := []struct {
			kind             inventory.Kind
			ref              string
			qty              int64
			onHand, reserved int64
		}{
			{inventory.Receive, "delivery 1", 10, 10, 0},
			{inventory.Reserve, "or1", 6, 10, 6},
			{inventory.Reserve, "or1", 6, 10, 6}, // again: nothing
			{inventory.Release, "rf1", 1, 10, 5},
			{inventory.Commit, "fu1", 5, 5, 0},
			{inventory.Commit, "fu1", 5, 5, 0},
			{inventory.Restock, "rf2", 2, 7, 0},
			{inventory.Adjust, "count 1", -3, 4, 0},
		}
		for _, s := range steps {
			require.NoError(t, book(ctx, db, s.kind, s.ref, inventory.Item{SKU: 7, Qty: s.qty}), s.ref)
			got := stock(t, ctx, db, 7)
			require.Equal(t, [2]int64{s.onHand, s.reserved}, [2]int64{got.OnHand, got.Reserved}, "after %s", s.ref)
		}
		require.ErrorIs(t, book(ctx, db, inventory.Adjust, "count 2", inventory.Item{SKU: 7, Qty: -5}), inventory.ErrShort)
		require.ErrorIs(t, book(ctx, db, inventory.Reserve, "or1", inventory.Item{SKU: 7, Qty: 5}), inventory.ErrTwice, "another quantity under a used reference")
		require.Error(t, book(ctx, db, inventory.Release, "rf9", inventory.Item{SKU: 7, Qty: 1}), "releases more than is reserved")
		require.Equal(t, int64(4), stock(t, ctx, db, 7).Free())
		moves, err := inventory.Movements(ctx, db.Q(), inventory.History{SKU: 7, Limit: 50})
		require.NoError(t, err)
		require.Len(t, moves, 6)
	})
}

func TestBook_AllItemsOrNone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		require.NoError(t, book(ctx, db, inventory.Receive, "d", inventory.Item{SKU: 2, Qty: 5}, inventory.Item{SKU: 1, Qty: 1}))
		err := book(ctx, db, inventory.Reserve, "or1", inventory.Item{SKU: 2, Qty: 5}, inventory.Item{SKU: 1, Qty: 2})
		require.ErrorIs(t, err, inventory.ErrShort)
		e, _ := errs.As(err)
		require.Equal(t, base.SKUID(1).String(), e.Params["sku"], "names what is short")
		require.Zero(t, stock(t, ctx, db, 2).Reserved)
	})
}

func TestBook_Refuses(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	for name, items := range map[string][]inventory.Item{
		"no items": nil, "zero": {{SKU: 1}}, "negative": {{SKU: 1, Qty: -1}}, "too many": {{SKU: 1, Qty: inventory.QtyMax + 1}},
		"twice": {{SKU: 1, Qty: 1}, {SKU: 1, Qty: 1}}, "no SKU": {{Qty: 1}},
	} {
		require.Error(t, book(t.Context(), db, inventory.Receive, "d", items...), name)
	}
	require.Error(t, book(t.Context(), db, "theft", "d", inventory.Item{SKU: 1, Qty: 1}))
	require.Error(t, book(t.Context(), db, inventory.Receive, "", inventory.Item{SKU: 1, Qty: 1}))
}

func TestBook_ManyWantTheLast(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		const buyers = 100
		require.NoError(t, book(t.Context(), db, inventory.Receive, "d", inventory.Item{SKU: 1, Qty: 1}))
		var wg sync.WaitGroup
		var won, short atomic.Int64
		for i := range buyers {
			wg.Go(func() {
				err := book(t.Context(), db, inventory.Reserve, fmt.Sprintf("or%d", i), inventory.Item{SKU: 1, Qty: 1})
				switch errs.CodeOf(err) {
				case "":
					won.Add(1)
				case inventory.ErrShort.Code:
					short.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), won.Load())
		require.Equal(t, int64(buyers-1), short.Load())
	})
}

func TestBook_FirstGoodsArriveTwiceAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		var wg sync.WaitGroup
		var failed atomic.Int64
		for i := range 10 {
			wg.Go(func() {
				if book(t.Context(), db, inventory.Receive, fmt.Sprintf("d%d", i), inventory.Item{SKU: 1, Qty: 1}) != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		require.Zero(t, failed.Load())
		require.Equal(t, int64(10), stock(t, t.Context(), db, 1).OnHand)
	})
}

// Whatever is booked in whatever order, stock equals its movements and is never negative.
func TestBook_StockEqualsItsMovements(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	sku := base.SKUID(0)
	rapid.Check(t, func(rt *rapid.T) {
		sku++
		ctx := t.Context()
		for i := range rapid.IntRange(1, 15).Draw(rt, "moves") {
			kind := rapid.SampledFrom(inventory.Kinds).Draw(rt, "kind")
			qty := rapid.Int64Range(1, 5).Draw(rt, "qty")
			_ = book(ctx, db, kind, fmt.Sprintf("%s %d", sku, i/2), inventory.Item{SKU: sku, Qty: qty}) // refusals are part of it
			s := stock(rt, ctx, db, sku)
			require.True(rt, s.OnHand >= 0 && s.Reserved >= 0 && s.Free() >= 0, "%+v", s)
			moves, err := inventory.Movements(ctx, db.Q(), inventory.History{SKU: sku, Limit: 100})
			require.NoError(rt, err)
			var onHand, reserved int64
			for _, m := range moves {
				onHand, reserved = onHand+m.OnHandDelta, reserved+m.ReservedDelta
			}
			require.Equal(rt, [2]int64{onHand, reserved}, [2]int64{s.OnHand, s.Reserved})
		}
	})
}
