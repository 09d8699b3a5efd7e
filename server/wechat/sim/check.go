package sim

import (
	"fmt"
	"slices"
)

// Check proves what must always hold in the simulator's own books and lists what does not: an order is paid once,
// refunds never exceed the payment, an account is its opening balance and its movements, transfers less returns are
// what left the operating account, and every notification was acknowledged or is still listed as not.
func (s *Server) Check() []string {
	s.lock()
	defer s.unlock()
	var out []string
	bad := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	sums := map[string]int64{Basic: openingFen, Operating: openingFen}
	paid, back, sent := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, f := range s.flows {
		sums[f.Account] += f.Fen
		switch f.Business {
		case "交易":
			if paid[f.Voucher] != 0 {
				bad("order %s was paid twice", f.Voucher)
			}
			paid[f.Voucher] += f.Fen
		case "商家转账", "商家转账退回":
			sent[f.Voucher] -= f.Fen
		}
	}
	for account, sum := range sums {
		if s.balances[account] != sum || sum < 0 {
			bad("account %s holds %d, its movements say %d", account, s.balances[account], sum)
		}
	}
	for _, r := range s.refunds {
		if r.Status != RefundClosed {
			back[r.OutTradeNo] += r.Fen
		}
	}
	for no, o := range s.orders {
		if wasPaid := o.State == Paid || o.State == Refunded; wasPaid != (paid[no] == o.TotalFen) || !wasPaid && paid[no] != 0 {
			bad("order %s is %s and %d of %d came in", no, o.State, paid[no], o.TotalFen)
		}
		if back[no] > paid[no] || back[no] != o.RefundedFen {
			bad("order %s: %d refunded of %d, noted as %d", no, back[no], paid[no], o.RefundedFen)
		}
	}
	for no, t := range s.transfers {
		want := int64(0)
		if t.Locked || t.State == Succeeded {
			want = t.Fen
		}
		if sent[no] != want {
			bad("transfer %s is %s and %d left the account", no, t.State, sent[no])
		}
	}
	for _, n := range s.notifies {
		if _, listed := s.pending[n.ID]; !listed && (n.State == notifyPending || n.State == notifyHeld) {
			bad("notification %s was forgotten", n.ID)
		}
	}
	slices.Sort(out)
	return out
}
