package sim_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

func (r *rig) shipBody(no, waybill string, at time.Time) obj {
	return obj{
		"order_key": obj{"order_number_type": 1, "mchid": r.m.MchID, "out_trade_no": no}, "logistics_type": 1, "delivery_mode": 1,
		"is_all_delivered": false, "upload_time": at.Format("2006-01-02T15:04:05.000Z07:00"), "payer": obj{"openid": r.s.OpenID("alice")},
		"shipping_list": []obj{{"tracking_no": waybill, "express_company": "ZTO", "item_desc": "苹果*1", "contact": obj{"consignor_contact": "", "receiver_contact": ""}}},
	}
}

func (r *rig) ship(body obj) int {
	r.t.Helper()
	return errcode(r.miniJSON("POST", "/wxa/sec/order/upload_shipping_info?access_token="+r.token(), body))
}

func (r *rig) shipState(no string) obj {
	r.t.Helper()
	o := r.miniJSON("POST", "/wxa/sec/order/get_order?access_token="+r.token(), obj{"merchant_id": r.m.MchID, "merchant_trade_no": no})
	require.Equal(r.t, 0, errcode(o), o)
	return o["order"].(obj)
}

func TestShip_Life(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	at := time.Now()
	require.Equal(t, 10060001, r.ship(r.shipBody("order0001", "Z1", at)), "unknown")
	r.order("order0001", 100)
	require.Equal(t, 10060001, r.ship(r.shipBody("order0001", "Z1", at)), "not paid")
	r.paid("order0001", 100)
	require.EqualValues(t, 1, r.shipState("order0001")["order_state"])
	require.Equal(t, 0, r.ship(r.shipBody("order0001", "Z1", at)))
	require.EqualValues(t, 2, r.shipState("order0001")["order_state"])
	require.Equal(t, 10060028, r.ship(r.shipBody("order0001", "Z2", at)), "upload_time must grow")
	require.Equal(t, 10060023, r.ship(r.shipBody("order0001", "Z1", at.Add(time.Second))), "nothing new")
	require.Equal(t, 0, r.ship(r.shipBody("order0001", "Z2", at.Add(2*time.Second))), "one re-ship")
	require.Equal(t, 10060003, r.ship(r.shipBody("order0001", "Z3", at.Add(3*time.Second))), "and no other")
	r.clock.Advance(10*24*time.Hour - time.Second)
	require.EqualValues(t, 2, r.shipState("order0001")["order_state"])
	r.clock.Advance(time.Second)
	require.EqualValues(t, 3, r.shipState("order0001")["order_state"], "it confirms itself after ten days")
	require.Equal(t, 10060004, r.ship(r.shipBody("order0001", "Z4", at.Add(4*time.Second))))
}

func TestShip_PartsAndPickup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.paid("order0001", 100)
	split := with(r.shipBody("order0001", "Z1", time.Now()), "delivery_mode", 2)
	require.Equal(t, 0, r.ship(split))
	require.EqualValues(t, 1, r.shipState("order0001")["order_state"], "a part is not all")
	both := with(split, "shipping_list", append(split["shipping_list"].([]obj), obj{"tracking_no": "Z2", "express_company": "ZTO", "item_desc": "梨*1"}))
	both["is_all_delivered"], both["upload_time"] = true, time.Now().Add(time.Second).Format("2006-01-02T15:04:05.000Z07:00")
	require.Equal(t, 0, r.ship(both))
	require.EqualValues(t, 2, r.shipState("order0001")["order_state"])

	r.paid("order0002", 100)
	pickup := with(r.shipBody("order0002", "", time.Now()), "logistics_type", 4)
	pickup["shipping_list"] = []obj{{"item_desc": "苹果*1"}}
	require.Equal(t, 0, r.ship(pickup))
	r.clock.Advance(48 * time.Hour)
	require.EqualValues(t, 3, r.shipState("order0002")["order_state"], "pick-up confirms itself after two days")
	require.EqualValues(t, 2, r.shipState("order0001")["order_state"])
	require.NoError(t, r.s.ConfirmReceipt(ctx, r.query("order0001").str("transaction_id")))
	require.ErrorIs(t, r.s.ConfirmReceipt(ctx, r.query("order0001").str("transaction_id")), sim.ErrState)
}

func TestShip_Strict(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.RefundGap = -1 })
	r.paid("order0001", 100)
	ok := r.shipBody("order0001", "Z1", time.Now())
	parcel := func(o obj) []obj { return []obj{o} }
	sixteen := slices.Repeat(ok["shipping_list"].([]obj), 16)
	split := with(ok, "delivery_mode", 2)
	for name, c := range map[string]struct {
		code int
		o    obj
	}{
		"kind of number":     {47001, with(ok, "order_key", obj{"order_number_type": 3})},
		"other merchant":     {10060001, with(ok, "order_key", obj{"order_number_type": 1, "mchid": "1", "out_trade_no": "order0001"})},
		"logistics 5":        {47001, with(ok, "logistics_type", 5)},
		"mode 3":             {47001, with(ok, "delivery_mode", 3)},
		"no parcels":         {47001, with(ok, "shipping_list", []obj{})},
		"two at once":        {47001, with(ok, "shipping_list", sixteen[:2])},
		"sixteen":            {47001, with(split, "shipping_list", sixteen)},
		"split pick-up":      {47001, with(split, "logistics_type", 4)},
		"split without flag": {47001, with(split, "is_all_delivered", nil)},
		"no waybill":         {47001, with(ok, "shipping_list", parcel(obj{"item_desc": "x", "express_company": "ZTO"}))},
		"no company":         {47001, with(ok, "shipping_list", parcel(obj{"item_desc": "x", "tracking_no": "Z"}))},
		"long description":   {47001, with(ok, "shipping_list", parcel(obj{"item_desc": strings.Repeat("长", 121), "tracking_no": "Z", "express_company": "ZTO"}))},
		"SF without contact": {47001, with(ok, "shipping_list", parcel(obj{"item_desc": "x", "tracking_no": "Z", "express_company": "SF"}))},
		"contact in clear":   {47001, with(ok, "shipping_list", parcel(obj{"item_desc": "x", "tracking_no": "Z", "express_company": "SF", "contact": obj{"receiver_contact": "13800001234"}}))},
		"nanoseconds":        {47001, with(ok, "upload_time", time.Now().Format("2006-01-02T15:04:05.000000000Z07:00"))},
		"no time":            {47001, with(ok, "upload_time", nil)},
		"no payer":           {47001, with(ok, "payer", nil)},
		"other payer":        {10060012, with(ok, "payer", obj{"openid": r.s.OpenID("bob")})},
	} {
		require.Equal(t, c.code, r.ship(c.o), name)
	}
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{ShipUnknownMS: 10_000}}))
	require.Equal(t, 10060001, r.ship(ok), "WeChat does not know a payment at once")
	r.clock.Advance(10 * time.Second)
	sf := with(ok, "shipping_list", parcel(obj{"item_desc": "x", "tracking_no": "Z", "express_company": "SF", "contact": obj{"receiver_contact": "138****1234"}}))
	require.Equal(t, 0, r.ship(sf))
	r.paid("order0002", 100)
	r.refund("order0002", "r1", 100, 100)
	require.Equal(t, 10060001, r.ship(r.shipBody("order0002", "Z1", time.Now())))
	r.s.ClearFaults()
	require.Equal(t, 10060004, r.ship(r.shipBody("order0002", "Z1", time.Now())), "all refunded")
	require.EqualValues(t, 5, r.shipState("order0002")["order_state"])
}

func TestShip_Remind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.paid("order0001", 100)
	remind := func() int {
		return errcode(r.miniJSON("POST", "/wxa/sec/order/notify_confirm_receive?access_token="+r.token(),
			obj{"merchant_id": r.m.MchID, "merchant_trade_no": "order0001", "received_time": r.clock.Now().Unix()}))
	}
	require.Equal(t, 10060028, remind())
	require.Equal(t, 0, r.ship(r.shipBody("order0001", "Z1", time.Now())))
	require.Equal(t, 0, remind())
	require.Equal(t, 10060028, remind(), "once per order")
}

// TestPush reads message push the way the documentation says: its signature, then its cipher.
func TestPush(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	events := make(chan obj, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		o, err := readPush(q, raw, r.m)
		if err != nil {
			o = obj{"err": err.Error()}
		}
		events <- o
		_, _ = w.Write([]byte("success"))
	}))
	t.Cleanup(srv.Close)
	r.s.SetPushURL(srv.URL + "/push")
	r.paid("order0001", 100)
	require.Equal(t, 0, r.ship(r.shipBody("order0001", "Z1", time.Now())))
	id := r.query("order0001").str("transaction_id")
	require.NoError(t, r.s.ConfirmReceipt(ctx, id))
	first, second := <-events, <-events
	if first["settlement_time"] != nil { // they may overtake each other
		first, second = second, first
	}
	require.Equal(t, "trade_manage_order_settlement", first["Event"], first)
	require.Equal(t, id, first["transaction_id"])
	require.NotContains(t, first, "settlement_time")
	require.EqualValues(t, 2, second["confirm_receive_method"])
	require.Contains(t, second, "settlement_time")
}

func readPush(q *http.Request, raw []byte, m sim.Merchant) (obj, error) {
	var env struct{ Encrypt string }
	if err := json.Unmarshal(raw, &env); err != nil {
		return nil, err
	}
	v := q.URL.Query()
	parts := []string{m.PushToken, v.Get("timestamp"), v.Get("nonce"), env.Encrypt}
	slices.Sort(parts)
	if want := fmt.Sprintf("%x", sha1.Sum([]byte(strings.Join(parts, "")))); want != v.Get("msg_signature") {
		return nil, fmt.Errorf("msg_signature")
	}
	key, err := base64.StdEncoding.DecodeString(m.PushAESKey + "=")
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(env.Encrypt)
	if err != nil {
		return nil, err
	}
	block, _ := aes.NewCipher(key)
	cipher.NewCBCDecrypter(block, key[:16]).CryptBlocks(b, b)
	b = b[:len(b)-int(b[len(b)-1])]
	n := int(binary.BigEndian.Uint32(b[16:20]))
	if string(b[20+n:]) != m.AppID {
		return nil, fmt.Errorf("appid")
	}
	var o obj
	return o, json.Unmarshal(b[20:20+n], &o)
}
