package audit

import (
	"context"
	"fmt"

	"fenxiao/server/domain/commission"
	"fenxiao/server/store"
)

// recompute computes the shares of every line again from their stored inputs.
func recompute(ctx context.Context, q store.Q) (wrong []Finding, err error) {
	err = commission.EachLine(ctx, q, func(line []commission.Share) error {
		if len(wrong) < examplesMax && !commission.Recompute(line) {
			wrong = append(wrong, Finding{
				Subject: fmt.Sprintf("shares of line %d revision %d", int64(line[0].Line), line[0].Revision),
				Want:    "what their inputs give", Got: fmt.Sprint(amounts(line)),
			})
		}
		return nil
	})
	return wrong, err
}

func amounts(line []commission.Share) []int64 {
	out := make([]int64, len(line))
	for i, s := range line {
		out[i] = int64(s.Amount)
	}
	return out
}
