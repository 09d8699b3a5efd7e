package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// The states of a paid order in shipping management.
const (
	shipWaiting   = 1
	shipShipped   = 2
	shipConfirmed = 3
	shipDone      = 4
	shipRefunded  = 5
)

const (
	logisticsExpress = 1
	logisticsPickup  = 4
	deliveryUnified  = 1
	deliverySplit    = 2
	parcelsMax       = 15
	itemDescLn       = 120
	autoExpress      = 10 * 24 * time.Hour
	autoOther        = 2 * 24 * time.Hour
)

// Ship is what was uploaded about the shipping of an order.
type Ship struct {
	State         int      `json:"order_state"`
	LogisticsType int      `json:"logistics_type"`
	DeliveryMode  int      `json:"delivery_mode"`
	AllDelivered  bool     `json:"finish_shipping"`
	Finished      int      `json:"finish_shipping_count"`
	Parcels       []Parcel `json:"shipping_list"`
	UploadMS      int64    `json:"upload_ms"`  // the client's upload_time, which orders uploads
	ShippedMS     int64    `json:"shipped_ms"` // business clock
	DueMS         int64    `json:"due_ms"`     // when it confirms itself
	Reminded      bool     `json:"reminded,omitempty"`
}

// Parcel is one uploaded waybill, or a hand-over without one.
type Parcel struct {
	TrackingNo string `json:"tracking_no"`
	Company    string `json:"express_company"`
	ItemDesc   string `json:"item_desc"`
}

// open tells whether time still changes it.
func (p *Ship) open() bool { return p != nil && p.State == shipShipped && p.AllDelivered }

type shipRequest struct {
	Key struct {
		Type          int    `json:"order_number_type"`
		TransactionID string `json:"transaction_id"`
		MchID         string `json:"mchid"`
		OutTradeNo    string `json:"out_trade_no"`
	} `json:"order_key"`
	LogisticsType int   `json:"logistics_type"`
	DeliveryMode  int   `json:"delivery_mode"`
	AllDelivered  *bool `json:"is_all_delivered"`
	List          []struct {
		Parcel
		Contact struct {
			Consignor string `json:"consignor_contact"`
			Receiver  string `json:"receiver_contact"`
		} `json:"contact"`
	} `json:"shipping_list"`
	UploadTime string `json:"upload_time"`
	Payer      struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
}

var (
	maskedRE     = regexp.MustCompile(`^[0-9+\-]*\*+[0-9]{4}$`)
	uploadTimeRE = regexp.MustCompile(`^[^.]+(\.[0-9]{1,3})?(Z|[+-][0-9:]{5})$`) // milliseconds at most
)

// check refuses what is wrong with the form of an upload; it returns the upload time in ms.
func (q *shipRequest) check() (int64, error) {
	bad := func(what string) (int64, error) { return 0, refuseMini(47001, "data format error: "+what) }
	switch {
	case q.LogisticsType < logisticsExpress || q.LogisticsType > logisticsPickup:
		return bad("logistics_type")
	case q.DeliveryMode != deliveryUnified && q.DeliveryMode != deliverySplit:
		return bad("delivery_mode")
	case q.DeliveryMode == deliverySplit && (q.LogisticsType != logisticsExpress || q.AllDelivered == nil):
		return bad("split delivery is for express, and is_all_delivered is required")
	case len(q.List) == 0 || len(q.List) > parcelsMax || q.DeliveryMode == deliveryUnified && len(q.List) > 1:
		return bad("shipping_list")
	case q.Payer.OpenID == "":
		return bad("payer.openid")
	}
	for _, p := range q.List {
		if p.ItemDesc == "" || utf8.RuneCountInString(p.ItemDesc) > itemDescLn {
			return bad("item_desc")
		}
		if q.LogisticsType == logisticsExpress && (p.TrackingNo == "" || p.Company == "") {
			return bad("tracking_no and express_company are required for express")
		}
		if p.Company == "SF" && !maskedRE.MatchString(p.Contact.Consignor) && !maskedRE.MatchString(p.Contact.Receiver) {
			return bad("SF needs a masked contact with its last four digits")
		}
	}
	at, err := time.Parse(time.RFC3339, q.UploadTime)
	if err != nil || !uploadTimeRE.MatchString(q.UploadTime) {
		return bad("upload_time")
	}
	return at.UnixMilli(), nil
}

// uploadShipping is POST /wxa/sec/order/upload_shipping_info.
func (s *Server) uploadShipping(r *http.Request, raw []byte) (any, error) {
	var q shipRequest
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	uploadMS, err := q.check()
	if err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	o, err := s.shipOrder(r, &q)
	if err != nil {
		return nil, err
	}
	if err := o.Ship.admits(&q, uploadMS); err != nil {
		return nil, err
	}
	nowMS := s.now().UnixMilli()
	all := q.DeliveryMode == deliveryUnified || *q.AllDelivered
	next := &Ship{
		State: shipShipped, LogisticsType: q.LogisticsType, DeliveryMode: q.DeliveryMode, AllDelivered: all,
		UploadMS: uploadMS, ShippedMS: nowMS,
	}
	if o.Ship != nil {
		next.Finished = o.Ship.Finished
	}
	if all {
		next.Finished++
		next.DueMS = nowMS + autoOther.Milliseconds()
		if q.LogisticsType == logisticsExpress {
			next.DueMS = nowMS + autoExpress.Milliseconds()
		}
	} else {
		next.State = shipWaiting
	}
	for _, p := range q.List {
		next.Parcels = append(next.Parcels, p.Parcel)
	}
	o.Ship = next
	if next.open() {
		s.awaitReceipt(o)
		s.pushSettlement(o, false)
	}
	s.touch(o)
	return done(), nil
}

// admits tells whether a further upload is allowed: uploads of parts until all is shipped, then one re-ship.
func (p *Ship) admits(q *shipRequest, uploadMS int64) error {
	switch {
	case p == nil:
		return nil
	case p.State > shipShipped:
		return refuseMini(10060004, "支付单不可发货")
	case uploadMS <= p.UploadMS:
		return refuseMini(10060028, "upload_time 须晚于上一次上传")
	case p.Finished >= 2:
		return refuseMini(10060003, "支付单已使用重新发货机会")
	case p.AllDelivered && q.DeliveryMode == p.DeliveryMode && sameParcels(p.Parcels, q):
		return refuseMini(10060023, "发货信息未更新")
	}
	return nil
}

func sameParcels(have []Parcel, q *shipRequest) bool {
	if len(have) != len(q.List) {
		return false
	}
	for i, p := range q.List {
		if have[i] != p.Parcel {
			return false
		}
	}
	return true
}

// shipOrder finds the paid order of an upload.
func (s *Server) shipOrder(r *http.Request, q *shipRequest) (*Order, error) {
	var o *Order
	switch q.Key.Type {
	case 1:
		if q.Key.MchID != s.id.MchID {
			return nil, refuseMini(10060001, "支付单不存在")
		}
		o = s.orders[q.Key.OutTradeNo]
	case 2:
		o = s.byTrade[q.Key.TransactionID]
	default:
		return nil, refuseMini(47001, "data format error: order_number_type")
	}
	if o == nil || o.TransactionID == "" {
		return nil, refuseMini(10060001, "支付单不存在")
	}
	late := s.draw(r.Method, r.URL.Path, o.OutTradeNo, func(a Action) bool { return a.ShipUnknownMS > 0 })
	switch {
	case late != nil && s.now().UnixMilli()-o.SuccessMS < late.ShipUnknownMS:
		return nil, refuseMini(10060001, "支付单不存在")
	case q.Payer.OpenID != o.OpenID:
		return nil, refuseMini(10060012, "支付者openid不匹配")
	case o.RefundedFen == o.TotalFen:
		return nil, refuseMini(10060004, "支付单已全额退款，不可发货")
	}
	return o, nil
}

// shipState is POST /wxa/sec/order/get_order.
func (s *Server) shipState(_ *http.Request, raw []byte) (any, error) {
	var q struct {
		TransactionID string `json:"transaction_id"`
		MerchantID    string `json:"merchant_id"`
		TradeNo       string `json:"merchant_trade_no"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	o := s.byTrade[q.TransactionID]
	if q.TransactionID == "" && q.MerchantID == s.id.MchID {
		o = s.orders[q.TradeNo]
	}
	if o == nil || o.TransactionID == "" {
		return nil, refuseMini(10060001, "支付单不存在")
	}
	ship := o.Ship
	if ship == nil {
		ship = &Ship{State: shipWaiting}
	}
	state := ship.State
	if o.RefundedFen == o.TotalFen {
		state = shipRefunded
	}
	list := make([]map[string]any, len(ship.Parcels))
	for i, p := range ship.Parcels {
		list[i] = map[string]any{"tracking_no": p.TrackingNo, "express_company": p.Company, "goods_desc": p.ItemDesc, "upload_time": ship.UploadMS / 1000}
	}
	return map[string]any{"errcode": 0, "errmsg": "ok", "order": map[string]any{
		"transaction_id": o.TransactionID, "merchant_id": s.id.MchID, "sub_merchant_id": "", "merchant_trade_no": o.OutTradeNo,
		"description": o.Description, "paid_amount": o.TotalFen, "openid": o.OpenID, "trade_create_time": o.CreateMS / 1000,
		"pay_time": o.SuccessMS / 1000, "order_state": state, "in_complaint": false,
		"shipping": map[string]any{
			"delivery_mode": ship.DeliveryMode, "logistics_type": ship.LogisticsType, "finish_shipping": ship.AllDelivered,
			"finish_shipping_count": ship.Finished, "goods_desc": o.Description, "shipping_list": list,
		},
	}}, nil
}

// remindReceive is POST /wxa/sec/order/notify_confirm_receive: once per order, express only.
func (s *Server) remindReceive(_ *http.Request, raw []byte) (any, error) {
	var q struct {
		TransactionID string `json:"transaction_id"`
		MerchantID    string `json:"merchant_id"`
		TradeNo       string `json:"merchant_trade_no"`
		ReceivedTime  int64  `json:"received_time"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	s.lock()
	defer s.unlock()
	o := s.byTrade[q.TransactionID]
	if q.TransactionID == "" && q.MerchantID == s.id.MchID {
		o = s.orders[q.TradeNo]
	}
	switch {
	case o == nil || o.TransactionID == "":
		return nil, refuseMini(10060001, "支付单不存在")
	case !o.Ship.open() || o.Ship.LogisticsType != logisticsExpress || o.Ship.Reminded:
		return nil, refuseMini(10060028, "当前状态不支持确认收货提醒")
	case q.ReceivedTime*1000 < o.Ship.ShippedMS:
		return nil, refuseMini(47001, "data format error: received_time")
	}
	o.Ship.Reminded = true
	s.touch(o)
	return done(), nil
}

// ConfirmReceipt plays the buyer who confirms in WeChat that the goods came.
func (s *Server) ConfirmReceipt(ctx context.Context, transactionID string) error {
	s.lock()
	defer s.unlock()
	o := s.byTrade[transactionID]
	if o == nil {
		return fmt.Errorf("%w: transaction %s", ErrUnknown, transactionID)
	}
	if !o.Ship.open() {
		return fmt.Errorf("%w: not shipped, or already confirmed", ErrState)
	}
	s.received(o, 2)
	return nil
}

// received ends the shipping of an order; how is 1 by itself, 2 by the buyer.
func (s *Server) received(o *Order, how int) {
	o.Ship.State = shipConfirmed
	delete(s.openShips, o.OutTradeNo)
	s.touch(o)
	s.pushReceived(o, how)
}

// awaitReceipt puts a shipped order on the list of those that confirm themselves.
func (s *Server) awaitReceipt(o *Order) {
	s.openShips[o.OutTradeNo] = o
	s.shipDueMS = min(s.shipDueMS, o.Ship.DueMS)
}

// settleShips confirms what the buyers did not. It looks at the list only when the first of it is due, because every
// request passes here and the list is long.
func (s *Server) settleShips(nowMS int64) {
	if nowMS < s.shipDueMS {
		return
	}
	s.shipDueMS = math.MaxInt64
	for _, no := range slices.Sorted(maps.Keys(s.openShips)) {
		o := s.openShips[no]
		switch {
		case !o.Ship.open():
			delete(s.openShips, no)
		case nowMS >= o.Ship.DueMS:
			s.received(o, 1)
		default:
			s.shipDueMS = min(s.shipDueMS, o.Ship.DueMS)
		}
	}
}
