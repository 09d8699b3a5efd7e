package redisx

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const (
	// embeddedTick is how often what has expired is swept when nobody asks.
	embeddedTick = time.Second
	// embeddedGrain is how exactly the embedded server knows the time. Moving its clock costs a
	// walk over all expiring keys, so it is not moved for every command.
	embeddedGrain = 50 * time.Millisecond
)

// embedded is a Redis server inside this process. Its own clock stands still; we move it.
type embedded struct {
	server *miniredis.Miniredis
	now    func() time.Time

	mu   sync.Mutex
	last time.Time

	quit    chan struct{}
	stopped sync.WaitGroup
	once    sync.Once
}

func startEmbedded(password string, now func() time.Time) (*embedded, error) {
	e := &embedded{server: miniredis.NewMiniRedis(), now: now, last: now(), quit: make(chan struct{})}
	if password != "" {
		e.server.RequireAuth(password)
	}
	e.server.SetTime(e.last)
	e.server.ClockTTL(true)
	if err := e.server.Start(); err != nil {
		return nil, fmt.Errorf("start the embedded redis: %w", err)
	}
	e.stopped.Go(e.tick)
	return e, nil
}

func (e *embedded) addr() string { return e.server.Addr() }

func (e *embedded) tick() {
	ticker := time.NewTicker(embeddedTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.sync()
		case <-e.quit:
			return
		}
	}
}

// sync moves the server's clock to ours. A clock that steps back stays where it was for what
// expires, as a Redis server's does.
func (e *embedded) sync() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if d := now.Sub(e.last); d >= 0 && d < embeddedGrain {
		return
	}
	e.last = now
	e.server.SetTime(now)
}

func (e *embedded) stop() {
	e.once.Do(func() {
		close(e.quit)
		e.stopped.Wait()
		e.server.Close()
	})
}
