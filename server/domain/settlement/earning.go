package settlement

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// EarningState is where a commission stands, as its payee sees it.
type EarningState string

const (
	AwaitingGoods EarningState = "awaiting_goods" // the customer has not received everything
	InWindow      EarningState = "in_window"      // the after-sale window is running
	OnHold        EarningState = "on_hold"        // an after-sale request, complaint or investigation is open
	Ripe          EarningState = "ripe"           // on the next statement
	Settled       EarningState = "settled"        // on a posted statement
	TakenBack     EarningState = "taken_back"     // refunded in full
)

// Earning is one accrual with what was taken back of it.
type Earning struct {
	ID        base.CommissionID `db:"id"`
	Share     base.ShareID      `db:"share_id"`
	Order     base.OrderID      `db:"order_id"`
	OrderLine base.LineID       `db:"line_id"`
	Tier      base.Tier         `db:"tier"`
	Amount    money.Fen         `db:"amount_fen"`
	Reversed  money.Fen         `db:"reversed_fen"` // ≥ 0
	AccruedMs int64             `db:"accrued_ms"`
	DueMs     int64             `db:"due_ms"`
	RipeMs    int64             `db:"ripe_ms"`
	Cycle     base.Cycle        `db:"cycle"`
	Statement base.StatementID  `db:"statement_id"` // 0: none yet
	Posted    bool              `db:"posted"`
	Held      bool              `db:"held"`
	State     EarningState      `db:"-"`
}

const (
	earningSQL = `
SELECT c.id, c.share_id, c.order_id, c.line_id, c.tier, c.amount_fen, c.accrued_ms, c.due_ms, c.ripe_ms, c.cycle,
  (SELECT COALESCE(SUM(-r.amount_fen), 0) FROM commission r WHERE r.share_id = c.share_id AND r.kind IN ('reversal_early', 'reversal_late')) AS reversed_fen,
  COALESCE(s.id, 0) AS statement_id, CASE WHEN s.state = 'posted' THEN 1 ELSE 0 END AS posted,
  CASE WHEN c.ripe_ms = 0 AND EXISTS (SELECT 1 FROM commission_hold h WHERE h.released_ms = 0 AND (h.until_ms = 0 OR h.until_ms > ?)
    AND (h.scope = 'line' AND h.scope_id = c.line_id OR h.scope = 'distributor' AND h.scope_id = c.payee_id)) THEN 1 ELSE 0 END AS held
FROM commission c LEFT JOIN statement s ON c.period > 0 AND s.distributor_id = c.payee_id AND s.cycle = c.cycle AND s.period = c.period`
	earningsSQL   = earningSQL + ` WHERE c.payee_id = ? AND c.kind = 'accrual' AND (? = 0 OR c.id < ?) ORDER BY c.id DESC LIMIT ?`
	earningOneSQL = earningSQL + ` WHERE c.id = ? AND c.kind = 'accrual' AND c.payee_id = ?`
)

// EarningFilter says whose commissions to list, as they stand at Now.
type EarningFilter struct {
	Payee  base.DistributorID
	Before base.CommissionID // older than this one; 0: from the newest
	Limit  int
	Now    time.Time
}

// Earnings lists a distributor's commissions, newest first, at most 101, each with its state.
func Earnings(ctx context.Context, q store.Q, f EarningFilter) ([]Earning, error) {
	var out []Earning
	if err := q.Select(ctx, &out, earningsSQL, base.Ms(f.Now), f.Payee, f.Before, f.Before, pageOf(f.Limit)); err != nil {
		return nil, fmt.Errorf("list earnings: %w", err)
	}
	for i := range out {
		out[i].State = out[i].state()
	}
	return out, nil
}

// EarningOf reads one commission of a distributor.
func EarningOf(ctx context.Context, q store.Q, f EarningFilter, id base.CommissionID) (Earning, error) {
	var e Earning
	err := q.Get(ctx, &e, earningOneSQL, base.Ms(f.Now), id, f.Payee)
	if store.NotFound(err) {
		return e, ErrNotFound
	}
	if err != nil {
		return e, fmt.Errorf("read earning %s: %w", id, err)
	}
	e.State = e.state()
	return e, nil
}

func (e Earning) state() EarningState {
	switch {
	case e.Reversed == e.Amount:
		return TakenBack
	case e.Posted:
		return Settled
	case e.RipeMs > 0:
		return Ripe
	case e.Held:
		return OnHold
	case e.DueMs == 0:
		return AwaitingGoods
	default:
		return InWindow
	}
}

// Words says the state plainly, in Chinese and in English.
func (s EarningState) Words() (zh, en string) {
	switch s {
	case AwaitingGoods:
		return "等待客户收货", "waiting for the customer to receive the goods"
	case InWindow:
		return "售后期内，期满后进入结算", "in the after-sale window; it settles afterwards"
	case OnHold:
		return "有售后或核查未结束，暂缓结算", "held by an open after-sale request or an investigation"
	case Ripe:
		return "待结算，计入本期结算单", "settles with this period's statement"
	case Settled:
		return "已结算到可提现余额", "settled into the available balance"
	default:
		return "订单已全额退款，佣金已收回", "refunded in full and taken back"
	}
}
