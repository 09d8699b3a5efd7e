package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/play"
)

const (
	openingHour  = 9 * time.Hour
	customersMax = 40
	ordersPerDay = 6
	leastPayout  = money.Fen(1_000)
	mostPayout   = money.Fen(20_000)
	seed         = 20_260

	// savings is whose money of the last weeks is left to whoever tries the demo, as the README's walk does.
	savings    = "liming"
	savingDays = 45
)

// maker lives through the days.
type maker struct {
	*demo
	rand      *rand.Rand
	products  []play.Product
	sellers   []*play.Distributor
	customers []*play.Person
	byID      map[string]*play.Person // customers by the id that orders name
	parcels   int
}

// makeDays makes one day after the other, up to the present.
func (d *demo) makeDays(ctx context.Context) error {
	m := &maker{demo: d, rand: rand.New(rand.NewPCG(seed, uint64(d.kept.Done))), byID: map[string]*play.Person{}}
	if err := m.meet(ctx); err != nil {
		return err
	}
	started := clock.Wall()
	for d.kept.Done < d.o.Days {
		if err := ctx.Err(); err != nil {
			return err
		}
		day := d.kept.First.Add(d.kept.Done)
		// A day counts from its beginning: one that is cut off stays as it is, because time never goes back.
		d.kept.Done++
		if err := d.save(); err != nil {
			return err
		}
		if err := m.day(ctx, day); err != nil {
			return fmt.Errorf("%s: %w", day, err)
		}
		fmt.Fprintf(d.o.Out, "\r造数据 / making data: %s  %d/%d 天  %.0f s ", day, d.kept.Done, d.o.Days, clock.Wall().Sub(started).Seconds())
	}
	fmt.Fprintln(d.o.Out)
	d.clock.past.Set(clock.Wall())
	return m.due(ctx)
}

// meet finds the people and goods again, also after a restart.
func (m *maker) meet(ctx context.Context) error {
	for _, a := range m.kept.Admins {
		p := play.Admin(m.shop.Base, a, m.clock)
		switch a.Account {
		case "boss":
			if m.shop.Owner == nil {
				m.shop.Owner = p
			}
		case "finance":
			if m.shop.Finance == nil {
				m.shop.Finance = p
			}
		}
	}
	var list struct {
		Items []play.Product `json:"items"`
	}
	if err := m.shop.Owner.Get(ctx, "/api/admin/v1/products?page_size=100", &list); err != nil {
		return err
	}
	m.products = list.Items
	for _, r := range cast {
		d := &play.Distributor{Person: m.shop.Customer(r.user), Level: r.level}
		var codes struct {
			Items []play.Code `json:"items"`
		}
		if err := d.Get(ctx, "/api/v1/codes", &codes); err != nil {
			return err
		}
		d.Code = codes.Items[0]
		m.sellers = append(m.sellers, d)
	}
	for i := range customersMax {
		p := m.shop.Customer(fmt.Sprintf("customer%02d", i+1))
		var me struct {
			ID string `json:"id"`
		}
		if err := p.Get(ctx, "/api/v1/me", &me); err != nil {
			return err
		}
		m.customers = append(m.customers, p)
		m.byID[me.ID] = p
	}
	return nil
}

// day is one day of the shop.
func (m *maker) day(ctx context.Context, day base.BusinessDay) error {
	m.clock.past.Set(day.Start().Add(openingHour))
	parts := []func(context.Context) error{m.ship, m.receive, m.scans, m.orders, m.refunds, m.withdrawals, m.reviews, m.confirmations}
	for _, part := range parts {
		m.clock.past.Advance(time.Hour)
		if err := part(ctx); err != nil {
			return err
		}
		if err := m.due(ctx); err != nil {
			return err
		}
	}
	return nil
}

// due lets WeChat and the jobs do what is due.
func (m *maker) due(ctx context.Context) error {
	m.wx.Settle(ctx)
	return m.app.Settle(ctx)
}

func (m *maker) chance(percent int) bool { return m.rand.IntN(100) < percent }

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// scans: people come across codes; whose customer they become is the shop's decision.
func (m *maker) scans(ctx context.Context) error {
	for range 3 {
		if _, err := play.Scan(ctx, pick(m.rand, m.customers), pick(m.rand, m.sellers).Code.Scene); err != nil {
			return err
		}
	}
	return nil
}

// orders: most are paid, some cancelled, some forgotten.
func (m *maker) orders(ctx context.Context) error {
	for range 1 + m.rand.IntN(ordersPerDay) {
		m.clock.past.Advance(7 * time.Minute)
		if err := m.order(ctx, pick(m.rand, m.customers)); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) order(ctx context.Context, p *play.Person) error {
	product := pick(m.rand, m.products)
	items := []play.Item{{SKU: pick(m.rand, product.SKUs).ID, Qty: 1 + m.rand.Int64N(3)}}
	quote, err := play.AskPrice(ctx, p, items...)
	if err != nil {
		return err
	}
	to := play.Address{Region: pick(m.rand, districts), Name: "客户", Phone: "13800138000", Detail: "人民路 8 号"}
	o, err := play.PlaceOrder(ctx, p, to, quote.Total, items...)
	if err != nil {
		return err
	}
	switch {
	case m.chance(85):
		return m.shop.PayOrder(ctx, p, o.ID)
	case m.chance(50):
		return p.Post(ctx, "/api/v1/orders/"+o.ID+"/cancel", map[string]any{"reason": "不想要了"}, nil)
	default:
		return nil // forgotten: it closes by itself
	}
}

type orderRow struct {
	ID       string    `json:"id"`
	Customer string    `json:"customer_id"`
	State    string    `json:"state"`
	Shipped  string    `json:"shipped"`
	Received string    `json:"received"`
	Total    money.Fen `json:"total_fen"`
	Refunded money.Fen `json:"refunded_fen"`
	Lines    []struct {
		ID  string    `json:"id"`
		Net money.Fen `json:"net_fen"`
	} `json:"lines"`
}

func (m *maker) list(ctx context.Context, state string) ([]orderRow, error) {
	var list struct {
		Items []orderRow `json:"items"`
	}
	err := m.shop.Owner.Get(ctx, "/api/admin/v1/orders?page_size=100&state="+state, &list)
	return list.Items, err
}

// ship sends what was paid.
func (m *maker) ship(ctx context.Context) error {
	list, err := m.list(ctx, "paid")
	if err != nil {
		return err
	}
	for _, o := range list {
		if o.Shipped == "all" || o.Refunded == o.Total {
			continue
		}
		m.parcels++
		no := fmt.Sprintf("ZT%03d%05d", m.kept.Done, m.parcels)
		if err := m.shop.Ship(ctx, o.ID, no); err != nil {
			return err
		}
	}
	return nil
}

// receive: some say that it has come; the others leave it to the clock.
func (m *maker) receive(ctx context.Context) error {
	list, err := m.list(ctx, "paid")
	if err != nil {
		return err
	}
	for _, o := range list {
		p := m.byID[o.Customer]
		if o.Shipped == "none" || o.Received == "all" || p == nil || !m.chance(40) {
			continue
		}
		if err := play.Receive(ctx, p, o.ID, ""); err != nil {
			return err
		}
	}
	return nil
}

// refunds: a few orders are refunded, whole or with goodwill, before and after settlement.
func (m *maker) refunds(ctx context.Context) error {
	list, err := m.list(ctx, "completed")
	if err != nil {
		return err
	}
	for _, o := range list {
		if !m.chance(1) || o.Refunded > 0 {
			continue
		}
		line := play.RefundLine{Line: o.Lines[0].ID, Amount: o.Lines[0].Net}
		if m.chance(60) {
			line.Amount = min(1_000, o.Lines[0].Net)
		}
		if _, err := m.shop.GiveBack(ctx, o.ID, "商品有瑕疵", line); err != nil {
			return err
		}
	}
	return nil
}

// withdrawals: a distributor takes what is there once a week or so.
func (m *maker) withdrawals(ctx context.Context) error {
	for i, d := range m.sellers {
		if !m.chance(20) || cast[i].user == savings && m.kept.Done > m.o.Days-savingDays {
			continue
		}
		w, err := d.Wallet(ctx)
		if err != nil {
			return err
		}
		if w.Available < leastPayout {
			continue
		}
		if _, err := d.Withdraw(ctx, min(w.Available, mostPayout)); err != nil {
			return err
		}
	}
	return nil
}

// reviews: finance looks at what waits; a few are left for whoever looks at the demo.
func (m *maker) reviews(ctx context.Context) error {
	var list struct {
		Items []play.Withdrawal `json:"items"`
	}
	if err := m.shop.Finance.Get(ctx, "/api/admin/v1/withdrawals?page_size=100&state=requested", &list); err != nil {
		return err
	}
	for _, w := range list.Items {
		var err error
		switch {
		case m.kept.Done > m.o.Days-5: // left to the visitor
		case m.chance(92):
			_, err = play.Approve(ctx, m.shop.Finance, w.ID)
		default:
			_, err = play.Reject(ctx, m.shop.Finance, w.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// confirmations: most distributors confirm in WeChat, some forget for a day and more.
func (m *maker) confirmations(ctx context.Context) error {
	for _, t := range m.wx.Books().Transfers {
		if t.State != "WAIT_USER_CONFIRM" || !m.chance(80) {
			continue
		}
		if err := m.wx.ConfirmTransfer(ctx, t.OutBillNo); err != nil {
			return err
		}
	}
	return nil
}
