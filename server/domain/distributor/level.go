package distributor

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

const (
	// LevelsMax is how many levels a shop can have.
	LevelsMax = 50

	levelNameMax = 32   // runes
	levelNoteMax = 500  // runes
	rankMax      = 1000 // for ordering by people
	missedMax    = 24   // periods
)

// Codes of the default levels.
const (
	Ordinary    = "ordinary"
	Senior      = "senior"
	TeamLeader  = "team_leader"
	CityPartner = "city_partner"
)

// Level is a rate tier and service contract: what distributors of it may and owe. Rates are commission rules.
type Level struct {
	ID     base.LevelID
	Code   string // for programs; never changes
	NameZH string
	NameEN string
	Rank   int        // ascending order for people; it gives nothing by itself
	Cycle  base.Cycle // of settlement, frozen on each order
	Rights Rights
	Duties Duties
	Active bool // can be given to distributors

	Version int
}

// Rights is what a level may. Zero is the careful value of each.
type Rights struct {
	SceneCodes      bool      `json:"scene_codes"`           // mini-program codes with a scene, beside link codes
	FirstPromote    bool      `json:"first_promote"`         // promotes new products before the others
	OpenRounds      bool      `json:"open_rounds"`           // community buying
	HoldTerritory   bool      `json:"hold_territory"`        // may have a territory contract
	WithdrawOnceMax money.Fen `json:"withdraw_once_max_fen"` // 0: the shop's limit
	WithdrawDayMax  money.Fen `json:"withdraw_day_max_fen"`  // 0: the shop's limit
	NoteZH          string    `json:"note_zh"`               // further rights, in words
	NoteEN          string    `json:"note_en"`
}

// Duties is what a level owes.
type Duties struct {
	MonthlySales  money.Fen `json:"monthly_sales_fen"`  // least own settled sales a month; 0: none
	MissedPeriods int       `json:"missed_periods_max"` // months in a row that may be missed
	NoteZH        string    `json:"note_zh"`            // the service owed, in words
	NoteEN        string    `json:"note_en"`
}

// DefaultLevels are the levels of a new shop. IDs are given when they are stored.
func DefaultLevels() []Level {
	return []Level{
		{
			Code: Ordinary, NameZH: "普通分销员", NameEN: "Ordinary distributor", Rank: 10, Cycle: base.Weekly, Active: true,
			Rights: Rights{NoteZH: "可生成推广链接与链接二维码", NoteEN: "Promotion links and link QR codes"},
			Duties: Duties{NoteZH: "如实介绍商品，不夸大、不刷单", NoteEN: "Describe products truthfully; no fake orders"},
		},
		{
			Code: Senior, NameZH: "高级分销员", NameEN: "Senior distributor", Rank: 20, Cycle: base.Weekly, Active: true,
			Rights: Rights{FirstPromote: true, NoteZH: "新品优先推广", NoteEN: "Promotes new products first"},
			Duties: Duties{MonthlySales: 100_000, MissedPeriods: 3, NoteZH: "每月本人推广成交不少于 1000 元", NoteEN: "Own sales of at least 1,000 yuan a month"},
		},
		{
			Code: TeamLeader, NameZH: "团长", NameEN: "Team leader", Rank: 30, Cycle: base.Weekly, Active: true,
			Rights: Rights{SceneCodes: true, FirstPromote: true, OpenRounds: true, NoteZH: "可使用小程序码，可开社区团购场次", NoteEN: "Mini-program codes; may open community-buying rounds"},
			Duties: Duties{NoteZH: "按约定完成到货清点、分发与售后协助", NoteEN: "Counts, hands out and helps after the sale as agreed"},
		},
		{
			Code: CityPartner, NameZH: "城市合伙人", NameEN: "City partner", Rank: 40, Cycle: base.Monthly, Active: true,
			Rights: Rights{SceneCodes: true, FirstPromote: true, HoldTerritory: true, NoteZH: "可使用小程序码，可签约服务区域", NoteEN: "Mini-program codes; may contract to serve a territory"},
			Duties: Duties{NoteZH: "按合同为区域提供配送与客户服务", NoteEN: "Serves the region's deliveries and customers as contracted"},
		},
	}
}

var levelCode = regexp.MustCompile(`^[a-z][a-z0-9_]{1,31}$`)

// Check refuses a level that nobody could use, pointing at each wrong field.
func (l Level) Check() error {
	e := errs.E(errs.Invalid, "level.invalid", "等级资料有误，请检查标出的项目", errs.EN("Something about the level is wrong; see the fields."))
	add := func(ok bool, pointer, detail string) {
		if !ok {
			errs.At(pointer, "invalid", detail)(e)
		}
	}
	add(levelCode.MatchString(l.Code), "/code", "2 to 32 of a-z, 0-9 and _, beginning with a letter")
	add(textFits(l.NameZH, 1, levelNameMax), "/name_zh", "1 to 32 characters")
	add(textFits(l.NameEN, 1, levelNameMax), "/name_en", "1 to 32 characters")
	add(l.Rank >= 0 && l.Rank <= rankMax, "/rank", "0 to 1000")
	add(l.Cycle.Valid(), "/cycle", "weekly or monthly")
	add(money.Check(l.Rights.WithdrawOnceMax) == nil, "/rights/withdraw_once_max_fen", "an amount in fen, 0: the shop's limit")
	add(money.Check(l.Rights.WithdrawDayMax) == nil, "/rights/withdraw_day_max_fen", "an amount in fen, 0: the shop's limit")
	add(money.Check(l.Duties.MonthlySales) == nil, "/duties/monthly_sales_fen", "an amount in fen, 0: none")
	add(l.Duties.MissedPeriods >= 0 && l.Duties.MissedPeriods <= missedMax, "/duties/missed_periods_max", "0 to 24")
	for pointer, text := range map[string]string{
		"/rights/note_zh": l.Rights.NoteZH, "/rights/note_en": l.Rights.NoteEN,
		"/duties/note_zh": l.Duties.NoteZH, "/duties/note_en": l.Duties.NoteEN,
	} {
		add(textFits(text, 0, levelNoteMax), pointer, "at most 500 characters")
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

func textFits(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return utf8.ValidString(s) && n >= least && n <= most && strings.TrimSpace(s) == s
}

// What this package refuses about levels.
var (
	ErrLevelNotFound = errs.E(errs.NotFound, "level.not_found", "没有找到该等级", errs.EN("There is no such level."))
	ErrLevelCode     = errs.E(errs.Conflict, "level.code_taken", "等级代码已被使用，请换一个", errs.EN("The level code is taken. Choose another."))
	ErrLevelChanged  = errs.E(errs.Conflict, "level.changed", "该等级刚被他人修改，请刷新后再试", errs.EN("Somebody else has just changed this level. Reload and try again."))
	ErrLevelInactive = errs.E(errs.Conflict, "level.inactive", "该等级已停用，请选择其他等级", errs.EN("The level is out of use. Choose another."))
	ErrLevelsFull    = errs.E(errs.Conflict, "level.too_many", "等级数量已达上限", errs.EN("There are as many levels as a shop can have."))
)

type levelRow struct {
	ID        base.LevelID `db:"id"`
	Code      string       `db:"code"`
	NameZH    string       `db:"name_zh"`
	NameEN    string       `db:"name_en"`
	Rank      int          `db:"rank_no"`
	Cycle     base.Cycle   `db:"cycle"`
	Rights    string       `db:"rights"`
	Duties    string       `db:"duties"`
	Active    bool         `db:"active"`
	Version   int          `db:"version"`
	MadeMs    int64        `db:"made_ms"`
	ChangedMs int64        `db:"changed_ms"`
}

const (
	levelColumns   = `id, code, name_zh, name_en, rank_no, cycle, rights, duties, active, version, made_ms, changed_ms`
	levelByIDSQL   = `SELECT ` + levelColumns + ` FROM level WHERE id = ?`
	levelByCodeSQL = `SELECT ` + levelColumns + ` FROM level WHERE code = ?`
	levelsSQL      = `SELECT ` + levelColumns + ` FROM level ORDER BY rank_no, id`
	levelInsertSQL = `INSERT INTO level (` + levelColumns + `)
VALUES (:id, :code, :name_zh, :name_en, :rank_no, :cycle, :rights, :duties, :active, :version, :made_ms, :changed_ms)`
	levelUpdateSQL = `
UPDATE level SET name_zh = ?, name_en = ?, rank_no = ?, cycle = ?, rights = ?, duties = ?, active = ?, changed_ms = ?,
version = version + 1 WHERE id = ? AND version = ?`
)

// LevelOf returns a level, or ErrLevelNotFound.
func LevelOf(ctx context.Context, q store.Q, id base.LevelID) (Level, error) {
	return oneLevel(ctx, q, levelByIDSQL, id)
}

// LevelByCode returns a level by its code, or ErrLevelNotFound.
func LevelByCode(ctx context.Context, q store.Q, code string) (Level, error) {
	return oneLevel(ctx, q, levelByCodeSQL, code)
}

func oneLevel(ctx context.Context, q store.Q, query string, arg any) (Level, error) {
	var r levelRow
	err := q.Get(ctx, &r, query, arg)
	if store.NotFound(err) {
		return Level{}, ErrLevelNotFound
	}
	if err != nil {
		return Level{}, fmt.Errorf("read level: %w", err)
	}
	return r.level()
}

// Levels lists all levels by rank.
func Levels(ctx context.Context, q store.Q) ([]Level, error) {
	var rows []levelRow
	if err := q.Select(ctx, &rows, levelsSQL); err != nil {
		return nil, fmt.Errorf("read levels: %w", err)
	}
	out := make([]Level, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.level(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r levelRow) level() (Level, error) {
	l := Level{
		ID: r.ID, Code: r.Code, NameZH: r.NameZH, NameEN: r.NameEN, Rank: r.Rank, Cycle: r.Cycle,
		Active: r.Active, Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.Rights), &l.Rights); err != nil {
		return Level{}, fmt.Errorf("read rights of level %s: %w", r.Code, err)
	}
	if err := json.Unmarshal([]byte(r.Duties), &l.Duties); err != nil {
		return Level{}, fmt.Errorf("read duties of level %s: %w", r.Code, err)
	}
	return l, nil
}

func (l Level) row(nowMs int64) (levelRow, error) {
	rights, err := json.Marshal(l.Rights)
	if err != nil {
		return levelRow{}, fmt.Errorf("write rights: %w", err)
	}
	duties, err := json.Marshal(l.Duties)
	if err != nil {
		return levelRow{}, fmt.Errorf("write duties: %w", err)
	}
	return levelRow{
		l.ID, l.Code, l.NameZH, l.NameEN, l.Rank, l.Cycle, string(rights), string(duties), l.Active, l.Version, nowMs, nowMs,
	}, nil
}

// CreateLevel stores a new level as version 1. A code that is taken is ErrLevelCode.
func CreateLevel(ctx context.Context, tx *store.Tx, l Level) error {
	if err := l.Check(); err != nil {
		return err
	}
	all, err := Levels(ctx, tx)
	if err != nil {
		return err
	}
	if len(all) >= LevelsMax {
		return ErrLevelsFull
	}
	l.Version = 1
	r, err := l.row(tx.NowMs())
	if err != nil {
		return err
	}
	err = tx.Insert(ctx, levelInsertSQL, r)
	if store.IsDup(err) {
		return ErrLevelCode
	}
	if err != nil {
		return fmt.Errorf("write level: %w", err)
	}
	return nil
}

// UpdateLevel stores what the caller made of the level's version l.Version; one that has moved is ErrLevelChanged. The
// code stays. Orders that were placed keep what was frozen on them.
func UpdateLevel(ctx context.Context, tx *store.Tx, l Level) error {
	if err := l.Check(); err != nil {
		return err
	}
	r, err := l.row(tx.NowMs())
	if err != nil {
		return err
	}
	ok, err := tx.ExecOne(ctx, levelUpdateSQL, r.NameZH, r.NameEN, r.Rank, r.Cycle, r.Rights, r.Duties, r.Active,
		r.ChangedMs, r.ID, r.Version)
	if err != nil {
		return fmt.Errorf("write level: %w", err)
	}
	if !ok {
		return ErrLevelChanged
	}
	return nil
}
