package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const booksFile = "books.jsonl"

// record is one remembered thing. A journal line is a list of them that belong together, so a half-written
// last line (the machine died) loses a whole event and never half of one. The last record of a thing counts.
type record struct {
	Kind string          `json:"k"`
	V    json.RawMessage `json:"v"`
}

// marks are the small facts about the run itself.
type marks struct {
	Epoch   uint64 `json:"epoch"`
	ShiftMS int64  `json:"shift_ms"` // how far the control API moved the business clock
}

func kindOf(v any) string {
	switch v.(type) {
	case *Order:
		return "order"
	case *Refund:
		return "refund"
	case *Transfer:
		return "transfer"
	case *Flow:
		return "flow"
	case *Notify:
		return "notify"
	case *User:
		return "user"
	case *Violation:
		return "violation"
	case *Message:
		return "message"
	case *marks:
		return "marks"
	}
	panic(fmt.Sprintf("sim: no journal kind for %T", v))
}

// touch notes that v changed; unlock writes it. Call it under the lock.
func (s *Server) touch(v any) {
	if s.journal == nil {
		return
	}
	for _, d := range s.dirty {
		if d == v {
			return
		}
	}
	s.dirty = append(s.dirty, v)
}

func (s *Server) lock() { s.mu.Lock() }

// unlock writes what the critical section changed as one line, then lets others in.
func (s *Server) unlock() {
	if len(s.dirty) > 0 {
		line, err := encodeLine(s.dirty)
		if err == nil {
			_, err = s.journal.Write(line)
		}
		if err != nil {
			s.log.Error("books not written", "err", err)
		}
		s.dirty = s.dirty[:0]
	}
	s.mu.Unlock()
}

func encodeLine(things []any) ([]byte, error) {
	recs := make([]record, len(things))
	for i, v := range things {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", v, err)
		}
		recs[i] = record{Kind: kindOf(v), V: raw}
	}
	line, err := json.Marshal(recs)
	if err != nil {
		return nil, fmt.Errorf("encode journal line: %w", err)
	}
	return append(line, '\n'), nil
}

// openBooks replays the journal of dir, rewrites it without what is superseded, and keeps it open for appending.
func (s *Server) openBooks(dir string) error {
	path := filepath.Join(dir, booksFile)
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read books: %w", err)
	}
	if err := s.replay(raw); err != nil {
		return err
	}
	s.marks.Epoch++
	s.ids.epoch = s.marks.Epoch
	var out bytes.Buffer
	for _, v := range s.everything() {
		line, err := encodeLine([]any{v})
		if err != nil {
			return err
		}
		out.Write(line)
	}
	if err := writeAtomic(path, out.Bytes(), filePrivate); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, filePrivate)
	if err != nil {
		return fmt.Errorf("open books: %w", err)
	}
	s.journal = f
	return nil
}

func (s *Server) replay(raw []byte) error {
	rd := bufio.NewReader(bytes.NewReader(raw))
	for n := 1; ; n++ {
		line, err := rd.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // also drops a last line without its end
		}
		if err != nil {
			return fmt.Errorf("read books: %w", err)
		}
		var recs []record
		if err := json.Unmarshal(line, &recs); err != nil {
			return fmt.Errorf("read books, line %d: %w", n, err)
		}
		for _, r := range recs {
			if err := s.adopt(r); err != nil {
				return fmt.Errorf("read books, line %d: %w", n, err)
			}
		}
	}
}

// adopt puts one remembered thing back.
func (s *Server) adopt(r record) error {
	switch r.Kind {
	case "order":
		return adopt(r.V, s.keepOrder)
	case "refund":
		return adopt(r.V, s.keepRefund)
	case "transfer":
		return adopt(r.V, s.keepTransfer)
	case "flow":
		return adopt(r.V, func(f *Flow) { s.flows = append(s.flows, *f); s.balances[f.Account] = f.BalanceFen })
	case "notify":
		return adopt(r.V, s.keepNotify)
	case "user":
		return adopt(r.V, func(u *User) { s.users[u.OpenID] = u })
	case "violation":
		return adopt(r.V, func(v *Violation) { s.violations = append(s.violations, *v) })
	case "message":
		return adopt(r.V, func(m *Message) { s.messages = append(s.messages, *m) })
	case "marks":
		return adopt(r.V, func(m *marks) { s.marks = *m })
	}
	return fmt.Errorf("unknown kind %q", r.Kind)
}

func adopt[T any](raw json.RawMessage, keep func(*T)) error {
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	keep(v)
	return nil
}

// everything lists the live things in the order in which they must be adopted.
func (s *Server) everything() []any {
	out := []any{&s.marks}
	for _, u := range s.users {
		out = append(out, u)
	}
	for i := range s.flows {
		out = append(out, &s.flows[i])
	}
	for _, o := range s.orders {
		out = append(out, o)
	}
	for _, r := range s.refunds {
		out = append(out, r)
	}
	for _, t := range s.transfers {
		out = append(out, t)
	}
	for _, n := range s.notifies {
		out = append(out, n)
	}
	for i := range s.messages {
		out = append(out, &s.messages[i])
	}
	for i := range s.violations {
		out = append(out, &s.violations[i])
	}
	return out
}
