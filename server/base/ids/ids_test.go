package ids_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/ids"
)

type thing struct{}

func (thing) Prefix() string { return "th" }

type thingID = ids.ID[thing]

func TestMint_IsMonotoneWhenTheClockStandsOrStepsBack(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	m := ids.NewMint(c, 7)
	last := m.Next()
	for i := range 10_000 {
		if i == 5000 {
			c.Advance(-time.Hour)
		}
		next := m.Next()
		require.Greater(t, next, last)
		last = next
	}
}

func TestMint_BlocksDoNotOverlap(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	a, b := ids.NewMint(c, 1), ids.NewMint(c, 2)
	seen := map[int64]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		for _, m := range []*ids.Mint{a, b} {
			wg.Go(func() {
				for range 50 {
					first := m.Block(100)
					mu.Lock()
					for i := range int64(100) {
						id := first + i*ids.Stride
						if seen[id] {
							t.Errorf("%d minted twice", id)
						}
						seen[id] = true
					}
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	require.Len(t, seen, 8*2*50*100)
}

func TestFloorAndTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	id := ids.NewMint(clock.NewManual(at), 1023).Next()
	require.Equal(t, at, ids.Time(id))
	require.LessOrEqual(t, ids.Floor(at), id)
	require.Greater(t, ids.Floor(at.Add(time.Millisecond)), id)
}

func TestID_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := thingID(rapid.Int64Min(1).Draw(t, "id"))
		back, err := ids.Parse[thing](id.String())
		require.NoError(t, err)
		require.Equal(t, id, back)
		require.LessOrEqual(t, len(id.String()), 32)
	})
}

func TestID_RefusesWhatStringDoesNotShow(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"x", "th", "xx0000000000001", "th000000000000i", "thzzzzzzzzzzzzz", "th0000000000000", "TH0000000000001"} {
		_, err := ids.Parse[thing](in)
		require.Error(t, err, in)
	}
}

func TestID_JSONAndSQL(t *testing.T) {
	t.Parallel()
	id := thingID(1)
	b, err := json.Marshal(id)
	require.NoError(t, err)
	require.Equal(t, `"th0000000000001"`, string(b))
	var back thingID
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, id, back)
	require.NoError(t, back.Scan(nil))
	require.Zero(t, back)
	require.Error(t, back.Scan("1"))
}
