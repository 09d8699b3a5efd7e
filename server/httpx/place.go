package httpx

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// placeOf is the JSON pointer of the value that ends at an offset. The decoder's own word for it is of no use to a
// client: it has no indexes, and names of structs that are in no document.
func placeOf(data []byte, offset int64) string {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var p place
	for {
		token, err := d.Token()
		if err != nil {
			return p.pointer()
		}
		if d.InputOffset() >= offset && !p.isKey() {
			p.begin()
			return p.pointer()
		}
		p.take(token)
	}
}

// place is where one stands while reading JSON: the objects and lists around, outermost first.
type place []level

type level struct {
	list  bool
	index int    // of the element being read, -1 before the first
	key   string // of the field being read
	named bool   // the key was read and its value comes next
}

func (p place) isKey() bool {
	return len(p) > 0 && !p[len(p)-1].list && !p[len(p)-1].named
}

// begin steps to the next element of a list.
func (p place) begin() {
	if len(p) > 0 && p[len(p)-1].list {
		p[len(p)-1].index++
	}
}

func (p *place) take(token json.Token) {
	if p.isKey() {
		if key, ok := token.(string); ok {
			(*p)[len(*p)-1].key, (*p)[len(*p)-1].named = key, true
			return
		}
	}
	switch token {
	case json.Delim('}'), json.Delim(']'):
		*p = (*p)[:len(*p)-1]
		p.ended()
	case json.Delim('{'), json.Delim('['):
		p.begin()
		*p = append(*p, level{list: token == json.Delim('['), index: -1})
	default:
		p.begin()
		p.ended()
	}
}

// ended notes that a value was read whole.
func (p place) ended() {
	if len(p) > 0 {
		p[len(p)-1].named = false
	}
}

func (p place) pointer() string {
	out := ""
	for _, l := range p {
		switch {
		case l.list && l.index >= 0:
			out += "/" + strconv.Itoa(l.index)
		case l.named:
			out += "/" + escapePointer(l.key)
		}
	}
	return out
}
