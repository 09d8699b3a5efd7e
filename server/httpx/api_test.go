package httpx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/httpx"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/storetest"
)

// authFunc is a log-in made of a function.
type authFunc func(*http.Request) (httpx.Principal, error)

func (f authFunc) Authenticate(_ context.Context, r *http.Request) (httpx.Principal, error) {
	return f(r)
}

const (
	customerID = base.CustomerID(7 << 40)
	orderID    = base.OrderID(9 << 40)
)

// byHeader logs in as the header says: customer, other, distributor, warehouse, new (an admin with a one-time password).
func byHeader(r *http.Request) (httpx.Principal, error) {
	switch r.Header.Get("As") {
	case "":
		return httpx.Principal{}, httpx.ErrNoCredentials
	case "customer":
		return httpx.Principal{Actor: base.Customer(customerID), Customer: customerID}, nil
	case "other":
		return httpx.Principal{Actor: base.Customer(customerID + 1), Customer: customerID + 1}, nil
	case "distributor":
		return httpx.Principal{Actor: base.Customer(customerID), Customer: customerID, Distributor: 5 << 40}, nil
	case "warehouse":
		return httpx.Principal{Actor: base.Admin(3 << 40), Admin: 3 << 40, Role: "warehouse", Permissions: access.Warehouse.May}, nil
	case "new":
		i := access.Identity{Role: access.Owner, MustChange: true}
		return httpx.Principal{Actor: base.Admin(3 << 40), Permissions: i.May, Restricted: access.ErrMustChange}, nil
	default:
		return httpx.Principal{}, access.ErrTokenExpired
	}
}

type orderBody struct {
	Order  base.OrderID  `json:"order_id"`
	SKU    base.SKUID    `json:"sku_id,omitempty"`
	Amount money.Fen     `json:"amount_fen" minimum:"1" maximum:"1000000000000"`
	Note   string        `json:"note,omitempty" maxLength:"5"`
	Kind   string        `json:"kind,omitempty" enum:"whole,part"`
	Items  []orderItem   `json:"items,omitempty" maxItems:"3"`
	Big    int64         `json:"big,omitempty"`
	Again  *base.OrderID `json:"again,omitempty"`
	At     time.Time     `json:"at,omitzero"`
}

type orderItem struct {
	SKU base.SKUID `json:"sku_id"`
	Qty int        `json:"qty" minimum:"1"`
}

type echoInput struct {
	ID     base.OrderID `path:"id"`
	After  base.OrderID `query:"after" doc:"the order before"`
	Status []string     `query:"status" maxItems:"3"`
	On     time.Time    `query:"on"`
	httpx.FeedInput
	Body orderBody
}

type echoOutput struct {
	Location string `header:"Location"`
	Body     struct {
		ID     base.OrderID      `json:"id"`
		After  base.OrderID      `json:"after"`
		Limit  int               `json:"limit"`
		Order  orderBody         `json:"order"`
		Lines  []orderItem       `json:"lines"`
		ByName map[string]string `json:"by_name"`
		OpID   int64             `json:"op_id"`
	}
}

func echo(ctx context.Context, in *echoInput) (*echoOutput, error) {
	out := &echoOutput{Location: "/x"}
	out.Body.ID, out.Body.After, out.Body.Limit, out.Body.Order = in.ID, in.After, in.Limit, in.Body
	out.Body.OpID = httpx.OpID(ctx)
	return out, nil
}

// site is a server under test and its log.
type site struct {
	*httptest.Server
	t      *testing.T
	engine *httpx.Engine
	api    *httpx.API
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newSite(t *testing.T, audience httpx.Audience, register func(*httpx.API)) *site {
	t.Helper()
	s := &site{t: t, log: &lockedBuffer{}}
	var err error
	s.engine, err = httpx.NewEngine(httpx.Options{
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), Metrics: httpx.NewMetrics(), RequestTimeout: 5 * time.Second, BodyMaxBytes: 1024,
		BodyTimeout: 300 * time.Millisecond,
	})
	require.NoError(t, err)
	audience.Name, audience.Title, audience.Version, audience.Prefix = "client", "Client", "1", "/api/v1"
	if audience.Auth == nil {
		audience.Auth = authFunc(byHeader)
	}
	s.api = httpx.NewAPI(s.engine, audience)
	register(s.api)
	s.Server = httptest.NewServer(s.engine)
	t.Cleanup(s.Close)
	return s
}

func newIdem(t *testing.T, db *store.DB) *idem.Store {
	t.Helper()
	box, err := crypt.NewBox(crypt.NewKeys())
	require.NoError(t, err)
	return idem.New(db, box)
}

// reply is an answer with its JSON.
type reply struct {
	*http.Response
	body string
	json map[string]any
}

func (r reply) code() any { return r.json["code"] }

func (r reply) pointers() []string {
	var out []string
	list, _ := r.json["errors"].([]any)
	for _, e := range list {
		m := e.(map[string]any)
		out = append(out, fmt.Sprint(m["pointer"], " ", m["code"]))
	}
	return out
}

func (s *site) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.Client().Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	out := reply{Response: res, body: string(raw)}
	_ = json.Unmarshal(raw, &out.json)
	return out
}

func echoSite(t *testing.T) *site {
	return newSite(t, httpx.Audience{}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "echo", Method: "POST", Path: "/orders/{id}", Summary: "Echo", Permission: access.Customer, Status: 201}, echo)
	})
}

func TestRegister_TypedIDsMoneyAndDefaults(t *testing.T) {
	t.Parallel()
	s := echoSite(t)
	path := "/api/v1/orders/" + orderID.String() + "?after=" + orderID.String()
	r := s.do("POST", path, `{"order_id":"`+orderID.String()+`","amount_fen":9990,"items":[{"sku_id":"sk0000000000001","qty":2}]}`, "As", "customer")
	require.Equal(t, 201, r.StatusCode, r.body)
	require.Equal(t, orderID.String(), r.json["id"])
	require.Equal(t, orderID.String(), r.json["after"])
	require.EqualValues(t, 20, r.json["limit"])
	require.Equal(t, []any{}, r.json["lines"], "a nil list is []")
	require.Equal(t, map[string]any{}, r.json["by_name"])
	require.Equal(t, "/x", r.Header.Get("Location"))
	order := r.json["order"].(map[string]any)
	require.EqualValues(t, 9990, order["amount_fen"])
	require.Equal(t, "sk0000000000001", order["items"].([]any)[0].(map[string]any)["sku_id"])
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
}

func TestRegister_Refusals(t *testing.T) {
	t.Parallel()
	s := echoSite(t)
	ok := `{"order_id":"` + orderID.String() + `","amount_fen":1}`
	id := "/api/v1/orders/" + orderID.String()
	with := func(extra string) string { return ok[:len(ok)-1] + "," + extra + "}" }
	for _, tt := range []struct {
		name, path, body, as string
		status               int
		code                 string
		pointers             []string
	}{
		{"ok", id, ok, "customer", 201, "", nil},
		{"nobody", id, ok, "", 401, "auth.required", nil},
		{"expired", id, ok, "ghost", 401, "auth.token_expired", nil},
		{"admin at the customers' door", id, ok, "warehouse", 403, "auth.forbidden", nil},
		{"unknown parameter", id + "?aftr=1", ok, "customer", 400, "request.unknown_parameter", []string{"/query/aftr unknown"}},
		{"parameter in another case", id + "?Limit=1", ok, "customer", 400, "request.unknown_parameter", []string{"/query/Limit unknown"}},
		{"repeated parameter", id + "?limit=1&limit=2", ok, "customer", 400, "request.repeated_parameter", []string{"/query/limit repeated"}},
		{"broken query", id + "?limit=%zz", ok, "customer", 400, "request.malformed", nil},
		{"limit too large", id + "?limit=101", ok, "customer", 422, "request.invalid", []string{"/query/limit too_large"}},
		{"limit no number", id + "?limit=x", ok, "customer", 422, "request.invalid", []string{"/query/limit type"}},
		{"limit overflow", id + "?limit=99999999999999999999", ok, "customer", 422, "request.invalid", []string{"/query/limit type"}},
		{"time", id + "?on=yesterday", ok, "customer", 422, "request.invalid", []string{"/query/on format"}},
		{"too many values", id + "?status=a,b,c,d", ok, "customer", 422, "request.invalid", []string{"/query/status too_many"}},
		{"id of another kind", "/api/v1/orders/cu0000000000001", ok, "customer", 422, "request.invalid", []string{"/path/id format"}},
		{"id as a number", "/api/v1/orders/12", ok, "customer", 422, "request.invalid", []string{"/path/id format"}},
		{"query id", id + "?after=12", ok, "customer", 422, "request.invalid", []string{"/query/after format"}},
		{"no body", id, "", "customer", 400, "request.malformed", nil},
		{"no JSON", id, "{", "customer", 400, "request.malformed", nil},
		{"two values", id, ok + ok, "customer", 400, "request.malformed", nil},
		{"not an object", id, `[]`, "customer", 422, "request.invalid", []string{" type"}},
		{"null", id, `null`, "customer", 422, "request.invalid", []string{" type"}},
		{"missing", id, `{"amount_fen":1}`, "customer", 422, "request.invalid", []string{"/order_id required"}},
		{"unknown field", id, with(`"x":1`), "customer", 422, "request.invalid", []string{"/x unknown"}},
		{"field in another case", id, with(`"Note":"a"`), "customer", 422, "request.invalid", []string{"/Note unknown"}},
		{"body id of another kind", id, `{"order_id":"cu0000000000001","amount_fen":1}`, "customer", 422, "request.invalid", []string{"/order_id format"}},
		{"body id as a number", id, `{"order_id":12,"amount_fen":1}`, "customer", 422, "request.invalid", []string{"/order_id type"}},
		{"body id beyond", id, `{"order_id":"orzzzzzzzzzzzzz","amount_fen":1}`, "customer", 422, "request.invalid", []string{" type"}},
		{"negative", id, `{"order_id":"` + orderID.String() + `","amount_fen":-1}`, "customer", 422, "request.invalid", []string{"/amount_fen too_small"}},
		{"fraction", id, `{"order_id":"` + orderID.String() + `","amount_fen":1.5}`, "customer", 422, "request.invalid", []string{"/amount_fen type"}},
		{"text for money", id, `{"order_id":"` + orderID.String() + `","amount_fen":"1"}`, "customer", 422, "request.invalid", []string{"/amount_fen type"}},
		{"overflow", id, with(`"big":9223372036854775808`), "customer", 422, "request.invalid", []string{"/big type"}},
		{"exponent", id, with(`"big":1e3`), "customer", 422, "request.invalid", []string{"/big type"}},
		{"too long", id, with(`"note":"一二三四五六"`), "customer", 422, "request.invalid", []string{"/note too_long"}},
		{"enum", id, with(`"kind":"half"`), "customer", 422, "request.invalid", []string{"/kind one_of"}},
		{"in a list", id, with(`"items":[{"sku_id":"sk0000000000001","qty":1},{"sku_id":"x","qty":0}]`), "customer", 422, "request.invalid", []string{"/items/1/sku_id format", "/items/1/qty too_small"}},
		{"body too large", id, with(`"note":"` + strings.Repeat("x", 1100) + `"`), "customer", 413, "request.too_large", nil},
		{"nowhere", "/api/v1/nowhere", ok, "customer", 404, "request.not_found", nil},
		{"slash at the end", id + "/", ok, "customer", 404, "request.not_found", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &site{Server: s.Server, t: t}
			r := s.do("POST", tt.path, tt.body, "As", tt.as)
			require.Equal(t, tt.status, r.StatusCode, r.body)
			if tt.code == "" {
				return
			}
			require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
			require.Equal(t, tt.code, r.code(), r.body)
			require.ElementsMatch(t, tt.pointers, r.pointers(), r.body)
			require.Equal(t, r.Header.Get("X-Request-Id"), r.json["request_id"])
			require.EqualValues(t, tt.status, r.json["status"])
			require.NotEmpty(t, r.json["title"])
			require.NotEmpty(t, r.json["detail"])
			require.Equal(t, "urn:fenxiao:"+tt.code, r.json["type"])
		})
	}
}

func TestRegister_MethodMediaTypeAndChunkedBody(t *testing.T) {
	t.Parallel()
	s := echoSite(t)
	path := "/api/v1/orders/" + orderID.String()
	r := s.do("PUT", path, "{}", "As", "customer")
	require.Equal(t, 405, r.StatusCode)
	require.Equal(t, "request.method_not_allowed", r.code())
	require.Equal(t, "POST", r.Header.Get("Allow"))
	r = s.do("POST", path, "{}", "As", "customer", "Content-Type", "text/plain")
	require.Equal(t, 415, r.StatusCode, r.body)
	require.Equal(t, "request.unsupported_media", r.code())

	// Without a length, the limit is found while reading; a body that stands still is given up.
	for name, tt := range map[string]struct {
		body   io.Reader
		status int
	}{
		"too large": {io.MultiReader(strings.NewReader(strings.Repeat(" ", 2000))), 413},
		"slow":      {slowReader{}, 408},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, tt.body)
		require.NoError(t, err)
		req.Header.Set("As", "customer")
		res, err := s.Client().Do(req)
		require.NoError(t, err, name)
		_ = res.Body.Close()
		require.Equal(t, tt.status, res.StatusCode, name)
	}
}

type slowReader struct{}

func (slowReader) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	p[0] = ' '
	return 1, nil
}

func TestProblem_LanguageAndSecrecy(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpx.Audience{}, func(a *httpx.API) {
		fails := map[string]error{
			"ours":    errors.New("dsn root:hunter2"),
			"no":      errs.E(errs.Conflict, "order.moved", "订单状态已变化，请刷新", errs.EN("The order has moved on."), errs.Param("state", "paid"), errs.Cause(errors.New("hunter2"))),
			"later":   errs.E(errs.Unavailable, "wechat.busy", "请稍后", errs.After(1500*time.Millisecond)),
			"inside":  errs.E(errs.Internal, "ledger.unbalanced", "账不平 hunter2"),
			"timeout": fmt.Errorf("ask: %w", context.DeadlineExceeded),
		}
		httpx.Register(a, httpx.Op{ID: "fail", Method: "GET", Path: "/fail/{how}", Summary: "Fail", Permission: access.Public},
			func(ctx context.Context, in *struct {
				How string `path:"how"`
			}) (*struct{}, error) {
				if in.How == "panic" {
					panic("hunter2")
				}
				return nil, fmt.Errorf("do something: %w", fails[in.How])
			})
	})
	zh := s.do("GET", "/api/v1/fail/no", "")
	require.Equal(t, 409, zh.StatusCode)
	require.Equal(t, "订单状态已变化，请刷新", zh.json["title"])
	require.Equal(t, map[string]any{"state": "paid"}, zh.json["params"])
	en := s.do("GET", "/api/v1/fail/no", "", "Accept-Language", "fr, en-GB;q=0.8, zh;q=0.1")
	require.Equal(t, "The order has moved on.", en.json["title"])
	later := s.do("GET", "/api/v1/fail/later", "", "Accept-Language", "en")
	require.Equal(t, 503, later.StatusCode)
	require.Equal(t, "2", later.Header.Get("Retry-After"))
	require.Equal(t, "请稍后", later.json["title"], "no English: better Chinese than nothing")
	for _, how := range []string{"ours", "inside", "panic", "timeout"} {
		r := s.do("GET", "/api/v1/fail/"+how, "", "X-Request-Id", "my-request-"+how)
		require.Equal(t, 500, r.StatusCode)
		require.Equal(t, "internal", r.code())
		require.Equal(t, "my-request-"+how, r.json["request_id"])
		require.NotContains(t, r.body, "hunter2")
		require.Contains(t, s.log.String(), "my-request-"+how)
	}
	require.Contains(t, s.log.String(), "hunter2", "the log knows why")
	r := s.do("GET", "/api/v1/fail/no", "", "X-Request-Id", "bad id\t")
	require.Regexp(t, `^[0-9A-Za-z_-]{20}$`, r.Header.Get("X-Request-Id"))
}

func TestProblem_TimeOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpx.Audience{}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "slow", Method: "GET", Path: "/slow", Summary: "Slow", Permission: access.Public, Timeout: 20 * time.Millisecond},
			func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				<-ctx.Done()
				return nil, fmt.Errorf("wait: %w", ctx.Err())
			})
	})
	r := s.do("GET", "/api/v1/slow", "")
	require.Equal(t, 503, r.StatusCode)
	require.Equal(t, "request.timed_out", r.code())
}

func TestLog_OneLineWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := echoSite(t)
	s.do("POST", "/api/v1/orders/"+orderID.String()+"?status=hunter2", `{"note":"hunter2"}`, "As", "customer", "Authorization", "Bearer hunter2", "Cookie", "fenxiao_admin=hunter2", "X-Request-Id", "request-one")
	s.do("GET", "/hunter2", "")
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	require.Len(t, lines, 2)
	require.NotContains(t, s.log.String(), "hunter2")
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &line))
	require.Equal(t, "request-one", line["request_id"])
	require.Equal(t, "customer:"+customerID.String(), line["actor"])
	require.Equal(t, "echo", line["op"])
	require.EqualValues(t, 422, line["status"])
	require.Equal(t, "request.invalid", line["code"])
	require.Contains(t, line, "ms")
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpx.Audience{}, func(a *httpx.API) {
		for id, p := range map[string]string{
			"open": access.Public, "mine": access.Customer, "earn": access.Distributor, "ship": access.PermOrderShip,
			"approve": access.PermWithdrawalApprove, "self": access.AdminSelf, "any": access.AdminAny,
		} {
			httpx.Register(a, httpx.Op{ID: id, Method: "GET", Path: "/" + id, Summary: id, Permission: p}, whoami)
		}
	})
	want := map[string]map[string]string{
		"open":    {"": "", "ghost": "", "customer": "", "warehouse": ""},
		"mine":    {"": "auth.required", "ghost": "auth.token_expired", "customer": "", "distributor": "", "warehouse": "auth.forbidden"},
		"earn":    {"": "auth.required", "customer": "auth.not_distributor", "distributor": "", "warehouse": "auth.forbidden"},
		"ship":    {"": "auth.required", "customer": "auth.forbidden", "distributor": "auth.forbidden", "warehouse": "", "new": "auth.password_change_required"},
		"approve": {"warehouse": "auth.forbidden", "new": "auth.password_change_required"},
		"self":    {"": "auth.required", "customer": "auth.forbidden", "warehouse": "", "new": ""},
		"any":     {"customer": "auth.forbidden", "warehouse": "", "new": "auth.password_change_required"},
	}
	for op, cases := range want {
		for as, code := range cases {
			r := s.do("GET", "/api/v1/"+op, "", "As", as)
			if code == "" {
				require.Equal(t, 200, r.StatusCode, "%s as %s: %s", op, as, r.body)
				continue
			}
			require.Equal(t, code, r.code(), "%s as %s", op, as)
		}
	}
	require.Equal(t, customerID.String(), s.do("GET", "/api/v1/open", "", "As", "customer").json["customer"], "public, and yet known")
}

type whoamiOutput struct {
	Body struct {
		Customer base.CustomerID `json:"customer"`
	}
}

func whoami(ctx context.Context, _ *struct{}) (*whoamiOutput, error) {
	out := &whoamiOutput{}
	out.Body.Customer = httpx.PrincipalOf(ctx).Customer
	return out, nil
}

func TestRegister_PanicsOnIncompleteOperations(t *testing.T) {
	t.Parallel()
	e, err := httpx.NewEngine(httpx.Options{})
	require.NoError(t, err)
	a := httpx.NewAPI(e, httpx.Audience{Name: "x", Prefix: "/x"})
	good := httpx.Op{ID: "a-b", Method: "GET", Path: "/a", Summary: "A", Permission: access.Public}
	for name, change := range map[string]func(*httpx.Op){
		"no id":              func(o *httpx.Op) { o.ID = "" },
		"bad id":             func(o *httpx.Op) { o.ID = "A b" },
		"no method":          func(o *httpx.Op) { o.Method = "" },
		"no summary":         func(o *httpx.Op) { o.Summary = "" },
		"no permission":      func(o *httpx.Op) { o.Permission = "" },
		"unknown permission": func(o *httpx.Op) { o.Permission = "withdrawal.aprove" },
		"public idempotent":  func(o *httpx.Op) { o.Method, o.Idempotent = "POST", true },
		"no log-in":          func(o *httpx.Op) { o.Permission = access.Customer },
	} {
		op := good
		change(&op)
		require.Panics(t, func() { httpx.Register(a, op, whoami) }, name)
	}
	require.Panics(t, func() {
		httpx.Register(a, good, func(context.Context, *struct {
			IDs []base.OrderID `query:"ids"`
		}) (*struct{}, error) {
			return nil, nil
		})
	}, "list of ids")
	httpx.Register(a, good, whoami)
	require.Empty(t, e.Mismatches())
}

func TestOpenAPI_DocumentsEveryRoute(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpx.Audience{Schemes: (&httpx.CustomerAuth{}).Schemes()}, func(a *httpx.API) {
		httpx.Register(a, httpx.Op{ID: "echo", Method: "POST", Path: "/orders/{id}", Summary: "Echo", Permission: access.Customer, Status: 201}, echo)
		httpx.RegisterRaw(a, httpx.Op{ID: "picture", Method: "GET", Path: "/pictures/{rest...}", Summary: "Picture", Permission: access.Public, Query: []string{"w"}, Produces: "image/png", Root: true},
			func(c *gin.Context) { c.Data(200, "image/png", []byte(c.Param("rest"))) })
		httpx.RegisterHealth(a)
		httpx.RegisterDocs(a)
	})
	require.Empty(t, s.engine.Mismatches())
	r := s.do("GET", "/openapi/client.json", "")
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, "3.1.0", r.json["openapi"])
	paths := r.json["paths"].(map[string]any)
	for _, p := range []string{"/api/v1/orders/{id}", "/pictures/{rest}", "/healthz", "/readyz", "/docs", "/docs/{file}", "/openapi/client.json"} {
		require.Contains(t, paths, p)
	}
	op := paths["/api/v1/orders/{id}"].(map[string]any)["post"].(map[string]any)
	require.Equal(t, "customer", op["x-permission"])
	require.Equal(t, []any{map[string]any{"bearer": []any{}}}, op["security"])
	for _, code := range []string{"201", "400", "401", "403", "404", "422", "429", "500"} {
		require.Contains(t, op["responses"], code)
	}
	var seen []string
	for _, p := range op["parameters"].([]any) {
		m := p.(map[string]any)
		if m["name"] == "id" {
			require.Equal(t, "^or[0-9a-hjkmnp-tv-z]{13}$", m["schema"].(map[string]any)["pattern"])
		}
		if m["name"] == "after" {
			require.Equal(t, "the order before", m["description"])
		}
		seen = append(seen, fmt.Sprint(m["in"], ":", m["name"]))
	}
	require.ElementsMatch(t, []string{"path:id", "query:after", "query:status", "query:on", "query:cursor", "query:limit"}, seen)
	require.NotContains(t, r.body, "$schema")
	require.Contains(t, r.body, `"OrderBody"`)

	require.Equal(t, "/a/b.png", s.do("GET", "/pictures/a/b.png?w=1", "").body)
	require.Equal(t, "request.unknown_parameter", s.do("GET", "/pictures/a?h=1", "").code())
	again := s.do("GET", "/openapi/client.json", "", "If-None-Match", r.Header.Get("ETag"))
	require.Equal(t, 304, again.StatusCode)
}

func TestMismatches_NamesAnUndocumentedOperation(t *testing.T) {
	t.Parallel()
	s := echoSite(t)
	require.Empty(t, s.engine.Mismatches())
	require.Len(t, s.api.Operations(), 1)
	require.Equal(t, "/api/v1/orders/{id}", s.api.Operations()[0].Path)
}

func TestDocs_NeedNoOtherSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, httpx.Audience{}, func(a *httpx.API) { httpx.RegisterDocs(a) })
	page := s.do("GET", "/docs", "")
	require.Equal(t, 200, page.StatusCode)
	require.Contains(t, page.body, `data-spec="/openapi/client.json"`)
	require.NotContains(t, page.body, "http://")
	require.NotContains(t, page.body, "https://")
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "script-src 'self';")
	for file, part := range map[string]string{
		"swagger-ui-bundle.js": "SwaggerUIBundle", "swagger-ui.css": ".swagger-ui", "init.js": "SwaggerUIBundle(", "swagger-ui.LICENSE": "Apache License",
	} {
		r := s.do("GET", "/docs/"+file, "")
		require.Equal(t, 200, r.StatusCode, file)
		require.Contains(t, r.body, part, file)
	}
	plain := s.do("GET", "/docs/swagger-ui.css", "", "Accept-Encoding", "identity")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Contains(t, plain.body, ".swagger-ui")
	require.Equal(t, 404, s.do("GET", "/docs/page.html", "").StatusCode)
}

func TestRegisterRaw_BodyIsBoundedAndPartOfTheKey(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	never := limiterFunc(func(string, string) (bool, time.Duration, error) { return false, time.Second, nil })
	s := newSite(t, httpx.Audience{Idem: newIdem(t, db), Limiter: never, Rate: httpx.Rate{PerMinute: 1, Burst: 1}}, func(a *httpx.API) {
		read := func(c *gin.Context) {
			b, err := io.ReadAll(c.Request.Body)
			c.String(200, "%d %v", len(b), err)
		}
		httpx.RegisterRaw(a, httpx.Op{ID: "notify", Method: "POST", Path: "/notify", Root: true, Summary: "Notify", Permission: access.Public, MaxBody: 10, Unlimited: true}, read)
		httpx.RegisterRaw(a, httpx.Op{ID: "upload", Method: "POST", Path: "/upload", Root: true, Summary: "Upload", Permission: access.Customer, Idempotent: true, Unlimited: true}, read)
	})
	require.Equal(t, "10 <nil>", s.do("POST", "/notify", "0123456789").body)
	require.Equal(t, "10 http: request body too large", s.do("POST", "/notify", "01234567890").body)
	up := func(body string) reply {
		return s.do("POST", "/upload", body, "As", "customer", "Idempotency-Key", aKey)
	}
	require.Equal(t, "3 <nil>", up("abc").body)
	require.Equal(t, "true", up("abc").Header.Get("Idempotency-Replayed"))
	require.Equal(t, "idem.mismatch", up("abd").code())
}
