package flow

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
)

// Sentence is one step of an explanation, in both languages.
type Sentence struct {
	Code string // stable
	ZH   string
	EN   string
}

// AttributionExplained is why an order went to whom, with the rows it is told from.
type AttributionExplained struct {
	Evidence  attribution.Evidence
	Sentences []Sentence
}

// ExplainAttribution tells in words why an order went to whom, from stored rows alone.
func (f *Flow) ExplainAttribution(ctx context.Context, order base.OrderID) (AttributionExplained, error) {
	q := f.DB.Q()
	e, err := attribution.EvidenceOf(ctx, q, order)
	if err != nil {
		return AttributionExplained{}, err
	}
	seller, err := payeeWords(ctx, q, e.Frozen.Seller)
	if err != nil {
		return AttributionExplained{}, err
	}
	partner, err := payeeWords(ctx, q, e.Frozen.Territory)
	if err != nil {
		return AttributionExplained{}, err
	}
	return AttributionExplained{Evidence: e, Sentences: []Sentence{
		policySentence(e), decisionSentence(e), sellerSentence(e, seller), uplineSentence(e), territorySentence(e, partner),
	}}, nil
}

// words is a thing in both languages.
type words struct{ zh, en string }

func payeeWords(ctx context.Context, q store.Q, p attribution.Payee) (words, error) {
	if p.ID == 0 {
		return words{"无", "nobody"}, nil
	}
	l, err := distributor.LevelOf(ctx, q, p.Level)
	if err != nil {
		return words{}, err
	}
	cycle := words{"按周结算", "settled weekly"}
	if p.Cycle == base.Monthly {
		cycle = words{"按月结算", "settled monthly"}
	}
	return words{
		fmt.Sprintf("%s %s（%s）", l.NameZH, p.ID, cycle.zh), fmt.Sprintf("%s %s (%s)", l.NameEN, p.ID, cycle.en),
	}, nil
}

// shopTime shows an instant as people in the shop read it.
func shopTime(ms int64) string { return base.Time(ms).In(clock.Shop).Format("2006-01-02 15:04:05") }

var modeWords = map[attribution.Mode]words{
	attribution.Protected: {"保护期内不换绑", "bindings are protected for a time"},
	attribution.Life:      {"终身绑定", "bindings are for life"},
	attribution.LastScan:  {"以最后一次扫码为准", "the last scan binds"},
}

func policySentence(e attribution.Evidence) Sentence {
	p, mode := e.Policy, modeWords[e.Policy.Mode]
	return Sentence{
		"policy",
		fmt.Sprintf("适用绑定规则第 %d 版：%s，保护 %d 天，%d 天无订单失效，触达有效 %d 天。",
			e.Frozen.PolicyVersion, mode.zh, p.ProtectDays, p.LapseDays, p.TouchWindowDays),
		fmt.Sprintf("Binding policy version %d applies: %s; protected %d days, lapsing after %d days without an order, touches count for %d days.",
			e.Frozen.PolicyVersion, mode.en, p.ProtectDays, p.LapseDays, p.TouchWindowDays),
	}
}

func decisionSentence(e attribution.Evidence) Sentence {
	bound, touched := bindingWords(e), touchWords(e)
	switch e.Frozen.Reason {
	case attribution.ByBinding:
		return Sentence{e.Frozen.Reason,
			fmt.Sprintf("%s，下单时绑定有效，订单归绑定的分销员。", bound.zh),
			fmt.Sprintf("%s; the binding was in force when the order was placed and wins it.", bound.en)}
	case attribution.ByTouch:
		return Sentence{e.Frozen.Reason,
			fmt.Sprintf("下单时客户没有有效绑定；有效期内最后一次触达是：%s，订单归该分销员。", touched.zh),
			fmt.Sprintf("The customer had no binding in force; the last touch in the window was: %s. It wins the order.", touched.en)}
	case attribution.ByTouchHolderGone:
		return Sentence{e.Frozen.Reason,
			fmt.Sprintf("%s，但下单时该分销员已暂停或终止；有效期内最后一次触达是：%s，订单归该分销员。", bound.zh, touched.zh),
			fmt.Sprintf("%s, but that distributor was suspended or closed when the order was placed; the last touch in the window was: %s. It wins the order.", bound.en, touched.en)}
	case attribution.NobodyHolderGone:
		return Sentence{e.Frozen.Reason,
			fmt.Sprintf("%s，但下单时该分销员已暂停或终止，有效期内也没有其他触达，订单不计佣。", bound.zh),
			fmt.Sprintf("%s, but that distributor was suspended or closed when the order was placed, and nothing else touched the customer in the window: nobody earns.", bound.en)}
	}
	return plainDecisions[e.Frozen.Reason]
}

// plainDecisions are the decisions that need no figures.
var plainDecisions = map[string]Sentence{
	attribution.ByOwnPurchase: {attribution.ByOwnPurchase,
		"下单人是分销员本人，规则允许自购计佣，订单归其本人。", "The buyer is a distributor, and own purchases earn by the policy: the order is the buyer's own."},
	attribution.NobodyOwnPurchase: {attribution.NobodyOwnPurchase,
		"下单人是分销员本人，规则不允许自购计佣，订单不计佣。", "The buyer is a distributor, and own purchases do not earn by the policy: nobody earns."},
	attribution.NobodySelfIdle: {attribution.NobodySelfIdle,
		"下单人是分销员本人，但其资格已暂停或终止，订单不计佣。", "The buyer is a distributor who is suspended or closed: nobody earns."},
	attribution.NobodyTouchesEarn: {attribution.NobodyTouchesEarn,
		"下单时客户没有有效绑定，有效期内触达过客户的分销员均已暂停或终止，订单不计佣。", "The customer had no binding in force, and everybody who touched the customer in the window was suspended or closed: nobody earns."},
	attribution.NobodyFound: {attribution.NobodyFound,
		"下单时客户没有有效绑定，有效期内也没有任何触达，订单不计佣。", "The customer had no binding in force and nothing touched the customer in the window: nobody earns."},
}

var boundWords = map[attribution.Reason]words{
	attribution.BoundFirst:       {"首次扫码绑定", "bound on the first scan"},
	attribution.BoundIdle:        {"长期未下单后扫码绑定", "bound by a scan after a long time without an order"},
	attribution.BoundAfterLapse:  {"原绑定失效后扫码绑定", "bound by a scan after the earlier binding had lapsed"},
	attribution.BoundAfterClosed: {"原分销员终止后扫码绑定", "bound by a scan after the earlier distributor was closed"},
	attribution.ReplacedIdle:     {"原绑定保护期满后扫码换绑", "bound by a scan after the earlier binding's protection was over"},
	attribution.ReplacedByScan:   {"按最后扫码规则换绑", "bound by the last scan"},
}

func bindingWords(e attribution.Evidence) words {
	b := e.Binding
	if b == nil {
		return words{"绑定记录缺失", "the binding's row is missing"}
	}
	why := boundWords[b.Reason]
	return words{
		fmt.Sprintf("客户于 %s 绑定分销员 %s（%s）", shopTime(b.SinceMs), b.Distributor, why.zh),
		fmt.Sprintf("The customer was bound to distributor %s at %s (%s)", b.Distributor, shopTime(b.SinceMs), why.en),
	}
}

func touchWords(e attribution.Evidence) words {
	t := e.Touch
	if t == nil {
		return words{"触达记录缺失", "the touch's row is missing"}
	}
	act := words{"扫码", "a scan of"}
	if t.Kind == attribution.Click {
		act = words{"点击", "a click on"}
	}
	code := ""
	if e.Code != nil {
		code = e.Code.Text
	}
	return words{
		fmt.Sprintf("%s %s分销员 %s 的推广码 %s", shopTime(t.AtMs), act.zh, t.Distributor, code),
		fmt.Sprintf("%s code %s of distributor %s at %s", act.en, code, t.Distributor, shopTime(t.AtMs)),
	}
}

func sellerSentence(e attribution.Evidence, seller words) Sentence {
	if e.Frozen.Seller.ID == 0 {
		return Sentence{"seller_none", "本单没有推广分销员。", "No distributor earns this order by promotion."}
	}
	return Sentence{
		"seller",
		fmt.Sprintf("推广佣金归 %s，等级与结算周期以下单时为准。", seller.zh),
		fmt.Sprintf("The promotion share goes to %s, by level and cycle at the time of the order.", seller.en),
	}
}

func uplineSentence(e attribution.Evidence) Sentence {
	if e.Frozen.Upline.ID == 0 {
		return Sentence{"upline_off", "上级酬劳未启用，上级不参与分配。", "The upline payee is off: no upline has a share."}
	}
	return Sentence{
		"upline",
		fmt.Sprintf("上级酬劳已启用，上级为 %s。", e.Frozen.Upline.ID),
		fmt.Sprintf("The upline payee is on; the upline is %s.", e.Frozen.Upline.ID),
	}
}

func territorySentence(e attribution.Evidence, partner words) Sentence {
	if e.Frozen.Territory.ID == 0 {
		return Sentence{"territory_none", "收货地址所在区域没有签约的城市合伙人。", "No city partner serves the delivery address under a contract."}
	}
	return Sentence{
		"territory",
		fmt.Sprintf("收货地址属于%s，由 %s 按合同 %s 提供区域服务。", regionName(e.Frozen.Region), partner.zh, e.Frozen.Contract),
		fmt.Sprintf("The delivery address lies in %s, served by %s under contract %s.", regionName(e.Frozen.Region), partner.en, e.Frozen.Contract),
	}
}

func regionName(c region.Code) string { return c.FullName() }
