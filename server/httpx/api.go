package httpx

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/store/idem"
)

// Audience is who an API is for.
type Audience struct {
	Name    string // "client": its document is /openapi/client.json
	Title   string
	Version string
	Prefix  string // "/api/v1"
	Auth    Authenticator
	Idem    *idem.Store
	Limiter Limiter
	Rate    Rate // of every caller, over all operations; zero: none
	Schemes map[string]*huma.SecurityScheme
}

// API is the operations of one audience and their OpenAPI document.
type API struct {
	engine   *Engine
	audience Audience
	huma     huma.API
	ops      []Op
	fallback *buckets
}

// Op is one operation. ID, Method, Path, Summary and Permission are needed.
type Op struct {
	ID          string // "request-withdrawal": unique in its document
	Method      string
	Path        string // below the audience's prefix, "/withdrawals/{id}"
	Summary     string
	Description string
	Tags        []string
	Permission  string // access.Public said explicitly, access.Customer, access.PermWithdrawalApprove ...
	Idempotent  bool   // needs an Idempotency-Key; the handler gets httpx.OpID
	Status      int    // of success; 0: 200 with a body, 204 without
	Errors      []int  // statuses of refusals besides the usual ones
	Rate        Rate   // an own limit; zero: none
	Unlimited   bool   // not counted at all: health, notifications that others send in bursts
	MaxBody     int64  // bytes; 0: the engine's
	Timeout     time.Duration
	Root        bool     // the path is not below the prefix
	Query       []string // query parameters of a raw route
	Produces    string   // content type of a raw route's answer
	AnyQuery    bool     // a raw route that reads its query itself
}

// NewAPI adds an audience to the engine.
func NewAPI(e *Engine, a Audience) *API {
	install()
	api := &API{engine: e, audience: a, fallback: newBuckets()}
	cfg := huma.DefaultConfig(a.Title, a.Version)
	cfg.CreateHooks = nil
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", ""
	cfg.Components = &huma.Components{Schemas: newRegistry(), SecuritySchemes: a.Schemes}
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	cfg.Formats = map[string]huma.Format{"application/json": format, "json": format}
	api.huma = huma.NewAPI(cfg, &adapter{api})
	e.apis = append(e.apis, api)
	return api
}

// Name is the audience's name.
func (a *API) Name() string { return a.audience.Name }

// Engine is where the API lives.
func (a *API) Engine() *Engine { return a.engine }

// Operations lists what was registered, with full paths.
func (a *API) Operations() []Op { return slices.Clone(a.ops) }

// OpenAPI is the OpenAPI 3.1 document, indented, the same for the same operations.
func (a *API) OpenAPI() ([]byte, error) {
	raw, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return append(raw, '\n'), nil
}

// Register is the one way to add an operation that reads and writes JSON. The input struct has fields with path, query
// or header tags and a Body; the output has Body, and fields with header tags. It panics on an operation that is
// incomplete, because that is a mistake in the program and is found when it starts.
func Register[I, O any](a *API, op Op, handler func(context.Context, *I) (*O, error)) {
	op = a.complete(op)
	r := &route{op: op, ids: idParams(reflect.TypeFor[I]())}
	h := a.document(r)
	if _, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		h.Errors = append(h.Errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	for _, p := range r.ids {
		h.Parameters = append(h.Parameters, p.document())
	}
	huma.Register(a.huma, h, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			p := problemOf(ctx, err)
			stateOf(ctx).code = p.Code
			return nil, p
		}
		fillNil(reflect.ValueOf(out))
		return out, nil
	})
	a.ops = append(a.ops, op)
}

// RegisterRaw adds a route that is not JSON in and out: notifications, pictures, pages. It has everything else that
// operations have: document, permission, limits, log line.
func RegisterRaw(a *API, op Op, handler gin.HandlerFunc) {
	op = a.complete(op)
	r := &route{op: op, raw: true}
	h := a.document(r)
	if op.Method != http.MethodGet {
		h.Errors = append(h.Errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	}
	produces := op.Produces
	if produces == "" {
		produces = "application/json"
	}
	code := op.Status
	if code == 0 {
		code = http.StatusOK
	}
	h.Responses = map[string]*huma.Response{strconv.Itoa(code): {
		Description: http.StatusText(code), Content: map[string]*huma.MediaType{produces: {Schema: &huma.Schema{}}},
	}}
	for _, m := range pathParam.FindAllStringSubmatch(op.Path, -1) {
		h.Parameters = append(h.Parameters, &huma.Param{Name: strings.TrimSuffix(m[1], "..."), In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, q := range op.Query {
		h.Parameters = append(h.Parameters, &huma.Param{Name: q, In: "query", Schema: &huma.Schema{Type: huma.TypeString}})
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, e := range h.Errors {
		h.Responses[strconv.Itoa(e)] = &huma.Response{Description: http.StatusText(e), Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
	}
	h.Path = strings.ReplaceAll(h.Path, "...}", "}")
	a.huma.OpenAPI().AddOperation(&h)
	r.know(&h)
	a.engine.gin.Handle(op.Method, ginPath(op.Path), func(c *gin.Context) { a.serve(r, c, handler) })
	a.ops = append(a.ops, op)
}

var (
	pathParam = regexp.MustCompile(`\{([^}]+)\}`)
	opForm    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
)

const opIDMax = 64 // it is part of what idempotency keys are scoped by

// complete checks an operation and gives it its full path.
func (a *API) complete(op Op) Op {
	if !op.Root {
		op.Path = a.audience.Prefix + op.Path
	}
	if f := op.faults(); len(f) > 0 {
		panic("httpx: " + strings.Join(f, "; "))
	}
	if op.Idempotent && (op.Permission == access.Public || a.audience.Idem == nil) {
		panic(fmt.Sprintf("httpx: operation %s cannot be idempotent: keys belong to a caller and need a store", op.ID))
	}
	if op.Permission != access.Public && a.audience.Auth == nil {
		panic(fmt.Sprintf("httpx: operation %s needs a permission and its audience has no log-in", op.ID))
	}
	return op
}

// faults says what an operation lacks.
func (op Op) faults() []string {
	var out []string
	say := func(ok bool, what string) {
		if !ok {
			out = append(out, fmt.Sprintf("operation %q (%s %s) %s", op.ID, op.Method, op.Path, what))
		}
	}
	say(opForm.MatchString(op.ID) && len(op.ID) <= opIDMax, "needs an id like request-withdrawal")
	say(op.Method != "" && strings.HasPrefix(op.Path, "/"), "needs a method and a path")
	say(op.Summary != "", "needs a summary")
	say(op.Permission != "", `needs a permission; say "public" if everybody may`)
	say(op.Permission == "" || access.Known(op.Permission), "has the unknown permission "+op.Permission)
	say(!op.Idempotent || op.Method != http.MethodGet, "reads and cannot be idempotent")
	return out
}

// document is the operation as huma knows it: what stands on every operation is written here.
func (a *API) document(r *route) huma.Operation {
	op := r.op
	h := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		Tags: op.Tags, DefaultStatus: op.Status, Extensions: map[string]any{"x-permission": op.Permission},
		Metadata: map[string]any{routeKey: r}, BodyReadTimeout: -1, MaxBodyBytes: -1,
		Errors: append([]int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError}, op.Errors...),
	}
	h.Security = []map[string][]string{}
	if op.Permission != access.Public {
		h.Errors = append(h.Errors, http.StatusUnauthorized, http.StatusForbidden)
		for name := range a.audience.Schemes {
			h.Security = append(h.Security, map[string][]string{name: {}})
		}
		slices.SortFunc(h.Security, func(x, y map[string][]string) int { return strings.Compare(keyOf(x), keyOf(y)) })
	}
	if pathParam.MatchString(op.Path) {
		h.Errors = append(h.Errors, http.StatusNotFound)
	}
	if op.Idempotent {
		h.Errors = append(h.Errors, http.StatusConflict, http.StatusUnprocessableEntity)
		h.Extensions["x-idempotent"] = true
		h.Parameters = append(h.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: true,
			Description: "Chosen by the caller, kept for all tries of the same request: the effect is that of one.",
			Schema:      &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9A-Za-z_-]{16,64}$"},
		})
	}
	return h
}

func keyOf(m map[string][]string) string {
	for k := range m {
		return k
	}
	return ""
}

const routeKey = "fenxiao.route"

// route is what the chain needs of an operation.
type route struct {
	op    Op
	ids   []idParam
	raw   bool
	query map[string]bool
}

// know remembers the query parameters that the document has.
func (r *route) know(op *huma.Operation) {
	r.query = map[string]bool{}
	for _, p := range op.Parameters {
		if p.In == "query" {
			r.query[p.Name] = true
		}
	}
}

// adapter puts huma's operations on gin, behind our chain.
type adapter struct{ api *API }

// Handle is called by huma for each operation.
func (d *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	r := op.Metadata[routeKey].(*route)
	r.know(op)
	d.api.engine.gin.Handle(op.Method, ginPath(op.Path), func(c *gin.Context) {
		d.api.serve(r, c, func(c *gin.Context) {
			ctx, err := r.readIDs(humagin.NewContext(op, c))
			if err != nil {
				WriteError(c, err)
				return
			}
			handler(ctx)
		})
	})
}

// ServeHTTP is part of huma's interface.
func (d *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.api.engine.ServeHTTP(w, r) }

type humaContext = huma.Context // a name to embed that is not Context, which is a method

// idContext shows parameters that are ids as the numbers they are.
type idContext struct {
	humaContext
	numbers map[string]string
}

// Unwrap gives the gin adapter's context.
func (c *idContext) Unwrap() huma.Context { return c.humaContext }

func (c *idContext) Param(name string) string  { return c.get("path", name, c.humaContext.Param) }
func (c *idContext) Query(name string) string  { return c.get("query", name, c.humaContext.Query) }
func (c *idContext) Header(name string) string { return c.get("header", name, c.humaContext.Header) }

func (c *idContext) get(in, name string, plain func(string) string) string {
	if n, ok := c.numbers[in+"."+name]; ok {
		return n
	}
	return plain(name)
}

func (r *route) readIDs(ctx huma.Context) (huma.Context, error) {
	if len(r.ids) == 0 {
		return ctx, nil
	}
	out := &idContext{ctx, map[string]string{}}
	for _, p := range r.ids {
		text := map[string]func(string) string{"path": ctx.Param, "query": ctx.Query, "header": ctx.Header}[p.in](p.name)
		if text == "" {
			continue
		}
		n, err := p.parse(text)
		if err != nil {
			return nil, badParam(p.in, p.name, "bad_id", "not an id of this kind")
		}
		out.numbers[p.in+"."+p.name] = strconv.FormatInt(n, 10)
	}
	return out, nil
}
