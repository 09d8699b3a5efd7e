package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/adminapi"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

type mini struct{ wechat.Mini }

func (mini) Login(_ context.Context, code string) (wechat.Session, error) {
	return wechat.Session{OpenID: code}, nil
}

// byRole logs in as the role that the header As names.
type byRole struct{}

func (byRole) Authenticate(_ context.Context, r *http.Request) (httpx.Principal, error) {
	role := access.Role(r.Header.Get("As"))
	if !role.Valid() {
		return httpx.Principal{}, httpx.ErrNoCredentials
	}
	return httpx.Principal{Actor: base.Admin(7 << 40), Admin: 7 << 40, Role: string(role), Permissions: role.May}, nil
}

// desk is the operators' door of an empty shop.
type desk struct {
	*httptest.Server
	t    *testing.T
	flow *flow.Flow
}

func newDesk(t *testing.T, db *store.DB) *desk {
	t.Helper()
	keys := crypt.NewKeys()
	box, err := crypt.NewBox(keys)
	require.NoError(t, err)
	f := &flow.Flow{DB: db, Mini: mini{}, Box: box, Log: slog.New(slog.DiscardHandler), Alarm: func(string, string) {}, Wake: func() {}}
	require.NoError(t, f.SeedDefaults(t.Context()))
	engine, err := httpx.NewEngine(httpx.Options{Log: slog.New(slog.DiscardHandler), BodyMaxBytes: 1 << 20})
	require.NoError(t, err)
	admins := access.NewAdmins(db, box, keys.Token)
	auth := httpx.NewAdminAuth(admins, false)
	api := httpx.NewAPI(engine, httpx.Audience{
		Name: "admin", Title: "test", Version: "1", Prefix: "/api/admin/v1", Auth: byRole{}, Idem: idem.New(db, box), Schemes: auth.Schemes(),
	})
	(&adminapi.API{Flow: f, Admins: admins, Auth: auth}).Register(api)
	require.Empty(t, engine.Mismatches())
	s := &desk{httptest.NewServer(engine), t, f}
	t.Cleanup(s.Close)
	return s
}

type m = map[string]any

// call asks as a role and returns the status and the answer.
func (s *desk) call(role access.Role, method, path string, body any) (int, m) {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(s.t, err)
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+"/api/admin/v1"+path, in)
	require.NoError(s.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("As", string(role))
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", fmt.Sprintf("test-key-%016d", s.flow.DB.Mint.Next()))
	}
	res, err := s.Client().Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	var out m
	if len(raw) > 0 {
		require.NoError(s.t, json.Unmarshal(raw, &out), "%s", raw)
	}
	return res.StatusCode, out
}

// ops asks as operations and requires success.
func (s *desk) ops(method, path string, body any) m {
	s.t.Helper()
	status, out := s.call(access.Operations, method, path, body)
	require.Less(s.t, status, 300, "%s %s: %v", method, path, out)
	return out
}

func (s *desk) refused(status int, code, method, path string, body any) {
	s.t.Helper()
	got, out := s.call(access.Operations, method, path, body)
	require.Equal(s.t, status, got, "%v", out)
	require.Equal(s.t, code, out["code"], "%v", out)
}

// apply makes a customer who applies.
func (s *desk) apply(openid string) distributor.Application {
	s.t.Helper()
	c, _, err := s.flow.Login(s.t.Context(), openid)
	require.NoError(s.t, err)
	require.NoError(s.t, s.flow.SetPhone(s.t.Context(), c.ID, "13800138000"))
	a, err := s.flow.Apply(s.t.Context(), flow.ApplyInput{
		ID: base.ApplicationID(s.flow.DB.Mint.Next()), Customer: c.ID, AgreementVersion: distributor.DefaultAdmission().AgreementVersion,
	})
	require.NoError(s.t, err)
	return a
}

// admit approves somebody who applies and returns the answer.
func (s *desk) admit(openid string) m {
	s.t.Helper()
	return s.ops("POST", "/applications/"+s.apply(openid).ID.String()+"/approve", nil)
}

func items(page m) []any { return page["items"].([]any) }

func each(t *testing.T, fn func(t *testing.T, s *desk, c *clock.Manual)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, newDesk(t, db), c) })
}

func TestPeopleDoors_Distributors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, _ *clock.Manual) {
		first := s.apply("openid-of-the-first")
		s.apply("openid-of-the-second")
		pending := s.ops("GET", "/applications?state=pending&page_size=1", nil)
		require.EqualValues(t, 2, pending["total"])
		require.Len(t, items(pending), 1)
		status, out := s.call(access.Warehouse, "POST", "/applications/"+first.ID.String()+"/approve", nil)
		require.Equal(t, 403, status, "%v", out)
		d := s.ops("POST", "/applications/"+first.ID.String()+"/approve", nil)
		s.refused(409, "application.decided", "POST", "/applications/"+first.ID.String()+"/reject", m{"reason": "资料不全"})
		other := items(s.ops("GET", "/applications?state=pending", nil))[0].(m)["id"].(string)
		s.refused(422, "request.invalid", "POST", "/applications/"+other+"/reject", m{"reason": ""})
		s.ops("POST", "/applications/"+other+"/reject", m{"reason": "资料不全"})

		path := "/distributors/" + d["id"].(string)
		s.refused(422, "request.reason_required", "POST", path+"/suspend", m{"reason": "  "})
		require.Equal(t, "suspended", s.ops("POST", path+"/suspend", m{"reason": "核查"})["status"])
		s.refused(409, "distributor.status_moved", "POST", path+"/suspend", m{"reason": "核查"})
		d = s.ops("POST", path+"/reactivate", m{"reason": "查清"})
		levels := items(s.ops("GET", "/levels", nil))
		require.Len(t, levels, 4)
		senior := levels[1].(m)
		require.Equal(t, "高级分销员", senior["name_zh"])
		d2 := s.ops("POST", path+"/level", m{"level_id": senior["id"], "version": d["version"], "reason": "达标"})
		require.Equal(t, "senior", d2["level_code"])
		s.refused(409, "distributor.changed", "POST", path+"/level", m{"level_id": senior["id"], "version": d["version"], "reason": "达标"})
		up := s.admit("openid-of-the-third")
		s.refused(409, "distributor.upline_cycle", "POST", path+"/upline", m{"upline_id": d["id"], "version": d2["version"], "reason": "x"})
		require.Equal(t, up["id"], s.ops("POST", path+"/upline", m{"upline_id": up["id"], "version": d2["version"], "reason": "推荐人"})["upline_id"])

		detail := s.ops("GET", path, nil)
		require.Len(t, detail["history"].([]any), 5)
		require.Equal(t, "senior", detail["level_code"])
		require.EqualValues(t, 1, s.ops("GET", "/distributors?status=active&level_id="+senior["id"].(string), nil)["total"])
		require.EqualValues(t, 1, s.ops("GET", "/distributors?upline_id="+up["id"].(string), nil)["total"])
		s.refused(404, "distributor.not_found", "GET", "/distributors/"+base.DistributorID(9<<40).String(), nil)
		s.refused(422, "request.invalid", "GET", "/distributors?status=gone", nil)

		customers := s.ops("GET", "/customers", nil)
		require.EqualValues(t, 3, customers["total"])
		one := items(customers)[0].(m)
		require.Equal(t, "138****8000", one["phone_masked"])
		require.NotContains(t, one["openid_masked"], "openid-of")
		require.EqualValues(t, 3, s.ops("GET", "/customers?phone=13800138000", nil)["total"])
		require.EqualValues(t, 0, s.ops("GET", "/customers?phone=13800138001", nil)["total"])
		require.Equal(t, false, s.ops("GET", "/customers/"+one["id"].(string)+"/binding", nil)["bound"])
	})
}

func TestPeopleDoors_Levels(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, _ *clock.Manual) {
		in := m{
			"code": "star", "name_zh": "明星", "name_en": "Star", "rank": 25, "cycle": "weekly", "active": true,
			"rights": distributor.Rights{SceneCodes: true}, "duties": distributor.Duties{},
		}
		made := s.ops("POST", "/levels", in)
		require.Equal(t, true, made["rights"].(m)["scene_codes"])
		s.refused(409, "level.code_taken", "POST", "/levels", in)
		in["code"] = "Bad"
		s.refused(422, "request.invalid", "POST", "/levels", in)
		in["code"], in["name_zh"] = "spaced", " 明星"
		s.refused(422, "level.invalid", "POST", "/levels", in)
		change := m{
			"name_zh": "金星", "name_en": "Star", "rank": 25, "cycle": "monthly", "active": true, "version": 1, "reason": "改名",
			"rights": distributor.Rights{}, "duties": distributor.Duties{},
		}
		path := "/levels/" + made["id"].(string)
		require.Equal(t, "金星", s.ops("PUT", path, change)["name_zh"])
		s.refused(409, "level.changed", "PUT", path, change)
	})
}

func TestPeopleDoors_Territory(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, c *clock.Manual) {
		d := s.admit("openid-partner")
		contract := m{
			"distributor_id": d["id"], "document_no": "HT-1", "regions": []int{440106, 440104},
			"from": c.Now().Format(time.RFC3339), "until": c.Now().AddDate(1, 0, 0).Format(time.RFC3339),
		}
		s.refused(409, "territory.level_not_allowed", "POST", "/territory-contracts", contract)
		partner := items(s.ops("GET", "/levels", nil))[3].(m)
		s.ops("POST", "/distributors/"+d["id"].(string)+"/level", m{"level_id": partner["id"], "version": d["version"], "reason": "签约"})
		made := s.ops("POST", "/territory-contracts", contract)
		names := ""
		for _, r := range made["regions"].([]any) {
			names += r.(m)["name"].(string)
		}
		require.Equal(t, "广东省广州市越秀区广东省广州市天河区", names)
		s.refused(409, "territory.overlap", "POST", "/territory-contracts", contract)
		contract["regions"] = []int{990001}
		status, out := s.call(access.Operations, "POST", "/territory-contracts", contract)
		require.Equal(t, 422, status, "%v", out)
		require.EqualValues(t, 1, s.ops("GET", "/territory-contracts?distributor_id="+d["id"].(string), nil)["total"])
		end := "/territory-contracts/" + made["id"].(string) + "/end"
		require.NotEmpty(t, s.ops("POST", end, m{"reason": "解约"})["ended_at"])
		s.refused(409, "territory.ended", "POST", end, m{"reason": "解约"})
	})
}

func TestPeopleDoors_Promotion(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *desk, _ *clock.Manual) {
		got := s.ops("GET", "/settings/binding-policy", nil)
		require.EqualValues(t, 0, got["version"])
		policy := attribution.DefaultPolicy()
		policy.LapseDays = 1
		s.refused(422, "binding_policy.invalid", "PUT", "/settings/binding-policy", m{"policy": policy, "reason": "试"})
		policy.LapseDays = 365
		put := s.ops("PUT", "/settings/binding-policy", m{"policy": policy, "reason": "延长"})
		require.EqualValues(t, 1, put["version"])
		require.EqualValues(t, 365, s.ops("GET", "/settings/binding-policy", nil)["policy"].(m)["lapse_days"])
		status, _ := s.call(access.Auditor, "PUT", "/settings/binding-policy", m{"policy": policy, "reason": "延长"})
		require.Equal(t, 403, status, "an auditor changes nothing")

		admission := distributor.DefaultAdmission()
		admission.AutoApprove = true
		s.ops("PUT", "/settings/admission", m{"admission": admission, "reason": "自动通过"})
		require.Equal(t, true, s.ops("GET", "/settings/admission", nil)["admission"].(m)["auto_approve"])
		a := s.apply("openid-auto")
		require.Equal(t, distributor.Approved, a.State)
		code, err := s.flow.MakeCode(t.Context(), attribution.NewCode{
			ID: base.CodeID(s.flow.DB.Mint.Next()), Distributor: a.Distributor, Target: attribution.Target{Kind: attribution.TargetShop},
		})
		require.NoError(t, err)
		page := s.ops("GET", "/codes?distributor_id="+a.Distributor.String(), nil)
		require.Equal(t, code.Text, items(page)[0].(m)["code"])
		s.ops("POST", "/codes/"+code.ID.String()+"/disable", m{"reason": "投诉"})
		s.refused(409, "code.disabled", "POST", "/codes/"+code.ID.String()+"/disable", m{"reason": "投诉"})
		require.Equal(t, "投诉", items(s.ops("GET", "/codes", nil))[0].(m)["reason"])
		s.refused(404, "attribution.not_found", "GET", "/orders/"+base.OrderID(9<<40).String()+"/attribution", nil)
	})
}
