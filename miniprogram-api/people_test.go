package miniprogramapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	miniprogramapi "fenxiao/miniprogram-api"
	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

// mini is WeChat for log-ins and scene codes: the log-in code is the openid.
type mini struct{ wechat.Mini }

func (mini) Login(_ context.Context, code string) (wechat.Session, error) {
	if code == "used" {
		return wechat.Session{}, &wechat.Error{Op: wechat.OpLogin, Class: wechat.Refused, Code: "40163"}
	}
	return wechat.Session{OpenID: code}, nil
}

func (mini) SceneCode(_ context.Context, c wechat.SceneCode) ([]byte, error) {
	return []byte("\xff\xd8jpeg of " + c.Scene), nil
}

type unlimited struct{}

func (unlimited) Limit(context.Context, string, string, int, int) (bool, time.Duration, error) {
	return true, 0, nil
}

// site is the customers' door of an empty shop.
type site struct {
	*httptest.Server
	t    *testing.T
	flow *flow.Flow
	log  *bytes.Buffer
}

func newSite(t *testing.T, db *store.DB) *site {
	t.Helper()
	keys := crypt.NewKeys()
	box, err := crypt.NewBox(keys)
	require.NoError(t, err)
	f := &flow.Flow{
		DB: db, Mini: mini{}, Limiter: unlimited{}, Box: box, Log: slog.New(slog.DiscardHandler),
		Shop:  flow.Shop{CodePage: "pages/index/index", CodeEnv: "release", LinkBase: "https://shop.example"},
		Alarm: func(string, string) {}, Wake: func() {},
	}
	require.NoError(t, f.SeedDefaults(t.Context()))
	log := &bytes.Buffer{}
	engine, err := httpx.NewEngine(httpx.Options{Log: slog.New(slog.NewTextHandler(log, nil)), BodyMaxBytes: 1 << 20})
	require.NoError(t, err)
	customers := access.NewCustomers(db, keys.Token)
	auth := httpx.NewCustomerAuth(customers, func(ctx context.Context, c base.CustomerID) (base.DistributorID, error) {
		d, _, err := distributor.ByCustomer(ctx, db.Q(), c)
		return d.ID, err
	})
	api := httpx.NewAPI(engine, httpx.Audience{
		Name: "client", Title: "test", Version: "1", Prefix: "/api/v1", Auth: auth, Idem: idem.New(db, box), Schemes: auth.Schemes(),
	})
	(&miniprogramapi.API{Flow: f, Customers: customers}).Register(api)
	require.Empty(t, engine.Mismatches())
	s := &site{httptest.NewServer(engine), t, f, log}
	t.Cleanup(s.Close)
	return s
}

// answer is a reply, read.
type answer struct {
	Status int
	Header http.Header
	Raw    []byte
	Body   map[string]any
}

func (s *site) call(token, method, path string, body any) answer {
	return s.callKey(token, fmt.Sprintf("test-key-%016d", s.flow.DB.Mint.Next()), method, path, body)
}

func (s *site) callKey(token, key, method, path string, body any) answer {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(s.t, err)
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, in)
	require.NoError(s.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := s.Client().Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	a.Raw, err = io.ReadAll(res.Body)
	require.NoError(s.t, err)
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		require.NoError(s.t, json.Unmarshal(a.Raw, &a.Body))
	}
	return a
}

func (s *site) refused(status int, code string, a answer) {
	s.t.Helper()
	require.Equal(s.t, status, a.Status, "%s", a.Raw)
	require.Equal(s.t, code, a.Body["code"], "%s", a.Raw)
}

func (s *site) ok(a answer) map[string]any {
	s.t.Helper()
	require.Less(s.t, a.Status, 300, "%s", a.Raw)
	return a.Body
}

type m = map[string]any

func (s *site) login(code string) (token string, all m) {
	s.t.Helper()
	all = s.ok(s.call("", http.MethodPost, "/api/v1/auth/wechat", m{"code": code}))
	return all["access_token"].(string), all
}

func TestPeopleDoors_FromLogInToCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s := newSite(t, db)
		s.refused(401, "auth.wechat_code_invalid", s.call("", "POST", "/api/v1/auth/wechat", m{"code": "used"}))
		s.refused(422, "request.invalid", s.call("", "POST", "/api/v1/auth/wechat", m{}))
		s.refused(401, "auth.required", s.call("", "GET", "/api/v1/me", nil))
		alice, all := s.login("openid-alice")
		require.Equal(t, true, all["new"])
		fresh := s.ok(s.call("", "POST", "/api/v1/auth/refresh", m{"refresh_token": all["refresh_token"]}))
		require.NotEqual(t, all["refresh_token"], fresh["refresh_token"])
		s.refused(401, "auth.token_invalid", s.call("", "POST", "/api/v1/auth/refresh", m{"refresh_token": "fxr_nonsense"}))

		me := s.ok(s.call(alice, "GET", "/api/v1/me", nil))
		require.NotContains(t, me, "distributor_id")
		s.refused(422, "customer.phone_invalid", s.call(alice, "PUT", "/api/v1/me/phone", m{"phone": "12345678901"}))
		require.Equal(t, 204, s.call(alice, "PUT", "/api/v1/me/phone", m{"phone": "13800138000"}).Status)
		require.Equal(t, "138****8000", s.ok(s.call(alice, "GET", "/api/v1/me", nil))["phone_masked"])

		s.refused(403, "auth.not_distributor", s.call(alice, "GET", "/api/v1/distributor", nil))
		terms := s.ok(s.call("", "GET", "/api/v1/distributor-terms", nil))
		require.NotEmpty(t, terms["agreement_text"])
		s.refused(409, "application.agreement_outdated", s.call(alice, "POST", "/api/v1/applications", m{"agreement_version": "1999"}))
		in, key := m{"agreement_version": terms["agreement_version"]}, "apply-key-0000001"
		applied := s.ok(s.callKey(alice, key, "POST", "/api/v1/applications", in))
		again := s.callKey(alice, key, "POST", "/api/v1/applications", in)
		require.Equal(t, applied, s.ok(again))
		require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
		s.refused(409, "application.pending", s.call(alice, "POST", "/api/v1/applications", in))
		path := "/api/v1/applications/" + applied["id"].(string)
		require.Equal(t, "pending", s.ok(s.call(alice, "GET", path, nil))["state"])
		bob, _ := s.login("openid-bob")
		s.refused(404, "application.not_found", s.call(bob, "GET", path, nil))

		var id base.ApplicationID
		require.NoError(t, id.UnmarshalText([]byte(applied["id"].(string))))
		d, err := s.flow.Approve(t.Context(), flow.DecideApplication{ID: id, By: base.Admin(1)})
		require.NoError(t, err)

		profile := s.ok(s.call(alice, "GET", "/api/v1/distributor", nil))
		require.Equal(t, "ordinary", profile["level"].(m)["code"])
		s.refused(422, "distributor.id_no_invalid", s.call(alice, "PUT", "/api/v1/distributor/real-name", m{"real_name": "王小明", "id_no": "1"}))
		named := s.ok(s.call(alice, "PUT", "/api/v1/distributor/real-name", m{"real_name": "王小明", "id_no": "11010519491231002X"}))
		require.Equal(t, "**明", named["real_name_masked"])
		require.Equal(t, true, named["has_id_no"])

		code := s.codes(alice)
		s.images(alice, bob, code, d.ID)
		s.touches(alice, bob, code)
		for _, secret := range []string{"王小明", "11010519491231002X", "13800138000", "openid-alice", alice} {
			require.NotContains(t, s.log.String(), secret, "in the log")
		}
	})
}

// touches reports alice's code as nobody, as bob and as alice herself.
func (s *site) touches(alice, bob string, code m) {
	t := s.t
	scene := m{"kind": "scan", "scene": "s%3D" + code["code"].(string)}
	nobody := s.ok(s.call("", "POST", "/api/v1/touches", scene))
	require.Equal(t, "anonymous", nobody["reason"])
	require.Equal(t, code["code"], nobody["code"])
	bound := s.ok(s.call(bob, "POST", "/api/v1/touches", scene))
	require.Equal(t, true, bound["bound"])
	require.Equal(t, "bound_first", bound["reason"])
	require.Equal(t, "shop", bound["target"].(m)["kind"])
	require.Equal(t, "self", s.ok(s.call(alice, "POST", "/api/v1/touches", scene))["reason"])
	unknown := s.ok(s.call(bob, "POST", "/api/v1/touches", m{"kind": "click", "scene": "<script>"}))
	require.Equal(t, "code_unknown", unknown["reason"])
	require.NotContains(t, unknown, "distributor_id")
	s.refused(422, "request.invalid", s.call(bob, "POST", "/api/v1/touches", m{"kind": "stare", "scene": "x"}))

	binding := s.ok(s.call(bob, "GET", "/api/v1/me/binding", nil))
	require.Equal(t, true, binding["bound"])
	require.Equal(t, "2026-12-23T01:00:00Z", binding["protected_until"])
	require.Equal(t, false, s.ok(s.call(alice, "GET", "/api/v1/me/binding", nil))["bound"])
	require.Equal(t, 204, s.call(bob, "POST", "/api/v1/auth/logout", nil).Status)
}

// codes makes two codes and reads them back; it returns the first.
func (s *site) codes(alice string) m {
	t := s.t
	code := s.ok(s.call(alice, "POST", "/api/v1/codes", m{"target": m{"kind": "shop"}, "channel": "朋友圈"}))
	require.Equal(t, "https://shop.example/l/"+code["code"].(string), code["link"])
	require.Equal(t, false, code["has_scene_image"])
	s.refused(422, "code.invalid", s.call(alice, "POST", "/api/v1/codes", m{"target": m{"kind": "product"}}))
	s.refused(404, "product.not_found", s.call(alice, "POST", "/api/v1/codes", m{"target": m{"kind": "product", "product_id": base.ProductID(1 << 40)}}))
	second := s.ok(s.call(alice, "POST", "/api/v1/codes", m{"target": m{"kind": "shop"}, "channel": "抖音"}))
	feed := s.ok(s.call(alice, "GET", "/api/v1/codes?limit=1", nil))
	require.Equal(t, second["id"], feed["items"].([]any)[0].(m)["id"], "newest first")
	next := s.ok(s.call(alice, "GET", "/api/v1/codes?limit=1&cursor="+feed["next_cursor"].(string), nil))
	require.Equal(t, code["id"], next["items"].([]any)[0].(m)["id"])
	require.Empty(t, next["next_cursor"])
	return code
}

// images draws a code: alice becomes a team leader on the way.
func (s *site) images(alice, bob string, code m, id base.DistributorID) {
	t, db := s.t, s.flow.DB
	image := "/api/v1/codes/" + code["id"].(string)
	s.refused(403, "code.scene_not_allowed", s.call(alice, "GET", image+"/scene.jpg", nil))
	s.refused(422, "code.image_invalid", s.call(alice, "GET", image+"/link.png?width=wide", nil))
	s.refused(404, "code.not_found", s.call(alice, "GET", "/api/v1/codes/pc1/link.png", nil))
	s.refused(403, "auth.not_distributor", s.call(bob, "GET", image+"/link.png", nil))
	s.refused(400, "request.unknown_parameter", s.call(alice, "GET", image+"/link.png?size=1", nil))
	png := s.call(alice, "GET", image+"/link.png?width=200", nil)
	require.Equal(t, 200, png.Status)
	require.Equal(t, "image/png", png.Header.Get("Content-Type"))
	require.True(t, bytes.HasPrefix(png.Raw, []byte("\x89PNG")))
	leader, err := distributor.LevelByCode(t.Context(), db.Q(), distributor.TeamLeader)
	require.NoError(t, err)
	now, err := distributor.Get(t.Context(), db.Q(), id)
	require.NoError(t, err)
	_, err = s.flow.SetLevel(t.Context(), flow.SetLevelInput{ID: id, Version: now.Version, Level: leader.ID, By: base.Admin(1), Reason: "考核"})
	require.NoError(t, err)
	jpg := s.call(alice, "GET", image+"/scene.jpg?width=600&page=pages/goods/goods&env=trial", nil)
	require.Equal(t, 200, jpg.Status)
	require.Equal(t, "image/jpeg", jpg.Header.Get("Content-Type"))
	require.Contains(t, string(jpg.Raw), code["scene"].(string))
}

func TestPeopleDoors_Regions(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t, clock.NewManual(storetest.Start)))
	provinces := s.ok(s.call("", "GET", "/api/v1/regions", nil))["items"].([]any)
	require.GreaterOrEqual(t, len(provinces), 31)
	require.Equal(t, "北京市", provinces[0].(m)["name"])
	inside := s.ok(s.call("", "GET", "/api/v1/regions?parent=440100", nil))["items"].([]any)
	require.Equal(t, "district", inside[0].(m)["level"])
	require.Equal(t, "荔湾区", inside[0].(m)["name"])
	s.refused(404, "region.not_found", s.call("", "GET", "/api/v1/regions?parent=990000", nil))
	s.refused(422, "request.invalid", s.call("", "GET", "/api/v1/regions?parent=x", nil))
}
