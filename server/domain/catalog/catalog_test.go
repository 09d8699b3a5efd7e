package catalog_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

func entry() catalog.Entry {
	return catalog.Entry{
		Name: "保温杯", Category: "家居", Status: catalog.OnSale, AftersaleDays: catalog.DefaultDays,
		SKUs: []catalog.SKUEntry{{Name: "白", Price: 9_990, Cost: 4_000}, {Name: "黑", Price: 10_990, Cost: catalog.CostUnknown}},
	}
}

func create(t *testing.T, db *store.DB, id base.ProductID, e catalog.Entry) catalog.Product {
	t.Helper()
	var p catalog.Product
	require.NoError(t, db.InTx(t.Context(), "test.create", func(ctx context.Context, tx *store.Tx) (err error) {
		p, err = catalog.Create(ctx, tx, id, e)
		return err
	}))
	return p
}

func update(t *testing.T, db *store.DB, in catalog.Edit) (after catalog.Product, err error) {
	t.Helper()
	err = db.InTx(t.Context(), "test.update", func(ctx context.Context, tx *store.Tx) (err error) {
		_, after, err = catalog.Update(ctx, tx, in)
		return err
	})
	return after, err
}

func TestCreateAndUpdate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		p := create(t, db, 5, entry())
		require.Equal(t, p, create(t, db, 5, catalog.Entry{Name: "another"}), "a repeat returns what is there")
		got, err := catalog.Get(t.Context(), db.Q(), 5)
		require.NoError(t, err)
		require.Equal(t, p, got)

		e := entry()
		e.Name, e.Status = "保温杯二代", catalog.OffSale
		e.SKUs = []catalog.SKUEntry{{ID: p.SKUs[1].ID, Name: "黑", Price: 1, Cost: 0}, {Name: "红", Price: 2, Cost: catalog.CostUnknown}}
		after, err := update(t, db, catalog.Edit{ID: 5, Version: 1, Entry: e})
		require.NoError(t, err)
		require.Equal(t, 2, after.Version)
		bySKU := map[string]catalog.SKU{}
		for _, s := range after.SKUs {
			bySKU[s.Name] = s
		}
		require.Len(t, bySKU, 3)
		require.Equal(t, catalog.OffSale, bySKU["白"].Status, "not named any more: off sale, not gone")
		require.Equal(t, money.Fen(1), bySKU["黑"].Price)

		_, err = update(t, db, catalog.Edit{ID: 5, Version: 1, Entry: e})
		require.ErrorIs(t, err, catalog.ErrChanged)
		e.Status = catalog.Draft
		_, err = update(t, db, catalog.Edit{ID: 5, Version: 2, Entry: e})
		require.ErrorIs(t, err, catalog.ErrStatus)
		e.Status, e.SKUs[0].ID = catalog.OnSale, 999
		_, err = update(t, db, catalog.Edit{ID: 5, Version: 2, Entry: e})
		require.ErrorIs(t, err, catalog.ErrSKU, "a SKU of another product")
		_, err = update(t, db, catalog.Edit{ID: 6, Version: 1, Entry: entry()})
		require.ErrorIs(t, err, catalog.ErrNotFound)
	})
}

func TestEntry_Check(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*catalog.Entry){
		"/name":           func(e *catalog.Entry) { e.Name = "" },
		"/category":       func(e *catalog.Entry) { e.Category = strings.Repeat("字", 65) },
		"/summary":        func(e *catalog.Entry) { e.Summary = strings.Repeat("字", 501) },
		"/detail":         func(e *catalog.Entry) { e.Detail = string([]byte{0xff}) },
		"/image_url":      func(e *catalog.Entry) { e.ImageURL = "javascript:alert(1)" },
		"/status":         func(e *catalog.Entry) { e.Status = "sold" },
		"/aftersale_days": func(e *catalog.Entry) { e.AftersaleDays = -2 },
		"/early_until":    func(e *catalog.Entry) { e.EarlyFrom = storetest.Start },
		"/skus":           func(e *catalog.Entry) { e.SKUs = nil },
		"/skus/1/name":    func(e *catalog.Entry) { e.SKUs[1].Name = e.SKUs[0].Name },
		"/skus/0/price_fen": func(e *catalog.Entry) {
			e.SKUs[0].Price = -1
		},
		"/skus/1/cost_fen": func(e *catalog.Entry) { e.SKUs[1].Cost = -2 },
	}
	for pointer, change := range tests {
		e := entry()
		change(&e)
		got, ok := errs.As(e.Check())
		require.True(t, ok, pointer)
		require.Len(t, got.Fields, 1, pointer)
		require.Equal(t, pointer, got.Fields[0].Pointer)
	}
	require.NoError(t, entry().Check())
}

func TestStatus_EveryPair(t *testing.T) {
	t.Parallel()
	allowed := map[[2]catalog.Status]bool{{"draft", "on_sale"}: true, {"on_sale", "off_sale"}: true, {"off_sale", "on_sale"}: true}
	for _, from := range []catalog.Status{catalog.Draft, catalog.OnSale, catalog.OffSale} {
		for _, to := range []catalog.Status{catalog.Draft, catalog.OnSale, catalog.OffSale} {
			require.Equal(t, allowed[[2]catalog.Status{from, to}], from.CanBecome(to), "%s to %s", from, to)
		}
	}
}

func TestShelf_EarlyWindow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		e := entry()
		e.EarlyFrom, e.EarlyUntil = storetest.Start, storetest.Start.Add(time.Hour)
		create(t, db, 1, entry())
		early := create(t, db, 2, e)
		draft := entry()
		draft.Status = catalog.Draft
		create(t, db, 3, draft)
		seen := func(at time.Time, allowed bool) (ids []base.ProductID) {
			list, err := catalog.OnShelf(t.Context(), db.Q(), catalog.Shelf{At: at, Early: allowed, Limit: 10})
			require.NoError(t, err)
			for _, p := range list {
				ids = append(ids, p.ID)
			}
			return ids
		}
		before, within, after := storetest.Start.Add(-time.Minute), storetest.Start.Add(time.Minute), storetest.Start.Add(2*time.Hour)
		require.Equal(t, []base.ProductID{1}, seen(before, true), "not before the window, for nobody")
		require.Equal(t, []base.ProductID{1}, seen(within, false))
		require.Equal(t, []base.ProductID{2, 1}, seen(within, true))
		require.Equal(t, []base.ProductID{2, 1}, seen(after, false))
		require.Equal(t, catalog.SaleClosed, early.SaleAt(before))
		require.Equal(t, catalog.SaleEarly, early.SaleAt(within))
		require.Equal(t, catalog.SaleOpen, early.SaleAt(after))

		list, err := catalog.List(t.Context(), db.Q(), catalog.Filter{Name: "保", Before: 3, Limit: 10})
		require.NoError(t, err)
		require.Len(t, list, 2)
		n, err := catalog.Count(t.Context(), db.Q(), catalog.Filter{Status: catalog.Draft})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		items, err := catalog.Items(t.Context(), db.Q(), []base.SKUID{early.SKUs[1].ID, early.SKUs[0].ID})
		require.NoError(t, err)
		require.Equal(t, "保温杯 黑", items[0].Title())
		_, err = catalog.Items(t.Context(), db.Q(), []base.SKUID{12345})
		require.ErrorIs(t, err, catalog.ErrSKU)
	})
}
