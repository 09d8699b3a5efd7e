package httpx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"fenxiao/server/base/errs"
	"fenxiao/server/store/idem"
)

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
	settleTime     = 5 * time.Second // to store an answer after the caller has gone
)

// keptHeaders are the headers of an answer that are given again with it.
var keptHeaders = []string{"Content-Type", "Location", "Etag"}

// once runs the handler once for a key. An answer below 500 is stored and given again; a failure of ours, or "too
// often", gives the key back, so that the same key may be tried again under the same operation id.
func (a *API) once(r *route, c *gin.Context, handler gin.HandlerFunc) {
	s := stateOf(c.Request.Context())
	run, answer, err := a.audience.Idem.Begin(c.Request.Context(), keyOfRequest(r, c, s))
	switch {
	case errs.CodeOf(err) == idem.ErrMissing.Code:
		WriteError(c, errs.E(idem.ErrMissing.Kind, idem.ErrMissing.Code, idem.ErrMissing.Message, errs.EN(idem.ErrMissing.English),
			errs.At("/header/"+keyHeader, "form", "16 to 64 of 0-9 A-Z a-z _ -")))
		return
	case err != nil:
		WriteError(c, err)
		return
	case answer != nil:
		a.engine.opts.Metrics.replayed(r.op.ID)
		replay(c, answer)
		return
	}
	s.opID = run.OpID
	rec := &recorder{ResponseWriter: c.Writer}
	c.Writer = rec
	finished := false
	defer func() { // also when the handler panics
		c.Writer = rec.ResponseWriter
		a.settle(c, run, rec, finished)
	}()
	handler(c)
	finished = true
}

// keyOfRequest scopes the key by caller and operation; the hash covers address and body, so that the same key cannot
// mean another object.
func keyOfRequest(r *route, c *gin.Context, s *state) idem.Key {
	body, _ := c.Get(bodyKey)
	raw, _ := body.([]byte)
	h := sha256.New()
	fmt.Fprintf(h, "%s %s?%s\n", c.Request.Method, c.Request.URL.Path, c.Request.URL.RawQuery)
	h.Write(raw)
	return idem.Key{
		Scope:   s.principal.Actor.String() + "/" + r.op.ID,
		Key:     c.GetHeader(keyHeader),
		BodySHA: hex.EncodeToString(h.Sum(nil)),
	}
}

// settle stores the answer or gives the key back. The caller may be gone by now: that changes nothing.
func (a *API) settle(c *gin.Context, run *idem.Run, rec *recorder, finished bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), settleTime)
	defer cancel()
	status := rec.Status()
	var err error
	if !finished || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || rec.overflow {
		err = a.audience.Idem.Release(ctx, run)
	} else {
		header := map[string]string{}
		for _, k := range keptHeaders {
			if v := rec.Header().Get(k); v != "" {
				header[k] = v
			}
		}
		err = a.audience.Idem.Finish(ctx, run, idem.Answer{Status: status, Header: header, Body: rec.body.Bytes()})
	}
	if err != nil { // the lease ends by itself, and the operation id stays
		a.engine.opts.Log.WarnContext(ctx, "settle idempotency key", "request_id", stateOf(ctx).requestID, "error", err.Error())
	}
}

func replay(c *gin.Context, answer *idem.Answer) {
	for k, v := range answer.Header {
		c.Header(k, v)
	}
	c.Header(replayedHeader, "true")
	c.Status(answer.Status)
	if len(answer.Body) > 0 {
		_, _ = c.Writer.Write(answer.Body) // the caller may be gone
	} else {
		c.Writer.WriteHeaderNow()
	}
}

const recordedBytesMax = 512 << 10

// recorder keeps what is written, and writes it through.
type recorder struct {
	gin.ResponseWriter
	body     bytes.Buffer
	overflow bool
}

func (r *recorder) Write(b []byte) (int, error) {
	r.keep(b)
	return r.ResponseWriter.Write(b)
}

func (r *recorder) WriteString(s string) (int, error) {
	r.keep([]byte(s))
	return r.ResponseWriter.WriteString(s)
}

func (r *recorder) keep(b []byte) {
	if r.body.Len()+len(b) > recordedBytesMax {
		r.overflow = true
		r.body.Reset()
	}
	if !r.overflow {
		r.body.Write(b)
	}
}
