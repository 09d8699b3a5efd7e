package sim

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // WeChat Pay states bill hashes in SHA-1
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	billReadyHour  = 10 // of the next Beijing day
	billMonths     = 3
	downloadLife   = 5 * time.Minute // by the wall clock, like everything a client holds in its hand
	downloadHost   = "https://api.mch.weixin.qq.com"
	downloadMax    = 1000
	bombBytes      = 64 << 20
	tradeHeader    = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
	tradeTotals    = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
	flowHeader     = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
	flowTotals     = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
	billTimeLayout = time.DateTime
	byteOrderMark  = "\ufeff"
)

// What can be wrong with a bill (Action.Bill).
const (
	BillCreating   = "creating"
	BillNone       = "none"
	BillHash       = "hash"
	BillGzip       = "gzip"
	BillBomb       = "bomb"
	BillMissingRow = "missing_row"
	BillExtraRow   = "extra_row"
	BillAmount     = "amount"
	BillBOM        = "bom"
)

// download is a bill that waits to be fetched.
type download struct {
	data      []byte
	expiresMS int64
}

// billRow is one data line with what sorts and sums it.
type billRow struct {
	ms    int64
	cells []string
}

type billText struct {
	header, totals string
	rows           []billRow
	sums           func([]billRow) []string
}

// tradeBill is GET /v3/bill/tradebill.
func (s *Server) tradeBill(c *call) (any, error) {
	kind := cmp.Or(c.r.URL.Query().Get("bill_type"), "ALL")
	if kind != "ALL" && kind != "SUCCESS" && kind != "REFUND" {
		return nil, paramError("bill_type 有误")
	}
	return s.bill(c, func(from, to int64) billText {
		return billText{tradeHeader, tradeTotals, s.tradeRows(from, to, kind), tradeSums}
	})
}

// fundFlowBill is GET /v3/bill/fundflowbill.
func (s *Server) fundFlowBill(c *call) (any, error) {
	account := cmp.Or(c.r.URL.Query().Get("account_type"), Basic)
	if account != Basic && account != Operating && account != "FEES" {
		return nil, paramError("account_type 有误")
	}
	return s.bill(c, func(from, to int64) billText {
		return billText{flowHeader, flowTotals, s.flowRows(from, to, account), flowSums}
	})
}

// bill checks the day, writes the file and says where to fetch it.
func (s *Server) bill(c *call, rows func(from, to int64) billText) (any, error) {
	q := c.r.URL.Query()
	day, err := time.ParseInLocation(time.DateOnly, q.Get("bill_date"), shopZone)
	if err != nil {
		return nil, paramError("bill_date 格式应为yyyy-MM-dd")
	}
	if t := q.Get("tar_type"); t != "" && t != "GZIP" {
		return nil, paramError("tar_type 有误")
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	fault := ""
	if a := s.draw(c.r.Method, c.r.URL.Path, q.Get("bill_date"), func(a Action) bool { return a.Bill != "" }); a != nil {
		fault = a.Bill
	}
	now := s.now().In(shopZone)
	switch {
	case !day.Before(now):
		return nil, paramError("bill_date 不能为今天或之后")
	case day.Before(now.AddDate(0, -billMonths, -1)):
		return nil, paramError("bill_date 只支持三个月以内")
	case fault == BillCreating, now.Before(day.AddDate(0, 0, 1).Add(billReadyHour * time.Hour)):
		return nil, refuse(http.StatusBadRequest, "STATEMENT_CREATING", "账单生成中，请稍后再试")
	}
	text := rows(day.UnixMilli(), day.AddDate(0, 0, 1).UnixMilli())
	if len(text.rows) == 0 || fault == BillNone {
		return nil, refuse(http.StatusBadRequest, "NO_STATEMENT_EXIST", "账单文件不存在，请检查当前商户号在指定日期内是否有交易")
	}
	return s.publish(text, q.Get("tar_type") == "GZIP", fault)
}

// publish writes the file and keeps it for five minutes. The hash is of the plain file.
func (s *Server) publish(text billText, zip bool, fault string) (any, error) {
	plain := text.write(fault)
	sum := fmt.Sprintf("%x", sha1.Sum(plain)) //nolint:gosec // prescribed
	if fault == BillHash {
		sum = strings.Repeat("0", len(sum))
	}
	data := plain
	if zip || fault == BillBomb {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(plain)
		if fault == BillBomb { // bounded, and far above what a reader should accept for a day like this
			_, err = z.Write(make([]byte, bombBytes))
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("compress bill: %w", err)
		}
		data = b.Bytes()
	}
	if fault == BillGzip {
		data = append([]byte{0x1f, 0x8b, 0xff}, data...)
	}
	nowMS := s.wall().UnixMilli()
	for token, d := range s.downloads {
		if nowMS > d.expiresMS || len(s.downloads) >= downloadMax {
			delete(s.downloads, token)
		}
	}
	token := s.noise.text(48)
	s.downloads[token] = download{data, nowMS + downloadLife.Milliseconds()}
	return map[string]string{
		"hash_type": "SHA1", "hash_value": sum, "download_url": downloadHost + "/v3/billdownload/file?token=" + url.QueryEscape(token),
	}, nil
}

// downloadBill is GET /v3/billdownload/file: the request is signed, the reply is not.
func (s *Server) downloadBill(w http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, w: w, r: r, pay: true}
	if err := s.verifyRequest(r, nil); err != nil {
		s.note("sign_error", "bill download: "+err.Error())
		x.fail(refuse(http.StatusUnauthorized, "SIGN_ERROR", err.Error()))
		return
	}
	if x.fault = s.requestFault(r, nil); !x.before() {
		return
	}
	s.lock()
	d, ok := s.downloads[r.URL.Query().Get("token")]
	ok = ok && s.wall().UnixMilli() <= d.expiresMS
	s.unlock()
	if !ok {
		x.fail(refuse(http.StatusBadRequest, "INVALID_REQUEST", "下载地址无效或已过期"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	x.send(http.StatusOK, d.data)
}

// write makes the CSV: every value after a backtick, CRLF, the totals at the end.
func (t billText) write(fault string) []byte {
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b billRow) int { return cmp.Compare(a.ms, b.ms) })
	sums := t.sums(rows)
	switch fault {
	case BillMissingRow:
		rows = rows[1:]
	case BillExtraRow:
		extra := slices.Clone(rows[len(rows)-1].cells)
		for i, c := range extra {
			if len(c) >= 20 {
				extra[i] = c[:len(c)-6] + "999999" // its numbers are nobody's
			}
		}
		rows = append(rows, billRow{rows[len(rows)-1].ms, extra})
	case BillAmount:
		cells := slices.Clone(rows[0].cells)
		for i, c := range cells {
			if strings.Contains(c, ".") && c != "0.00" && !strings.HasSuffix(c, "%") {
				cells[i] = "1" + c
			}
		}
		rows[0].cells = cells
	}
	var b bytes.Buffer
	if fault == BillBOM {
		b.WriteString(byteOrderMark)
	}
	b.WriteString(t.header + "\r\n")
	for _, r := range rows {
		writeRow(&b, r.cells)
	}
	b.WriteString(t.totals + "\r\n")
	writeRow(&b, sums)
	return b.Bytes()
}

func writeRow(b *bytes.Buffer, cells []string) {
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('`')
		b.WriteString(strings.NewReplacer(",", " ", "\r", " ", "\n", " ", "`", " ").Replace(c))
	}
	b.WriteString("\r\n")
}
