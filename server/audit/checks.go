package audit

// checks are the invariants of docs/money.md, by their numbers there.
var checks = []check{
	{
		invariant: 1, name: "every ledger transaction sums to zero, and so does the ledger", zh: "每笔账借贷相抵，总账为零",
		figures: []figure{
			{"transactions", `SELECT COUNT(*) FROM ledger_tx`},
			{"entries", `SELECT COUNT(*) FROM ledger_entry`},
			{"sum_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry`},
		},
		wrong: []string{
			`SELECT CONCAT('ledger_tx ', tx_id) AS subject, '0' AS want, CONCAT(SUM(amount_fen), '') AS got
FROM ledger_entry GROUP BY tx_id HAVING SUM(amount_fen) <> 0`,
			`SELECT CONCAT('ledger_entry ', e.id) AS subject, 'a transaction' AS want, 'none' AS got
FROM ledger_entry e LEFT JOIN ledger_tx t ON t.id = e.tx_id WHERE t.id IS NULL`,
			`SELECT CONCAT('ledger_entry ', id) AS subject, 'an account of its owner' AS want, CONCAT(account, ' of ', owner_id) AS got
FROM ledger_entry WHERE (owner_id = 0 AND account NOT IN ('sales', 'refunds', 'wechat_clearing', 'wechat_fee', 'commission_expense', 'payout', 'fee_income', 'tax_payable', 'write_off'))
  OR (owner_id <> 0 AND account NOT IN ('pending', 'available', 'withdrawing', 'debt'))`,
		},
	},
	{
		invariant: 1, name: "every roll-up equals the entries under its mark", zh: "余额快照等于其标记之前的分录之和",
		figures: []figure{{"rollups", `SELECT COUNT(*) FROM ledger_rollup`}},
		wrong: []string{
			`SELECT CONCAT('ledger_rollup ', r.account, ' ', r.owner_id) AS subject, CONCAT(COALESCE(SUM(e.amount_fen), 0), '') AS want, CONCAT(r.balance_fen, '') AS got
FROM ledger_rollup r LEFT JOIN ledger_entry e ON e.account = r.account AND e.owner_id = r.owner_id AND e.id <= r.mark_id
GROUP BY r.account, r.owner_id, r.balance_fen HAVING r.balance_fen <> COALESCE(SUM(e.amount_fen), 0)`,
		},
	},
	{
		invariant: 2, name: "wallets equal their entries and have the right signs", zh: "可提现、提现中、欠款余额等于分录之和且符号正确",
		figures: []figure{
			{"wallets", `SELECT COUNT(*) FROM wallet`},
			{"available_fen", `SELECT COALESCE(SUM(available_fen), 0) FROM wallet`},
			{"withdrawing_fen", `SELECT COALESCE(SUM(withdrawing_fen), 0) FROM wallet`},
			{"debt_fen", `SELECT COALESCE(SUM(debt_fen), 0) FROM wallet`},
		},
		wrong: []string{
			walletSQL("available"), walletSQL("withdrawing"), walletSQL("debt"),
			`SELECT CONCAT('wallet ', distributor_id) AS subject, 'available, withdrawing >= 0 >= debt, not both available and debt' AS want,
CONCAT(available_fen, ' ', withdrawing_fen, ' ', debt_fen) AS got
FROM wallet WHERE available_fen < 0 OR withdrawing_fen < 0 OR debt_fen > 0 OR (available_fen > 0 AND debt_fen < 0)`,
			`SELECT CONCAT('ledger_entry of ', e.owner_id) AS subject, 'a wallet' AS want, 'none' AS got
FROM (SELECT DISTINCT owner_id FROM ledger_entry WHERE account IN ('available', 'withdrawing', 'debt')) e
LEFT JOIN wallet w ON w.distributor_id = e.owner_id WHERE w.distributor_id IS NULL`,
			`SELECT CONCAT('distributor ', d.id) AS subject, 'a wallet' AS want, 'none' AS got
FROM distributor d LEFT JOIN wallet w ON w.distributor_id = d.id WHERE w.distributor_id IS NULL`,
			walletMovesSQL,
		},
	},
	{
		invariant: 2, name: "pending equals the commission rows on no posted statement", zh: "待结算等于尚未入账的佣金行之和",
		figures: []figure{
			{"pending_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = 'pending'`},
		},
		wrong: []string{
			`SELECT CONCAT('distributor ', p.owner_id) AS subject, CONCAT(SUM(p.rows_fen), '') AS want, CONCAT(SUM(p.entries_fen), '') AS got
FROM (
  SELECT owner_id, amount_fen AS entries_fen, 0 AS rows_fen FROM ledger_entry WHERE account = 'pending'
  UNION ALL
  SELECT c.payee_id, 0, c.amount_fen FROM commission c
  LEFT JOIN statement s ON s.distributor_id = c.payee_id AND s.cycle = c.cycle AND s.period = c.period AND s.state = 'posted' AND c.ripe_ms > 0
  WHERE c.kind <> 'reversal_late' AND s.id IS NULL
) p GROUP BY p.owner_id HAVING SUM(p.rows_fen) <> SUM(p.entries_fen)`,
			platformSQL("commission_expense", `SELECT -COALESCE(SUM(amount_fen), 0) FROM commission`),
		},
	},
	{
		invariant: 3, name: "shares of an order equal its accruals", zh: "订单应得等于其计提",
		figures: []figure{
			{"shares", `SELECT COUNT(*) FROM share`},
			{"accruals", `SELECT COUNT(*) FROM commission WHERE kind = 'accrual'`},
			{"accrued_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM commission WHERE kind = 'accrual'`},
		},
		wrong: []string{
			`SELECT CONCAT('share ', s.id) AS subject, CONCAT(s.amount_fen, '') AS want, COALESCE(CONCAT(c.amount_fen, ''), 'none') AS got
FROM share s JOIN shop_order o ON o.id = s.order_id LEFT JOIN commission c ON c.share_id = s.id AND c.kind = 'accrual'
WHERE o.paid_ms > 0 AND s.amount_fen > 0 AND (c.id IS NULL OR c.amount_fen <> s.amount_fen OR c.payee_id <> s.payee_id
  OR c.cycle <> s.cycle OR c.line_id <> s.line_id OR c.base_fen <> s.base_fen)`,
			`SELECT CONCAT('commission ', c.id) AS subject, 'a share of a paid order' AS want, 'none' AS got
FROM commission c LEFT JOIN share s ON s.id = c.share_id LEFT JOIN shop_order o ON o.id = c.order_id AND o.paid_ms > 0
WHERE c.kind = 'accrual' AND (s.id IS NULL OR o.id IS NULL)`,
		},
	},
	{
		invariant: 3, name: "one share per person and line, within the cap, and each recomputes", zh: "每人每行至多一份应得，不超上限，且可重算",
		figures: []figure{{"shares_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM share`}},
		wrong: []string{
			`SELECT CONCAT('line ', line_id, ' payee ', payee_id) AS subject, '1' AS want, CONCAT(COUNT(*), '') AS got
FROM share WHERE amount_fen > 0 GROUP BY line_id, revision, payee_id HAVING COUNT(*) > 1`,
			`SELECT CONCAT('line ', line_id) AS subject, CONCAT('at most ', MIN(cap_fen)) AS want, CONCAT(SUM(amount_fen), '') AS got
FROM share GROUP BY line_id, revision HAVING SUM(amount_fen) > MIN(cap_fen)`,
		},
		more: recompute,
	},
	{
		invariant: 3, name: "reversals never exceed what they reverse", zh: "冲回不超过被冲回的佣金",
		figures: []figure{
			{"early_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM commission WHERE kind = 'reversal_early'`},
			{"late_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM commission WHERE kind = 'reversal_late'`},
		},
		wrong: []string{
			`SELECT CONCAT('share ', share_id) AS subject, '>= 0' AS want, CONCAT(SUM(amount_fen), '') AS got
FROM commission WHERE share_id > 0 AND kind <> 'adjustment' GROUP BY share_id HAVING SUM(amount_fen) < 0`,
			`SELECT CONCAT('commission ', id) AS subject, '<= 0' AS want, CONCAT(amount_fen, '') AS got
FROM commission WHERE kind IN ('reversal_early', 'reversal_late') AND amount_fen > 0`,
			`SELECT CONCAT('share ', a.share_id) AS subject, CONCAT(a.ripe_ms, '') AS want, CONCAT(r.ripe_ms, '') AS got
FROM commission a JOIN commission r ON r.share_id = a.share_id AND r.kind = 'reversal_early'
WHERE a.kind = 'accrual' AND a.ripe_ms <> r.ripe_ms`,
			`SELECT CONCAT('commission ', r.id) AS subject, CONCAT('of distributor ', s.payee_id) AS want, CONCAT('of distributor ', r.payee_id) AS got
FROM commission r JOIN share s ON s.id = r.share_id WHERE r.kind <> 'adjustment' AND r.payee_id <> s.payee_id`,
		},
		more: reversals,
	},
	{
		invariant: 4, name: "a statement equals the sum of its lines", zh: "结算单等于其明细之和",
		figures: []figure{
			{"statements", `SELECT COUNT(*) FROM statement`},
			{"total_fen", `SELECT COALESCE(SUM(total_fen), 0) FROM statement`},
			{"posted_fen", `SELECT COALESCE(SUM(total_fen), 0) FROM statement WHERE state = 'posted'`},
		},
		wrong: []string{
			`SELECT CONCAT('statement ', s.id) AS subject, CONCAT(COALESCE(SUM(c.amount_fen), 0), '') AS want, CONCAT(s.total_fen, '') AS got
FROM statement s LEFT JOIN commission c ON c.payee_id = s.distributor_id AND c.cycle = s.cycle AND c.period = s.period
  AND c.ripe_ms > 0 AND c.kind <> 'reversal_late'
GROUP BY s.id, s.total_fen HAVING s.total_fen <> COALESCE(SUM(c.amount_fen), 0)`,
			`SELECT CONCAT('statement ', id) AS subject, CONCAT(accrued_fen + reversed_fen + adjusted_fen, '') AS want, CONCAT(total_fen, '') AS got
FROM statement WHERE accrued_fen + reversed_fen + adjusted_fen <> total_fen`,
		},
	},
	{
		invariant: 4, name: "every ripe row of a posted period is on exactly one statement", zh: "已入账期间的每行佣金恰在一张结算单上",
		figures: []figure{{"ripe_rows", `SELECT COUNT(*) FROM commission WHERE ripe_ms > 0`}},
		wrong: []string{
			`SELECT CONCAT('commission ', c.id) AS subject, 'a statement' AS want, 'none' AS got
FROM commission c JOIN settlement_run r ON r.cycle = c.cycle AND r.period = c.period AND r.drafted_ms > 0
LEFT JOIN statement s ON s.distributor_id = c.payee_id AND s.cycle = c.cycle AND s.period = c.period
WHERE c.ripe_ms > 0 AND c.kind <> 'reversal_late' AND s.id IS NULL`,
			`SELECT CONCAT('commission ', c.id) AS subject, 'ripe inside its statement' AS want, CONCAT(c.ripe_ms, '') AS got
FROM commission c JOIN statement s ON s.distributor_id = c.payee_id AND s.cycle = c.cycle AND s.period = c.period
WHERE c.kind <> 'reversal_late' AND (c.ripe_ms < s.from_ms OR c.ripe_ms >= s.until_ms)`,
			`SELECT CONCAT('commission ', c.id) AS subject, CONCAT('period ', r.period) AS want, CONCAT('period ', c.period) AS got
FROM settlement_run r JOIN commission c ON c.cycle = r.cycle AND c.ripe_ms >= r.from_ms AND c.ripe_ms < r.until_ms WHERE c.period <> r.period`,
			`SELECT CONCAT('commission ', id) AS subject, 'a period, if ripe' AS want, CONCAT('ripe ', ripe_ms, ', period ', period) AS got
FROM commission WHERE (ripe_ms = 0 AND period <> 0) OR (ripe_ms <> 0 AND period = 0)`,
		},
	},
	{
		invariant: 5, name: "every withdrawal has one open hold or one final posting", zh: "每笔提现有且仅有一笔冻结或一笔终局入账",
		figures: []figure{
			{"withdrawals", `SELECT COUNT(*) FROM withdrawal`},
			{"open_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM withdrawal WHERE state IN ('requested', 'approved', 'paying', 'awaiting_user')`},
			{"paid_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM withdrawal WHERE state = 'paid'`},
			{"payout_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account IN ('payout', 'fee_income', 'tax_payable')`},
		},
		wrong: []string{
			`SELECT CONCAT('distributor ', h.distributor_id) AS subject, CONCAT(SUM(h.open_fen), '') AS want, CONCAT(SUM(h.held_fen), '') AS got
FROM (
  SELECT distributor_id, amount_fen AS open_fen, 0 AS held_fen FROM withdrawal WHERE state IN ('requested', 'approved', 'paying', 'awaiting_user')
  UNION ALL
  SELECT distributor_id, 0, withdrawing_fen FROM wallet
) h GROUP BY h.distributor_id HAVING SUM(h.open_fen) <> SUM(h.held_fen)`,
			paidSQL("payout", "net_fen"), paidSQL("fee_income", "fee_fen"), paidSQL("tax_payable", "tax_fen"),
			`SELECT CONCAT('withdrawal ', id) AS subject, CONCAT(amount_fen, '') AS want, CONCAT(net_fen, ' + ', fee_fen, ' + ', tax_fen) AS got
FROM withdrawal WHERE net_fen + fee_fen + tax_fen <> amount_fen`,
		},
		more: withdrawalPostings,
	},
	{
		invariant: 6, name: "every paid order has one payment that counts; every other captured payment is refunded in full", zh: "已付订单恰有一笔有效支付，其余到账全额退款",
		figures: []figure{
			{"paid_orders", `SELECT COUNT(*) FROM shop_order WHERE paid_ms > 0`},
			{"captured", `SELECT COUNT(*) FROM payment WHERE state = 'captured'`},
			{"captured_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM payment WHERE state = 'captured'`},
		},
		wrong: []string{
			`SELECT CONCAT('shop_order ', o.id) AS subject, 'one payment that counts' AS want, CONCAT(COUNT(p.id), '') AS got
FROM shop_order o LEFT JOIN payment p ON p.counting_order_id = o.id AND p.state = 'captured'
WHERE o.paid_ms > 0 AND o.total_fen > 0 GROUP BY o.id HAVING COUNT(p.id) <> 1`,
			`SELECT CONCAT('payment ', p.id) AS subject, CONCAT(p.amount_fen, '') AS want, CONCAT(COALESCE(SUM(r.amount_fen), 0), '') AS got
FROM payment p LEFT JOIN refund r ON r.payment_id = p.id AND r.approved_ms > 0
WHERE p.state = 'captured' AND p.counting_order_id IS NULL
GROUP BY p.id, p.amount_fen HAVING COALESCE(SUM(r.amount_fen), 0) <> p.amount_fen`,
			`SELECT CONCAT('payment ', p.id) AS subject, CONCAT(o.total_fen, '') AS want, CONCAT(p.amount_fen, '') AS got
FROM payment p JOIN shop_order o ON o.id = p.counting_order_id WHERE p.amount_fen <> o.total_fen OR o.paid_ms = 0 OR p.order_id <> o.id OR p.state <> 'captured'`,
			`SELECT CONCAT('shop_order ', id) AS subject, 'paid and completed orders, and no others, have a time of payment' AS want, CONCAT(state, ', paid ', paid_ms) AS got
FROM shop_order WHERE (paid_ms > 0 AND state NOT IN ('paid', 'completed')) OR (paid_ms = 0 AND state NOT IN ('created', 'cancelled'))`,
		},
	},
	{
		invariant: 6, name: "refunds never exceed the payment", zh: "退款不超过支付",
		figures: []figure{
			{"refunds", `SELECT COUNT(*) FROM refund WHERE approved_ms > 0`},
			{"refunded_fen", `SELECT COALESCE(SUM(amount_fen), 0) FROM refund WHERE approved_ms > 0`},
		},
		wrong: []string{
			`SELECT CONCAT('payment ', p.id) AS subject, CONCAT('at most ', p.amount_fen) AS want, CONCAT(SUM(r.amount_fen), '') AS got
FROM payment p JOIN refund r ON r.payment_id = p.id AND r.approved_ms > 0
GROUP BY p.id, p.amount_fen HAVING SUM(r.amount_fen) > p.amount_fen`,
			`SELECT CONCAT('order_line ', id) AS subject, CONCAT('at most ', net_fen) AS want, CONCAT(refunded_fen, '') AS got
FROM order_line WHERE refunded_fen > net_fen OR refunded_fen < 0 OR refunded_qty > qty`,
			`SELECT CONCAT('order_line ', l.id) AS subject, CONCAT(l.refunded_fen, '') AS want, CONCAT(COALESCE(SUM(rl.amount_fen), 0), '') AS got
FROM order_line l LEFT JOIN (SELECT x.line_id, x.amount_fen FROM refund_line x JOIN refund r ON r.id = x.refund_id AND r.approved_ms > 0) rl ON rl.line_id = l.id
GROUP BY l.id, l.refunded_fen HAVING l.refunded_fen <> COALESCE(SUM(rl.amount_fen), 0)`,
			`SELECT CONCAT('payment ', p.id, ' refunded') AS subject, CONCAT(COALESCE(SUM(r.amount_fen), 0), '') AS want, CONCAT(p.refunded_fen, '') AS got
FROM payment p LEFT JOIN refund r ON r.payment_id = p.id AND r.approved_ms > 0
GROUP BY p.id, p.refunded_fen HAVING p.refunded_fen <> COALESCE(SUM(r.amount_fen), 0)`,
			`SELECT CONCAT('shop_order ', o.id, ' refunded') AS subject, CONCAT(COALESCE(SUM(r.amount_fen), 0), ' and freight ', COALESCE(SUM(r.freight_fen), 0)) AS want,
CONCAT(o.refunded_fen, ' and freight ', o.freight_refunded_fen) AS got
FROM shop_order o LEFT JOIN (SELECT x.order_id, x.amount_fen, x.freight_fen FROM refund x LEFT JOIN payment p ON p.id = x.payment_id
  WHERE x.approved_ms > 0 AND (x.payment_id = 0 OR p.counting_order_id IS NOT NULL)) r ON r.order_id = o.id
GROUP BY o.id, o.refunded_fen, o.freight_refunded_fen, o.total_fen, o.freight_fen
HAVING o.refunded_fen <> COALESCE(SUM(r.amount_fen), 0) OR o.freight_refunded_fen <> COALESCE(SUM(r.freight_fen), 0)
  OR o.refunded_fen > o.total_fen OR o.freight_refunded_fen > o.freight_fen`,
			platformSQL("sales", `SELECT -COALESCE(SUM(amount_fen), 0) FROM payment WHERE state = 'captured'`),
			platformSQL("refunds", `SELECT COALESCE(SUM(amount_fen), 0) FROM refund WHERE approved_ms > 0`),
			platformSQL("wechat_clearing", `SELECT (SELECT COALESCE(SUM(amount_fen), 0) FROM payment WHERE state = 'captured')
  - (SELECT COALESCE(SUM(amount_fen), 0) FROM refund WHERE approved_ms > 0) - (SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = 'wechat_fee')`),
		},
	},
	{
		invariant: 7, name: "stock equals its movements and is never negative", zh: "库存等于其流水之和且不为负",
		figures: []figure{
			{"skus", `SELECT COUNT(*) FROM stock`},
			{"on_hand", `SELECT COALESCE(SUM(on_hand), 0) FROM stock`},
			{"reserved", `SELECT COALESCE(SUM(reserved), 0) FROM stock`},
		},
		wrong: []string{
			`SELECT CONCAT('stock ', s.sku_id, ' ', s.warehouse_id) AS subject,
CONCAT(COALESCE(SUM(m.on_hand_delta), 0), ' ', COALESCE(SUM(m.reserved_delta), 0), ' ', COALESCE(SUM(m.in_transit_delta), 0)) AS want,
CONCAT(s.on_hand, ' ', s.reserved, ' ', s.in_transit) AS got
FROM stock s LEFT JOIN stock_move m ON m.sku_id = s.sku_id AND m.warehouse_id = s.warehouse_id
GROUP BY s.sku_id, s.warehouse_id, s.on_hand, s.reserved, s.in_transit
HAVING s.on_hand <> COALESCE(SUM(m.on_hand_delta), 0) OR s.reserved <> COALESCE(SUM(m.reserved_delta), 0) OR s.in_transit <> COALESCE(SUM(m.in_transit_delta), 0)`,
			`SELECT CONCAT('stock ', sku_id, ' ', warehouse_id) AS subject, '0 <= reserved <= on hand, in transit >= 0' AS want,
CONCAT(on_hand, ' ', reserved, ' ', in_transit) AS got
FROM stock WHERE on_hand < 0 OR reserved < 0 OR in_transit < 0 OR reserved > on_hand`,
			`SELECT CONCAT('stock_move ', m.id) AS subject, 'a stock row' AS want, 'none' AS got
FROM stock_move m LEFT JOIN stock s ON s.sku_id = m.sku_id AND s.warehouse_id = m.warehouse_id WHERE s.sku_id IS NULL`,
		},
	},
	{
		invariant: 9, name: "at most one active binding per customer, one partner per region and time, no cycle of uplines, no upline share while off", zh: "一客一绑定，一区一合伙人，上级无环，上级分佣关闭",
		figures: []figure{
			{"active_bindings", `SELECT COUNT(*) FROM binding WHERE active_customer_id IS NOT NULL`},
			{"regions", `SELECT COUNT(*) FROM territory_region`},
			{"upline_shares", `SELECT COUNT(*) FROM share WHERE tier = 'upline'`},
		},
		wrong: []string{
			`SELECT CONCAT('customer ', customer_id) AS subject, '1' AS want, CONCAT(COUNT(*), '') AS got
FROM binding WHERE ended_ms = 0 GROUP BY customer_id HAVING COUNT(*) > 1`,
			`SELECT CONCAT('binding ', id) AS subject, 'active exactly while not ended' AS want, CONCAT('active for ', COALESCE(CONCAT(active_customer_id, ''), 'nobody'), ', ended ', ended_ms) AS got
FROM binding WHERE (ended_ms = 0 AND (active_customer_id IS NULL OR active_customer_id <> customer_id)) OR (ended_ms > 0 AND active_customer_id IS NOT NULL)`,
			`SELECT CONCAT('binding ', b.id) AS subject, 'another person' AS want, 'the distributor himself' AS got
FROM binding b JOIN distributor d ON d.id = b.distributor_id WHERE d.customer_id = b.customer_id`,
			`SELECT CONCAT('region ', a.region_code) AS subject, 'one contract at a time' AS want, CONCAT(a.contract_id, ' and ', b.contract_id) AS got
FROM territory_region a JOIN territory_region b ON b.region_code = a.region_code AND b.contract_id > a.contract_id
AND a.from_ms < b.until_ms AND b.from_ms < a.until_ms AND a.from_ms < a.until_ms AND b.from_ms < b.until_ms`,
		},
		more: peopleRules,
	},
}

// walletMovesSQL compares what a wallet holds with the business that may move it: posted statements bring in, late
// reversals and paid withdrawals take out.
const walletMovesSQL = `SELECT CONCAT('wallet ', b.distributor_id, ' moved') AS subject, CONCAT(SUM(b.want_fen), '') AS want, CONCAT(SUM(b.got_fen), '') AS got
FROM (
  SELECT distributor_id, available_fen + withdrawing_fen + debt_fen AS got_fen, 0 AS want_fen FROM wallet
  UNION ALL
  SELECT distributor_id, 0, total_fen FROM statement WHERE state = 'posted'
  UNION ALL
  SELECT payee_id, 0, amount_fen FROM commission WHERE kind = 'reversal_late'
  UNION ALL
  SELECT distributor_id, 0, -amount_fen FROM withdrawal WHERE state = 'paid'
) b GROUP BY b.distributor_id HAVING SUM(b.want_fen) <> SUM(b.got_fen)`

func walletSQL(account string) string {
	return `SELECT CONCAT('wallet ', w.distributor_id, ' ` + account + `') AS subject, CONCAT(COALESCE(SUM(e.amount_fen), 0), '') AS want, CONCAT(w.` + account + `_fen, '') AS got
FROM wallet w LEFT JOIN ledger_entry e ON e.account = '` + account + `' AND e.owner_id = w.distributor_id
GROUP BY w.distributor_id, w.` + account + `_fen HAVING w.` + account + `_fen <> COALESCE(SUM(e.amount_fen), 0)`
}

func paidSQL(account, column string) string {
	return platformSQL(account, `SELECT COALESCE(SUM(`+column+`), 0) FROM withdrawal WHERE state = 'paid'`)
}

// platformSQL compares a platform account with what the business rows say it must be.
func platformSQL(account, wantSQL string) string {
	return `SELECT '` + account + `' AS subject, CONCAT(b.want_fen, '') AS want, CONCAT(b.got_fen, '') AS got
FROM (SELECT (` + wantSQL + `) AS want_fen,
(SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = '` + account + `') AS got_fen) b WHERE b.want_fen <> b.got_fen`
}
