package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
)

// Authenticator finds out who asks. Without credentials the error is ErrNoCredentials.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request) (Principal, error)
}

// ErrNoCredentials says that a request names nobody.
var ErrNoCredentials error = errNoCredentials

// serve is the way of every request to its handler: time-out, who, how often, may they, what is asked, once.
func (a *API) serve(r *route, c *gin.Context, handler gin.HandlerFunc) {
	s := stateOf(c.Request.Context())
	s.op = r.op.ID
	if cancel := a.setTimeout(r, c); cancel != nil {
		defer cancel()
	}
	err := a.admit(r, c, s)
	if err == nil {
		err = r.checkQuery(c.Request.URL)
	}
	if err == nil && (!r.raw || r.op.Idempotent) {
		err = a.readBody(r, c)
	} else if err == nil {
		a.boundBody(r, c)
	}
	if err != nil {
		WriteError(c, err)
		return
	}
	if r.op.Idempotent {
		a.once(r, c, handler)
		return
	}
	handler(c)
}

func (a *API) setTimeout(r *route, c *gin.Context) context.CancelFunc {
	d := r.op.Timeout
	if d == 0 {
		d = a.engine.opts.RequestTimeout
	}
	if d <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), d)
	c.Request = c.Request.WithContext(ctx)
	return cancel
}

// admit finds out who asks, counts the request, and checks the permission. Requests that name nobody, or name
// themselves falsely, are counted by address.
func (a *API) admit(r *route, c *gin.Context, s *state) error {
	ctx := c.Request.Context()
	p, authErr := Principal{}, error(errNoCredentials)
	if a.audience.Auth != nil {
		p, authErr = a.audience.Auth.Authenticate(ctx, c.Request)
	}
	caller := "ip:" + c.ClientIP()
	if authErr == nil {
		s.principal = p
		caller = p.Actor.String()
	}
	if !r.op.Unlimited {
		if err := a.limit(ctx, a.audience.Name, caller, a.audience.Rate); err != nil {
			return err
		}
		if err := a.limit(ctx, r.op.ID, caller, r.op.Rate); err != nil {
			return err
		}
	}
	if r.op.Permission == access.Public {
		return nil // a token that has expired is no reason to hide what everybody may see
	}
	if authErr != nil {
		return authErr
	}
	return p.allowed(r.op.Permission)
}

func (p Principal) allowed(permission string) error {
	switch permission {
	case access.Customer:
		if p.Customer == 0 {
			return errForbidden
		}
		return nil
	case access.Distributor:
		switch {
		case p.Distributor != 0:
			return nil
		case p.Customer != 0:
			return errNotDistributor
		}
		return errForbidden
	}
	switch {
	case p.Permissions != nil && p.Permissions(permission):
		return nil
	case p.Restricted != nil:
		return p.Restricted
	}
	return errForbidden
}

// checkQuery refuses parameters that the operation does not have: a misspelt filter must not show everything.
func (r *route) checkQuery(u *url.URL) error {
	if !isText(u.Path) {
		return errNotFound
	}
	if u.RawQuery == "" || r.op.AnyQuery {
		return nil
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return badQuery(err)
	}
	for name, values := range q {
		if !isText(name) || !isText(values[0]) {
			return badQuery(errors.New("a parameter is no text"))
		}
		if !r.query[name] {
			return errs.E(errs.Malformed, "request.unknown_parameter", "不认识的请求参数，请检查拼写",
				errs.EN("The operation has no such parameter."), errs.At(clip("/query/"+escapePointer(name)), "unknown", "不认识的参数"))
		}
		if len(values) > 1 {
			return errs.E(errs.Malformed, "request.repeated_parameter", "同一参数出现多次，请只保留一个",
				errs.EN("A parameter is given more than once."), errs.At("/query/"+escapePointer(name), "repeated", "重复的参数"))
		}
	}
	return nil
}

func badQuery(cause error) error {
	return errs.E(errs.Malformed, "request.malformed", "请求参数无法识别，请检查网址", errs.EN("The query cannot be read."), errs.Cause(cause))
}

// isText says whether a part of an address is text that a database takes: UTF-8 without zero bytes.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// readBody takes the whole body into memory, within its limits of size and time.
func (a *API) readBody(r *route, c *gin.Context) error {
	if c.Request.Body == nil || c.Request.Body == http.NoBody {
		return nil
	}
	limit := a.bodyMax(r)
	if c.Request.ContentLength > limit {
		return errTooLarge
	}
	rc := http.NewResponseController(c.Writer)
	if d := a.engine.opts.BodyTimeout; d > 0 {
		if err := rc.SetReadDeadline(clock.Wall().Add(d)); err == nil {
			// Cleared: one that passes while the handler works would cancel the request.
			defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var tooLarge *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.As(err, &slow) && slow.Timeout():
		return errBodyTimeout
	case err != nil:
		return malformed(errs.Cause(fmt.Errorf("read body: %w", err)))
	case !utf8.Valid(body): // encoding/json would put something else in its place
		return malformed(errs.Cause(errors.New("the body is no UTF-8")))
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	c.Set(bodyKey, body)
	return nil
}

func (a *API) bodyMax(r *route) int64 {
	if r.op.MaxBody > 0 {
		return r.op.MaxBody
	}
	return a.engine.opts.BodyMaxBytes
}

// boundBody bounds the body of a raw route, which reads it by itself.
func (a *API) boundBody(r *route, c *gin.Context) {
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, a.bodyMax(r))
	}
	if d := a.engine.opts.RequestTimeout; d > 0 && r.op.Timeout >= 0 {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(clock.Wall().Add(max(d, r.op.Timeout))) // what cannot have one is no connection
	}
}

const bodyKey = "fenxiao.body"
