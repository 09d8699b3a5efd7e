package distributor

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/region"
	"fenxiao/server/store"
)

const (
	// ContractRegionsMax is how many regions one contract can name.
	ContractRegionsMax = 100

	documentMax     = 64 // bytes
	contractYearMax = 10
)

// What this package refuses about territories.
var (
	ErrContractNotFound = errs.E(errs.NotFound, "territory.not_found", "没有找到该区域合同", errs.EN("There is no such territory contract."))
	ErrTerritoryRight   = errs.E(errs.Conflict, "territory.level_not_allowed", "该分销员的等级不能签约服务区域，请先调整等级",
		errs.EN("The distributor's level may not hold a territory. Change the level first."))
	ErrTerritoryTaken = errs.E(errs.Conflict, "territory.overlap", "所选区域在该时间段内已有合伙人，请调整区域或时间",
		errs.EN("A region has a partner in that time already. Change regions or times."))
	ErrTerritoryKept = errs.E(errs.Conflict, "territory.contract_running", "该分销员仍有生效中的区域合同，请先终止合同",
		errs.EN("A territory contract is still running. End it first."))
	ErrContractEnded = errs.E(errs.Conflict, "territory.ended", "该区域合同已结束", errs.EN("The territory contract has ended already."))
)

// Contract gives regions to a city partner to serve, from a moment until before another.
type Contract struct {
	ID          base.ContractID    `db:"id"`
	Distributor base.DistributorID `db:"distributor_id"`
	DocumentNo  string             `db:"document_no"` // of the signed paper
	FromMs      int64              `db:"from_ms"`
	UntilMs     int64              `db:"until_ms"` // the first moment after
	MadeMs      int64              `db:"made_ms"`
	MadeBy      string             `db:"made_by"`
	EndedMs     int64              `db:"ended_ms"` // when it was ended early; 0: it was not
	EndedBy     string             `db:"ended_by"`
	EndReason   string             `db:"end_reason"`
	Regions     []region.Code      `db:"-"`
}

type regionRow struct {
	Contract base.ContractID `db:"contract_id"`
	Region   region.Code     `db:"region_code"`
	FromMs   int64           `db:"from_ms"`
	UntilMs  int64           `db:"until_ms"`
}

const (
	contractColumns   = `id, distributor_id, document_no, from_ms, until_ms, made_ms, made_by, ended_ms, ended_by, end_reason`
	contractByIDSQL   = `SELECT ` + contractColumns + ` FROM territory_contract WHERE id = ?`
	contractListSQL   = `SELECT ` + contractColumns + ` FROM territory_contract WHERE (? = 0 OR distributor_id = ?) ORDER BY id DESC LIMIT ? OFFSET ?`
	contractCountSQL  = `SELECT COUNT(*) FROM territory_contract WHERE (? = 0 OR distributor_id = ?)`
	contractInsertSQL = `INSERT INTO territory_contract (` + contractColumns + `)
VALUES (:id, :distributor_id, :document_no, :from_ms, :until_ms, :made_ms, :made_by, :ended_ms, :ended_by, :end_reason)`
	contractEndSQL = `
UPDATE territory_contract SET until_ms = ?, ended_ms = ?, ended_by = ?, end_reason = ? WHERE id = ? AND until_ms > ?`
	regionEndSQL        = `UPDATE territory_region SET until_ms = ? WHERE contract_id = ? AND until_ms > ?`
	regionsOfSQL        = `SELECT contract_id, region_code, from_ms, until_ms FROM territory_region WHERE contract_id IN (?) ORDER BY contract_id, region_code`
	regionInsertSQL     = `INSERT INTO territory_region (contract_id, region_code, from_ms, until_ms) VALUES (:contract_id, :region_code, :from_ms, :until_ms)`
	regionOverlapSQL    = `SELECT COUNT(*) FROM territory_region WHERE region_code IN (?) AND from_ms < ? AND until_ms > ? AND until_ms > from_ms`
	contractsRunningSQL = `SELECT COUNT(*) FROM territory_contract WHERE distributor_id = ? AND until_ms > ? AND until_ms > from_ms`
	levelRunningSQL     = `
SELECT COUNT(*) FROM territory_contract c JOIN distributor d ON d.id = c.distributor_id
WHERE d.level_id = ? AND c.until_ms > ? AND c.until_ms > c.from_ms`
	territoryOfSQL = `
SELECT r.region_code, r.contract_id, c.distributor_id FROM territory_region r JOIN territory_contract c ON c.id = r.contract_id
WHERE r.region_code IN (?) AND r.from_ms <= ? AND r.until_ms > ?`
)

func (c Contract) check(now time.Time) error {
	e := errs.E(errs.Invalid, "territory.invalid", "区域合同有误，请检查标出的项目", errs.EN("Something about the contract is wrong; see the fields."))
	from, until := base.Time(c.FromMs), base.Time(c.UntilMs)
	if c.FromMs <= 0 {
		errs.At("/from", "invalid", "a time")(e)
	}
	if !until.After(from) || !until.After(now) || until.After(from.AddDate(contractYearMax, 0, 0)) {
		errs.At("/until", "invalid", "after from and after now, at most ten years long")(e)
	}
	if c.DocumentNo == "" || len(c.DocumentNo) > documentMax || !utf8.ValidString(c.DocumentNo) || strings.TrimSpace(c.DocumentNo) != c.DocumentNo {
		errs.At("/document_no", "invalid", "1 to 64 bytes")(e)
	}
	if len(c.Regions) == 0 || len(c.Regions) > ContractRegionsMax {
		errs.At("/regions", "invalid", "1 to 100 regions")(e)
	}
	seen := map[region.Code]bool{}
	for i, r := range c.Regions {
		if _, known := region.Lookup(r); !known || seen[r] {
			errs.At(fmt.Sprintf("/regions/%d", i), "invalid", "a code of GB/T 2260, once")(e)
		}
		seen[r] = true
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

// CreateContract stores a contract of an active partner whose level may hold one. A region that anybody has at any
// moment of its time is ErrTerritoryTaken, also when two contracts arrive at once.
func CreateContract(ctx context.Context, tx *store.Tx, c Contract, by base.Actor) error {
	if err := c.check(tx.Now()); err != nil {
		return err
	}
	if err := takeTurn(ctx, tx, lockTerritories); err != nil {
		return err
	}
	d, err := Get(ctx, tx, c.Distributor)
	if err != nil {
		return err
	}
	if d.Status != Active || !d.Level.Rights.HoldTerritory {
		return ErrTerritoryRight
	}
	if err := refuseOverlap(ctx, tx, c); err != nil {
		return err
	}
	c.MadeMs, c.MadeBy, c.EndedMs, c.EndedBy, c.EndReason = tx.NowMs(), by.String(), 0, "", ""
	if err := tx.Insert(ctx, contractInsertSQL, c); err != nil {
		return fmt.Errorf("write territory contract: %w", err)
	}
	rows := make([]regionRow, len(c.Regions))
	for i, r := range c.Regions {
		rows[i] = regionRow{c.ID, r, c.FromMs, c.UntilMs}
	}
	if err := tx.Insert(ctx, regionInsertSQL, rows); err != nil {
		return fmt.Errorf("write territory regions: %w", err)
	}
	return nil
}

func refuseOverlap(ctx context.Context, tx *store.Tx, c Contract) error {
	query, args, err := store.In(regionOverlapSQL, c.Regions, c.UntilMs, c.FromMs)
	if err != nil {
		return fmt.Errorf("read territories: %w", err)
	}
	var n int
	if err := tx.Get(ctx, &n, query, args...); err != nil {
		return fmt.Errorf("read territories: %w", err)
	}
	if n > 0 {
		return ErrTerritoryTaken
	}
	return nil
}

// End is an operator's word against a contract.
type End struct {
	ID     base.ContractID
	By     base.Actor
	Reason string
}

// EndContract ends a contract now: orders placed from now on are nobody's territory, earlier ones keep theirs. One that
// has ended is ErrContractEnded.
func EndContract(ctx context.Context, tx *store.Tx, e End) error {
	c, err := ContractOf(ctx, tx, e.ID)
	if err != nil {
		return err
	}
	end := max(tx.NowMs(), c.FromMs) // one that has not begun ends where it would begin: it never holds
	ok, err := tx.ExecOne(ctx, contractEndSQL, end, tx.NowMs(), e.By.String(), e.Reason, e.ID, end)
	if err == nil && ok {
		_, err = tx.Exec(ctx, regionEndSQL, end, e.ID, end)
	}
	if err != nil {
		return fmt.Errorf("end territory contract: %w", err)
	}
	if !ok {
		return ErrContractEnded
	}
	return nil
}

// ContractOf returns a contract with its regions, or ErrContractNotFound.
func ContractOf(ctx context.Context, q store.Q, id base.ContractID) (Contract, error) {
	var c Contract
	err := q.Get(ctx, &c, contractByIDSQL, id)
	if store.NotFound(err) {
		return Contract{}, ErrContractNotFound
	}
	if err != nil {
		return Contract{}, fmt.Errorf("read territory contract: %w", err)
	}
	list := []Contract{c}
	err = addRegions(ctx, q, list)
	return list[0], err
}

// Contracts lists a distributor's contracts (0: everybody's), newest first.
func Contracts(ctx context.Context, q store.Q, d base.DistributorID, w Window) ([]Contract, error) {
	var list []Contract
	if err := q.Select(ctx, &list, contractListSQL, d, d, w.Limit, w.Offset); err != nil {
		return nil, fmt.Errorf("list territory contracts: %w", err)
	}
	return list, addRegions(ctx, q, list)
}

// CountContracts counts a distributor's contracts (0: everybody's), ended ones too.
func CountContracts(ctx context.Context, q store.Q, d base.DistributorID) (n int64, err error) {
	if err := q.Get(ctx, &n, contractCountSQL, d, d); err != nil {
		return 0, fmt.Errorf("count territory contracts: %w", err)
	}
	return n, nil
}

func addRegions(ctx context.Context, q store.Q, list []Contract) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]base.ContractID, len(list))
	at := make(map[base.ContractID]int, len(list))
	for i, c := range list {
		ids[i], at[c.ID] = c.ID, i
	}
	query, args, err := store.In(regionsOfSQL, ids)
	if err != nil {
		return fmt.Errorf("read territory regions: %w", err)
	}
	var rows []regionRow
	if err := q.Select(ctx, &rows, query, args...); err != nil {
		return fmt.Errorf("read territory regions: %w", err)
	}
	for _, r := range rows {
		c := &list[at[r.Contract]]
		c.Regions = append(c.Regions, r.Region)
	}
	return nil
}

// RunningContracts counts a distributor's contracts that run or will. No contract is made until the transaction ends.
func RunningContracts(ctx context.Context, tx *store.Tx, d base.DistributorID) (int, error) {
	return countRunning(ctx, tx, contractsRunningSQL, d)
}

// RunningContractsOfLevel counts the contracts that run or will of all distributors of a level, like RunningContracts.
func RunningContractsOfLevel(ctx context.Context, tx *store.Tx, l base.LevelID) (int, error) {
	return countRunning(ctx, tx, levelRunningSQL, l)
}

func countRunning(ctx context.Context, tx *store.Tx, query string, id any) (n int, err error) {
	if err := takeTurn(ctx, tx, lockTerritories); err != nil {
		return 0, err
	}
	if err := tx.Get(ctx, &n, query, id, tx.NowMs()); err != nil {
		return 0, fmt.Errorf("count territory contracts: %w", err)
	}
	return n, nil
}

// Territory is who serves a place: the contract, its partner, and the region by which it was found.
type Territory struct {
	Contract    base.ContractID    `db:"contract_id"`
	Distributor base.DistributorID `db:"distributor_id"`
	Region      region.Code        `db:"region_code"`
}

// TerritoryOf returns who serves a place at an instant, and whether there is anybody: the contract of the most specific
// region wins, district before city before province. Whether the partner earns is the caller's question.
func TerritoryOf(ctx context.Context, q store.Q, place region.Code, at time.Time) (Territory, bool, error) {
	codes := place.Chain()
	if len(codes) == 0 {
		return Territory{}, false, nil
	}
	query, args, err := store.In(territoryOfSQL, codes, base.Ms(at), base.Ms(at))
	if err != nil {
		return Territory{}, false, fmt.Errorf("read territory: %w", err)
	}
	var found []Territory
	if err := q.Select(ctx, &found, query, args...); err != nil {
		return Territory{}, false, fmt.Errorf("read territory: %w", err)
	}
	for _, c := range codes {
		for _, t := range found {
			if t.Region == c {
				return t, true, nil
			}
		}
	}
	return Territory{}, false, nil
}
