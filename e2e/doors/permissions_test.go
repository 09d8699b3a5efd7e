package doors_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/access"
	"fenxiao/server/play"
)

// somebody is one of those who may knock at any door.
type somebody struct {
	name   string
	role   access.Role // of an admin
	person *play.Person
}

// everybody is anonymous, customers, distributors, and an admin of each role.
func (w *walk) everybody(t *testing.T) []somebody {
	t.Helper()
	list := []somebody{{name: "anonymous"}, {name: "customer", person: w.newcomer}, {name: "distributor", person: w.rival.Person}}
	for _, role := range access.Roles() {
		p, _, err := w.Hire(t.Context(), "walk."+string(role), "走查", string(role), "Banyan-Grove-2003")
		require.NoError(t, err)
		list = append(list, somebody{string(role), role, p})
	}
	return list
}

// mayCall says what the permission on an operation means for somebody.
func (s somebody) mayCall(op *operation) bool {
	customer := s.name == "customer" || s.name == "distributor"
	switch op.Permission {
	case access.Public:
		return true
	case access.Customer:
		return customer
	case access.Distributor:
		return s.name == "distributor"
	default:
		return s.role.Valid() && s.role.May(op.Permission)
	}
}

// probe asks an operation with a parameter that it does not have: whoever may call it learns that, and nothing is done.
const probe = "no_such_parameter=1"

// TestPermissions_EveryDoorEverybody knocks at every door as everybody, and keeps who gets in where in a file that
// people read.
func TestPermissions_EveryDoorEverybody(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	people := w.everybody(t)
	names := tables(t, w.App.DB)
	before := books(t, w.App.DB, names)
	rows := [][]string{{"operation", "permission"}}
	for _, s := range people {
		rows[0] = append(rows[0], s.name)
	}
	for _, op := range w.ops {
		row := []string{op.audience + " " + op.method + " " + op.path, op.Permission}
		for _, s := range people {
			row = append(row, w.knock(t, op, s))
		}
		rows = append(rows, row)
	}
	require.Equal(t, before, books(t, w.App.DB, names), "knocking changes nothing")
	golden(t, "testdata/permissions.txt", columns(rows))
}

// knock returns "yes", or the status of the refusal.
func (w *walk) knock(t *testing.T, op *operation, s somebody) string {
	t.Helper()
	r := request{method: op.method, path: w.fill(op.path), query: probe}
	if s.person != nil {
		require.NoError(t, s.person.Fresh(t.Context()))
		r.token = s.person.Token
	}
	a := w.ask(t, r)
	w.checkRefusal(t, op, a)
	if op.ID == "open-link" { // links get parameters of others on their way
		require.Equal(t, http.StatusNotFound, a.status, "%s", a)
		return "yes"
	}
	if s.mayCall(op) {
		require.Equal(t, "request.unknown_parameter", a.problem.Code, "%s as %s: %s", op.name(), s.name, a)
		return "yes"
	}
	require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.status, "%s as %s: %s", op.name(), s.name, a)
	require.True(t, strings.HasPrefix(a.problem.Code, "auth."), "%s", a)
	return fmt.Sprint(a.status)
}

func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var out strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

// TestPermissions_MakeSense says in plain words what the table must never allow, whatever the code says.
func TestPermissions_MakeSense(t *testing.T) {
	t.Parallel()
	s := shop.Open(t, shop.Options{})
	money := []string{"withdrawal.", "statement.", "commission.", "ledger.", "settlement.", "refund.approve", "debt.", "setting.money"}
	for _, op := range read(t, s) {
		changes := op.method != http.MethodGet
		own := op.Permission == access.AdminSelf || op.Permission == access.Public
		if op.audience != "admin" || own {
			continue
		}
		require.NotContains(t, []string{access.Public, access.Customer, access.Distributor}, op.Permission, op.name())
		require.False(t, changes && access.Auditor.May(op.Permission), "an auditor changes nothing: %s", op.name())
		require.False(t, !changes && !access.Auditor.May(op.Permission) && strings.HasSuffix(op.Permission, ".read"), "an auditor reads all: %s", op.name())
		aboutMoney := slices.ContainsFunc(money, func(p string) bool { return strings.HasPrefix(op.Permission, p) })
		require.False(t, aboutMoney && access.Warehouse.May(op.Permission), "the warehouse has nothing to do with money: %s", op.name())
		require.False(t, changes && aboutMoney && access.CustomerService.May(op.Permission), "customer service moves no money: %s", op.name())
		require.True(t, access.Owner.May(op.Permission), "the owner may all: %s", op.name())
	}
}

// TestSessions_End: tokens that have ended, are of another kind or are nobody's open nothing.
func TestSessions_End(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	require.NoError(t, w.Buyer.Fresh(t.Context()))
	require.NoError(t, w.Owner.Fresh(t.Context()))
	customer, admin := w.Buyer.Token, w.Owner.Token
	w.Manual.Advance(access.SessionIdle + time.Minute)
	cases := []struct {
		name, token, audience string
		code                  string
	}{
		{"expired customer", customer, "client", "auth.token_expired"},
		{"expired admin", admin, "admin", "auth.session_expired"},
		{"an admin's at the customers' door", admin, "client", "auth.token_invalid"},
		{"a customer's at the admins' door", customer, "admin", "auth.session_expired"},
		{"nonsense", "nonsense", "client", "auth.token_invalid"},
		{"nonsense", "nonsense", "admin", "auth.session_expired"},
		{"very long", strings.Repeat("x", 8000), "client", "auth.token_invalid"},
		{"none", "", "client", "auth.required"},
		{"none", "", "admin", "auth.required"},
	}
	for _, op := range w.ops {
		if op.Permission == access.Public {
			continue
		}
		for _, c := range cases {
			if c.audience != op.audience {
				continue
			}
			a := w.ask(t, request{method: op.method, path: w.fill(op.path), token: c.token})
			w.checkRefusal(t, op, a)
			require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s", c.name, a)
			require.Equal(t, c.code, a.problem.Code, "%s: %s", c.name, a)
		}
	}
}

// TestBrowsers_NeedCSRF: a cookie alone changes nothing, because other sites can make a browser send it.
func TestBrowsers_NeedCSRF(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	require.NoError(t, w.Owner.Fresh(t.Context()))
	cookie := map[string]string{"Cookie": "fenxiao_admin=" + w.Owner.Token}
	for _, op := range w.ops {
		if op.audience != "admin" || op.Permission == access.Public {
			continue
		}
		a := w.ask(t, request{method: op.method, path: w.fill(op.path), query: probe, header: cookie})
		w.checkRefusal(t, op, a)
		want := "auth.csrf"
		if op.method == http.MethodGet {
			want = "request.unknown_parameter"
		}
		require.Equal(t, want, a.problem.Code, "%s", a)
	}
}

// TestFirstLogIn: who still has the one-time password can change it and nothing else.
func TestFirstLogIn(t *testing.T) {
	t.Parallel()
	w := newWalk(t, shop.Options{})
	var made struct {
		Password string `json:"password"`
		TOTP     struct {
			Secret string `json:"secret"`
		} `json:"totp"`
	}
	in := map[string]string{"account": "fresh", "name": "新人", "role": string(access.Owner)}
	require.NoError(t, w.Owner.Post(t.Context(), "/api/admin/v1/admins", in, &made))
	fresh := play.Admin(w.Base, play.AdminLogin{Account: "fresh", Password: made.Password, Secret: made.TOTP.Secret}, w.Clock)
	require.NoError(t, fresh.Fresh(t.Context()))
	for _, op := range w.ops {
		if op.audience != "admin" || op.Permission == access.Public || op.Permission == access.AdminSelf {
			continue
		}
		a := w.ask(t, request{method: op.method, path: w.fill(op.path), query: probe, token: fresh.Token})
		w.checkRefusal(t, op, a)
		require.Equal(t, access.ErrMustChange.Code, a.problem.Code, "%s", a)
	}
}
