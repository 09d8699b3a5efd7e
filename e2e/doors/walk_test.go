package doors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/access"
	"fenxiao/server/play"
)

// walk goes through all operations of a shop with a past.
type walk struct {
	*shop.Town
	ops      []*operation
	ids      map[string]string // an id that exists, by prefix: the caller's own where it belongs to somebody
	newcomer *play.Person      // a customer who has nothing
	rival    *play.Distributor // a distributor who has nothing
	codes    map[string]bool   // that the source has, and docs/errors.md with it
	keys     int
	calls    int
}

func newWalk(t *testing.T, o shop.Options) *walk {
	t.Helper()
	trusted := o.Fit
	o.Fit = nil
	w := &walk{Town: shop.Build(t, shop.Open(t, withProxy(o, trusted)))}
	w.ops = read(t, w.Shop)
	w.codes = map[string]bool{}
	found, _ := refusals(t, root)
	for _, r := range found {
		w.codes[r.code] = true
	}
	w.newcomer = w.Customer("newcomer")
	var err error
	w.rival, err = w.Recruit(t.Context(), "rival", "ordinary")
	require.NoError(t, err)
	w.workInProgress(t)
	w.ids = w.known(t)
	return w
}

// request is one call, as raw as the wire.
type request struct {
	method, path, query string
	token               string
	header              map[string]string
	body                []byte
	noType              bool // no Content-Type
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	raw     []byte
	request request
	problem problem
}

type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Instance  string         `json:"instance"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id"`
	Errors    []fieldProblem `json:"errors"`
}

type fieldProblem struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

func (a answer) String() string {
	return fmt.Sprintf("%s %s?%s %.300q → %d %.500s", a.request.method, a.request.path, a.request.query, a.request.body, a.status, a.raw)
}

// ask sends a request. Whoever is nobody comes from an address of the request's own, so that limits by address do not
// answer instead of the operation; a limit by person is waited for.
func (w *walk) ask(t *testing.T, r request) answer {
	t.Helper()
	for {
		a := w.send(t, r)
		if a.status != http.StatusTooManyRequests || a.problem.Code != "request.too_many" {
			return a
		}
		seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
		require.NoError(t, err, "a 429 says when to come back: %s", a)
		w.Manual.Advance(time.Duration(seconds) * time.Second)
	}
}

func (w *walk) send(t *testing.T, r request) answer {
	t.Helper()
	w.calls++
	url := w.Base + r.path
	if r.query != "" {
		url += "?" + r.query
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, url, bytes.NewReader(r.body))
	require.NoError(t, err)
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", w.calls>>16&255, w.calls>>8&255, w.calls&255))
	if len(r.body) > 0 && !r.noType {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header, request: r}
	a.raw, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	if strings.Contains(res.Header.Get("Content-Type"), "problem+json") {
		require.NoError(t, json.Unmarshal(a.raw, &a.problem), "%s", a)
	}
	return a
}

var client = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

var (
	codeForm = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)
	// leaks are what an answer to a stranger must never tell.
	leaks = regexp.MustCompile(`\.go:\d|goroutine|SELECT |INSERT |UPDATE |sqlite|(?i)sql:|dial tcp|\bhuma\b|json: `)
)

// checkProblem checks that a refusal is one: problem+json with a stable code, texts and the request's id.
func (w *walk) checkProblem(t *testing.T, a answer) {
	t.Helper()
	require.GreaterOrEqual(t, a.status, 400, "not refused: %s", a)
	require.Less(t, a.status, 500, "%s", a)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "%s", a)
	p := a.problem
	require.True(t, w.codes[p.Code], "the code is in no list: %s", a)
	require.Equal(t, "urn:fenxiao:"+p.Code, p.Type, "%s", a)
	require.Equal(t, a.status, p.Status, "%s", a)
	require.NotEmpty(t, p.Title, "%s", a)
	require.NotEmpty(t, p.Detail, "%s", a)
	require.NotEmpty(t, p.RequestID, "%s", a)
	require.Equal(t, a.header.Get("X-Request-Id"), p.RequestID, "%s", a)
	require.NotRegexp(t, leaks, string(a.raw))
	for _, f := range p.Errors {
		require.NotEmpty(t, f.Code, "%s", a)
		require.NotEmpty(t, f.Detail, "%s", a)
	}
}

// checkRefusal also checks that the operation says in its document that it may refuse so.
func (w *walk) checkRefusal(t *testing.T, op *operation, a answer) {
	t.Helper()
	w.checkProblem(t, a)
	require.True(t, op.documents(itoa(a.status)), "%s does not document %d: %s", op.name(), a.status, a)
}

// caller is the token of somebody who may call the operation, "" for what is public.
func (w *walk) caller(t *testing.T, op *operation) string {
	t.Helper()
	var p *play.Person
	switch op.Permission {
	case access.Public:
		return ""
	case access.Customer:
		p = w.Buyer
	case access.Distributor:
		p = w.Leader.Person
	default:
		p = w.Owner
	}
	require.NoError(t, p.Fresh(t.Context()))
	return p.Token
}

// key is an idempotency key that nobody has used.
func (w *walk) key() string {
	w.keys++
	return fmt.Sprintf("walk-%020d", w.keys)
}

// routed says whether some operation is called by that method at that address.
func (w *walk) routed(method, path string) bool {
	return slices.ContainsFunc(w.ops, func(op *operation) bool {
		form := "^" + placeholder.ReplaceAllString(regexp.QuoteMeta(op.path), "[^/]+") + "$"
		return op.method == method && regexp.MustCompile(form).MatchString(path)
	})
}

var placeholder = regexp.MustCompile(`\\?\{([^}]+)\}`)

// fill puts something into a path's parameters.
func (w *walk) fill(path string) string {
	return placeholder.ReplaceAllString(path, "x")
}

// find returns an operation by its name in both documents.
func (w *walk) find(t *testing.T, name string) *operation {
	t.Helper()
	i := slices.IndexFunc(w.ops, func(op *operation) bool { return op.name() == name })
	require.GreaterOrEqual(t, i, 0, name)
	return w.ops[i]
}

func itoa(status int) string { return strconv.Itoa(status) }
