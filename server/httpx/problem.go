package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"fenxiao/server/base/errs"
)

// Problem is how every refusal looks on the wire: RFC 9457, application/problem+json.
type Problem struct {
	Type      string         `json:"type" doc:"urn:fenxiao: and the code"`
	Title     string         `json:"title" doc:"What happened, in the language asked for"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail" doc:"What happened here"`
	Instance  string         `json:"instance" doc:"The request, by its id"`
	Code      string         `json:"code" doc:"Stable code, such as withdrawal.below_minimum"`
	RequestID string         `json:"request_id"`
	Errors    []errs.Field   `json:"errors,omitempty" doc:"What is wrong where: a JSON pointer into the body, or /query/name, /path/name, /header/name"`
	Params    map[string]any `json:"params,omitempty" doc:"Values inside the message, for translation by code"`

	retryAfter time.Duration
	cause      error
}

const problemType = "application/problem+json"

// Error is for huma, which passes problems as errors.
func (p *Problem) Error() string { return p.Code }

// Unwrap gives the cause, which is logged and never sent.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is for huma.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders is for huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
	return h
}

// status is the one place where a kind of refusal becomes an HTTP status.
func status(k errs.Kind) int {
	switch k {
	case errs.Invalid:
		return http.StatusUnprocessableEntity
	case errs.Malformed:
		return http.StatusBadRequest
	case errs.Unauthorized:
		return http.StatusUnauthorized
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Limited:
		return http.StatusTooManyRequests
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// statusError is a refusal of the protocol itself, whose status no kind stands for.
type statusError struct {
	refusal *errs.Error
	status  int
}

func (e *statusError) Error() string { return e.refusal.Error() }
func (e *statusError) Unwrap() error { return e.refusal }

// The protocol's own refusals.
var (
	// ErrInternal is all that a person is told of an error that is none of ours.
	ErrInternal = errs.E(errs.Internal, "internal", "系统出错了，请稍后再试；若仍不行，请把请求编号告诉客服",
		errs.EN("Something went wrong on our side. Please try again; if it stays, tell support the request id."))
	errTimedOut = errs.E(errs.Unavailable, "request.timed_out", "处理超时，请稍后查看结果或重试",
		errs.EN("This took too long. Check the result in a moment, or try again."), errs.After(2*time.Second))
	errNotFound = errs.E(errs.NotFound, "request.not_found", "没有这个地址",
		errs.EN("There is nothing at this address."))
	errMethod = &statusError{errs.E(errs.Malformed, "request.method_not_allowed", "此地址不支持该请求方法",
		errs.EN("This address does not take that method.")), http.StatusMethodNotAllowed}
	errTooLarge = &statusError{errs.E(errs.Malformed, "request.too_large", "请求内容过大，请减小后重试",
		errs.EN("The request body is too large.")), http.StatusRequestEntityTooLarge}
	errMediaType = &statusError{errs.E(errs.Malformed, "request.unsupported_media", "请求内容的类型不受支持，请使用 application/json",
		errs.EN("Send the body as application/json.")), http.StatusUnsupportedMediaType}
	errBodyTimeout = &statusError{errs.E(errs.Malformed, "request.body_timeout", "请求内容传输过慢，请重试",
		errs.EN("The request body came too slowly.")), http.StatusRequestTimeout}
	errNoCredentials = errs.E(errs.Unauthorized, "auth.required", "请先登录",
		errs.EN("Please log in first."))
	errForbidden = errs.E(errs.Forbidden, "auth.forbidden", "您没有此操作的权限，如需要请联系管理员",
		errs.EN("You are not allowed to do this."))
	errNotDistributor = errs.E(errs.Forbidden, "auth.not_distributor", "您还不是分销员，请先申请",
		errs.EN("You are not a distributor yet. Please apply first."))
	errCSRF = errs.E(errs.Forbidden, "auth.csrf", "请求校验失败，请刷新页面后再试",
		errs.EN("The X-CSRF-Token header is missing or wrong. Reload the page."))
)

// problemOf is the one place where an error becomes an answer. What is no errs.Error gives nothing away.
func problemOf(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	s := stateOf(ctx)
	var se *statusError
	e, ok := errs.As(err)
	code := 0
	switch {
	case errors.As(err, &se):
		e, code = se.refusal, se.status
	case !ok && ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		e = errTimedOut
	case !ok || e.Kind == errs.Internal:
		e = ErrInternal
	}
	if code == 0 {
		code = status(e.Kind)
	}
	text := e.Message
	if s.lang == english && e.English != "" {
		text = e.English
	}
	s.err = err
	return &Problem{
		Type: "urn:fenxiao:" + e.Code, Title: text, Status: code, Detail: text, Instance: "urn:fenxiao:request:" + s.requestID,
		Code: e.Code, RequestID: s.requestID, Errors: e.Fields, Params: e.Params, retryAfter: e.RetryAfter, cause: err,
	}
}

// WriteError answers a raw route with a problem.
func WriteError(c *gin.Context, err error) {
	p := problemOf(c.Request.Context(), err)
	stateOf(c.Request.Context()).code = p.Code
	for k, v := range p.GetHeaders() {
		c.Writer.Header()[k] = v
	}
	body, merr := json.Marshal(p)
	if merr != nil { // a parameter that is no JSON
		p.Params = nil
		body, _ = json.Marshal(p) // texts and numbers only
	}
	c.Data(p.Status, problemType, append(body, '\n'))
	c.Abort()
}
