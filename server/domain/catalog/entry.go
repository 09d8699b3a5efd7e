package catalog

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Bounds of what an operator enters, in characters unless said otherwise.
const (
	NameMax          = 100
	CategoryMax      = 64
	SummaryMax       = 500
	DetailBytesMax   = 60_000
	ImageURLBytesMax = 500
	SKUsMax          = 100
	AftersaleDaysMax = 365

	// PriceMax bounds a unit's price, so that a line of many stays far below money.Max.
	PriceMax money.Fen = 1_000_000_00
)

// Entry is a product as an operator enters it.
type Entry struct {
	Name          string
	Category      string
	Summary       string
	Detail        string
	ImageURL      string
	Status        Status
	AftersaleDays int       // DefaultDays: the shop's
	EarlyFrom     time.Time // both zero: no window of first promotion
	EarlyUntil    time.Time
	SKUs          []SKUEntry
}

// SKUEntry is a SKU as an operator enters it. ID 0 is a new one.
type SKUEntry struct {
	ID    base.SKUID
	Name  string
	Price money.Fen
	Cost  money.Fen // CostUnknown
	Off   bool      // not for sale
}

// Check refuses an entry that makes no sense, pointing at each wrong field.
func (e Entry) Check() error {
	out := errs.E(errs.Invalid, "product.invalid", "商品信息有误，请检查标出的项目", errs.EN("Something about the product is wrong; see the fields."))
	bad := func(pointer, detail string) { errs.At(pointer, "invalid", detail)(out) }
	if !fits(e.Name, 1, NameMax) {
		bad("/name", "1 to 100 characters")
	}
	if !fits(e.Category, 0, CategoryMax) {
		bad("/category", "at most 64 characters")
	}
	if !fits(e.Summary, 0, SummaryMax) {
		bad("/summary", "at most 500 characters")
	}
	if len(e.Detail) > DetailBytesMax || !utf8.ValidString(e.Detail) {
		bad("/detail", "at most 60000 bytes")
	}
	if !imageURL(e.ImageURL) {
		bad("/image_url", "an http or https address of at most 500 bytes, or a path of this shop")
	}
	if !e.Status.Valid() {
		bad("/status", "draft, on_sale or off_sale")
	}
	if e.AftersaleDays < DefaultDays || e.AftersaleDays > AftersaleDaysMax {
		bad("/aftersale_days", "0 to 365, or -1 for the shop's")
	}
	if e.EarlyFrom.IsZero() != e.EarlyUntil.IsZero() || !e.EarlyFrom.IsZero() && !e.EarlyUntil.After(e.EarlyFrom) {
		bad("/early_until", "after early_from, or neither of the two")
	}
	e.checkSKUs(bad)
	if len(out.Fields) > 0 {
		return out
	}
	return nil
}

func (e Entry) checkSKUs(bad func(pointer, detail string)) {
	if len(e.SKUs) == 0 || len(e.SKUs) > SKUsMax {
		bad("/skus", "1 to 100")
	}
	names, seen := map[string]bool{}, map[base.SKUID]bool{}
	for i, s := range e.SKUs {
		at := fmt.Sprintf("/skus/%d", i)
		if !fits(s.Name, 0, NameMax) || names[s.Name] {
			bad(at+"/name", "at most 100 characters, different from the others")
		}
		if s.ID != 0 && seen[s.ID] {
			bad(at+"/id", "named twice")
		}
		if s.Price < 0 || s.Price > PriceMax {
			bad(at+"/price_fen", "0 to 100000000")
		}
		if s.Cost < CostUnknown || s.Cost > PriceMax {
			bad(at+"/cost_fen", "0 to 100000000, or -1 for unknown")
		}
		names[s.Name], seen[s.ID] = true, true
	}
}

func fits(s string, shortest, longest int) bool {
	n := utf8.RuneCountInString(s)
	return n >= shortest && n <= longest && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, isControl)
}

func isControl(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }

func imageURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && len(s) <= ImageURLBytesMax &&
		(u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") || (u.Scheme == "https" || u.Scheme == "http") && u.Host != "")
}

const (
	insertSQL = `INSERT INTO product (` + columns + `)
VALUES (:id, :name, :category, :summary, :detail, :image_url, :status, :aftersale_days, :early_from_ms, :early_until_ms, :created_ms, :updated_ms, :version)`
	updateSQL = `
UPDATE product SET name = ?, category = ?, summary = ?, detail = ?, image_url = ?, status = ?, aftersale_days = ?,
early_from_ms = ?, early_until_ms = ?, updated_ms = ?, version = version + 1 WHERE id = ? AND version = ?`
	insertSKUSQL = `INSERT INTO sku (` + skuColumns + `)
VALUES (:id, :product_id, :position, :name, :price_fen, :cost_fen, :status, :version)`
	updateSKUSQL = `
UPDATE sku SET position = ?, name = ?, price_fen = ?, cost_fen = ?, status = ?, version = version + 1 WHERE id = ? AND product_id = ?`
)

func (e Entry) product(id base.ProductID) Product {
	return Product{
		ID: id, Name: e.Name, Category: e.Category, Summary: e.Summary, Detail: e.Detail, ImageURL: e.ImageURL, Status: e.Status,
		AftersaleDays: e.AftersaleDays, EarlyFromMs: base.Ms(e.EarlyFrom), EarlyUntilMs: base.Ms(e.EarlyUntil),
	}
}

func (s SKUEntry) sku(product base.ProductID, position int) SKU {
	status := OnSale
	if s.Off {
		status = OffSale
	}
	return SKU{s.ID, product, position, s.Name, s.Price, s.Cost, status, 1}
}

// Create stores a new product under an id minted by the caller. One that is there already is returned as it is.
func Create(ctx context.Context, tx *store.Tx, id base.ProductID, e Entry) (Product, error) {
	there, err := Get(ctx, tx, id)
	if err == nil || errs.CodeOf(err) != ErrNotFound.Code {
		return there, err
	}
	if err := e.Check(); err != nil {
		return Product{}, err
	}
	p := e.product(id)
	p.CreatedMs, p.UpdatedMs, p.Version = tx.NowMs(), tx.NowMs(), 1
	for i, s := range e.SKUs {
		if s.ID != 0 {
			return Product{}, ErrSKU
		}
		s.ID = base.SKUID(tx.NextID())
		p.SKUs = append(p.SKUs, s.sku(id, i))
	}
	if err := tx.Insert(ctx, insertSQL, p); err != nil {
		return Product{}, fmt.Errorf("write product: %w", err)
	}
	if err := tx.Insert(ctx, insertSKUSQL, p.SKUs); err != nil {
		return Product{}, fmt.Errorf("write SKUs: %w", err)
	}
	return p, nil
}

// Edit replaces a product by an entry, if it is still the version that the operator saw.
type Edit struct {
	ID      base.ProductID
	Version int
	Entry   Entry
}

// Update stores an edit and returns the product before and after it. A SKU that the entry does not name goes off sale:
// orders may name it, so that none is ever deleted. ErrChanged: somebody else was faster.
func Update(ctx context.Context, tx *store.Tx, in Edit) (before, after Product, err error) {
	if err := in.Entry.Check(); err != nil {
		return before, after, err
	}
	if before, err = Get(ctx, tx, in.ID); err != nil {
		return before, after, err
	}
	e := in.Entry
	if e.Status != before.Status && !before.Status.CanBecome(e.Status) {
		return before, after, ErrStatus
	}
	ok, err := tx.ExecOne(ctx, updateSQL, e.Name, e.Category, e.Summary, e.Detail, e.ImageURL, e.Status, e.AftersaleDays,
		base.Ms(e.EarlyFrom), base.Ms(e.EarlyUntil), tx.NowMs(), in.ID, in.Version)
	if err != nil {
		return before, after, fmt.Errorf("write product: %w", err)
	}
	if !ok {
		return before, after, ErrChanged
	}
	if err := updateSKUs(ctx, tx, before, e.SKUs); err != nil {
		return before, after, err
	}
	after, err = Get(ctx, tx, in.ID)
	return before, after, err
}

// ErrStatus says that a product cannot go to that status.
var ErrStatus = errs.E(errs.Conflict, "product.status_not_allowed", "商品不能回到草稿状态，可改为下架",
	errs.EN("A product cannot go back to draft. Take it off sale instead."))

func updateSKUs(ctx context.Context, tx *store.Tx, before Product, entries []SKUEntry) error {
	var fresh []SKU
	for i, s := range entries {
		if s.ID == 0 {
			s.ID = base.SKUID(tx.NextID())
			fresh = append(fresh, s.sku(before.ID, i))
			continue
		}
		row := s.sku(before.ID, i)
		ok, err := tx.ExecOne(ctx, updateSKUSQL, row.Position, row.Name, row.Price, row.Cost, row.Status, row.ID, row.Product)
		if err != nil {
			return fmt.Errorf("write SKU: %w", err)
		}
		if !ok {
			return ErrSKU
		}
	}
	for _, s := range before.SKUs {
		if slices.ContainsFunc(entries, func(e SKUEntry) bool { return e.ID == s.ID }) || s.Status == OffSale {
			continue
		}
		if _, err := tx.Exec(ctx, updateSKUSQL, s.Position, s.Name, s.Price, s.Cost, OffSale, s.ID, s.Product); err != nil {
			return fmt.Errorf("write SKU: %w", err)
		}
	}
	if err := tx.Insert(ctx, insertSKUSQL, fresh); err != nil {
		return fmt.Errorf("write SKUs: %w", err)
	}
	return nil
}
