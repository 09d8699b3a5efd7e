package story

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"time"

	"fenxiao/server/base/money"
	"fenxiao/server/play"
)

// The story's own arithmetic: two of 99.90 and one of 100.20, less 20.00 from 300.00 on.
const (
	bagPrice  money.Fen = 9_990
	boxPrice  money.Fen = 10_020
	bags                = 2
	reduction money.Fen = 2_000

	bagsGross  = bags * bagPrice       // 199.80
	goods      = bagsGross + boxPrice  // 300.00
	orderPaid  = goods - reduction     // 280.00
	bagsNet    = bagsGross - 1_332     // 13.32 and 6.68 of the 20.00, by largest remainder
	boxNet     = boxPrice - 668        //
	leaderBag  = bagsNet * 12 / 100    // ⌊22.3776⌋
	leaderBox  = boxNet * 12 / 100     // ⌊11.2224⌋
	leaderCut  = leaderBag + leaderBox // 33.59
	unitFee    = money.Fen(100)        // the partner's, per unit
	partnerCut = (bags + 1) * unitFee  // 3.00
	stock      = 100

	leaderRate = 1_200 // basis points
	tianhe     = 440_106
)

var home = play.Address{Region: tianhe, Name: "周小满", Phone: "13800138000", Detail: "体育西路 1 号"}

// openShop hires the people and makes the decisions that a shop starts with.
func (s *Story) openShop(ctx context.Context) error {
	s.chapter("一、开店", "1. The shop opens")
	s.begin("店主登录并改掉一次性密码；请来财务", "The owner logs in and changes the one-time password; finance is hired")
	if err := s.owner(ctx); err != nil {
		return err
	}
	var err error
	if s.shop.Finance, _, err = s.shop.Hire(ctx, "finance", "财务", "finance", "Osmanthus-Lane-2001"); err != nil {
		return err
	}
	s.begin("财务选定税务口径：不代扣；提现超过 ¥30.00 需两人审批", "Finance chooses the tax policy: none; above ¥30.00 two admins approve")
	if err := s.shop.PutSetting(ctx, s.shop.Finance, "tax-policy", "policy", "个体经营者自行申报", map[string]any{"kind": "none"}); err != nil {
		return err
	}
	change := map[string]any{"second_approver_above_fen": 3_000}
	if err := s.shop.PutSetting(ctx, s.shop.Finance, "withdrawal", "policy", "演示两人审批", change); err != nil {
		return err
	}
	s.begin("满 ¥300.00 减 ¥20.00", "¥20.00 off from ¥300.00 on")
	off := []map[string]any{{"from_fen": goods, "off_fen": reduction}}
	return s.shop.PutSetting(ctx, s.shop.Owner, "orders", "policy", "开业优惠", map[string]any{"reductions": off})
}

// people brings in a team leader and a city partner, each with a scene code.
func (s *Story) people(ctx context.Context) error {
	s.chapter("二、团长与城市合伙人", "2. A team leader and a city partner")
	var err error
	s.begin("李团长申请、通过审核、成为团长，拿到推广码", "Li applies, is admitted as team leader and gets a promo code")
	if s.leader, err = s.shop.Recruit(ctx, "li", "team_leader"); err != nil {
		return err
	}
	s.expect("码以什么开头", "scene begins with", s.leader.Code.Scene[:2], "s=")
	s.begin("王合伙人签下广州市天河区的服务合同", "Wang signs the service contract for Tianhe, Guangzhou")
	if s.partner, err = s.shop.Recruit(ctx, "wang", "city_partner"); err != nil {
		return err
	}
	if err := s.shop.GiveTerritory(ctx, s.partner, "HT-2026-001", tianhe); err != nil {
		return err
	}
	for _, d := range []*play.Distributor{s.leader, s.partner} {
		s.begin("微信画出小程序码（模拟）", "WeChat draws the scene code (simulated)")
		kind, img, err := d.Raw(ctx, "/api/v1/codes/"+d.Code.ID+"/scene.jpg")
		if err != nil {
			return err
		}
		picture, err := jpeg.DecodeConfig(bytes.NewReader(img))
		if err != nil {
			return fmt.Errorf("read the scene code: %w", err)
		}
		s.expect("类型", "type", kind, "image/jpeg")
		s.note("像素", "pixels", fmt.Sprintf("%d×%d", picture.Width, picture.Height))
	}
	return nil
}

// goods enters what is sold and what it earns.
func (s *Story) goods(ctx context.Context) error {
	s.chapter("三、商品与佣金规则", "3. Goods and commission rules")
	s.begin("上架咖啡：袋装 ¥99.90（成本 ¥40.00），礼盒 ¥100.20", "Coffee goes on sale: a bag at ¥99.90 (cost ¥40.00), a box at ¥100.20")
	var err error
	s.coffee, err = s.shop.EnterProduct(ctx, "云南小粒咖啡", "coffee",
		play.NewSKU{Name: "袋装 250 克", Price: bagPrice, Cost: 4_000, Stock: stock},
		play.NewSKU{Name: "礼盒", Price: boxPrice, Cost: -1, Stock: stock})
	if err != nil {
		return err
	}
	s.begin("规则：团长卖出得净额的 12 %；合伙人每件服务费 ¥1.00", "Rules: a team leader gets 12 % of what is paid; the partner ¥1.00 per unit")
	id, err := s.shop.LevelID(ctx, "team_leader")
	if err != nil {
		return err
	}
	err = s.shop.PublishRule(ctx, play.Rule{"name": "团长佣金", "scope_kind": "all", "level_id": id, "payee": "seller", "kind": "rate", "rate_bps": leaderRate})
	if err != nil {
		return err
	}
	return s.shop.PublishRule(ctx, play.Rule{"name": "区域服务费", "scope_kind": "all", "payee": "territory", "kind": "per_unit", "amount_fen": unitFee})
}

func (s *Story) basket() []play.Item {
	return []play.Item{{SKU: s.coffee.SKUs[0].ID, Qty: bags}, {SKU: s.coffee.SKUs[1].ID, Qty: 1}}
}

// scanAndOrder is the customer's part.
func (s *Story) scanAndOrder(ctx context.Context) error {
	s.chapter("四、扫码、下单、付款", "4. Scan, order, pay")
	s.begin("周小满扫李团长的码，登录，成为他的客户", "Zhou scans Li's code, logs in and becomes Li's customer")
	s.buyer = s.shop.Customer("zhou")
	touch, err := play.Scan(ctx, s.buyer, s.leader.Code.Scene)
	if err != nil {
		return err
	}
	s.expect("绑定", "bound", touch.Bound, true)
	s.expect("归谁", "to", touch.Distributor, s.leader.ID)
	s.begin("再扫王合伙人的码：受保护，不改绑", "A scan of Wang's code: the binding is protected")
	if touch, err = play.Scan(ctx, s.buyer, s.partner.Code.Scene); err != nil {
		return err
	}
	s.expect("绑定", "bound", touch.Bound, false)

	order, err := s.order(ctx, s.buyer)
	if err != nil {
		return err
	}
	s.begin("微信付款，通知验签入账", "Paid in WeChat; the notification is verified and applied")
	if err := s.shop.PayOrder(ctx, s.buyer, order.ID); err != nil {
		return err
	}
	return s.pendings(ctx, leaderCut, partnerCut)
}

// order places the story's order and compares every figure of it.
func (s *Story) order(ctx context.Context, p *play.Person) (play.Order, error) {
	s.begin("下单：2 袋 1 盒，寄到天河区", "The order: 2 bags and 1 box, to Tianhe")
	quote, err := play.AskPrice(ctx, p, s.basket()...)
	if err != nil {
		return play.Order{}, err
	}
	s.expect("商品", "goods", quote.Goods, goods)
	s.expect("优惠", "discount", quote.Discount, reduction)
	s.expect("运费", "freight", quote.Freight, money.Fen(0))
	s.expect("应付", "total", quote.Total, orderPaid)
	order, err := play.PlaceOrder(ctx, p, home, quote.Total, s.basket()...)
	if err != nil {
		return order, err
	}
	s.expect("两袋实付", "paid for the bags", order.Lines[0].Net, bagsNet)
	s.expect("礼盒实付", "paid for the box", order.Lines[1].Net, boxNet)
	shares, err := s.shop.Shares(ctx, order.ID)
	if err != nil {
		return order, err
	}
	for _, x := range shares {
		want := unitFee
		switch {
		case x.Tier == "seller" && x.Line == order.Lines[0].ID:
			want = leaderBag
		case x.Tier == "seller":
			want = leaderBox
		case x.Line == order.Lines[0].ID:
			want = bags * unitFee
		}
		s.expect("应得 "+x.Tier, "share "+x.Tier, x.Amount, want)
	}
	s.expect("应得份数", "shares", len(shares), 4)
	return order, nil
}

// pendings compares what both have accrued.
func (s *Story) pendings(ctx context.Context, leader, partner money.Fen) error {
	l, err := s.leader.Wallet(ctx)
	if err != nil {
		return err
	}
	p, err := s.partner.Wallet(ctx)
	if err != nil {
		return err
	}
	s.expect("李团长待结算", "Li pending", l.Pending, leader)
	s.expect("王合伙人待结算", "Wang pending", p.Pending, partner)
	return nil
}

// deliver ships in two parcels and receives both.
func (s *Story) deliver(ctx context.Context) error {
	s.chapter("五、发货与收货", "5. Shipping and receiving")
	order, err := s.onlyOrder(ctx)
	if err != nil {
		return err
	}
	if err := s.until(ctx, time.November, 3, 10, 0); err != nil {
		return err
	}
	s.begin("分两个包裹发出，并报给微信", "Sent in two parcels, and WeChat is told")
	if err := s.shop.Ship(ctx, order.ID, "ZT0001", play.ShipItem{Line: order.Lines[0].ID, Qty: 1}); err != nil {
		return err
	}
	if err := s.shop.Ship(ctx, order.ID, "ZT0002"); err != nil {
		return err
	}
	if order, err = play.GetOrder(ctx, s.buyer, order.ID); err != nil {
		return err
	}
	s.expect("包裹", "parcels", len(order.Parcels), 2)
	for i, parcel := range order.Parcels {
		if err := s.until(ctx, time.November, 5+i, 12, 0); err != nil {
			return err
		}
		s.begin(fmt.Sprintf("客户收到第 %d 个包裹", i+1), fmt.Sprintf("The customer has received parcel %d", i+1))
		if err := play.Receive(ctx, s.buyer, order.ID, parcel.ID); err != nil {
			return err
		}
	}
	if order, err = play.GetOrder(ctx, s.buyer, order.ID); err != nil {
		return err
	}
	s.expect("订单", "order", order.State, "completed")
	return nil
}

// onlyOrder is the buyer's one order so far.
func (s *Story) onlyOrder(ctx context.Context) (play.Order, error) {
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := s.buyer.Get(ctx, "/api/v1/orders", &list); err != nil {
		return play.Order{}, err
	}
	if len(list.Items) != 1 {
		return play.Order{}, fmt.Errorf("the customer has %d orders", len(list.Items))
	}
	return play.GetOrder(ctx, s.buyer, list.Items[0].ID)
}

// settle lets the after-sale window pass and settles the week.
func (s *Story) settle(ctx context.Context) error {
	s.chapter("六、成熟与结算", "6. Ripening and settlement")
	s.begin("收货后 7 天售后期过，佣金成熟", "Seven days after receipt the commissions are ripe")
	if err := s.until(ctx, time.November, 13, 12, 1); err != nil {
		return err
	}
	if err := s.pendings(ctx, leaderCut, partnerCut); err != nil {
		return err
	}
	s.begin("周一出结算单，公示 3 天", "On Monday the statement is drafted, open to dispute for three days")
	if err := s.until(ctx, time.November, 16, 1, 0); err != nil {
		return err
	}
	if err := s.statement(ctx, s.leader, "open", leaderCut); err != nil {
		return err
	}
	s.begin("无异议，自动确认并入账", "Undisputed: confirmed by itself and posted")
	if err := s.until(ctx, time.November, 19, 2, 0); err != nil {
		return err
	}
	if err := s.statement(ctx, s.leader, "posted", leaderCut); err != nil {
		return err
	}
	return s.wallet(ctx, s.leader, play.Wallet{Available: leaderCut})
}

// statement compares a distributor's newest statement.
func (s *Story) statement(ctx context.Context, d *play.Distributor, state string, total money.Fen) error {
	list, err := d.Statements(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("there is no statement")
	}
	s.expect("结算单", "statement", list[0].State, state)
	s.expect("合计", "total", list[0].Total, total)
	return nil
}

// wallet compares all four balances.
func (s *Story) wallet(ctx context.Context, d *play.Distributor, want play.Wallet) error {
	got, err := d.Wallet(ctx)
	if err != nil {
		return err
	}
	s.expect("待结算", "pending", got.Pending, want.Pending)
	s.expect("可提现", "available", got.Available, want.Available)
	s.expect("提现中", "withdrawing", got.Withdrawing, want.Withdrawing)
	s.expect("欠款", "debt", got.Debt, want.Debt)
	return nil
}

// withdraw takes the money into the distributor's wallet.
func (s *Story) withdraw(ctx context.Context) error {
	s.chapter("七、提现", "7. Withdrawal")
	s.begin("李团长登记实名，申请提现全部", "Li gives the real name and asks for all of it")
	if err := s.leader.GiveName(ctx, "李明"); err != nil {
		return err
	}
	w, err := s.leader.Withdraw(ctx, leaderCut)
	if err != nil {
		return err
	}
	s.expect("状态", "state", w.State, "requested")
	s.expect("到账", "net", w.Net, leaderCut)
	if err := s.wallet(ctx, s.leader, play.Wallet{Withdrawing: leaderCut}); err != nil {
		return err
	}
	if w, err = s.approveTwice(ctx, w); err != nil {
		return err
	}
	s.begin("微信转账，等待李团长确认", "WeChat transfers and waits for Li to confirm")
	if err := s.settleDue(ctx); err != nil {
		return err
	}
	if w, err = s.leader.Withdrawal(ctx, w.ID); err != nil {
		return err
	}
	s.expect("状态", "state", w.State, "awaiting_user")
	return s.confirm(ctx, w)
}

// approveTwice lets both admins approve.
func (s *Story) approveTwice(ctx context.Context, w play.Withdrawal) (play.Withdrawal, error) {
	s.begin("财务、店主先后批准", "Finance approves, then the owner")
	w, err := play.Approve(ctx, s.shop.Finance, w.ID)
	if err != nil {
		return w, err
	}
	s.expect("一人批准后", "after one", w.State, "requested")
	if w, err = play.Approve(ctx, s.shop.Owner, w.ID); err != nil {
		return w, err
	}
	s.expect("两人批准后", "after both", w.State, "approved")
	return w, nil
}

// confirm lets the distributor confirm on the phone.
func (s *Story) confirm(ctx context.Context, w play.Withdrawal) error {
	s.begin("李团长在微信确认，钱到零钱", "Li confirms in WeChat: the money is there")
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
	s.expect("状态", "state", w.State, "paid")
	s.expect("微信已付", "WeChat has paid", s.paidByWeChat(), w.Net)
	return s.wallet(ctx, s.leader, play.Wallet{})
}
