package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/audit"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

// cols are the columns of a row that matter to a test; the others are empty.
type cols map[string]any

// book is a database written by hand: rows of all tables that the audit reads, none of them by the code that it judges.
type book struct {
	t      *testing.T
	db     *store.DB
	blank  map[string]cols
	tables []string
	last   int64 // ledger entry
}

// Columns that are NULL unless given.
var nullable = []string{"open_order_id", "counting_order_id", "transaction_id", "out_refund_no", "active_customer_id"}

func (b *book) exec(query string, args ...any) {
	b.t.Helper()
	_, err := b.db.SQL().ExecContext(b.t.Context(), query, args...)
	require.NoError(b.t, err, query)
}

// blankRow is a row of a table with every column empty.
func (b *book) blankRow(table string) cols {
	if row, ok := b.blank[table]; ok {
		return row
	}
	rows, err := b.db.SQL().QueryContext(b.t.Context(), "SELECT * FROM "+table+" WHERE 1 = 0")
	require.NoError(b.t, err)
	defer rows.Close()
	types, err := rows.ColumnTypes()
	require.NoError(b.t, err)
	row := cols{}
	for _, c := range types {
		switch kind := c.DatabaseTypeName(); {
		case slices.Contains(nullable, c.Name()):
			row[c.Name()] = nil
		case strings.Contains(kind, "INT"):
			row[c.Name()] = 0
		default:
			row[c.Name()] = ""
		}
	}
	b.blank[table] = row
	b.tables = append(b.tables, table)
	return row
}

func (b *book) put(table string, given cols) {
	b.t.Helper()
	var names, marks []string
	var args []any
	row := b.blankRow(table)
	for name := range given {
		require.Contains(b.t, row, name, table)
	}
	for name, value := range row {
		if v, ok := given[name]; ok {
			value = v
		}
		names, marks, args = append(names, name), append(marks, "?"), append(args, value)
	}
	b.exec("INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", args...)
}

// empty deletes everything that was put.
func (b *book) empty() {
	for _, t := range b.tables {
		b.exec("DELETE FROM " + t)
	}
	b.last = 0
}

// posting is account, owner, amount, account, owner, …: a ledger transaction.
func (b *book) post(id int64, ref string, entries ...any) {
	b.put("ledger_tx", cols{"id": id, "ref": ref, "kind": "test"})
	for i := 0; i < len(entries); i += 3 {
		b.last++
		b.put("ledger_entry", cols{"id": b.last, "tx_id": id, "account": entries[i], "owner_id": entries[i+1], "amount_fen": entries[i+2]})
	}
}

const (
	seller, partner    = 21, 31
	lastWeek, thisWeek = base.BusinessDay(20261116), base.BusinessDay(20261123)
)

func week(first base.BusinessDay) base.Period { return base.Period{Cycle: base.Weekly, First: first} }

// ripe and late are moments in the settled week and in the one under way.
func ripe() int64 { return base.Ms(week(lastWeek).Start()) + 1_000 }
func late() int64 { return base.Ms(week(thisWeek).Start()) + 1_000 }

// write puts a small shop in which every invariant holds, with something of each kind in it.
func (b *book) write() {
	b.people()
	b.goods()
	b.order()
	b.commissions()
	b.statements()
	b.withdrawals()
	b.ledger()
}

func (b *book) people() {
	for id, customer := range map[int]int{seller: 2, partner: 3} {
		upline := 0
		if id == partner {
			upline = seller
		}
		b.put("distributor", cols{"id": id, "customer_id": customer, "upline_id": upline, "status": "active"})
	}
	b.put("wallet", cols{"distributor_id": seller, "available_fen": 240, "withdrawing_fen": 200})
	b.put("wallet", cols{"distributor_id": partner, "debt_fen": -20})
	b.put("binding", cols{"id": 40, "customer_id": 1, "distributor_id": partner, "ended_ms": 5})
	b.put("binding", cols{"id": 41, "customer_id": 1, "active_customer_id": 1, "distributor_id": seller})
	b.put("territory_region", cols{"contract_id": 51, "region_code": 440106, "from_ms": 0, "until_ms": 100})
	b.put("territory_region", cols{"contract_id": 52, "region_code": 440106, "from_ms": 100, "until_ms": 200})
}

func (b *book) goods() {
	b.put("stock", cols{"sku_id": 61, "warehouse_id": 1, "on_hand": 10, "reserved": 1})
	b.put("stock_move", cols{"id": 62, "sku_id": 61, "warehouse_id": 1, "kind": "receive", "ref": "a", "on_hand_delta": 10})
	b.put("stock_move", cols{"id": 63, "sku_id": 61, "warehouse_id": 1, "kind": "reserve", "ref": "b", "reserved_delta": 1})
}

// order is 100.00 of goods and 5.00 freight, paid twice; 30.00 of the goods and 1.00 of the freight went back.
func (b *book) order() {
	b.put("shop_order", cols{
		"id": 100, "customer_id": 1, "state": "completed", "goods_fen": 10_000, "freight_fen": 500, "total_fen": 10_500, "paid_ms": 1,
		"refunded_fen": 3_100, "freight_refunded_fen": 100,
	})
	b.put("shop_order", cols{"id": 103, "customer_id": 1, "state": "cancelled", "goods_fen": 1, "total_fen": 1})
	b.put("order_line", cols{"id": 101, "order_id": 100, "sku_id": 61, "qty": 2, "net_fen": 10_000, "refunded_fen": 3_000})
	b.put("payment", cols{
		"id": 110, "order_id": 100, "counting_order_id": 100, "out_trade_no": "a", "transaction_id": "ta", "state": "captured",
		"amount_fen": 10_500, "refunded_fen": 3_100,
	})
	b.put("payment", cols{
		"id": 111, "order_id": 100, "out_trade_no": "b", "transaction_id": "tb", "state": "captured", "amount_fen": 10_500, "refunded_fen": 10_500,
	})
	b.put("refund", cols{"id": 120, "order_id": 100, "payment_id": 110, "kind": "after_sale", "state": "done", "amount_fen": 2_100, "freight_fen": 100, "approved_ms": 1})
	b.put("refund_line", cols{"refund_id": 120, "line_id": 101, "amount_fen": 2_000})
	b.put("refund", cols{"id": 121, "order_id": 100, "payment_id": 111, "kind": "late_payment", "state": "approved", "amount_fen": 10_500, "approved_ms": 1})
	b.put("refund", cols{"id": 122, "order_id": 100, "payment_id": 110, "kind": "goodwill", "state": "closed", "amount_fen": 1_000, "approved_ms": 1})
	b.put("refund_line", cols{"refund_id": 122, "line_id": 101, "amount_fen": 1_000})
	b.put("refund", cols{"id": 123, "order_id": 100, "payment_id": 110, "kind": "after_sale", "state": "rejected", "amount_fen": 500})
}

func (b *book) inputs(drops ...commission.Dropped) string {
	text, err := json.Marshal(commission.Inputs{CapRate: 2_500, MarginRate: 6_000, Cost: -1, Dropped: drops})
	require.NoError(b.t, err)
	return string(text)
}

// commissions are 12 % to the seller and 1.00 per unit to the partner: 1,200 and 200; early 240 and 40 back, late 120 and 20.
func (b *book) commissions() {
	share := cols{"order_id": 100, "line_id": 101, "cycle": "weekly", "base_fen": 10_000, "qty": 2, "sum_fen": 1_400, "cap_fen": 2_500, "inputs": b.inputs()}
	with := func(row, more cols) cols {
		out := cols{}
		for _, c := range []cols{row, more} {
			for k, v := range c {
				out[k] = v
			}
		}
		return out
	}
	b.put("share", with(share, cols{"id": 130, "tier": "seller", "payee_id": seller, "kind": "rate", "rate_bp": 1_200, "raw_fen": 1_200, "amount_fen": 1_200}))
	b.put("share", with(share, cols{"id": 131, "tier": "territory", "payee_id": partner, "kind": "per_unit", "unit_fen": 100, "raw_fen": 200, "amount_fen": 200}))
	row := cols{"order_id": 100, "line_id": 101, "cycle": "weekly", "base_fen": 10_000, "ripe_ms": ripe(), "period": lastWeek}
	for i, r := range []struct {
		share, payee  int
		tier          string
		all, one, two int
	}{{130, seller, "seller", 1_200, 240, 120}, {131, partner, "territory", 200, 40, 20}} {
		of := with(row, cols{"share_id": r.share, "payee_id": r.payee, "tier": r.tier})
		b.put("commission", with(of, cols{"id": 140 + i, "kind": "accrual", "amount_fen": r.all}))
		b.put("commission", with(of, cols{"id": 142 + i, "kind": "reversal_early", "amount_fen": -r.one, "refund_id": 120}))
		b.put("commission", with(of, cols{"id": 144 + i, "kind": "reversal_late", "amount_fen": -r.two, "refund_id": 122, "ripe_ms": late(), "period": thisWeek}))
	}
	b.put("commission", cols{"id": 146, "share_id": 146, "payee_id": seller, "cycle": "weekly", "kind": "adjustment", "amount_fen": 100, "ripe_ms": ripe(), "period": lastWeek})
}

func (b *book) statements() {
	p := week(lastWeek)
	cut := func(id, of, accrued, reversed, adjusted int, state string) {
		b.put("statement", cols{
			"id": id, "distributor_id": of, "cycle": "weekly", "period": lastWeek, "from_ms": base.Ms(p.Start()), "until_ms": base.Ms(p.End()),
			"accrued_fen": accrued, "reversed_fen": reversed, "adjusted_fen": adjusted, "total_fen": accrued + reversed + adjusted, "state": state,
		})
	}
	b.put("settlement_run", cols{"id": 160, "cycle": "weekly", "period": lastWeek, "from_ms": base.Ms(p.Start()), "until_ms": base.Ms(p.End()), "drafted_ms": 1})
	cut(150, seller, 1_200, -240, 100, "posted")
	cut(151, partner, 200, -40, 0, "open")
}

func (b *book) withdrawals() {
	for _, w := range []struct {
		id, amount, fee, tax int
		state                string
	}{{170, 500, 10, 10, "paid"}, {171, 200, 0, 0, "requested"}, {172, 100, 0, 0, "failed"}} {
		b.put("withdrawal", cols{
			"id": w.id, "distributor_id": seller, "amount_fen": w.amount, "fee_fen": w.fee, "tax_fen": w.tax, "net_fen": w.amount - w.fee - w.tax,
			"state": w.state, "out_bill_no": fmt.Sprint(w.id),
		})
	}
}

func (b *book) ledger() {
	b.post(201, "payment:110", "sales", 0, -10_500, "wechat_clearing", 0, 10_500)
	b.post(202, "payment:111", "sales", 0, -10_500, "wechat_clearing", 0, 10_500)
	b.post(203, "accrual:100", "commission_expense", 0, -1_400, "pending", seller, 1_200, "pending", partner, 200)
	b.post(204, "refund:120", "wechat_clearing", 0, -2_100, "refunds", 0, 2_100)
	b.post(205, "refund:121", "wechat_clearing", 0, -10_500, "refunds", 0, 10_500)
	b.post(206, "refund:122", "wechat_clearing", 0, -1_000, "refunds", 0, 1_000)
	b.post(207, "reversal:120", "pending", seller, -240, "pending", partner, -40, "commission_expense", 0, 280)
	b.post(208, "adjust:146", "commission_expense", 0, -100, "pending", seller, 100)
	b.post(209, "statement:150", "pending", seller, -1_060, "available", seller, 1_060)
	b.post(210, "clawback:122:21", "available", seller, -120, "commission_expense", 0, 120)
	b.post(211, "clawback:122:31", "debt", partner, -20, "commission_expense", 0, 20)
	for tx, w := range map[int64]struct{ id, amount int64 }{220: {170, 500}, 221: {171, 200}, 222: {172, 100}} {
		b.post(tx, "hold:"+base.WithdrawalID(w.id).String(), "available", seller, -w.amount, "withdrawing", seller, w.amount)
	}
	b.post(230, "payout:"+base.WithdrawalID(170).String(), "withdrawing", seller, -500, "payout", 0, 480, "fee_income", 0, 10, "tax_payable", 0, 10)
	b.post(231, "release:"+base.WithdrawalID(172).String(), "withdrawing", seller, -100, "available", seller, 100)
	b.put("ledger_rollup", cols{"account": "sales", "mark_id": b.last, "balance_fen": -21_000})
	b.put("ledger_rollup", cols{"account": "pending", "owner_id": partner, "mark_id": b.last, "balance_fen": 160})
}

func (b *book) audit() audit.Report {
	report, err := audit.Run(b.t.Context(), b.db)
	require.NoError(b.t, err)
	return report
}

// damage is one way in which a database can be wrong, and how the audit must name it.
type damage struct {
	invariant int
	subject   string // of a finding
	do        []string
}

var damages = []damage{
	{1, "ledger_tx 201", []string{`UPDATE ledger_entry SET amount_fen = -10501 WHERE tx_id = 201 AND account = 'sales'`}},
	{1, "ledger_tx 204", []string{`DELETE FROM ledger_entry WHERE tx_id = 204 AND account = 'refunds'`}},
	{1, "ledger_entry", []string{`DELETE FROM ledger_tx WHERE id = 203`}},
	{1, "ledger_entry", []string{`UPDATE ledger_entry SET owner_id = 21 WHERE tx_id = 201 AND account = 'sales'`}},
	{1, "ledger_entry", []string{`UPDATE ledger_entry SET account = 'pocket' WHERE tx_id = 230 AND account = 'payout'`}},
	{1, "ledger_rollup sales 0", []string{`UPDATE ledger_rollup SET balance_fen = -20999 WHERE account = 'sales'`}},
	{1, "ledger_rollup pending 31", []string{`UPDATE ledger_rollup SET mark_id = 0 WHERE account = 'pending'`}},

	{2, "wallet 21 available", []string{`UPDATE wallet SET available_fen = available_fen + 1 WHERE distributor_id = 21`}},
	{2, "wallet 21 withdrawing", []string{`UPDATE wallet SET withdrawing_fen = 0 WHERE distributor_id = 21`}},
	{2, "wallet 31 debt", []string{`UPDATE wallet SET debt_fen = 0 WHERE distributor_id = 31`}},
	{2, "wallet 31", []string{`UPDATE wallet SET available_fen = 5, debt_fen = -25 WHERE distributor_id = 31`}},
	{2, "wallet 31", []string{`UPDATE wallet SET debt_fen = 20 WHERE distributor_id = 31`}},
	{2, "wallet 21", []string{`UPDATE wallet SET available_fen = -1 WHERE distributor_id = 21`}},
	{2, "ledger_entry of 31", []string{`DELETE FROM wallet WHERE distributor_id = 31`}},
	{2, "distributor 31", []string{`DELETE FROM wallet WHERE distributor_id = 31`}},
	{2, "distributor 31", []string{`UPDATE ledger_entry SET amount_fen = 199 WHERE tx_id = 203 AND owner_id = 31`}},
	{2, "distributor 21", []string{`UPDATE statement SET state = 'confirmed' WHERE id = 150`}},
	{2, "distributor 31", []string{`UPDATE statement SET state = 'posted' WHERE id = 151`}},
	{2, "distributor 31", []string{`DELETE FROM commission WHERE id = 143`}},
	{2, "commission_expense", []string{`DELETE FROM commission WHERE id = 145`}},
	{2, "commission_expense", []string{`UPDATE ledger_entry SET account = 'write_off' WHERE tx_id = 208 AND account = 'commission_expense'`}},
	// Money moved between two people, or out of nowhere, with wallets that fit the entries.
	{2, "wallet 31 moved", []string{
		`UPDATE ledger_entry SET owner_id = 31 WHERE tx_id = 231 AND account = 'available'`,
		`UPDATE wallet SET available_fen = available_fen - 100 WHERE distributor_id = 21`,
		`UPDATE wallet SET available_fen = 100 WHERE distributor_id = 31`,
	}},

	{3, "share 130", []string{`DELETE FROM commission WHERE id = 140`}},
	{3, "share 130", []string{`UPDATE commission SET amount_fen = 1199 WHERE id = 140`}},
	{3, "share 131", []string{`UPDATE commission SET payee_id = 21 WHERE id = 141`}},
	{3, "share 131", []string{`UPDATE commission SET cycle = 'monthly' WHERE id = 141`}},
	{3, "commission 140", []string{`DELETE FROM share WHERE id = 130`}},
	{3, "commission 141", []string{`UPDATE shop_order SET paid_ms = 0 WHERE id = 100`}},
	{3, "line 101 payee 21", []string{`UPDATE share SET payee_id = 21 WHERE id = 131`}},
	{3, "line 101", []string{`UPDATE share SET amount_fen = 2400 WHERE id = 130`}},
	{3, "shares of line 101 revision 0", []string{`UPDATE share SET amount_fen = 1201 WHERE id = 130`}},
	{3, "shares of line 101 revision 0", []string{`UPDATE share SET rate_bp = 1300 WHERE id = 130`}},
	{3, "shares of line 101 revision 0", []string{`UPDATE share SET qty = 1 WHERE id = 131`}},
	{3, "shares of line 101 revision 0", []string{`UPDATE share SET base_fen = 9999 WHERE line_id = 101`}},
	{3, "shares of line 101 revision 0", []string{`UPDATE share SET cap_fen = 3000 WHERE line_id = 101`}},
	{3, "share 130", []string{`UPDATE commission SET amount_fen = -1300 WHERE id = 142`}},
	{3, "commission 142", []string{`UPDATE commission SET amount_fen = 240 WHERE id = 142`}},
	{3, "commission 140 reversed", []string{`UPDATE commission SET amount_fen = -239 WHERE id = 142`}},
	{3, "commission 141 reversed", []string{`DELETE FROM commission WHERE id = 145`}},
	{3, "commission 140 reversed", []string{`UPDATE order_line SET refunded_fen = 2000 WHERE id = 101`}},
	{3, "share 131", []string{`UPDATE commission SET ripe_ms = 0, period = 0 WHERE id = 143`}},
	{3, "commission 145", []string{`UPDATE commission SET payee_id = 21 WHERE id = 145`}},

	{4, "statement 150", []string{`UPDATE statement SET total_fen = 1061, adjusted_fen = 101 WHERE id = 150`}},
	{4, "statement 151", []string{`UPDATE statement SET accrued_fen = 201 WHERE id = 151`}},
	{4, "statement 150", []string{`DELETE FROM commission WHERE id = 146`}},
	{4, "statement 150", []string{`UPDATE commission SET kind = 'reversal_late' WHERE id = 142`}},
	{4, "commission 141", []string{`DELETE FROM statement WHERE id = 151`}},
	{4, "commission 146", []string{`UPDATE commission SET ripe_ms = 1 WHERE id = 146`}},
	{4, "commission 141", []string{`UPDATE commission SET period = 20261117 WHERE id = 141`}},
	{4, "commission 141", []string{`UPDATE commission SET period = 0 WHERE id = 141`}},
	{4, "commission 146", []string{`UPDATE commission SET ripe_ms = 0 WHERE id = 146`}},

	{5, "withdrawal 171 (requested) hold:", []string{`UPDATE withdrawal SET amount_fen = 201, net_fen = 201 WHERE id = 171`}},
	{5, "distributor 21", []string{`DELETE FROM withdrawal WHERE id = 171`}},
	{5, "withdrawal 171 (paid) payout:", []string{`UPDATE withdrawal SET state = 'paid' WHERE id = 171`}},
	{5, "withdrawal 171 (rejected) release:", []string{`UPDATE withdrawal SET state = 'rejected' WHERE id = 171`}},
	{5, "withdrawal 170 (failed) release:", []string{`UPDATE withdrawal SET state = 'failed' WHERE id = 170`}},
	{5, "withdrawal 172 (awaiting_user) release:", []string{`UPDATE withdrawal SET state = 'awaiting_user' WHERE id = 172`}},
	{5, "payout", []string{`UPDATE withdrawal SET net_fen = 490, fee_fen = 0 WHERE id = 170`}},
	{5, "fee_income", []string{`UPDATE ledger_entry SET account = 'write_off' WHERE account = 'fee_income'`}},
	{5, "tax_payable", []string{`UPDATE withdrawal SET tax_fen = 20 WHERE id = 170`}},
	{5, "withdrawal 170", []string{`UPDATE withdrawal SET tax_fen = 20 WHERE id = 170`}},

	{6, "shop_order 100", []string{`UPDATE payment SET counting_order_id = NULL WHERE id = 110`}},
	{6, "shop_order 100", []string{`UPDATE payment SET state = 'closed' WHERE id = 110`}},
	{6, "payment 110", []string{`UPDATE payment SET amount_fen = 10499 WHERE id = 110`}},
	{6, "payment 110", []string{`UPDATE payment SET order_id = 103 WHERE id = 110`}},
	{6, "payment 111", []string{`DELETE FROM refund WHERE id = 121`}},
	{6, "payment 111", []string{`UPDATE refund SET amount_fen = 10499 WHERE id = 121`}},
	{6, "payment 111", []string{`UPDATE refund SET approved_ms = 0 WHERE id = 121`}},
	{6, "shop_order 100", []string{`UPDATE shop_order SET paid_ms = 0 WHERE id = 100`}},
	{6, "shop_order 103", []string{`UPDATE shop_order SET state = 'paid' WHERE id = 103`}},
	{6, "shop_order 100", []string{`UPDATE shop_order SET state = 'cancelled' WHERE id = 100`}},
	{6, "payment 110", []string{`UPDATE refund SET amount_fen = 9501 WHERE id = 122`}},
	{6, "order_line 101", []string{`UPDATE order_line SET refunded_fen = 10001 WHERE id = 101`}},
	{6, "order_line 101", []string{`UPDATE order_line SET refunded_qty = 3 WHERE id = 101`}},
	{6, "order_line 101", []string{`UPDATE refund_line SET amount_fen = 1999 WHERE refund_id = 120`}},
	{6, "payment 110 refunded", []string{`UPDATE payment SET refunded_fen = 3000 WHERE id = 110`}},
	{6, "shop_order 100 refunded", []string{`UPDATE shop_order SET refunded_fen = 3000 WHERE id = 100`}},
	{6, "shop_order 100 refunded", []string{`UPDATE shop_order SET freight_refunded_fen = 0 WHERE id = 100`}},
	{6, "sales", []string{`UPDATE ledger_entry SET account = 'write_off' WHERE tx_id = 202 AND account = 'sales'`}},
	{6, "refunds", []string{`DELETE FROM ledger_entry WHERE tx_id = 206`}},
	{6, "wechat_clearing", []string{`UPDATE ledger_entry SET account = 'write_off' WHERE tx_id = 202 AND account = 'wechat_clearing'`}},

	{7, "stock 61 1", []string{`UPDATE stock SET on_hand = 11 WHERE sku_id = 61`}},
	{7, "stock 61 1", []string{`UPDATE stock SET in_transit = 1 WHERE sku_id = 61`}},
	{7, "stock 61 1", []string{`DELETE FROM stock_move WHERE id = 63`}},
	{7, "stock 61 1", []string{`UPDATE stock SET reserved = 11 WHERE sku_id = 61`, `UPDATE stock_move SET reserved_delta = 11 WHERE id = 63`}},
	{7, "stock 61 1", []string{`UPDATE stock SET on_hand = -1, reserved = -1 WHERE sku_id = 61`}},
	{7, "stock_move 62", []string{`DELETE FROM stock WHERE sku_id = 61`}},

	{9, "customer 1", []string{`UPDATE binding SET ended_ms = 0 WHERE id = 40`}},
	{9, "binding 40", []string{`UPDATE binding SET ended_ms = 0 WHERE id = 40`}},
	{9, "binding 41", []string{`UPDATE binding SET active_customer_id = NULL WHERE id = 41`}},
	{9, "binding 41", []string{`UPDATE binding SET active_customer_id = 9 WHERE id = 41`}},
	{9, "binding 41", []string{`UPDATE binding SET ended_ms = 9 WHERE id = 41`}},
	{9, "binding 41", []string{`UPDATE distributor SET customer_id = 1 WHERE id = 21`}},
	{9, "region 440106", []string{`UPDATE territory_region SET until_ms = 101 WHERE contract_id = 51`}},
	{9, "distributor", []string{`UPDATE distributor SET upline_id = 31 WHERE id = 21`}},
	{9, "distributor 21", []string{`UPDATE distributor SET upline_id = 21 WHERE id = 21`}},
	{9, "share 131", []string{`UPDATE share SET tier = 'upline' WHERE id = 131`}},
}

func TestRun_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		b := &book{t: t, db: db, blank: map[string]cols{}}
		b.write()
		for _, r := range b.audit().Results {
			require.Empty(t, r.Wrong, "%d %s", r.Invariant, r.Name)
			require.NotEmpty(t, r.Figures, r.Name)
			require.NotEmpty(t, r.Chinese, r.Name)
		}
		for _, d := range damages {
			b.empty()
			b.write()
			for _, statement := range d.do {
				b.exec(statement)
			}
			report := b.audit()
			require.False(t, report.OK(), "%v", d.do)
			require.True(t, names(report, d), "%v must be found as %d %q, and is %+v", d.do, d.invariant, d.subject, findings(report))
		}
	})
}

// names says whether a check of the invariant names the subject.
func names(r audit.Report, d damage) bool {
	return slices.ContainsFunc(findings(r), func(f string) bool { return strings.HasPrefix(f, fmt.Sprintf("%d %s", d.invariant, d.subject)) })
}

func findings(r audit.Report) (out []string) {
	for _, res := range r.Results {
		for _, f := range res.Wrong {
			out = append(out, fmt.Sprintf("%d %s: want %s, got %s", res.Invariant, f.Subject, f.Want, f.Got))
		}
	}
	return out
}

// An upline share is right while the owner has that payee switched on.
func TestRun_UplineShareWhileOn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := &book{t: t, db: db, blank: map[string]cols{}}
		b.write()
		require.NoError(t, db.InTx(t.Context(), "on", func(ctx context.Context, tx *store.Tx) error {
			_, err := commission.SetPolicy(ctx, tx, commission.Policy{
				Cap: 2_500, MarginCap: 6_000, Upline: true, Acknowledgement: commission.Acknowledgement,
			}, base.Admin(1), "测试")
			return err
		}))
		b.exec(`UPDATE share SET tier = 'upline', created_ms = ? WHERE id = 131`, base.Ms(c.Now()))
		b.exec(`UPDATE commission SET tier = 'upline' WHERE share_id = 131`)
		require.Empty(t, findings(b.audit()))
		b.exec(`UPDATE share SET created_ms = ? WHERE id = 131`, base.Ms(c.Now())-1)
		require.Len(t, findings(b.audit()), 1)
	})
}

// Of very many wrong rows the audit names the first twenty of a check.
func TestRun_NamesTwenty(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		b := &book{t: t, db: db, blank: map[string]cols{}}
		for i := range 50 {
			b.put("wallet", cols{"distributor_id": 1_000 + i, "available_fen": money.Fen(1), "debt_fen": -1})
		}
		for _, r := range b.audit().Results {
			require.LessOrEqual(t, len(r.Wrong), 20, r.Name)
		}
		require.False(t, b.audit().OK())
	})
}
