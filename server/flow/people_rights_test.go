package flow_test

import (
	"bytes"
	"context"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/wechat"
)

func TestSeedDefaults_ManyAtOnce(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		require.Equal(t, map[string]int{"": 10}, tally(atOnce(10, func(int) error { return p.f.SeedDefaults(t.Context()) })))
		levels, err := distributor.Levels(t.Context(), p.db.Q())
		require.NoError(t, err)
		require.Len(t, levels, 4)
		for i, want := range []string{distributor.Ordinary, distributor.Senior, distributor.TeamLeader, distributor.CityPartner} {
			require.Equal(t, want, levels[i].Code)
			require.Equal(t, i >= 2, levels[i].Rights.SceneCodes, want)
			require.NoError(t, levels[i].Check())
		}
		require.Equal(t, base.Monthly, levels[3].Cycle)
	})
}

func TestLevels(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		l := distributor.Level{
			ID: base.LevelID(p.db.Mint.Next()), Code: "star", NameZH: "明星分销员", NameEN: "Star", Rank: 25, Cycle: base.Weekly,
			Rights: distributor.Rights{SceneCodes: true}, Duties: distributor.Duties{MonthlySales: 5_000_00}, Active: true,
		}
		made, err := p.f.CreateLevel(ctx, l, boss)
		require.NoError(t, err)
		l.Version = 1
		require.Equal(t, l, made)
		p.audited(l.ID.String(), "level.create")
		again, err := p.f.CreateLevel(ctx, l, boss)
		require.NoError(t, err, "the same id again is the same level")
		require.Equal(t, made, again)
		other := l
		other.ID = base.LevelID(p.db.Mint.Next())
		_, err = p.f.CreateLevel(ctx, other, boss)
		requireCode(t, "level.code_taken", err)

		for name, change := range map[string]func(*distributor.Level){
			"code":    func(l *distributor.Level) { l.Code = "Star!" },
			"no name": func(l *distributor.Level) { l.NameZH = "" },
			"long":    func(l *distributor.Level) { l.NameEN = strings.Repeat("x", 33) },
			"spaces":  func(l *distributor.Level) { l.NameZH = " 明星" },
			"cycle":   func(l *distributor.Level) { l.Cycle = "daily" },
			"rank":    func(l *distributor.Level) { l.Rank = -1 },
			"duty":    func(l *distributor.Level) { l.Duties.MonthlySales = -1 },
			"limit":   func(l *distributor.Level) { l.Rights.WithdrawDayMax = 1 << 60 },
		} {
			bad := other
			bad.Code = "bad"
			change(&bad)
			_, err := p.f.CreateLevel(ctx, bad, boss)
			require.Equal(t, "level.invalid", codeOf(err), name)
		}

		made.NameZH, made.Code = "金星分销员", "ignored"
		results := atOnce(6, func(int) error {
			_, err := p.f.UpdateLevel(ctx, made, boss, "改名")
			return err
		})
		require.Equal(t, map[string]int{"": 1, "level.changed": 5}, tally(results))
		got, err := distributor.LevelByCode(ctx, p.db.Q(), "star")
		require.NoError(t, err)
		require.Equal(t, "金星分销员", got.NameZH)
		require.Equal(t, 2, got.Version)

		got.Active = false
		_, err = p.f.UpdateLevel(ctx, got, boss, "停用")
		require.NoError(t, err)
		d := p.distributor()
		in := flow.SetLevelInput{ID: d.ID, Version: d.Version, Level: got.ID, By: boss, Reason: "升级"}
		_, err = p.f.SetLevel(ctx, in)
		requireCode(t, "level.inactive", err)
		in.Level++
		_, err = p.f.SetLevel(ctx, in)
		requireCode(t, "level.not_found", err)
	})
}

func TestSetLevel_WritesHistory(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx, d := t.Context(), p.distributor()
		senior, err := distributor.LevelByCode(ctx, p.db.Q(), distributor.Senior)
		require.NoError(t, err)
		in := flow.SetLevelInput{ID: d.ID, Version: d.Version, Level: senior.ID, By: boss, Reason: "业绩达标"}
		results := atOnce(6, func(int) error {
			_, err := p.f.SetLevel(ctx, in)
			return err
		})
		require.Equal(t, map[string]int{"": 1, "distributor.changed": 5}, tally(results))
		history, err := distributor.History(ctx, p.db.Q(), d.ID)
		require.NoError(t, err)
		require.Len(t, history, 2)
		last := history[1]
		require.Equal(t, distributor.ChangeLevel, last.Kind)
		require.Equal(t, []string{d.Level.ID.String(), senior.ID.String(), "业绩达标", boss.String()}, []string{last.From, last.To, last.Reason, last.Actor})
		p.audited(d.ID.String(), "distributor.level")
	})
}

func TestSetUpline_NeverMakesARing(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		const n = 6
		for range 4 {
			var ring []distributor.Distributor
			for range n {
				ring = append(ring, p.distributor())
			}
			results := atOnce(n, func(i int) error { // each wants the next above: all together would be a ring
				_, err := p.f.SetUpline(ctx, flow.SetUplineInput{ID: ring[i].ID, Version: ring[i].Version, Upline: ring[(i+1)%n].ID, By: boss, Reason: "调整"})
				return err
			})
			require.Equal(t, map[string]int{"": n - 1, "distributor.upline_cycle": 1}, tally(results))
		}
		d := p.distributor()
		set := func(up base.DistributorID, version int) error {
			_, err := p.f.SetUpline(ctx, flow.SetUplineInput{ID: d.ID, Version: version, Upline: up, By: boss, Reason: "调整"})
			return err
		}
		requireCode(t, "distributor.upline_cycle", set(d.ID, d.Version))
		requireCode(t, "distributor.not_found", set(d.ID+1, d.Version))
		up := p.distributor()
		requireCode(t, "distributor.changed", set(up.ID, d.Version+1))
		require.NoError(t, set(up.ID, d.Version))
		require.NoError(t, set(0, d.Version+1))
		p.audited(d.ID.String(), "distributor.upline")
	})
}

// Guangzhou: the province, the city, two of its districts.
const (
	guangdong = region.Code(440000)
	guangzhou = region.Code(440100)
	tianhe    = region.Code(440106)
	yuexiu    = region.Code(440104)
)

func (p *people) contract(d base.DistributorID, from, until time.Time, regions ...region.Code) distributor.Contract {
	return distributor.Contract{
		ID: base.ContractID(p.db.Mint.Next()), Distributor: d, DocumentNo: "HT-2026-001",
		FromMs: base.Ms(from), UntilMs: base.Ms(until), Regions: regions,
	}
}

func TestTerritory_MostSpecificAndInTime(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx, now := t.Context(), p.clock.Now()
		city, district := p.leveled(distributor.CityPartner), p.leveled(distributor.CityPartner)
		whole := p.contract(city.ID, now, now.Add(300*day), guangdong, guangzhou)
		made, err := p.f.CreateContract(ctx, whole, boss)
		require.NoError(t, err)
		require.Equal(t, []region.Code{guangdong, guangzhou}, made.Regions)
		p.audited(whole.ID.String(), "territory.create")
		again, err := p.f.CreateContract(ctx, whole, boss)
		require.NoError(t, err, "the same id again is the same contract")
		require.Equal(t, made, again)
		part := p.contract(district.ID, now.Add(10*day), now.Add(20*day), tianhe)
		_, err = p.f.CreateContract(ctx, part, boss)
		require.NoError(t, err)

		who := func(place region.Code, at time.Time) (base.DistributorID, region.Code) {
			t.Helper()
			got, ok, err := distributor.TerritoryOf(ctx, p.db.Q(), place, at)
			require.NoError(t, err)
			require.Equal(t, ok, got.Distributor != 0)
			return got.Distributor, got.Region
		}
		requireWho := func(want base.DistributorID, by region.Code, place region.Code, at time.Time) {
			t.Helper()
			d, r := who(place, at)
			require.Equal(t, want, d)
			require.Equal(t, by, r)
		}
		requireWho(city.ID, guangzhou, tianhe, now)
		requireWho(district.ID, tianhe, tianhe, now.Add(10*day))
		requireWho(district.ID, tianhe, tianhe, now.Add(20*day-time.Millisecond))
		requireWho(city.ID, guangzhou, tianhe, now.Add(20*day))
		requireWho(city.ID, guangzhou, yuexiu, now.Add(10*day))
		requireWho(city.ID, guangdong, region.Code(440300), now)
		requireWho(0, 0, region.Code(110101), now)
		requireWho(0, 0, tianhe, now.Add(-time.Millisecond))
		requireWho(0, 0, tianhe, now.Add(300*day))

		senior, err := distributor.LevelByCode(ctx, p.db.Q(), distributor.Senior)
		require.NoError(t, err)
		_, err = p.f.SetLevel(ctx, flow.SetLevelInput{ID: city.ID, Version: city.Version, Level: senior.ID, By: boss, Reason: "降级"})
		requireCode(t, "territory.contract_running", err)
		partner, err := distributor.LevelOf(ctx, p.db.Q(), city.Level.ID)
		require.NoError(t, err)
		partner.Rights.HoldTerritory = false
		_, err = p.f.UpdateLevel(ctx, partner, boss, "取消权益")
		requireCode(t, "territory.contract_running", err)

		end := distributor.End{ID: whole.ID, By: boss, Reason: "提前解约"}
		p.clock.Advance(day)
		ended, err := p.f.EndContract(ctx, end)
		require.NoError(t, err)
		require.Equal(t, base.Ms(p.clock.Now()), ended.UntilMs)
		requireWho(0, 0, yuexiu, p.clock.Now())
		requireWho(city.ID, guangzhou, yuexiu, p.clock.Now().Add(-time.Millisecond))
		_, err = p.f.EndContract(ctx, end)
		requireCode(t, "territory.ended", err)
		ahead := distributor.End{ID: part.ID, By: boss, Reason: "提前解约"}
		_, err = p.f.EndContract(ctx, ahead)
		require.NoError(t, err, "before it begins")
		requireWho(0, 0, tianhe, now.Add(10*day))
		_, err = p.f.CreateContract(ctx, p.contract(city.ID, p.clock.Now(), now.Add(100*day), tianhe, guangzhou), boss)
		require.NoError(t, err, "what has ended is free again")
	})
}

func TestTerritory_OnePartnerAtATime(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx, now := t.Context(), p.clock.Now()
		const n = 8
		var partners []distributor.Distributor
		for range n {
			partners = append(partners, p.leveled(distributor.CityPartner))
		}
		contracts := make([]distributor.Contract, n)
		for i, d := range partners { // all want one day of Tianhe in common, each beginning on another day
			contracts[i] = p.contract(d.ID, now.Add(time.Duration(i)*day), now.Add(30*day), tianhe, region.Code(440103))
		}
		results := atOnce(n, func(i int) error {
			_, err := p.f.CreateContract(ctx, contracts[i], boss)
			return err
		})
		require.Equal(t, map[string]int{"": 1, "territory.overlap": n - 1}, tally(results))
		require.Equal(t, 2, p.count(`SELECT COUNT(*) FROM territory_region`), "the losers left nothing behind")
		_, err := p.f.CreateContract(ctx, p.contract(partners[0].ID, now.Add(30*day), now.Add(60*day), tianhe), boss)
		require.NoError(t, err, "from the moment the other ends")

		ordinary := p.distributor()
		_, err = p.f.CreateContract(ctx, p.contract(ordinary.ID, now, now.Add(day), yuexiu), boss)
		requireCode(t, "territory.level_not_allowed", err)
		for name, bad := range map[string]distributor.Contract{
			"no region":    p.contract(partners[0].ID, now, now.Add(day)),
			"twice":        p.contract(partners[0].ID, now, now.Add(day), yuexiu, yuexiu),
			"unknown":      p.contract(partners[0].ID, now, now.Add(day), region.Code(990099)),
			"backwards":    p.contract(partners[0].ID, now.Add(day), now, yuexiu),
			"over already": p.contract(partners[0].ID, now.Add(-2*day), now.Add(-day), yuexiu),
			"for ever":     p.contract(partners[0].ID, now, now.Add(4000*day), yuexiu),
		} {
			_, err := p.f.CreateContract(ctx, bad, boss)
			require.Equal(t, "territory.invalid", codeOf(err), name)
		}
	})
}

func TestSceneImage(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		leader, ordinary := p.leveled(distributor.TeamLeader), p.distributor()
		code := p.code(leader.ID)
		require.Equal(t, code, p.code(leader.ID), "the same target and channel is the same code")
		in := flow.ImageInput{Distributor: leader.ID, Code: code.ID}

		first, err := p.f.SceneImage(ctx, in)
		require.NoError(t, err)
		require.Equal(t, "jpeg 1 s="+code.Text+" pages/index/index 430 release", string(first))
		p.limit.full.Store(true)
		p.mini.broken.Store(true)
		kept, err := p.f.SceneImage(ctx, in)
		require.NoError(t, err, "what is kept asks nobody")
		require.Equal(t, first, kept)
		wide := in
		wide.Width = 1280
		_, err = p.f.SceneImage(ctx, wide)
		requireCode(t, "code.scene_rate_limited", err)
		p.limit.full.Store(false)
		p.limit.gone.Store(true) // without Redis WeChat's own limit is left
		_, err = p.f.SceneImage(ctx, wide)
		requireCode(t, "wechat.unavailable", err)
		p.mini.broken.Store(false)
		require.Equal(t, map[string]int{"": 8}, tally(atOnce(8, func(int) error {
			_, err := p.f.SceneImage(ctx, wide)
			return err
		})))
		require.Equal(t, 2, p.count(`SELECT COUNT(*) FROM promo_image`))
		wide.Env, wide.Page = wechat.Trial, "pages/goods/goods"
		image, err := p.f.SceneImage(ctx, wide)
		require.NoError(t, err)
		require.Contains(t, string(image), "pages/goods/goods 1280 trial")

		for name, bad := range map[string]flow.ImageInput{
			"wide":    {Distributor: leader.ID, Code: code.ID, Width: 1281},
			"page":    {Distributor: leader.ID, Code: code.ID, Page: "/pages/index"},
			"long":    {Distributor: leader.ID, Code: code.ID, Page: strings.Repeat("p", 129)},
			"version": {Distributor: leader.ID, Code: code.ID, Env: "beta"},
		} {
			_, err := p.f.SceneImage(ctx, bad)
			require.Equal(t, "code.image_invalid", codeOf(err), name)
		}
		_, err = p.f.SceneImage(ctx, flow.ImageInput{Distributor: ordinary.ID, Code: code.ID})
		requireCode(t, "code.not_found", err)
		own := p.code(ordinary.ID)
		_, err = p.f.SceneImage(ctx, flow.ImageInput{Distributor: ordinary.ID, Code: own.ID})
		requireCode(t, "code.scene_not_allowed", err)
		raw, err := p.f.LinkImage(ctx, flow.ImageInput{Distributor: ordinary.ID, Code: own.ID, Width: 256})
		require.NoError(t, err, "everybody has link codes")
		drawn, err := png.Decode(bytes.NewReader(raw))
		require.NoError(t, err)
		require.Equal(t, 256, drawn.Bounds().Dx())
		require.Equal(t, "https://shop.example/l/"+own.Text, p.f.LinkURL(own.Text))
		_, err = p.f.LinkImage(ctx, flow.ImageInput{Distributor: ordinary.ID, Code: own.ID, Width: 5000})
		requireCode(t, "code.image_invalid", err)

		_, err = p.f.Suspend(ctx, flow.PersonDecision{ID: leader.ID, By: boss, Reason: "核查"})
		require.NoError(t, err)
		_, err = p.f.SceneImage(ctx, in)
		requireCode(t, "distributor.suspended", err)
	})
}

func TestMakeCode_RefusesAndExpires(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx, d := t.Context(), p.distributor()
		soap := p.product(catalog.Entry{Name: "手工皂", Category: "日用", Status: catalog.OnSale})
		n := attribution.NewCode{
			ID: base.CodeID(p.db.Mint.Next()), Distributor: d.ID, Channel: "抖音_1",
			Target: attribution.Target{Kind: attribution.TargetProduct, ID: int64(soap)}, Expires: p.clock.Now().Add(day),
		}
		made, err := p.f.MakeCode(ctx, n)
		require.NoError(t, err)
		again, err := p.f.MakeCode(ctx, n)
		require.NoError(t, err)
		require.Equal(t, made, again, "the same id")
		stranger := n
		stranger.Distributor = p.distributor().ID
		_, err = p.f.MakeCode(ctx, stranger)
		requireCode(t, "code.not_found", err)
		for name, change := range map[string]func(*attribution.NewCode){
			"channel":           func(n *attribution.NewCode) { n.Channel = "a b" },
			"long channel":      func(n *attribution.NewCode) { n.Channel = strings.Repeat("抖", 17) },
			"target":            func(n *attribution.NewCode) { n.Target.Kind = "moon" },
			"shop with id":      func(n *attribution.NewCode) { n.Target = attribution.Target{Kind: attribution.TargetShop, ID: 1} },
			"product with none": func(n *attribution.NewCode) { n.Target.ID = 0 },
			"past":              func(n *attribution.NewCode) { n.Expires = p.clock.Now() },
		} {
			bad := n
			bad.ID = base.CodeID(p.db.Mint.Next())
			change(&bad)
			_, err := p.f.MakeCode(ctx, bad)
			require.Equal(t, "code.invalid", codeOf(err), name)
		}
		p.clock.Advance(day)
		require.Equal(t, attribution.CodeExpired, p.scan(p.customer(), made.Text).Touch.Reason)
		_, err = p.f.LinkImage(ctx, flow.ImageInput{Distributor: d.ID, Code: made.ID})
		requireCode(t, "code.expired", err)
	})
}

// product puts something with one SKU on the list.
func (p *people) product(e catalog.Entry) base.ProductID {
	p.t.Helper()
	e.AftersaleDays = catalog.DefaultDays
	e.SKUs = []catalog.SKUEntry{{Name: "单件", Price: 9990, Cost: catalog.CostUnknown}}
	id := base.ProductID(p.db.Mint.Next())
	require.NoError(p.t, p.db.InTx(p.t.Context(), "test.product", func(ctx context.Context, tx *store.Tx) error {
		_, err := catalog.Create(ctx, tx, id, e)
		return err
	}))
	return id
}

func TestMakeCode_OnlyForWhatTheLevelMayPromote(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		ordinary, senior := p.distributor(), p.leveled(distributor.Senior)
		fresh := p.product(catalog.Entry{
			Name: "新茶", Category: "茶", Status: catalog.OnSale, EarlyFrom: p.clock.Now(), EarlyUntil: p.clock.Now().Add(3 * day),
		})
		draft := p.product(catalog.Entry{Name: "样品", Category: "茶", Status: catalog.Draft})
		code := func(d base.DistributorID, product base.ProductID) error {
			_, err := p.f.MakeCode(ctx, attribution.NewCode{
				ID: base.CodeID(p.db.Mint.Next()), Distributor: d, Target: attribution.Target{Kind: attribution.TargetProduct, ID: int64(product)},
			})
			return err
		}
		require.NoError(t, code(senior.ID, fresh))
		requireCode(t, "code.target_not_on_sale", code(ordinary.ID, fresh))
		requireCode(t, "code.target_not_on_sale", code(senior.ID, draft))
		requireCode(t, "product.not_found", code(senior.ID, fresh+1))
		p.clock.Advance(3 * day)
		require.NoError(t, code(ordinary.ID, fresh), "after the window everybody may")
	})
}

func TestSetRealName(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx, d := t.Context(), p.distributor()
		const idNo = "11010519491231002X"
		in := flow.RealNameInput{ID: d.ID, RealName: " 王小明 ", IDNo: strings.ToLower(idNo), By: base.Distributor(d.ID)}
		d, err := p.f.SetRealName(ctx, in)
		require.NoError(t, err)
		require.True(t, d.HasRealName())
		require.Zero(t, d.NameChangedMs, "the first name is no change")
		require.Equal(t, base.Ms(p.clock.Now()), d.NamedMs)
		require.NotContains(t, d.RealNameEnc+d.IDNoEnc, "王小明")
		name, err := p.f.Box.Open(distributor.RealNamePlace, d.RealNameEnc)
		require.NoError(t, err)
		require.Equal(t, "王小明", name)
		number, err := p.f.Box.Open(distributor.IDNoPlace, d.IDNoEnc)
		require.NoError(t, err)
		require.Equal(t, idNo, number)

		p.clock.Advance(day)
		same, err := p.f.SetRealName(ctx, in)
		require.NoError(t, err)
		require.Equal(t, d, same, "the same papers change nothing")
		in.RealName, in.IDNo = "王大明", ""
		changed, err := p.f.SetRealName(ctx, in)
		require.NoError(t, err)
		require.Equal(t, base.Ms(p.clock.Now()), changed.NameChangedMs)
		require.Equal(t, d.NamedMs, changed.NamedMs)
		require.Equal(t, d.IDNoHash, changed.IDNoHash, "the number is kept")

		for _, bad := range []string{"", "王", "王小明2", "<b>王</b>", strings.Repeat("王", 31), "·王小"} {
			_, err := p.f.SetRealName(ctx, flow.RealNameInput{ID: d.ID, RealName: bad})
			requireCode(t, "distributor.real_name_invalid", err)
		}
		for _, bad := range []string{"110105194912310021", "11010519491331002X", "123", "11010520991231002X", "abcdefghijklmnopqr"} {
			_, err := p.f.SetRealName(ctx, flow.RealNameInput{ID: d.ID, RealName: "王小明", IDNo: bad})
			requireCode(t, "distributor.id_no_invalid", err)
		}
		rows, err := auditlog.Of(ctx, p.db.Q(), d.ID.String())
		require.NoError(t, err)
		for _, r := range rows {
			require.NotContains(t, r.Before+r.After, "明", "no personal data in the log")
			require.NotContains(t, r.Before+r.After, "1949")
		}
	})
}

func TestMasks(t *testing.T) {
	t.Parallel()
	require.Equal(t, "**明", distributor.MaskName("王小明"))
	require.Equal(t, "J***", distributor.MaskName("John"))
	require.Equal(t, "", distributor.MaskName(""))
}
