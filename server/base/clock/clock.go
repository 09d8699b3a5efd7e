// Package clock tells the time. Code asks a Clock, so that tests, the story and the demo can move it;
// only signatures towards WeChat use Wall.
package clock

import (
	"sync"
	"time"
)

// Clock tells the present.
type Clock interface{ Now() time.Time }

// Shop is the zone of business days, periods and daily limits. It is fixed, because tzdata may be absent
// and China has no summer time.
var Shop = time.FixedZone("Asia/Shanghai", 8*60*60)

// System is the machine's clock, in UTC, to the millisecond.
type System struct{}

// Now returns the machine's time.
func (System) Now() time.Time { return Wall() }

// Wall is the machine's time, also where a Manual clock says otherwise: for signatures, leases and log lines.
func Wall() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Manual is a clock that stands until it is moved. It is safe for concurrent use.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual starts a clock that stands at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t.UTC().Truncate(time.Millisecond)} }

// Now returns the time the clock stands at.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance moves the clock forward.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d).Truncate(time.Millisecond)
}

// Set puts the clock to t.
func (m *Manual) Set(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = t.UTC().Truncate(time.Millisecond)
}
