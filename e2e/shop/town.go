package shop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/money"
	"fenxiao/server/play"
)

// What the people of a town give of themselves. It must never be seen outside of the answers to those who may.
const (
	BuyerPhone      = "13800138000"
	BuyerName       = "周小满"
	BuyerStreet     = "体育西路水荫里 17 号"
	LeaderName      = "李向阳"
	LeaderID        = "11010519491231002X"
	PartnerName     = "王芳芳"
	FinancePassword = "Banyan-Grove-2003"

	district  = 440_106 // Tianhe, Guangzhou
	bagPrice  = money.Fen(9_990)
	bagCount  = 10
	available = 11_988 // 12 % of ten bags
)

// Home is where the buyer's parcels go.
var Home = play.Address{Region: district, Name: BuyerName, Phone: BuyerPhone, Detail: BuyerStreet}

// Town is a shop with a past: people of every kind, an order that was paid, received and settled, one that is paid
// and one that is not, money that can be withdrawn.
type Town struct {
	*Shop
	Leader, Partner *play.Distributor
	Buyer           *play.Person
	Coffee          play.Product
	Settled         play.Order // received and on a posted statement of the leader's
	Paid            play.Order
	Unpaid          play.Order
}

// Earned is what the leader can withdraw when the town has been built.
const Earned = money.Fen(available)

// Build gives a new shop its past: three weeks of it, on the shop's manual clock.
func Build(tb testing.TB, s *Shop) *Town {
	tb.Helper()
	t := &Town{Shop: s}
	t.open(tb)
	t.people(tb)
	t.Settled = t.Order(tb, t.Buyer, bagCount)
	t.pay(tb, t.Settled.ID)
	require.NoError(tb, t.Ship(tb.Context(), t.Settled.ID, "ZT0001"))
	t.Pass(tb, 24*time.Hour)
	require.NoError(tb, play.Receive(tb.Context(), t.Buyer, t.Settled.ID, ""))
	for range 16 { // the after-sale window, the end of the week, the days for disputes
		t.Pass(tb, 24*time.Hour)
	}
	wallet, err := t.Leader.Wallet(tb.Context())
	require.NoError(tb, err)
	require.Equal(tb, play.Wallet{Available: Earned}, wallet)
	t.Paid = t.Order(tb, t.Buyer, 2)
	t.pay(tb, t.Paid.ID)
	t.Unpaid = t.Order(tb, t.Buyer, 1)
	return t
}

// open hires finance and makes the decisions that a shop starts with.
func (t *Town) open(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	var err error
	t.Finance, _, err = t.Hire(ctx, "finance", "财务", "finance", FinancePassword)
	require.NoError(tb, err)
	require.NoError(tb, t.PutSetting(ctx, t.Finance, "tax-policy", "policy", "个体经营者自行申报", map[string]any{"kind": "none"}))
	t.Coffee, err = t.EnterProduct(ctx, "云南小粒咖啡", "coffee",
		play.NewSKU{Name: "袋装 250 克", Price: bagPrice, Cost: 4_000, Stock: 10_000},
		play.NewSKU{Name: "礼盒", Price: 10_020, Cost: -1, Stock: 10_000})
	require.NoError(tb, err)
	level, err := t.LevelID(ctx, "team_leader")
	require.NoError(tb, err)
	require.NoError(tb, t.PublishRule(ctx, play.Rule{"name": "团长佣金", "scope_kind": "all", "level_id": level, "payee": "seller", "kind": "rate", "rate_bps": 1_200}))
	require.NoError(tb, t.PublishRule(ctx, play.Rule{"name": "区域服务费", "scope_kind": "all", "payee": "territory", "kind": "per_unit", "amount_fen": 100}))
}

func (t *Town) people(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	var err error
	t.Leader, err = t.Recruit(ctx, "li", "team_leader")
	require.NoError(tb, err)
	in := map[string]string{"real_name": LeaderName, "id_no": LeaderID}
	require.NoError(tb, t.Leader.Put(ctx, "/api/v1/distributor/real-name", in, nil))
	t.Partner, err = t.Recruit(ctx, "wang", "city_partner")
	require.NoError(tb, err)
	require.NoError(tb, t.Partner.GiveName(ctx, PartnerName))
	require.NoError(tb, t.GiveTerritory(ctx, t.Partner, "HT-2026-001", district))
	t.Buyer = t.Customer("zhou")
	touch, err := play.Scan(ctx, t.Buyer, t.Leader.Code.Scene)
	require.NoError(tb, err)
	require.True(tb, touch.Bound, touch.Reason)
	require.NoError(tb, t.Buyer.Put(ctx, "/api/v1/me/phone", map[string]string{"phone": BuyerPhone}, nil))
}

// Order places an order for so many bags.
func (t *Town) Order(tb testing.TB, p *play.Person, bags int64) play.Order {
	tb.Helper()
	basket := play.Item{SKU: t.Coffee.SKUs[0].ID, Qty: bags}
	order, err := play.PlaceOrder(tb.Context(), p, Home, bagPrice*money.Fen(bags), basket)
	require.NoError(tb, err)
	return order
}

func (t *Town) pay(tb testing.TB, order string) {
	tb.Helper()
	require.NoError(tb, t.PayOrder(tb.Context(), t.Buyer, order))
}
