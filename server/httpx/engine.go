package httpx

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"fenxiao/server/base/crypt"
)

// Options is how the engine serves.
type Options struct {
	Log            *slog.Logger
	Metrics        *Metrics
	TrustedProxies []string // addresses or ranges; none: X-Forwarded-For is not believed
	RequestTimeout time.Duration
	BodyTimeout    time.Duration
	BodyMaxBytes   int64
	HTTPS          bool // the public address is https: browsers are told to stay there
}

// Engine is the HTTP server's handler: routes that are all documented.
type Engine struct {
	gin      *gin.Engine
	opts     Options
	apis     []*API
	draining atomic.Bool
}

var ginRelease sync.Once

// NewEngine returns an engine without routes.
func NewEngine(o Options) (*Engine, error) {
	ginRelease.Do(func() { gin.SetMode(gin.ReleaseMode) }) // gin's mode is the process's; debug mode prints routes
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BodyMaxBytes == 0 {
		o.BodyMaxBytes = 1 << 20
	}
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	g.RedirectFixedPath = false
	if err := g.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trust proxies: %w", err)
	}
	e := &Engine{gin: g, opts: o}
	g.Use(e.observe, e.recoverPanic, e.headers)
	g.NoRoute(func(c *gin.Context) { WriteError(c, errNotFound) })
	g.NoMethod(func(c *gin.Context) { WriteError(c, errMethod) })
	return e, nil
}

// ServeHTTP makes the engine a handler.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.gin.ServeHTTP(w, r) }

// Drain makes /readyz say no and asks clients to close their connections after the next answer.
func (e *Engine) Drain() { e.draining.Store(true) }

var requestIDForm = regexp.MustCompile(`^[0-9A-Za-z_-]{8,64}$`)

// observe gives the request an id, and writes one line and one measurement when it is answered. The line has no
// address, query, header or body: what is personal or secret never gets into the log.
func (e *Engine) observe(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !requestIDForm.MatchString(id) {
		id = crypt.Token(15)
	}
	s := &state{requestID: id, lang: languageOf(c.GetHeader("Accept-Language")), op: "none"}
	c.Request = c.Request.WithContext(withState(c.Request.Context(), s))
	c.Header("X-Request-Id", id)
	var took float64
	timer := prometheus.NewTimer(prometheus.ObserverFunc(func(seconds float64) { took = seconds }))
	c.Next()
	timer.ObserveDuration()
	status := c.Writer.Status()
	e.opts.Metrics.request(s.op, status, took)
	level := slog.LevelInfo
	switch {
	case status >= 500 && s.err != nil:
		level = slog.LevelError
	case quiet[s.op]:
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("request_id", id), slog.String("actor", s.principal.Actor.String()), slog.String("op", s.op),
		slog.Int("status", status), slog.Float64("ms", float64(int64(took*1e6))/1e3),
	}
	if s.code != "" {
		attrs = append(attrs, slog.String("code", s.code))
	}
	if status >= 500 && s.err != nil {
		attrs = append(attrs, slog.String("error", s.err.Error()))
	}
	e.opts.Log.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

// quiet are the operations that machines call every few seconds.
var quiet = map[string]bool{"health": true, "ready": true}

func (e *Engine) recoverPanic(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { // the way to cut a connection; not a failure
			panic(p)
		}
		err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		if c.Writer.Written() {
			stateOf(c.Request.Context()).err = err
			return
		}
		WriteError(c, err)
	}()
	c.Next()
}

// headers are the defaults of every answer; pages that need more set their own policy.
func (e *Engine) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if e.opts.HTTPS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if e.draining.Load() {
		h.Set("Connection", "close")
	}
	c.Next()
}

// Mismatches compares the routes with the OpenAPI documents and says what differs: a route that no document has, an
// operation without a route, without a permission, or with an unknown one. None is "".
func (e *Engine) Mismatches() []string {
	documented := map[string]bool{}
	var out []string
	for _, api := range e.apis {
		for _, op := range api.Operations() {
			documented[op.Method+" "+ginPath(op.Path)] = true
			out = append(out, op.faults()...)
		}
	}
	routed := map[string]bool{}
	for _, r := range e.gin.Routes() {
		key := r.Method + " " + r.Path
		routed[key] = true
		if !documented[key] {
			out = append(out, "route without a document: "+key)
		}
	}
	for key := range documented {
		if !routed[key] {
			out = append(out, "document without a route: "+key)
		}
	}
	return out
}

// ginPath turns {name} into :name and {name...} into *name.
func ginPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		name, ok := strings.CutPrefix(p, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		if rest, ok := strings.CutSuffix(name, "..."); ok {
			parts[i] = "*" + rest
		} else {
			parts[i] = ":" + name
		}
	}
	return strings.Join(parts, "/")
}
