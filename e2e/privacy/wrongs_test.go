package privacy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/play"
)

// wrongs sends people's data and secrets where they are refused, and keeps the refusals: they must not repeat them.
func wrongs(t *testing.T, town *shop.Town, answers *record) {
	t.Helper()
	ask := func(p *play.Person, method, path string, body any) {
		t.Helper()
		token := ""
		if p != nil {
			require.NoError(t, p.Fresh(t.Context()))
			token = p.Token
		}
		refuse(t, town, answers, method, path, token, body)
	}
	long := strings.Repeat("x", 3_000)
	ask(town.Buyer, http.MethodPut, "/api/v1/me/phone", map[string]any{"phone": shop.BuyerPhone + "x"})
	ask(town.Buyer, http.MethodGet, "/api/v1/me?phone="+shop.BuyerPhone, nil)
	ask(town.Buyer, http.MethodGet, "/api/v1/orders/"+shop.BuyerPhone, nil)
	ask(town.Buyer, http.MethodPost, "/api/v1/orders", map[string]any{
		"items": []any{}, "address": map[string]any{"name": shop.BuyerName + long, "phone": shop.BuyerPhone + "0", "detail": shop.BuyerStreet, "region_code": 1},
	})
	sku := map[string]any{"sku_id": town.Coffee.SKUs[0].ID, "qty": 1}
	bad := map[string]any{"name": shop.BuyerName, "phone": "not " + shop.BuyerPhone, "detail": shop.BuyerStreet, "region_code": shop.Home.Region}
	ask(town.Buyer, http.MethodPost, "/api/v1/orders", map[string]any{"items": []any{sku}, "address": bad, "expected_total_fen": 1})
	ask(town.Leader.Person, http.MethodPut, "/api/v1/distributor/real-name", map[string]any{"real_name": shop.LeaderName + long})
	ask(town.Leader.Person, http.MethodPut, "/api/v1/distributor/real-name", map[string]any{"real_name": shop.LeaderName, "id_no": shop.LeaderID + "1"})
	ask(town.Leader.Person, http.MethodPost, "/api/v1/distributor/withdrawals", map[string]any{"amount_fen": shop.Earned})
	ask(nil, http.MethodPost, "/api/admin/v1/session", map[string]any{"account": "boss", "password": shop.OwnerPassword + "x", "code": "123456"})
	ask(nil, http.MethodPost, "/api/admin/v1/session", map[string]any{"account": "boss", "password": shop.OwnerPassword, "code": town.Login.Secret + long})
	ask(town.Owner, http.MethodPost, "/api/admin/v1/session/password", map[string]any{"password": shop.OwnerPassword, "new_password": "short"})
	ask(town.Owner, http.MethodGet, "/api/admin/v1/customers?phone="+shop.BuyerPhone+long, nil)
	ask(nil, http.MethodPost, "/api/v1/auth/wechat", map[string]any{"code": town.Buyer.Token})
	ask(nil, http.MethodPost, "/api/v1/auth/refresh", map[string]any{"refresh_token": town.Buyer.Token})
	refuse(t, town, answers, http.MethodGet, "/api/v1/me", town.Buyer.Token+"x", nil)
	refuse(t, town, answers, http.MethodGet, "/api/admin/v1/orders", town.Owner.Token+"x", nil)
	refuse(t, town, answers, http.MethodGet, "/api/v1/me?access_token="+town.Buyer.Token, "", nil)
}

func refuse(t *testing.T, town *shop.Town, answers *record, method, path, token string, body any) {
	t.Helper()
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, town.Base+path, content)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("privacy-%p-%020d", req, len(answers.String())))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.GreaterOrEqual(t, res.StatusCode, 400, "%s %s: %s", method, path, raw)
	fmt.Fprintf(answers, "%s %v\n", raw, res.Header)
}
