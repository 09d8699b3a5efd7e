package live

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"fenxiao/server/base/clock"
)

const (
	answerBytesMax = 4 << 20 // a scene code is the largest answer there is
	headerBytesMax = 64 << 10
)

// errTooLong says that an answer is longer than anything WeChat sends.
var errTooLong = errors.New("wechat: answer is too long")

// newTransport makes one pool of connections for a client.
func newTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if std, ok := http.DefaultTransport.(*http.Transport); ok {
		t = std.Clone()
	}
	t.MaxIdleConnsPerHost = 32
	t.MaxResponseHeaderBytes = headerBytesMax
	return t
}

// keepRedirect makes an HTTP client return a redirect instead of following it: WeChat sends none, and following one
// would repeat a request that moves money.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// gate lets requests to one host pass, on to where the base URL says, and bounds what comes back.
type gate struct {
	host   string
	base   *url.URL
	next   http.RoundTripper
	skewMs *atomic.Int64
}

// RoundTrip refuses other hosts and sends the rest to the base URL.
func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != g.host {
		closeBody(r)
		return nil, fmt.Errorf("wechat: requests to %q are blocked", r.URL.Host)
	}
	out := r.Clone(r.Context()) // a RoundTripper does not change its request
	out.URL.Scheme, out.URL.Host, out.Host = g.base.Scheme, g.base.Host, ""
	res, err := g.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		g.skewMs.Store(date.Sub(clock.Wall()).Truncate(time.Second).Milliseconds())
	}
	res.Body = &bounded{ReadCloser: res.Body, left: answerBytesMax}
	return res, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// bounded fails a body that is too long, instead of cutting it.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed shows that it is too long
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
