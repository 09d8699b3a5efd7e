// Package ids makes 64-bit ids that sort by time, and shows them as short strings with a prefix.
//
// Layout: 41 bits of milliseconds since Epoch, 12 bits of sequence, 10 bits of node. The node number is leased in the
// database, so that replicas never mint the same id; it comes last, so that the ids of a block are Stride apart and
// SQL can number rows with ROW_NUMBER. Shown, an id is its prefix and 13 characters of Crockford's
// base 32: letters and digits only, so that it fits WeChat's narrowest field (out_bill_no, 32 characters).
package ids

import (
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"fenxiao/server/base/clock"
)

// Epoch is where the time in ids begins; 41 bits last until 2089.
var Epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	nodeBits = 10
	seqBits  = 12
	// NodeMax is the highest node number.
	NodeMax = 1<<nodeBits - 1
	// Stride lies between two consecutive ids of one node.
	Stride = 1 << nodeBits
)

// Kind names what an id is of; its prefix is shown.
type Kind interface{ Prefix() string }

// ID is the id of one kind of thing; 0 is none.
type ID[K Kind] int64

// Any is an id whose kind does not matter (ledger entries, log rows).
type Any = int64

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford: no i, l, o, u

// String shows the id; none is "".
func (id ID[K]) String() string {
	if id == 0 {
		return ""
	}
	var k K
	return k.Prefix() + encode(int64(id))
}

// MarshalText shows the id in JSON and in URLs.
func (id ID[K]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String shows and nothing else; "" is none.
func (id *ID[K]) UnmarshalText(b []byte) error {
	v, err := Parse[K](string(b))
	if err == nil {
		*id = v
	}
	return err
}

// Value stores the id as a number.
func (id ID[K]) Value() (driver.Value, error) { return int64(id), nil }

// Scan reads a number; NULL is none.
func (id *ID[K]) Scan(v any) error {
	switch n := v.(type) {
	case nil:
		*id = 0
	case int64:
		*id = ID[K](n)
	default:
		return fmt.Errorf("ids: cannot read %T", v)
	}
	return nil
}

// Parse reads what String shows; "" is none.
func Parse[K Kind](s string) (ID[K], error) {
	if s == "" {
		return 0, nil
	}
	var k K
	p := k.Prefix()
	if len(s) != len(p)+13 || s[:len(p)] != p {
		return 0, fmt.Errorf("ids: %.40q is no id of kind %s", s, p)
	}
	n, ok := decode(s[len(p):])
	if !ok || n <= 0 {
		return 0, fmt.Errorf("ids: %.40q is no id of kind %s", s, p)
	}
	return ID[K](n), nil
}

func encode(n int64) string {
	var b [13]byte
	u := uint64(n)
	for i := 12; i >= 0; i-- {
		b[i] = alphabet[u&31]
		u >>= 5
	}
	return string(b[:])
}

func decode(s string) (int64, bool) {
	var u uint64
	for i := 0; i < len(s); i++ {
		d := digit(s[i])
		if d < 0 || u>>58 != 0 {
			return 0, false
		}
		u = u<<5 | uint64(d)
	}
	return int64(u), u>>63 == 0
}

func digit(c byte) int {
	for i := range len(alphabet) {
		if alphabet[i] == c {
			return i
		}
	}
	return -1
}

// Mint makes ids. It is safe for concurrent use.
type Mint struct {
	clock clock.Clock
	mu    sync.Mutex
	node  int64
	last  int64 // milliseconds<<seqBits | sequence of the last id
}

// NewMint makes ids of one node (0..NodeMax).
func NewMint(c clock.Clock, node int) *Mint {
	if node < 0 || node > NodeMax {
		panic(fmt.Sprintf("ids: node %d", node))
	}
	return &Mint{clock: c, node: int64(node)}
}

// Next returns a new id, higher than any before, also when the clock stands still or steps back.
func (m *Mint) Next() int64 { return m.Block(1) }

// Block reserves n consecutive ids and returns the first; row i (from 0) is first + i×Stride.
func (m *Mint) Block(n int) int64 {
	if n < 1 {
		panic(fmt.Sprintf("ids: block of %d", n))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.clock.Now().Sub(Epoch).Milliseconds() << seqBits
	if first <= m.last {
		first = m.last + 1
	}
	m.last = first + int64(n) - 1
	return first<<nodeBits | m.node
}

// Floor is the lowest id that could be minted at t: what is below it was minted before t.
func Floor(t time.Time) int64 { return t.Sub(Epoch).Milliseconds() << (nodeBits + seqBits) }

// Time tells when an id was minted, by the clock of its node.
func Time(id int64) time.Time {
	return Epoch.Add(time.Duration(id>>(nodeBits+seqBits)) * time.Millisecond)
}
