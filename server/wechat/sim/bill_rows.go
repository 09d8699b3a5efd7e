package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func billTime(ms int64) string { return time.UnixMilli(ms).In(shopZone).Format(billTimeLayout) }

// tradeRows lists the payments and the refunds of a day.
func (s *Server) tradeRows(from, to int64, kind string) []billRow {
	var rows []billRow
	rate := s.rate()
	for _, o := range s.orders {
		if kind == "REFUND" || o.TransactionID == "" || o.SuccessMS < from || o.SuccessMS >= to {
			continue
		}
		rows = append(rows, billRow{o.SuccessMS, []string{
			billTime(o.SuccessMS), o.AppID, s.id.MchID, "0", "", o.TransactionID, o.OutTradeNo, o.OpenID, "JSAPI", "SUCCESS", "OTHERS", "CNY",
			yuan(o.TotalFen), "0.00", "0", "0", "0.00", "0.00", "", "", o.Description, o.Attach, billFee(o.FeeFen), rate, yuan(o.TotalFen), "0.00", "",
		}})
	}
	for _, r := range s.refunds {
		if kind == "SUCCESS" || r.CreateMS < from || r.CreateMS >= to || r.Status == RefundClosed {
			continue
		}
		o := s.orders[r.OutTradeNo]
		rows = append(rows, billRow{r.CreateMS, []string{
			billTime(r.CreateMS), o.AppID, s.id.MchID, "0", "", r.TransactionID, r.OutTradeNo, o.OpenID, "JSAPI", "REFUND", "OTHERS", "CNY",
			"0.00", "0.00", r.RefundID, r.OutRefundNo, yuan(r.Fen), "0.00", "ORIGINAL", r.Status, o.Description, o.Attach,
			billFee(-r.FeeBackFen), rate, "0.00", yuan(r.Fen), "",
		}})
	}
	// Maps have no order, and a bill asked for twice must be the same file.
	slices.SortFunc(rows, func(a, b billRow) int { return cmp.Or(cmp.Compare(a.ms, b.ms), slices.Compare(a.cells, b.cells)) })
	return rows
}

// billFee shows a fee with the five decimals that WeChat gives it.
func billFee(fen int64) string { return yuan(fen) + "000" }

func (s *Server) rate() string {
	bp := s.o.FeeBP
	switch {
	case bp == 0:
		bp = feeBPDefault
	case bp < 0:
		bp = 0
	}
	return fmt.Sprintf("%d.%02d%%", bp/100, bp%100)
}

// fenOf reads what yuan and billFee write.
func fenOf(text string) int64 {
	whole, cents, _ := strings.Cut(text, ".")
	cents = (cents + "00")[:2]
	n, _ := strconv.ParseInt(whole+cents, 10, 64) // written by us a moment ago
	return n
}

func sumCells(rows []billRow, i int) int64 {
	var sum int64
	for _, r := range rows {
		sum += fenOf(r.cells[i])
	}
	return sum
}

func tradeSums(rows []billRow) []string {
	return []string{
		strconv.Itoa(len(rows)), yuan(sumCells(rows, 12)), yuan(sumCells(rows, 16)), yuan(sumCells(rows, 17)),
		billFee(sumCells(rows, 22)), yuan(sumCells(rows, 24)), yuan(sumCells(rows, 25)),
	}
}

// flowKinds are the types that WeChat gives to what moves an account.
var flowKinds = map[string]string{
	"交易": "交易", "扣除交易手续费": "扣除交易手续费", "返还手续费": "扣除交易手续费", "退款": "退款", "退款退回": "退款",
	"商家转账": "商家转账", "商家转账退回": "商家转账", "充值": "充值/提现", "提现": "充值/提现",
}

// flowRows lists the movements of an account on a day.
func (s *Server) flowRows(from, to int64, account string) []billRow {
	var rows []billRow
	for _, f := range s.flows {
		if f.Account != account || f.AtMS < from || f.AtMS >= to {
			continue
		}
		way, fen := "收入", f.Fen
		if fen < 0 {
			way, fen = "支出", -fen
		}
		rows = append(rows, billRow{f.AtMS, []string{
			billTime(f.AtMS), f.Ref, fmt.Sprintf("SIM%012d", f.Seq), f.Business, cmp.Or(flowKinds[f.Business], f.Business), way,
			yuan(fen), yuan(f.BalanceFen), "system", "", f.Voucher,
		}})
	}
	return rows
}

func flowSums(rows []billRow) []string {
	var inN, outN int
	var in, out int64
	for _, r := range rows {
		if r.cells[5] == "收入" {
			inN++
			in += fenOf(r.cells[6])
		} else {
			outN++
			out += fenOf(r.cells[6])
		}
	}
	return []string{strconv.Itoa(len(rows)), strconv.Itoa(inN), yuan(in), strconv.Itoa(outN), yuan(out)}
}
