package story

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base/money"
	"fenxiao/server/play"
	"fenxiao/server/wechat/sim"
)

// The worked example of docs/money.md: what each piece of a refund takes back.
const (
	oneBag   = bagsNet / bags // 93.24
	goodwill = money.Fen(3_000)
	restBags = bagsNet - oneBag - goodwill

	leaderOneBag   = leaderBag * oneBag / bagsNet                          // 11.18
	leaderGoodwill = leaderBag*(oneBag+goodwill)/bagsNet - leaderOneBag    // 3.60
	leaderRest     = leaderBag - leaderOneBag - leaderGoodwill             // 7.59
	partnerBags    = bags * unitFee                                        //
	partnerOneBag  = partnerBags * oneBag / bagsNet                        // 1.00
	partnerGood    = partnerBags*(oneBag+goodwill)/bagsNet - partnerOneBag // 0.32
	partnerRest    = partnerBags - partnerOneBag - partnerGood             // 0.68
	afterDebt      = leaderCut - leaderBox                                 // 22.37
	refundPause    = 2 * time.Minute                                       // WeChat wants a minute between refunds of an order
)

// unhappy are the ways that do not go as planned.
func (s *Story) unhappy() []func(context.Context) error {
	return []func(context.Context) error{
		s.cancelled, s.paidWhileClosing, s.lateRefund, s.debtRepaid, s.rejected, s.notConfirmed, s.unknownOutcome,
	}
}

func (s *Story) cancelled(ctx context.Context) error {
	s.chapter("八、取消", "8. Cancelled")
	order, err := s.order(ctx, s.buyer)
	if err != nil {
		return err
	}
	s.begin("客户改主意，取消订单", "The customer changes his mind and cancels")
	if err := s.buyer.Post(ctx, "/api/v1/orders/"+order.ID+"/cancel", map[string]any{"reason": "不想要了"}, nil); err != nil {
		return err
	}
	if order, err = play.GetOrder(ctx, s.buyer, order.ID); err != nil {
		return err
	}
	s.expect("订单", "order", order.State, "cancelled")
	return s.pendings(ctx, 0, partnerCut)
}

// paidWhileClosing lets the customer pay at the instant in which the order is closed, and then gives the money back in
// pieces: all of it early.
func (s *Story) paidWhileClosing(ctx context.Context) error {
	s.chapter("九、关单瞬间付款；分三次退款（早）", "9. Paid while closing; refunded in pieces, early")
	order, err := s.order(ctx, s.buyer)
	if err != nil {
		return err
	}
	if _, err := play.PrepayID(ctx, s.buyer, order.ID); err != nil {
		return err
	}
	s.begin("客户点取消，微信关单的瞬间另一台手机付了款：再问微信，按已付处理", "The customer cancels, and another phone pays just while WeChat closes: asked again, and taken as paid")
	err = s.wx.AddFault(sim.Fault{Match: sim.Match{Path: "/close$", Times: 1}, Action: sim.Action{User: sim.UserPaysDuringClose}})
	if err != nil {
		return err
	}
	err = s.buyer.Post(ctx, "/api/v1/orders/"+order.ID+"/cancel", map[string]any{"reason": "不想要了"}, nil)
	code, err := refused(err)
	if err != nil {
		return err
	}
	s.expect("答复", "answer", code, "order.already_paid")
	if err := play.AwaitOrder(ctx, s.buyer, order.ID, "paid"); err != nil {
		return err
	}
	leader, partner := leaderCut, partnerCut+partnerCut
	if err := s.pendings(ctx, leader, partner); err != nil {
		return err
	}
	bag, box := order.Lines[0].ID, order.Lines[1].ID
	pieces := []struct {
		zh, en          string
		line            play.RefundLine
		amount          money.Fen
		leader, partner money.Fen
	}{
		{"退 1 袋", "one bag comes back", play.RefundLine{Line: bag, Qty: 1}, oneBag, leaderOneBag, partnerOneBag},
		{"再补偿 ¥30.00", "goodwill of ¥30.00", play.RefundLine{Line: bag, Amount: goodwill}, goodwill, leaderGoodwill, partnerGood},
		{"余下的也退", "the rest of it", play.RefundLine{Line: bag, All: true}, restBags, leaderRest, partnerRest},
		{"礼盒也退", "and the box", play.RefundLine{Line: box, Qty: 1}, boxNet, leaderBox, unitFee},
	}
	for _, piece := range pieces {
		s.begin(piece.zh, piece.en)
		if err := s.giveBack(ctx, order.ID, piece.line, piece.amount); err != nil {
			return err
		}
		leader, partner = leader-piece.leader, partner-piece.partner
		if err := s.pendings(ctx, leader, partner); err != nil {
			return err
		}
	}
	return nil
}

// giveBack issues a refund and lets WeChat carry it out.
func (s *Story) giveBack(ctx context.Context, order string, line play.RefundLine, want money.Fen) error {
	r, err := s.shop.GiveBack(ctx, order, "客户退款", line)
	if err != nil {
		return err
	}
	s.expect("退款", "refund", r.Amount, want)
	if err := s.pass(ctx, refundPause); err != nil {
		return err
	}
	var now play.Refund
	if err := s.shop.Owner.Get(ctx, "/api/admin/v1/refunds/"+r.ID, &now); err != nil {
		return err
	}
	s.expect("微信退款", "refunded by WeChat", now.State, "done")
	return nil
}

func (s *Story) lateRefund(ctx context.Context) error {
	s.chapter("十、结算之后退款（晚）", "10. A refund after settlement, late")
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := s.buyer.Get(ctx, "/api/v1/orders", &list); err != nil {
		return err
	}
	first, err := play.GetOrder(ctx, s.buyer, list.Items[len(list.Items)-1].ID)
	if err != nil {
		return err
	}
	s.begin("第一单的礼盒退款：李团长的钱已提走，记为欠款；王合伙人本月未结，从待结算扣", "The box of the first order: Li's money is gone, so it is a debt; Wang's month has not ended, so it comes off pending")
	if err := s.giveBack(ctx, first.ID, play.RefundLine{Line: first.Lines[1].ID, Qty: 1}, boxNet); err != nil {
		return err
	}
	if err := s.wallet(ctx, s.leader, play.Wallet{Debt: -leaderBox}); err != nil {
		return err
	}
	return s.pendings(ctx, 0, partnerCut-unitFee)
}

func (s *Story) debtRepaid(ctx context.Context) error {
	s.chapter("十一、下一张结算单先还欠款", "11. The next statement repays the debt first")
	order, err := s.order(ctx, s.buyer)
	if err != nil {
		return err
	}
	s.begin("付款、发货、收货、过售后期", "Paid, shipped, received, and the window passes")
	if err := s.shop.PayOrder(ctx, s.buyer, order.ID); err != nil {
		return err
	}
	if err := s.shop.Ship(ctx, order.ID, "ZT0003"); err != nil {
		return err
	}
	if err := s.until(ctx, time.November, 20, 12, 0); err != nil {
		return err
	}
	if err := play.Receive(ctx, s.buyer, order.ID, ""); err != nil {
		return err
	}
	if err := s.until(ctx, time.November, 27, 12, 1); err != nil {
		return err
	}
	s.begin("11 月 30 日出单，12 月 3 日入账", "Drafted on 30 November, posted on 3 December")
	if err := s.until(ctx, time.November, 30, 1, 0); err != nil {
		return err
	}
	if err := s.until(ctx, time.December, 3, 2, 0); err != nil {
		return err
	}
	if err := s.statement(ctx, s.leader, "posted", leaderCut); err != nil {
		return err
	}
	list, err := s.leader.Statements(ctx)
	if err != nil {
		return err
	}
	s.expect("还欠款", "debt repaid", list[0].DebtRepaid, leaderBox)
	if err := s.wallet(ctx, s.leader, play.Wallet{Available: afterDebt}); err != nil {
		return err
	}
	s.begin("王合伙人按月结算：11 月的单子 12 月入账", "Wang is settled monthly: November is posted in December")
	if err := s.until(ctx, time.December, 6, 3, 0); err != nil {
		return err
	}
	november := partnerCut - unitFee + partnerCut
	if err := s.statement(ctx, s.partner, "posted", november); err != nil {
		return err
	}
	if err := s.wallet(ctx, s.partner, play.Wallet{Available: november}); err != nil {
		return err
	}
	s.begin("不足 ¥10.00，暂不能提现", "Below ¥10.00: no withdrawal yet")
	if err := s.partner.GiveName(ctx, "王芳"); err != nil {
		return err
	}
	_, err = s.partner.Withdraw(ctx, november)
	code, err := refused(err)
	s.expect("答复", "answer", code, "withdrawal.below_minimum")
	return err
}

func (s *Story) rejected(ctx context.Context) error {
	s.chapter("十二、驳回", "12. Rejected")
	s.begin("财务驳回，钱回到可提现", "Finance rejects: the money is available again")
	w, err := s.leader.Withdraw(ctx, afterDebt)
	if err != nil {
		return err
	}
	if w, err = play.Reject(ctx, s.shop.Finance, w.ID); err != nil {
		return err
	}
	s.expect("状态", "state", w.State, "rejected")
	return s.wallet(ctx, s.leader, play.Wallet{Available: afterDebt})
}

// awaiting asks for everything and has it approved and sent.
func (s *Story) awaiting(ctx context.Context) (play.Withdrawal, error) {
	w, err := s.leader.Withdraw(ctx, afterDebt)
	if err != nil {
		return w, err
	}
	if _, err = play.Approve(ctx, s.shop.Finance, w.ID); err != nil {
		return w, err
	}
	if err := s.settleDue(ctx); err != nil {
		return w, err
	}
	return s.leader.Withdrawal(ctx, w.ID)
}

func (s *Story) notConfirmed(ctx context.Context) error {
	s.chapter("十三、24 小时没确认", "13. Not confirmed within 24 hours")
	s.begin("微信等待确认", "WeChat waits for the confirmation")
	w, err := s.awaiting(ctx)
	if err != nil {
		return err
	}
	s.expect("状态", "state", w.State, "awaiting_user")
	s.begin("一天过去：微信说已关闭，才退回可提现", "A day later WeChat says it is closed, and only then the money comes back")
	if err := s.pass(ctx, 25*time.Hour); err != nil {
		return err
	}
	if w, err = s.leader.Withdrawal(ctx, w.ID); err != nil {
		return err
	}
	s.expect("状态", "state", w.State, "expired")
	return s.wallet(ctx, s.leader, play.Wallet{Available: afterDebt})
}

func (s *Story) unknownOutcome(ctx context.Context) error {
	s.chapter("十四、微信超时、重复通知", "14. WeChat times out; notifications come many times")
	s.begin("转账请求执行后连接断开：结果未知，不算失败，用原单号去问", "The connection breaks after WeChat has acted: unknown, not failed; it is asked by the same number")
	err := s.wx.AddFault(sim.Fault{
		Match: sim.Match{Method: "POST", Path: "/transfer-bills$", Times: 1}, Action: sim.Action{When: "after", Drop: true},
	})
	if err != nil {
		return err
	}
	w, err := s.awaiting(ctx)
	if err != nil {
		return err
	}
	if err := s.pass(ctx, 10*time.Minute); err != nil {
		return err
	}
	if w, err = s.leader.Withdrawal(ctx, w.ID); err != nil {
		return err
	}
	s.expect("状态", "state", w.State, "awaiting_user")
	if err := s.wallet(ctx, s.leader, play.Wallet{Withdrawing: afterDebt}); err != nil {
		return err
	}
	s.begin("终态通知同时来 5 次", "The final notification comes five times at once")
	err = s.wx.AddFault(sim.Fault{
		Match: sim.Match{Method: "NOTIFY", Path: "MCHTRANSFER"}, Action: sim.Action{Notify: sim.NotifyConcurrent, NotifyN: 5},
	})
	if err != nil {
		return err
	}
	before := s.paidByWeChat()
	admin, err := play.AdminWithdrawal(ctx, s.shop.Finance, w.ID)
	if err != nil {
		return err
	}
	if err := s.wx.ConfirmTransfer(ctx, admin.OutBill); err != nil {
		return err
	}
	err = play.Await(ctx, func(ctx context.Context) (bool, error) {
		w, err = s.leader.Withdrawal(ctx, w.ID)
		return w.State == "paid", err
	})
	if err != nil {
		return err
	}
	if err := s.settleDue(ctx); err != nil {
		return err
	}
	s.expect("微信这次付了", "WeChat has paid this time", s.paidByWeChat()-before, afterDebt)
	return s.wallet(ctx, s.leader, play.Wallet{})
}

// paidByWeChat is what the simulator's own books say left the merchant to distributors.
func (s *Story) paidByWeChat() (sum money.Fen) {
	for _, t := range s.wx.Books().Transfers {
		if t.State == "SUCCESS" {
			sum += money.Fen(t.Fen)
		}
	}
	return sum
}

// booksOfWeChat compares with the other side: the simulator keeps its own books and notes every breach of protocol.
func (s *Story) booksOfWeChat(context.Context) error {
	s.chapter("微信一侧的账（模拟器自己记的）", "WeChat's side, as the simulator kept it")
	s.begin("没有违反协议，账目自洽", "No breach of the protocol, and its books are consistent")
	s.expect("违规", "violations", fmt.Sprint(len(s.wx.Books().Violations)), "0")
	for _, v := range s.wx.Books().Violations {
		s.note("违规", "violation", fmt.Sprintf("%+v", v))
	}
	s.expect("不自洽", "inconsistencies", fmt.Sprint(s.wx.Check()), "[]")
	return nil
}
