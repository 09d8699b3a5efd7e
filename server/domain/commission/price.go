package commission

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// inForceSQL reads the rules that may decide for an order's lines: those of its SKUs and products, and all rules by
// category and for everything, which are few.
const inForceSQL = `SELECT ` + ruleColumns + ` FROM commission_rule
WHERE published_ms > 0 AND from_ms <= ? AND (until_ms = 0 OR until_ms > ?)
  AND (scope_kind IN ('all', 'category') OR scope_kind = 'product' AND scope_id IN (?) OR scope_kind = 'sku' AND scope_id IN (?))`

// Price computes the shares of an order that is being created, by the rules and the policy in force at in.At. The
// shares have no ids yet; StoreShares writes them.
func Price(ctx context.Context, q store.Q, in OrderInput) ([]Share, error) {
	if len(in.Lines) == 0 {
		return nil, nil
	}
	terms, err := TermsAt(ctx, q, in.At)
	if err != nil {
		return nil, err
	}
	var products, skus []int64
	for _, l := range in.Lines {
		products, skus = append(products, int64(l.Product)), append(skus, int64(l.SKU))
	}
	query, args, err := store.In(inForceSQL, base.Ms(in.At), base.Ms(in.At), products, skus)
	if err != nil {
		return nil, fmt.Errorf("read rules in force: %w", err)
	}
	var rules []Rule
	if err := q.Select(ctx, &rules, query, args...); err != nil {
		return nil, fmt.Errorf("read rules in force: %w", err)
	}
	return Compute(rules, terms, in)
}
