package sim

import "net/http"

// routes is the table of everything the simulator answers.
func (s *Server) routes() *http.ServeMux {
	m := http.NewServeMux()
	for pattern, op := range map[string]payOp{
		"POST /v3/pay/transactions/jsapi":                                                s.prepay,
		"GET /v3/pay/transactions/out-trade-no/{out_trade_no}":                           s.queryOrder,
		"GET /v3/pay/transactions/id/{transaction_id}":                                   s.queryOrder,
		"POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close":                    s.closeOrder,
		"POST /v3/refund/domestic/refunds":                                               s.createRefund,
		"GET /v3/refund/domestic/refunds/{out_refund_no}":                                s.queryRefund,
		"POST /v3/fund-app/mch-transfer/transfer-bills":                                  s.startTransfer,
		"GET /v3/fund-app/mch-transfer/transfer-bills/out-bill-no/{out_bill_no}":         s.queryTransfer,
		"GET /v3/fund-app/mch-transfer/transfer-bills/transfer-bill-no/{no}":             s.queryTransfer,
		"POST /v3/fund-app/mch-transfer/transfer-bills/out-bill-no/{out_bill_no}/cancel": s.cancelTransfer,
		"GET /v3/certificates":                                                           s.certificates,
		"GET /v3/bill/tradebill":                                                         s.tradeBill,
		"GET /v3/bill/fundflowbill":                                                      s.fundFlowBill,
		"/v3/": func(*call) (any, error) {
			return nil, refuse(http.StatusNotFound, "NOT_FOUND", "请求的接口不存在，或模拟器未实现")
		},
	} {
		m.HandleFunc(pattern, s.pay(op))
	}
	m.HandleFunc("GET /v3/billdownload/file", s.downloadBill)

	m.HandleFunc("GET /cgi-bin/token", s.open(s.plainToken))
	m.HandleFunc("/cgi-bin/stable_token", s.open(s.stableToken))
	m.HandleFunc("GET /sns/jscode2session", s.plainText(s.open(s.session)))
	for path, op := range map[string]miniOp{
		"/wxa/getwxacodeunlimit":                s.sceneCode,
		"/wxa/business/getuserphonenumber":      s.phoneNumber,
		"/wxa/msg_sec_check":                    s.msgSecCheck,
		"/wxa/sec/order/upload_shipping_info":   s.uploadShipping,
		"/wxa/sec/order/get_order":              s.shipState,
		"/wxa/sec/order/notify_confirm_receive": s.remindReceive,
		"/cgi-bin/message/subscribe/send":       s.subscribeSend,
	} {
		m.HandleFunc(path, s.authed(http.MethodPost, op))
	}
	s.controlRoutes(m)
	return m
}

// plainText marks answers the way jscode2session does: JSON that calls itself text.
func (s *Server) plainText(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		h(w, r)
	}
}
