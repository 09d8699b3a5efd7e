package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/setting"
)

// CreateProduct stores what an operator enters under an id minted by the caller. One that is there is returned as it is.
func (f *Flow) CreateProduct(ctx context.Context, id base.ProductID, e catalog.Entry, by base.Actor) (p catalog.Product, err error) {
	err = f.DB.InTx(ctx, "flow.create_product", func(ctx context.Context, tx *store.Tx) error {
		if p, err = catalog.Get(ctx, tx, id); errs.CodeOf(err) != catalog.ErrNotFound.Code {
			return err
		}
		if p, err = catalog.Create(ctx, tx, id, e); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "product.create", Object: id.String(), After: productFacts(p),
		})
	})
	return p, err
}

// UpdateProduct replaces a product, if it is still the version that the operator saw; else it is catalog.ErrChanged.
// Orders that were placed keep their names and prices.
func (f *Flow) UpdateProduct(ctx context.Context, in catalog.Edit, by base.Actor) (after catalog.Product, err error) {
	err = f.DB.InTx(ctx, "flow.update_product", func(ctx context.Context, tx *store.Tx) error {
		var before catalog.Product
		if before, after, err = catalog.Update(ctx, tx, in); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "product.update", Object: in.ID.String(),
			Before: productFacts(before), After: productFacts(after),
		})
	})
	return after, err
}

// productFacts is what the audit log keeps of a product: what it sells for, costs, and whether it is for sale.
func productFacts(p catalog.Product) map[string]any {
	skus := make([]map[string]any, len(p.SKUs))
	for i, s := range p.SKUs {
		skus[i] = map[string]any{"id": s.ID.String(), "name": s.Name, "price_fen": s.Price, "cost_fen": s.Cost, "status": s.Status}
	}
	return map[string]any{"name": p.Name, "status": p.Status, "aftersale_days": p.AftersaleDays, "version": p.Version, "skus": skus}
}

// StockInput is a movement of stock that an operator books.
type StockInput struct {
	Ref    string         // the document behind it: unique per kind and SKU, so that a repeat does nothing
	Kind   inventory.Kind // Receive or Adjust
	Items  []inventory.Item
	Reason string
	By     base.Actor
}

// MoveStock books goods that came from a supplier, or the difference that a count found. An adjustment needs a reason.
func (f *Flow) MoveStock(ctx context.Context, in StockInput) ([]inventory.Stock, error) {
	if in.Kind != inventory.Receive && in.Kind != inventory.Adjust {
		return nil, inventory.ErrInvalid
	}
	if in.Kind == inventory.Adjust {
		reason, err := checkReason(in.Reason)
		if err != nil {
			return nil, err
		}
		in.Reason = reason
	}
	skus := make([]base.SKUID, len(in.Items))
	for i, it := range in.Items {
		skus[i] = it.SKU
	}
	var out []inventory.Stock
	err := f.DB.InTx(ctx, "flow.move_stock", func(ctx context.Context, tx *store.Tx) error {
		if _, err := catalog.Items(ctx, tx, skus); err != nil {
			return err
		}
		err := auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "stock." + string(in.Kind), Object: in.Ref, After: in.Items, Reason: in.Reason,
		})
		if err != nil {
			return err
		}
		err = inventory.Book(ctx, tx, inventory.Move{
			Kind: in.Kind, Ref: in.Ref, Warehouse: inventory.Main, Items: in.Items, Reason: in.Reason, Actor: in.By,
		})
		if err == nil {
			out, err = inventory.Of(ctx, tx, skus)
		}
		return err
	})
	return out, err
}

// PutOrderPolicy stores a new version of how orders are priced, closed and received, and returns its number.
func (f *Flow) PutOrderPolicy(ctx context.Context, p order.Policy, by base.Actor, reason string) (version int, err error) {
	if reason, err = checkReason(reason); err != nil {
		return 0, err
	}
	err = f.DB.InTx(ctx, "flow.put_order_policy", func(ctx context.Context, tx *store.Tx) error {
		before, _, err := order.CurrentPolicy(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		version, err = putSetting(ctx, tx, setting.Change{Name: order.PolicySetting, Value: p, Actor: by, Reason: reason}, before)
		return err
	})
	return version, err
}
