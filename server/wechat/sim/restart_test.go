package sim_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

// TestRestart_GoesOn does things before and after a restart with the same folder; the shop was down at the time.
func TestRestart_GoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inDir := func(o *sim.Options) { o.Dir = dir }
	r := newRig(t, inDir)
	r.shop.answer(func(got) int { return 503 })
	r.paid("order0001", 10_000)
	unpaid := r.order("order0002", 500)
	r.transfer("bill0001", 5_000)
	r.refund("order0001", "r1", 1_000, 10_000)
	r.s.SetRealName("bob", "李四")
	require.NoError(t, r.s.Close(ctx))
	before := r.s.Books()

	journal := filepath.Join(dir, "books.jsonl")
	f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`[{"k":"order","v":{"out_trade`) // the machine died while writing
	require.NoError(t, err)
	require.NoError(t, f.Close())

	again := newRig(t, inDir, func(o *sim.Options) { o.Now = r.clock.Now })
	after := again.s.Books()
	require.Equal(t, before.Orders, after.Orders)
	require.Equal(t, before.Refunds, after.Refunds)
	require.Equal(t, before.Transfers, after.Transfers)
	require.Equal(t, before.Flows, after.Flows)
	require.Equal(t, before.Accounts, after.Accounts)
	require.Equal(t, before.Users, after.Users)
	require.Len(t, after.Notifies, 1)
	m := again.m
	m.BaseURL = r.m.BaseURL
	require.Equal(t, r.m, m, "the same merchant with the same keys")

	r.shop.answer(nil)
	require.NoError(t, again.s.Pay(ctx, unpaid))
	require.NoError(t, again.s.ConfirmTransfer(ctx, "bill0001"))
	require.Equal(t, "INVALID_REQUEST", again.call("POST", refundsPath, r.refundBody("order0001", "r1", 1_001, 10_000)).code())
	r.clock.Advance(15 * time.Second)
	again.s.Settle(ctx)
	require.Equal(t, "acked", again.s.Books().Notifies[0].State, "what was not acknowledged is sent again")
	require.Equal(t, "SUCCESS", again.refunded("r1"))
	ids := map[string]bool{}
	for _, n := range again.s.Books().Notifies {
		require.False(t, ids[n.ID], "numbers are not drawn twice")
		ids[n.ID] = true
	}
}

func TestRestart_JournalStaysLean(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inDir := func(o *sim.Options) { o.Dir = dir }
	r := newRig(t, inDir)
	for range 50 {
		r.order("order0001", 1)
	}
	require.NoError(t, r.s.Close(ctx))
	size := func() int64 {
		st, err := os.Stat(filepath.Join(dir, "books.jsonl"))
		require.NoError(t, err)
		return st.Size()
	}
	grown := size()
	again := newRig(t, inDir)
	require.Less(t, size(), grown/10, "what is superseded is dropped at the start")
	require.Len(t, again.s.Books().Orders[0].Prepays, 50)
}

func TestRestart_RefusesBrokenBooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRig(t, func(o *sim.Options) { o.Dir = dir })
	require.NoError(t, r.s.Close(ctx))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "books.jsonl"), []byte("garbage\n"), 0o600))
	_, err := sim.New(sim.Options{Dir: dir})
	require.ErrorContains(t, err, "line 1")
}

func TestFolder_HidesPrivateKeys(t *testing.T) {
	t.Parallel()
	_, f := startFolder(t, nil)
	for _, name := range []string{"merchant.json", "apiclient_key.pem", "simulator/wechatpay_key.pem", "simulator/identity.json", "books.jsonl"} {
		st, err := os.Stat(filepath.Join(f.dir, name))
		require.NoError(t, err)
		require.Zero(t, st.Mode().Perm()&0o077, name)
	}
	require.Len(t, f.APIV3Key, 32)
	require.Len(t, f.AppID, 18)
}

// TestConcurrent_NoDoubleEffects lets many do the same thing at once.
func TestConcurrent_NoDoubleEffects(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.RefundGap = -1; o.Dir = t.TempDir() })
	id := r.order("order0001", 10_000)
	body := r.orderBody("order0002", 1_000)
	many := func(f func(i int) bool) (n int) {
		var wg sync.WaitGroup
		ok := make([]bool, 20)
		for i := range ok {
			wg.Go(func() { ok[i] = f(i) })
		}
		wg.Wait()
		for _, o := range ok {
			if o {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, many(func(int) bool { return r.s.Pay(ctx, id) == nil }))
	require.Len(t, r.shop.all(), 1)
	require.Equal(t, 20, many(func(int) bool { a, err := r.try("POST", ordersPath, body); return err == nil && a.status == 200 }))
	require.Equal(t, 3, many(func(i int) bool {
		a, err := r.try("POST", refundsPath, r.refundBody("order0001", "r"+string(rune('a'+i)), 3_000, 10_000))
		return err == nil && a.status == 200
	}), "three times 30 yuan fit into 100")
	r.s.SetBalance(sim.Operating, 10_000)
	require.Equal(t, 2, many(func(i int) bool {
		a, err := r.try("POST", billsPath, r.transferBody("bill"+string(rune('a'+i)), 5_000))
		return err == nil && a.status == 200
	}), "two transfers of 50 yuan fit into 100")
	open := r.s.Books().Transfers[0].OutBillNo
	ends := many(func(i int) bool {
		if i%2 == 0 {
			return r.s.ConfirmTransfer(ctx, open) == nil
		}
		return r.s.RejectTransfer(ctx, open) == nil
	})
	require.Equal(t, 1, ends, "confirmed or rejected, once")
	many(func(int) bool { r.s.Settle(ctx); _ = r.s.Books(); return true })
	require.Len(t, r.s.Books().Orders, 2)
	require.Empty(t, r.s.Check())
}
