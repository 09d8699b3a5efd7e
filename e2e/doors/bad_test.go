package doors_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
)

// bad is one request that is wrong in one way.
type bad struct {
	name    string
	request request
	pointer string // what errors must point at, where the schema alone refuses; "" = not looked at
}

// TestBadInput_EveryOperation asks every operation wrongly, in every way that its document gives rise to: each answer is
// a 4xx problem that the document has, and the books stay as they are.
func TestBadInput_EveryOperation(t *testing.T) {
	t.Parallel()
	shop.Each(t, func(t *testing.T, o shop.Options) {
		o.Redis = "" // its limits follow the clock that the walk moves
		w := newWalk(t, o)
		names := tables(t, w.App.DB)
		before := books(t, w.App.DB, names)
		asked := w.calls
		for _, op := range w.ops {
			if op.ID == "notify-wechat-pay" {
				continue // speaks WeChat's language: TestNotify_RefusesStrangers
			}
			t.Run(op.name(), func(t *testing.T) {
				for _, b := range w.wrongs(op) {
					t.Run(b.name, func(t *testing.T) { w.checkWrong(t, op, b) })
				}
				w.checkKeys(t, op)
				now := books(t, w.App.DB, names)
				last := before
				before = now
				for _, table := range names {
					require.Equal(t, last[table], now[table], "a refused request has changed table %s", table)
				}
			})
		}
		t.Logf("%d operations asked %d times", len(w.ops), w.calls-asked)
	})
}

func (w *walk) checkWrong(t *testing.T, op *operation, b bad) {
	t.Helper()
	b.request.method, b.request.token = op.method, w.caller(t, op)
	if op.Idempotent {
		b.request.header["Idempotency-Key"] = w.key()
	}
	a := w.ask(t, b.request)
	if accepted[op.name()+" "+b.name] {
		require.Less(t, a.status, 500, "%s: %s", b.name, a)
		return
	}
	require.GreaterOrEqual(t, a.status, 400, "%s is accepted: %s", b.name, a)
	w.checkRefusal(t, op, a)
	if b.pointer == "" {
		return
	}
	require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusBadRequest}, a.status, "%s: %s", b.name, a)
	pointers := make([]string, len(a.problem.Errors))
	for i, e := range a.problem.Errors {
		pointers[i] = e.Pointer
	}
	require.Contains(t, pointers, b.pointer, "%s: %s", b.name, a)
}

// accepted are wrongs that are none for an operation: it answers, and changes nothing.
var accepted = map[string]bool{
	"admin batch-approve-withdrawals /items/0/version largest int64": true, // each item has a result of its own
	"admin list-history path id of nothing":                          true, // what has no history has an empty one
}

// wrongs lists requests that differ from a proper one in one thing.
func (w *walk) wrongs(op *operation) []bad {
	proper := w.proper(op)
	out := []bad{
		{name: "unknown query parameter", request: with(proper, func(r *request) { r.query = "no_such=1" })},
		{name: "query that is no query", request: with(proper, func(r *request) { r.query = "%zz" })},
	}
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			out = append(out, w.wrongPaths(op, proper, p)...)
		case "query":
			out = append(out, w.wrongQueries(proper, p)...)
		}
	}
	if s := op.body(); s != nil {
		out = append(out, wrongBodies(op, proper)...)
		out = append(out, w.wrongValues(op, proper, s)...)
	}
	return out
}

// proper is a request that is right in form: ids of the caller's own things, required fields only. A key of its own is
// put on when it is sent.
func (w *walk) proper(op *operation) request {
	r := request{path: op.path, header: map[string]string{}}
	for _, p := range op.Parameters {
		if p.In == "path" {
			r.path = strings.ReplaceAll(r.path, "{"+p.Name+"}", url.PathEscape(w.text(p.Schema)))
		}
	}
	if s := op.body(); s != nil {
		r.body = encode(w.example(op, s))
	}
	if op.Idempotent {
		r.header["Idempotency-Key"] = w.key()
	}
	return r
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of plain values
	}
	return bytes.ReplaceAll(b, []byte(brokenMark), []byte("ab\xc3\x28cd\xff"))
}

// with changes a copy of a request.
func with(r request, change func(*request)) request {
	r.header = maps.Clone(r.header)
	change(&r)
	return r
}

// wrongPaths are ids that are none, of another kind, of nothing.
func (w *walk) wrongPaths(op *operation, proper request, p parameter) []bad {
	prefix := idPrefix(op.resolve(p.Schema))
	values := map[string]string{
		"path with a zero byte": "%00", "path that is no UTF-8": "%ff%fe", "path with a slash": "..%2f..%2fetc",
		"path that is long": strings.Repeat("x", 5000),
	}
	if prefix != "" {
		values["path id of nothing"] = nobodys(prefix)
		values["path id as a number"] = "1"
		values["path id negative"] = "-1"
		values["path id too large"] = prefix + strings.Repeat("z", 13)
		values["path id too short"] = prefix + "000"
		values["path id with a wrong letter"] = prefix + "00400000000ou"
		values["path id with a capital"] = strings.ToUpper(nobodys(prefix))
		other := "cu"
		if prefix == other {
			other = "or"
		}
		values["path id of another kind"] = nobodys(other)
	}
	var out []bad
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b := bad{name: name, request: with(proper, func(r *request) { r.path = strings.ReplaceAll(op.path, "{"+p.Name+"}", values[name]) })}
		if strings.Contains(name, "id ") && name != "path id of nothing" {
			b.pointer = "/path/" + p.Name
		}
		out = append(out, b)
	}
	return out
}

func (w *walk) wrongQueries(proper request, p parameter) []bad {
	set := func(name, value string) bad {
		return bad{name: "query " + p.Name + " " + name, request: with(proper, func(r *request) { r.query = p.Name + "=" + value })}
	}
	out := []bad{set("twice", "1&"+p.Name+"=1"), set("that is no UTF-8", "%ff%fe")}
	s := p.Schema
	switch {
	case s.is("integer") || s.is("number"):
		for name, v := range map[string]string{"text": "x", "fraction": "1.5", "empty list": "[]", "overflow": "9223372036854775808", "huge": strings.Repeat("9", 400), "negative": "-1", "negative huge": "-9223372036854775809"} {
			b := set(name, v)
			b.pointer = "/query/" + p.Name
			out = append(out, b)
		}
	case s.is("boolean"):
		out = append(out, set("text", "perhaps"))
	case idPrefix(s) != "":
		out = append(out, set("no id", "x"), set("of another kind", nobodys("zz")), set("too large", idPrefix(s)+strings.Repeat("z", 13)))
	default:
		out = append(out, set("too long", strings.Repeat("x", 5000)))
	}
	if len(s.Enum) > 0 {
		out = append(out, set("not in the list", "x"))
	}
	if s.Format == "date-time" {
		out = append(out, set("no time", "yesterday"), set("a date that is none", "2026-02-30T00:00:00Z"), set("far", "99999-01-01T00:00:00Z"))
	}
	return out
}

const (
	bodyMax   = 1 << 20
	deepness  = 200_000
	depthFine = 5_000
)

// wrongBodies are bodies that are wrong as a whole.
func wrongBodies(op *operation, proper request) []bad {
	set := func(name, body string) bad {
		return bad{name: "body " + name, request: with(proper, func(r *request) { r.body = []byte(body) })}
	}
	whole := string(proper.body)
	out := []bad{
		set("cut off", whole[:len(whole)-1]), set("of words", "hello"), set("of a list", "[]"), set("of a text", `"x"`), set("of a number", "1"),
		set("of null", "null"), set("of two", whole+whole), set("with something behind it", whole+"x"),
		set("that is no UTF-8", `{"`+"\xff\xfe"+`":"`+"\xc3\x28"+`"}`), set("with a zero byte", "\x00"+whole), set("of a form", "a=1&b=2"),
		set("too deep", strings.Repeat("[", deepness)+strings.Repeat("]", deepness)),
		set("deep", strings.Repeat(`{"a":`, depthFine)+"1"+strings.Repeat("}", depthFine)),
		set("too large", `{"x":"`+strings.Repeat("x", bodyMax)+`"}`),
		set("with an unknown field", withField(whole, "no_such_field", 1)),
		{name: "body as a form", request: with(proper, func(r *request) { r.header["Content-Type"] = "application/x-www-form-urlencoded" })},
		{name: "body as XML", request: with(proper, func(r *request) { r.header["Content-Type"] = "text/xml" })},
	}
	if op.RequestBody.Required {
		out = append(out, set("missing", ""))
	}
	return out
}

// withField adds a field to an object.
func withField(object, name string, value any) string {
	var m map[string]any
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		panic(err) // our own examples
	}
	m[name] = value
	return string(encode(m))
}

// checkKeys: the Idempotency-Key of an operation that needs one.
func (w *walk) checkKeys(t *testing.T, op *operation) {
	t.Helper()
	if !op.Idempotent {
		return
	}
	r := w.proper(op)
	r.method, r.token = op.method, w.caller(t, op)
	for _, key := range []string{"", "short", strings.Repeat("k", 15), strings.Repeat("k", 65), "sixteen characters!", "键键键键键键键键键键键键键键键键", "../../../../../../etc"} {
		a := w.ask(t, with(r, func(r *request) { r.header["Idempotency-Key"] = key }))
		w.checkRefusal(t, op, a)
		require.Equal(t, "idem.missing", a.problem.Code, "%s", a)
	}
	// A refusal is an answer like any other: the same key gets it again, and is no key for anything else.
	first := with(r, func(r *request) { r.body = []byte(`{"no_such_field":1}`) })
	if op.body() == nil {
		first = with(r, func(r *request) { r.path = w.elsewhere(op) })
	}
	if first.path == r.path && op.body() == nil {
		return // nothing about it can be wrong but the key
	}
	a := w.ask(t, first)
	w.checkRefusal(t, op, a)
	again := w.ask(t, first)
	require.Equal(t, a.status, again.status)
	require.JSONEq(t, string(a.raw), string(again.raw))
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"), "%s", again)
	other := w.ask(t, with(first, func(r *request) { r.body = []byte(`{"no_such_field":2}`) }))
	w.checkRefusal(t, op, other)
	require.Equal(t, "idem.mismatch", other.problem.Code, "%s", other)
}

// elsewhere is the operation's path with ids of nothing.
func (w *walk) elsewhere(op *operation) string {
	path := op.path
	for _, p := range op.Parameters {
		if prefix := idPrefix(p.Schema); p.In == "path" && prefix != "" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", nobodys(prefix))
		}
	}
	return path
}
