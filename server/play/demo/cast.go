package demo

import (
	"context"
	"maps"
	"slices"

	"fenxiao/server/base/money"
	"fenxiao/server/play"
)

// passwords of the demo's admins: it holds nothing worth keeping from anybody.
var passwords = map[string]string{"boss": "Kapok-Street-1998", "finance": "Osmanthus-Lane-2001", "operations": "Lychee-Harbour-2010"}

// role is one of the distributors.
type role struct {
	user, name, level string
	regions           []int
}

var cast = []role{
	{"wangfang", "王芳", "city_partner", []int{440_100}},
	{"liuyang", "刘洋", "city_partner", []int{440_300}},
	{"liming", "李明", "team_leader", nil},
	{"zhaoxue", "赵雪", "team_leader", nil},
	{"sunhao", "孙浩", "team_leader", nil},
	{"zhoujing", "周静", "senior", nil},
	{"wumin", "吴敏", "senior", nil},
	{"zhenglei", "郑磊", "ordinary", nil},
	{"fengqian", "冯倩", "ordinary", nil},
	{"chenkai", "陈凯", "ordinary", nil},
}

var rates = map[string]money.BasisPoints{"ordinary": 600, "senior": 900, "team_leader": 1200}

var goods = []struct {
	name, category string
	skus           []play.NewSKU
}{
	{"云南小粒咖啡", "coffee", []play.NewSKU{{Name: "袋装 250 克", Price: 5_990, Cost: 2_800, Stock: 2000}, {Name: "礼盒", Price: 16_800, Cost: 8_000, Stock: 800}}},
	{"武夷岩茶", "tea", []play.NewSKU{{Name: "罐装 100 克", Price: 12_800, Cost: 5_500, Stock: 1000}}},
	{"五常大米", "grain", []play.NewSKU{{Name: "5 千克", Price: 7_990, Cost: 5_200, Stock: 1500}}},
	{"赣南脐橙", "fruit", []play.NewSKU{{Name: "2.5 千克", Price: 3_980, Cost: 2_100, Stock: 1500}, {Name: "5 千克", Price: 6_980, Cost: 3_900, Stock: 1500}}},
	{"内蒙古牛肉干", "snack", []play.NewSKU{{Name: "500 克", Price: 9_900, Cost: 6_000, Stock: 1200}}},
	{"手工竹编篮", "home", []play.NewSKU{{Name: "", Price: 15_900, Cost: -1, Stock: 300}}},
}

// districts are where the customers live.
var districts = []int{440_106, 440_104, 440_305, 440_304, 110_105, 310_115, 510_107}

const unitFee money.Fen = 50

// setUp opens the shop: admins, decisions, goods, rules, distributors.
func (d *demo) setUp(ctx context.Context) error {
	if err := d.boss(ctx); err != nil {
		return err
	}
	for _, who := range [][2]string{{"finance", "财务"}, {"operations", "运营"}} {
		p, login, err := d.shop.Hire(ctx, who[0], who[1], who[0], passwords[who[0]])
		if err != nil {
			return err
		}
		if who[0] == "finance" {
			d.shop.Finance = p
		}
		d.kept.Admins = append(d.kept.Admins, login)
	}
	if err := d.shop.PutSetting(ctx, d.shop.Finance, "tax-policy", "policy", "演示", map[string]any{"kind": "none"}); err != nil {
		return err
	}
	for _, g := range goods {
		if _, err := d.shop.EnterProduct(ctx, g.name, g.category, g.skus...); err != nil {
			return err
		}
	}
	if err := d.rules(ctx); err != nil {
		return err
	}
	for _, r := range cast {
		dist, err := d.shop.Recruit(ctx, r.user, r.level)
		if err != nil {
			return err
		}
		if err := dist.GiveName(ctx, r.name); err != nil {
			return err
		}
		if len(r.regions) > 0 {
			if err := d.shop.GiveTerritory(ctx, dist, "HT-"+r.user, r.regions...); err != nil {
				return err
			}
		}
	}
	d.kept.Set = true
	return d.save()
}

func (d *demo) rules(ctx context.Context) error {
	for _, level := range slices.Sorted(maps.Keys(rates)) {
		rate := rates[level]
		id, err := d.shop.LevelID(ctx, level)
		if err != nil {
			return err
		}
		r := play.Rule{"name": "佣金 " + level, "scope_kind": "all", "level_id": id, "payee": "seller", "kind": "rate", "rate_bps": rate}
		if err := d.shop.PublishRule(ctx, r); err != nil {
			return err
		}
	}
	return d.shop.PublishRule(ctx, play.Rule{"name": "区域服务费", "scope_kind": "all", "payee": "territory", "kind": "per_unit", "amount_fen": unitFee})
}
