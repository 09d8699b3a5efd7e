package withdrawal_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

// ways is the life of a withdrawal in another form: how each state is reached from the first.
var ways = map[withdrawal.State][]withdrawal.State{
	withdrawal.Requested:    {},
	withdrawal.Approved:     {withdrawal.Approved},
	withdrawal.Paying:       {withdrawal.Approved, withdrawal.Paying},
	withdrawal.AwaitingUser: {withdrawal.Approved, withdrawal.Paying, withdrawal.AwaitingUser},
	withdrawal.Paid:         {withdrawal.Approved, withdrawal.Paying, withdrawal.AwaitingUser, withdrawal.Paid},
	withdrawal.Rejected:     {withdrawal.Rejected},
	withdrawal.Failed:       {withdrawal.Approved, withdrawal.Paying, withdrawal.Failed},
	withdrawal.Expired:      {withdrawal.Approved, withdrawal.Paying, withdrawal.AwaitingUser, withdrawal.Expired},
	withdrawal.Cancelled:    {withdrawal.Cancelled},
}

var allowed = map[string]bool{
	"requested approved": true, "requested rejected": true, "requested cancelled": true,
	"approved requested": true, "approved paying": true, "approved cancelled": true,
	"paying awaiting_user": true, "paying paid": true, "paying failed": true, "paying expired": true, "paying cancelled": true,
	"awaiting_user paid": true, "awaiting_user failed": true, "awaiting_user expired": true, "awaiting_user cancelled": true,
}

func create(t *testing.T, db *store.DB) base.WithdrawalID {
	t.Helper()
	id := base.WithdrawalID(db.Mint.Next())
	require.NoError(t, db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		return withdrawal.Create(ctx, tx, withdrawal.Request{
			ID: id, Distributor: 5, Quote: withdrawal.Quote{Amount: 1_000, Net: 1_000}, OpenID: "o", Risk: "[]", Day: base.DayOf(tx.Now()),
		})
	}))
	return id
}

func move(t *testing.T, db *store.DB, id base.WithdrawalID, from, to withdrawal.State) error {
	t.Helper()
	return db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		return withdrawal.Move(ctx, tx, withdrawal.Change{ID: id, From: from, To: to, By: base.Admin(3), Reason: "因为"})
	})
}

func TestMove_EveryPair(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		for _, from := range withdrawal.States {
			for _, to := range withdrawal.States {
				pair := fmt.Sprint(from, " ", to)
				id := create(t, db)
				at := withdrawal.Requested
				for _, next := range ways[from] {
					require.NoError(t, move(t, db, id, at, next), pair)
					at = next
				}
				before, err := withdrawal.History(t.Context(), db.Q(), id)
				require.NoError(t, err)
				err = move(t, db, id, from, to)
				require.Equal(t, allowed[pair], from.MayBecome(to), pair)
				w, errGet := withdrawal.Get(t.Context(), db.Q(), id)
				require.NoError(t, errGet)
				after, errList := withdrawal.History(t.Context(), db.Q(), id)
				require.NoError(t, errList)
				if !allowed[pair] {
					require.ErrorContains(t, err, "no way from", pair)
					require.Equal(t, from, w.State, pair)
					require.Len(t, after, len(before), pair)
					continue
				}
				require.NoError(t, err, pair)
				require.Equal(t, to, w.State, pair)
				require.Len(t, after, len(before)+1, pair)
				last := after[len(after)-1]
				require.Equal(t, []any{from, to, base.Admin(3).String(), "因为"}, []any{last.From, last.To, last.Actor, last.Reason})
				require.Equal(t, to.Final(), w.EndedMs != 0, pair)
				require.ErrorIs(t, move(t, db, id, from, to), withdrawal.ErrMoved, pair)
			}
		}
	})
}

func TestState_Facts(t *testing.T) {
	t.Parallel()
	require.Len(t, ways, len(withdrawal.States))
	for _, s := range withdrawal.States {
		zh, en := s.Words()
		require.True(t, s.Valid() && zh != "" && en != "" && zh != string(s))
	}
	require.False(t, withdrawal.State("else").Valid())
	require.True(t, withdrawal.Rejected.Returned())
	require.False(t, withdrawal.Paid.Returned())
	require.False(t, withdrawal.Paying.Returned())
}
