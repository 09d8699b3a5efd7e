package sim

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"time"
)

// The states of a notification.
const (
	notifyPending       = "pending"
	notifyHeld          = "held" // a fault lets another one go first
	notifyAcked         = "acked"
	notifyUndeliverable = "undeliverable" // its host is not on this machine: never sent
	notifySuppressed    = "suppressed"    // a fault swallowed it
	notifyGaveUp        = "gave_up"       // after the last retry
)

// retries are WeChat Pay's pauses between deliveries: 15 retries within 24 h 4 min.
var retries = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	30 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) keepNotify(n *Notify) {
	if old := s.byNotify[n.ID]; old != nil {
		*old = *n
		n = old
	} else {
		s.byNotify[n.ID] = n
		s.notifies = append(s.notifies, n)
	}
	if n.State == notifyPending || n.State == notifyHeld {
		s.pending[n.ID] = n
	} else {
		delete(s.pending, n.ID)
	}
}

// emit writes a notification into the books, twisted by the fault that fits; nil if there is nobody to notify. The
// worker delivers it. Call it under the lock.
func (s *Server) emit(n Notify) *Notify {
	u, err := url.Parse(n.URL)
	if err != nil || u.Host == "" {
		return nil
	}
	now := s.now()
	n.ID, n.Seq, n.CreateMS, n.State = "SIM-"+s.ids.text(32), int64(len(s.notifies)+1), now.UnixMilli(), notifyPending
	n.NextWall, n.NextMS = s.wall().UnixMilli(), n.CreateMS
	if !isLoopback(u.Hostname()) {
		n.State = notifyUndeliverable
	}
	if a := s.draw("NOTIFY", n.Event, n.Number, onNotify); a != nil && n.State == notifyPending {
		s.twist(&n, a)
	}
	kept := &n
	s.keepNotify(kept)
	s.touch(kept)
	s.worker.wake()
	return kept
}

func onNotify(a Action) bool {
	return a.Notify != "" && a.Notify != NotifyBeforeResponse || a.NotifyTamper != ""
}

// drawNotify tells whether a fault of that mode fits.
func (s *Server) drawNotify(event, number, mode string) bool {
	return s.draw("NOTIFY", event, number, func(a Action) bool { return a.Notify == mode }) != nil
}

func (s *Server) twist(n *Notify, a *Action) {
	copies := a.NotifyN
	if copies == 0 {
		copies = 2
	}
	n.Quirks = NotifyQuirks{Mode: a.Notify, Copies: copies, Tamper: a.NotifyTamper}
	switch a.Notify {
	case NotifyNever:
		n.State = notifySuppressed
	case NotifyDelay:
		n.NextWall += int64(a.NotifyDelayMS)
		n.NextMS += int64(a.NotifyDelayMS)
	case NotifyOutOfOrder:
		n.State = notifyHeld
	case NotifyReplay:
		n.Quirks.ReplayMS = int64(a.NotifyDelayMS)
	case NotifyProbe, NotifyMissingResource, NotifyShortNonce:
		n.Quirks.Prelude = true
	}
	if a.NotifyTamper != "" {
		n.True, n.Plain = n.Plain, tamper(n.Plain, a.NotifyTamper)
	}
}

// tamper makes a notification lie about one thing; WeChat would never, and a shop must not believe it.
func tamper(plain json.RawMessage, how string) json.RawMessage {
	d := json.NewDecoder(strings.NewReader(string(plain)))
	d.UseNumber()
	m := map[string]any{}
	if d.Decode(&m) != nil {
		return plain
	}
	add := func(v any, by int64) any {
		n, ok := v.(json.Number)
		if !ok {
			return v
		}
		i, _ := n.Int64() // amounts are integers
		return i + by
	}
	amount, _ := m["amount"].(map[string]any)
	switch how {
	case TamperAmountPlus, TamperAmountMinus:
		by := int64(1)
		if how == TamperAmountMinus {
			by = -1
		}
		for _, k := range []string{"total", "payer_total", "refund", "payer_refund"} {
			if v, ok := amount[k]; ok {
				amount[k] = add(v, by)
			}
		}
		if v, ok := m["transfer_amount"]; ok {
			m["transfer_amount"] = add(v, by)
		}
	case TamperCurrency:
		if amount != nil {
			amount["currency"], amount["payer_currency"] = "USD", "USD"
		}
	case TamperAppID:
		m["appid"] = "wx0000000000000bad"
	case TamperMchID:
		for _, k := range []string{"mchid", "mch_id"} {
			if _, ok := m[k]; ok {
				m[k] = "1999999999"
			}
		}
	case TamperOpenID:
		if p, ok := m["payer"].(map[string]any); ok {
			p["openid"] = openIDOf("other", "stranger")
		}
		if _, ok := m["openid"]; ok {
			m["openid"] = openIDOf("other", "stranger")
		}
	case TamperNumber:
		for _, k := range []string{"out_bill_no", "out_refund_no", "out_trade_no"} {
			if _, ok := m[k]; ok {
				m[k] = "unknown0000000000001"
				break
			}
		}
	}
	out, err := json.Marshal(m)
	if err != nil {
		return plain
	}
	return out
}

// Resend sends a notification once more, with its true content, whatever came of it before: WeChat's console can.
func (s *Server) Resend(ctx context.Context, id string) error {
	s.lock()
	n := s.byNotify[id]
	if n == nil {
		s.unlock()
		return ErrUnknown
	}
	if n.State != notifyUndeliverable {
		if n.True != nil {
			n.Plain, n.True = n.True, nil
		}
		n.Quirks, n.State, n.NextWall, n.NextMS = NotifyQuirks{}, notifyPending, s.wall().UnixMilli(), s.now().UnixMilli()
		s.keepNotify(n)
		s.touch(n)
	}
	s.unlock()
	s.deliverNow(ctx, n)
	return nil
}

// noted books the outcome of a try that counts, and says when the next one is due. Call it under the lock.
func (s *Server) noted(n *Notify, a Attempt) {
	n.Attempts = append(n.Attempts, a)
	switch {
	case a.Status == 200 || a.Status == 204:
		n.State = notifyAcked
	case len(n.Attempts) > len(retries):
		n.State = notifyGaveUp
	default:
		pause := int64(float64(retries[len(n.Attempts)-1].Milliseconds()) * s.o.NotifyScale)
		n.NextMS, n.NextWall = s.now().UnixMilli()+pause, s.wall().UnixMilli()+pause
	}
	s.keepNotify(n)
	s.touch(n)
	if n.State == notifyAcked {
		s.releaseAfter(n)
	}
}

// releaseAfter lets a held notification about the same number follow.
func (s *Server) releaseAfter(n *Notify) {
	for _, h := range s.pending {
		if h.State == notifyHeld && h.Group == n.Group && h.ID != n.ID {
			h.State = notifyPending
			s.touch(h)
			s.worker.wake()
		}
	}
}
