package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/silenceper/wechat/v2/credential"

	"fenxiao/server/base/clock"
)

// TokenCache keeps access tokens for all replicas. GetContext returns a string, or nil for none; a cache that is out of
// order may always say nil, then the token is fetched again.
type TokenCache interface {
	GetContext(ctx context.Context, key string) any
	SetContext(ctx context.Context, key string, value any, ttl time.Duration) error
	DeleteContext(ctx context.Context, key string) error
}

const (
	// tokenMargin is how long before its end a token is no longer used: WeChat renews it then, and both work meanwhile.
	tokenMargin = 5 * time.Minute

	// tokenTTLMin is how long a token is kept whose rest is within the margin already.
	tokenTTLMin = time.Second

	cacheKeyPrefix = "wechat:stable_access_token:"
)

var errNoToken = errors.New("wechat: answer has no access token")

// tokens fetches and keeps the stable access token. It is fetched in normal mode only: every process gets the same
// one, and none kills another's.
type tokens struct {
	key    string
	cache  TokenCache
	source *credential.StableAccessToken
	turn   chan struct{} // holds one; who has it may fetch
}

func newTokens(cfg Config) *tokens {
	source, ok := credential.NewStableAccessToken(cfg.AppID, cfg.AppSecret, "", unused{}).(*credential.StableAccessToken)
	if !ok {
		panic("wechat: the library's stable access token has changed its type")
	}
	return &tokens{key: cacheKeyPrefix + cfg.AppID, cache: cfg.Cache, source: source, turn: make(chan struct{}, 1)}
}

// get returns a token, fetching it if there is none. The context belongs to a call.
func (t *tokens) get(ctx context.Context) (string, error) {
	if token := t.cached(ctx); token != "" {
		return token, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token := t.cached(ctx); token != "" {
		return token, nil // fetched by somebody else while we waited
	}
	answer, err := t.source.GetAccessTokenDirectly(ctx, false)
	if err != nil {
		return "", err
	}
	if answer.AccessToken == "" {
		return "", errNoToken
	}
	ttl := max(time.Duration(answer.ExpiresIn)*time.Second-tokenMargin, tokenTTLMin)
	// A cache that is out of order costs speed only.
	_ = t.cache.SetContext(ctx, t.key, answer.AccessToken, ttl)
	return answer.AccessToken, nil
}

func (t *tokens) cached(ctx context.Context) string {
	token, _ := t.cache.GetContext(ctx, t.key).(string)
	return token
}

// drop forgets the token that WeChat refused, unless it was replaced meanwhile.
func (t *tokens) drop(ctx context.Context, refused string) {
	if t.cached(ctx) == refused {
		_ = t.cache.DeleteContext(ctx, t.key) // as above; the retry then fails with the old token
	}
}

// unused satisfies the library, which wants a cache even where it is only asked to fetch.
type unused struct{}

func (unused) Get(string) any                       { return nil }
func (unused) Set(string, any, time.Duration) error { return nil }
func (unused) IsExist(string) bool                  { return false }
func (unused) Delete(string) error                  { return nil }

// memory is a TokenCache for one process.
type memory struct {
	mu     sync.Mutex
	values map[string]kept
}

type kept struct {
	value any
	until time.Time
}

func newMemory() *memory { return &memory{values: map[string]kept{}} }

func (m *memory) GetContext(_ context.Context, key string) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.values[key]; clock.Wall().Before(k.until) {
		return k.value
	}
	return nil
}

func (m *memory) SetContext(_ context.Context, key string, value any, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = kept{value, clock.Wall().Add(ttl)}
	return nil
}

func (m *memory) DeleteContext(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return nil
}
