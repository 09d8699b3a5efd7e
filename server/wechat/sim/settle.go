package sim

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Settle brings everything that time drives to the present of the business clock: refunds under way succeed,
// unconfirmed transfers expire, cancels end, shipped orders confirm themselves, due notifications go out. With
// Options.NotifySync those deliveries were tried when it returns.
func (s *Server) Settle(ctx context.Context) {
	s.lock()
	made := s.settleDue(true)
	for _, n := range s.pending {
		if n.NextMS <= s.now().UnixMilli() {
			made = append(made, n)
		}
	}
	s.unlock()
	s.afterControl(ctx, made...)
}

// Advance moves the business clock forward by d, on top of Options.Now, and settles. It is for the simulator as a
// program of its own; a shop that shares its clock moves that instead.
func (s *Server) Advance(ctx context.Context, d time.Duration) {
	s.lock()
	if d > 0 {
		s.marks.ShiftMS += d.Milliseconds()
		s.touch(&s.marks)
	}
	s.unlock()
	s.Settle(ctx)
}

// settleDue does the time-driven changes that are due; all of them when the caller asks for it, else only what has
// waited its usual time. It returns the notifications it wrote. Call it under the lock.
func (s *Server) settleDue(all bool) []*Notify {
	var made []*Notify
	add := func(n *Notify) {
		if n != nil {
			made = append(made, n)
		}
	}
	nowMS := s.now().UnixMilli()
	delay := orDefault(s.o.RefundDelay, refundDelayUsual).Milliseconds()
	for _, no := range slices.Sorted(maps.Keys(s.openRefunds)) { // sorted: a seed repeats the numbers drawn
		r := s.openRefunds[no]
		if r.Plan != RefundProcessing && (all || nowMS-r.CreateMS >= delay) {
			add(s.finishRefund(r))
		}
	}
	for _, no := range slices.Sorted(maps.Keys(s.openBills)) {
		add(s.settleTransfer(s.openBills[no], nowMS, all))
	}
	s.settleShips(nowMS)
	return made
}

func (s *Server) settleTransfer(t *Transfer, nowMS int64, all bool) *Notify {
	s.advance(t)
	switch t.State {
	case Accepted, Processing, WaitConfirm:
		if nowMS >= t.ExpireMS {
			return s.fail(t, failOverdue)
		}
	case Canceling:
		if t.Linger != Canceling && (all || nowMS-t.UpdateMS >= refundDelayUsual.Milliseconds()) {
			return s.endCancel(t)
		}
	case Transfering:
		if t.Linger != Transfering && (all || nowMS-t.UpdateMS >= refundDelayUsual.Milliseconds()) {
			return s.payOut(t)
		}
	}
	return nil
}

// releaseHeld lets go on what faults kept waiting. Call it under the lock.
func (s *Server) releaseHeld() {
	for _, t := range s.openBills {
		t.Linger = ""
		s.touch(t)
	}
	for _, r := range s.openRefunds {
		if r.Plan == RefundProcessing {
			r.Plan = ""
			s.touch(r)
		}
	}
	for _, n := range s.pending {
		if n.State == notifyHeld {
			n.State = notifyPending
			s.touch(n)
		}
	}
}
