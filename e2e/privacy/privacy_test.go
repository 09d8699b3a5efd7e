// Package privacy_test plays what people do with the log at its most talkative, and looks for what must not be there.
package privacy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"fenxiao/config"
	"fenxiao/e2e/shop"
	"fenxiao/server/play"
	"fenxiao/server/store"
	"fenxiao/server/wechat/sim"
)

// secret is something that must not be seen, and what it is.
type secret struct{ what, value string }

// TestNothingPersonal plays a shop's life, with everything going wrong that can, and greps what the shop wrote: its log,
// its refusals, its metrics, its database.
func TestNothingPersonal(t *testing.T) {
	t.Parallel()
	shop.Each(t, func(t *testing.T, o shop.Options) {
		log, wire := &record{}, &record{}
		o.Log = log
		o.Fit = func(c *config.Config) {
			c.HTTP.MetricsAddr = "127.0.0.1:0"
			c.WeChat.APIBase = listenIn(t, wire, c.WeChat.APIBase)
			c.WeChat.PayBase = c.WeChat.APIBase
		}
		town := shop.Build(t, shop.Open(t, o))
		life := play.NewClient(town.Base, "life")
		answers := &record{}
		tokens := withdrawAll(t, town)
		tokens = append(tokens, refreshTokens(t, town, life)...)
		wrongs(t, town, answers)
		weChatFails(t, town)
		_, metrics, err := play.NewClient("http://"+town.App.MetricsAddress(), "metrics").Raw(t.Context(), "/metrics")
		require.NoError(t, err)

		people := personal()
		secrets := append(append(people, keysOf(t, town)...), append(tokens, weChatSecrets(t, wire)...)...)
		openIDs := openIDsOf(town)
		logged := log.String()
		require.Greater(t, strings.Count(logged, "\n"), 80, "the log was written")
		require.Contains(t, logged, `"level":"ERROR"`, "also about what went wrong")
		clean(t, "the log", logged, append(secrets, openIDs...))
		clean(t, "refusals", answers.String(), append(secrets, openIDs...))
		clean(t, "metrics", string(metrics), append(secrets, openIDs...))
		stored := dump(t, town.App.DB)
		require.Contains(t, stored, openIDs[0].value, "the rows were read")
		clean(t, "the database", stored, secrets)
		if town.App.DB.Dialect == store.SQLite {
			clean(t, "the database's files", files(t, town.Config.DB.File), secrets)
		}
		t.Logf("%d lines of log, %d refusals, %d secrets and %d openids looked for", strings.Count(logged, "\n"),
			strings.Count(answers.String(), "request_id"), len(secrets), len(openIDs))
	})
}

// clean looks for secrets as they are, as they stand in an address, and as they stand in JSON.
func clean(t *testing.T, where, text string, secrets []secret) {
	t.Helper()
	for _, s := range secrets {
		require.NotEmpty(t, s.value, s.what)
		quoted, err := json.Marshal(s.value)
		require.NoError(t, err)
		ascii := strings.Trim(fmt.Sprintf("%+q", s.value), `"`)
		for _, form := range []string{s.value, url.QueryEscape(s.value), strings.Trim(string(quoted), `"`), ascii} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s: %s is in it: …%s…", where, s.what, text[max(0, at-200):min(len(text), at+len(form)+100)])
				break
			}
		}
	}
}

func personal() []secret {
	return []secret{
		{"the buyer's phone", shop.BuyerPhone}, {"the buyer's name", shop.BuyerName}, {"the buyer's address", shop.BuyerStreet},
		{"the leader's name", shop.LeaderName}, {"the leader's ID number", shop.LeaderID}, {"the partner's name", shop.PartnerName},
	}
}

// keysOf are what the operator configured, and what admins log in with.
func keysOf(t *testing.T, town *shop.Town) []secret {
	t.Helper()
	m := town.Merchant
	out := []secret{
		{"the app secret", m.AppSecret}, {"the APIv3 key", m.APIV3Key}, {"the owner's password", shop.OwnerPassword},
		{"finance's password", shop.FinancePassword}, {"the owner's one-time code secret", town.Login.Secret},
		{"the merchant's private key", strings.Split(string(m.PrivateKeyPEM), "\n")[3]},
	}
	raw, err := os.ReadFile(town.Config.Secret.KeyFile)
	require.NoError(t, err)
	var keys any
	require.NoError(t, json.Unmarshal(raw, &keys))
	return append(out, leaves("a key of the key file", keys)...)
}

// leaves are the long texts in JSON.
func leaves(what string, v any) (out []secret) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			out = append(out, leaves(what, x)...)
		}
	case []any:
		for _, x := range v {
			out = append(out, leaves(what, x)...)
		}
	case string:
		if len(v) >= 32 {
			out = append(out, secret{what, v[strings.LastIndex(v, ":")+1:]})
		}
	}
	return out
}

func openIDsOf(town *shop.Town) (out []secret) {
	for _, user := range []string{"li", "wang", "zhou"} {
		out = append(out, secret{"the openid of " + user, town.WX.OpenID(user)})
	}
	return out
}

// record keeps what is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// listenIn stands between the shop and WeChat and keeps what WeChat answers.
func listenIn(t *testing.T, to *record, base string) string {
	t.Helper()
	target, err := url.Parse(base)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(res *http.Response) error {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			_, _ = to.Write(append(bytes.Clone(body), '\n'))
			res.Body = io.NopCloser(bytes.NewReader(body))
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

// weChatSecrets are the session keys and access tokens that WeChat gave out.
func weChatSecrets(t *testing.T, wire *record) (out []secret) {
	t.Helper()
	kinds := map[string]int{}
	for _, line := range strings.Split(wire.String(), "\n") {
		var a struct {
			SessionKey string `json:"session_key"`
			Token      string `json:"access_token"`
		}
		if json.Unmarshal([]byte(line), &a) != nil {
			continue
		}
		for what, value := range map[string]string{"a session key": a.SessionKey, "WeChat's access token": a.Token} {
			if value != "" {
				kinds[what]++
				out = append(out, secret{what, value})
			}
		}
	}
	require.Len(t, kinds, 2, "both were seen on the wire")
	return out
}

// withdrawAll takes the leader's money out, and returns everybody's tokens.
func withdrawAll(t *testing.T, town *shop.Town) (out []secret) {
	t.Helper()
	ctx := t.Context()
	w, err := town.Leader.Withdraw(ctx, shop.Earned)
	require.NoError(t, err)
	_, err = play.Approve(ctx, town.Finance, w.ID)
	require.NoError(t, err)
	town.Settle(t)
	seen, err := play.AdminWithdrawal(ctx, town.Finance, w.ID)
	require.NoError(t, err)
	require.NoError(t, town.WX.ConfirmTransfer(ctx, seen.OutBill))
	town.Settle(t)
	require.NoError(t, play.Await(ctx, func(ctx context.Context) (bool, error) {
		w, err = town.Leader.Withdrawal(ctx, w.ID)
		return w.State == "paid", err
	}))
	for who, p := range map[string]*play.Person{"owner": town.Owner, "finance": town.Finance, "leader": town.Leader.Person, "buyer": town.Buyer} {
		require.NoError(t, p.Fresh(ctx))
		out = append(out, secret{"the token of the " + who, p.Token})
	}
	return out
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// refreshTokens logs in and refreshes, twice with the same token.
func refreshTokens(t *testing.T, town *shop.Town, c *play.Client) (out []secret) {
	t.Helper()
	var first, second tokens
	require.NoError(t, c.Post(t.Context(), "/api/v1/auth/wechat", map[string]string{"code": town.WX.LoginCode("zhou")}, &first))
	require.NoError(t, c.Post(t.Context(), "/api/v1/auth/refresh", map[string]string{"refresh_token": first.Refresh}, &second))
	town.Manual.Advance(time.Minute)
	require.Error(t, c.Post(t.Context(), "/api/v1/auth/refresh", map[string]string{"refresh_token": first.Refresh}, nil))
	for _, v := range []tokens{first, second} {
		out = append(out, secret{"an access token", v.Access}, secret{"a refresh token", v.Refresh})
	}
	return out
}

// weChatFails lets every kind of call to WeChat fail once, on the way there, with the secrets in the address.
func weChatFails(t *testing.T, town *shop.Town) {
	t.Helper()
	ctx := t.Context()
	fail := func(path string, a sim.Action) {
		town.WX.ClearFaults()
		require.NoError(t, town.WX.AddFault(sim.Fault{Match: sim.Match{Path: path}, Action: a}))
	}
	for i, a := range []sim.Action{{Drop: true}, {Status: 500}, {ErrCode: 40029}, {TruncateBody: true}} {
		fail("/sns/jscode2session", a)
		in := map[string]string{"code": town.WX.LoginCode("zhou")}
		require.Error(t, play.NewClient(town.Base, "fails").Post(ctx, "/api/v1/auth/wechat", in, nil))
		fail("/wxa/getwxacodeunlimit", a)
		_, _, err := town.Leader.Raw(ctx, fmt.Sprintf("/api/v1/codes/%s/scene.jpg?width=%d", town.Leader.Code.ID, 300+10*i))
		require.Error(t, err)
	}
	for _, a := range []sim.Action{{Drop: true}, {Status: 500}, {Sig: sim.SigWrong}, {Code: "PARAM_ERROR"}} {
		fail("/v3/pay/transactions/jsapi", a)
		order := town.Order(t, town.Buyer, 1)
		_, err := play.PrepayID(ctx, town.Buyer, order.ID)
		require.Error(t, err)
	}
	fail("", sim.Action{Drop: true})
	town.Pass(t, time.Hour)
	town.WX.ClearFaults()
	town.Pass(t, time.Hour)
}

// dump is every row of every table, as text.
func dump(t *testing.T, db *store.DB) string {
	t.Helper()
	query := `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()`
	if db.Dialect == store.SQLite {
		query = `SELECT name FROM sqlite_master WHERE type = 'table'`
	}
	var tables []string
	require.NoError(t, db.Q().Select(t.Context(), &tables, query))
	var out strings.Builder
	for _, table := range tables {
		err := db.Q().Each(t.Context(), "SELECT * FROM "+table, func(r *sqlx.Rows) error {
			row, err := r.SliceScan()
			for i, v := range row {
				if b, ok := v.([]byte); ok {
					row[i] = string(b)
				}
			}
			fmt.Fprintln(&out, table, row)
			return err
		})
		require.NoError(t, err, table)
	}
	require.Contains(t, out.String(), "shop_order")
	return out.String()
}

// files are the bytes of a SQLite database, its log of writes included.
func files(t *testing.T, file string) string {
	t.Helper()
	var out strings.Builder
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + suffix)
		require.NoError(t, err)
		out.Write(b)
	}
	require.Contains(t, out.String(), "SQLite format 3")
	return out.String()
}
