package live

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/silenceper/wechat/v2/util"
)

// silenceper/wechat sends everything of a process through one HTTP client, util.DefaultHTTPClient, and most of its
// calls take no context. So that several clients can live in one process and every call has its own deadline, that one
// client is set once to a router, which finds out to which call of ours a request belongs: by its context where the
// library passes one on, else by a mark that rides behind the access token in the query and is taken off here.
// A request that belongs to no call of ours is refused.

// mark is the query parameter behind the access token. WeChat never sees it.
const mark = "fenxiao_call"

// call is one use of the library.
type call struct {
	ctx  context.Context
	next http.RoundTripper
	id   string
}

type callKey struct{}

// These three are the process's, as the library's client is.
var (
	installRouter sync.Once
	calls         sync.Map // id → *call, while it runs
	lastCall      atomic.Uint64
)

// begin registers a call. The context it returns carries it, to be passed to the library where it takes one; end has
// to be called when the library has returned.
func begin(ctx context.Context, next http.RoundTripper) (started *call, end func()) {
	c := &call{next: next, id: strconv.FormatUint(lastCall.Add(1), 36)}
	c.ctx = context.WithValue(ctx, callKey{}, c)
	calls.Store(c.id, c)
	return c, func() { calls.Delete(c.id) }
}

// GetAccessToken and GetAccessTokenContext hand the library a token for one call, with the mark behind it.
func (t markedToken) GetAccessToken() (string, error) {
	return url.QueryEscape(t.token) + "&" + mark + "=" + t.call.id, nil
}

func (t markedToken) GetAccessTokenContext(context.Context) (string, error) {
	return t.GetAccessToken()
}

// markedToken is an access token that tells the router whose request it is on.
type markedToken struct {
	token string
	call  *call
}

type router struct{}

// RoundTrip sends a request of the library where its call wants it, with the call's deadline.
func (router) RoundTrip(r *http.Request) (*http.Response, error) {
	c, found := r.Context().Value(callKey{}).(*call)
	query := r.URL.Query()
	if !found {
		var v any
		if v, found = calls.Load(query.Get(mark)); found {
			c, found = v.(*call)
		}
	}
	if !found {
		closeBody(r)
		return nil, fmt.Errorf("wechat: a request to %q belongs to no call", r.URL.Host)
	}
	out := r.Clone(c.ctx)
	if query.Has(mark) {
		query.Del(mark)
		out.URL.RawQuery = query.Encode()
	}
	return c.next.RoundTrip(out)
}

// install makes the library use the router. Only its first call has an effect; nobody may use the library before.
func install() {
	installRouter.Do(func() {
		util.DefaultHTTPClient = &http.Client{Transport: router{}, CheckRedirect: keepRedirect}
	})
}
