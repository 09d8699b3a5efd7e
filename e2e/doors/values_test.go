package doors_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// wrongValues goes through every field of a body, however deep, and makes it wrong in every way that its schema forbids.
func (w *walk) wrongValues(op *operation, proper request, top *schema) []bad {
	var out []bad
	w.visit(op, top, nil, func(path []string, s *schema, required bool) {
		at := "/" + strings.Join(path, "/")
		put := func(how string, value any) {
			out = append(out, bad{name: at + " " + how, pointer: pointerOf(at, how, s), request: with(proper, func(r *request) {
				r.body = encode(replaced(w.example(op, top), op, w, top, path, value))
			})})
		}
		if required {
			out = append(out, bad{name: at + " missing", pointer: at, request: with(proper, func(r *request) {
				r.body = encode(replaced(w.example(op, top), op, w, top, path, missing))
			})})
		}
		for _, how := range slices.Sorted(maps.Keys(wrongFor(s))) {
			put(how, wrongFor(s)[how])
		}
	})
	return out
}

// pointerOf is the place that a refusal must name: the field, where the schema itself forbids the value. What only the
// domain can judge it refuses with a code of its own, and what cannot be read at all has no place.
func pointerOf(at, how string, s *schema) string {
	switch {
	case how == broken || how == "beyond everything":
		return ""
	case how == unknown:
		return at + "/no_such_field"
	case s.Maximum == nil && how == "largest int64", s.Minimum == nil && (how == "negative" || how == "smallest int64"):
		return ""
	case s.MaxLength == nil && len(s.Enum) == 0 && s.Pattern == "" && s.Format == "" && how == "far too long":
		return ""
	}
	return at
}

const (
	broken  = "with broken UTF-8"
	unknown = "with an unknown field"
)

// visit calls f for every field, depth first, in a stable order. A list is visited in its first element.
func (w *walk) visit(op *operation, s *schema, path []string, f func(path []string, s *schema, required bool)) {
	s = op.resolve(s)
	switch {
	case s.is("object"):
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			p := append(slices.Clone(path), name)
			child := op.resolve(s.Properties[name])
			f(p, child, slices.Contains(s.Required, name))
			w.visit(op, child, p, f)
		}
	case s.is("array"):
		p := append(slices.Clone(path), "0")
		f(p, op.resolve(s.Items), false)
		w.visit(op, s.Items, p, f)
	}
}

type absent struct{}

var missing = absent{}

// replaced returns the example with the value at a path replaced; what the example has not on the way is made.
func replaced(v any, op *operation, w *walk, s *schema, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	s = op.resolve(s)
	if s.is("array") {
		list, _ := v.([]any)
		if len(list) == 0 {
			list = []any{w.example(op, s.Items)}
		}
		list[0] = replaced(list[0], op, w, s.Items, path[1:], value)
		return list
	}
	m, _ := v.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	child := s.Properties[path[0]]
	if _, ok := m[path[0]]; !ok && len(path) > 1 {
		m[path[0]] = w.example(op, child)
	}
	if len(path) == 1 && value == missing {
		delete(m, path[0])
		return m
	}
	m[path[0]] = replaced(m[path[0]], op, w, child, path[1:], value)
	return m
}

// wrongFor lists values that a schema forbids, by what is wrong with them.
func wrongFor(s *schema) map[string]any {
	out := map[string]any{"of the wrong type (object)": map[string]any{"x": 1}, "of the wrong type (list)": []any{1}}
	switch {
	case s.is("object"):
		delete(out, "of the wrong type (object)")
		out["of the wrong type (text)"] = "x"
		if s.AdditionalProperties == false {
			out[unknown] = map[string]any{"no_such_field": 1}
		}
	case s.is("array"):
		delete(out, "of the wrong type (list)")
		out["of the wrong type (number)"] = 1
		if s.MaxItems != nil {
			out["too many"] = make([]any, *s.MaxItems+1)
		}
		if value(s.MinItems) > 0 {
			out["too few"] = []any{}
		}
	case s.is("integer"), s.is("number"):
		addNumbers(out, s)
	case s.is("boolean"):
		out["of the wrong type (text)"], out["of the wrong type (number)"] = "true", 1
	case s.is("string"):
		addTexts(out, s)
	}
	return out
}

func addNumbers(out map[string]any, s *schema) {
	out["of the wrong type (text)"], out["of the wrong type (boolean)"] = "1", true
	out["a fraction"] = 1.5
	out["beyond int64"] = json.Number("9223372036854775808")
	out["beyond everything"] = json.Number("1e400")
	out["largest int64"] = json.Number(fmt.Sprint(math.MaxInt64))
	out["smallest int64"] = json.Number(fmt.Sprint(math.MinInt64))
	if s.Minimum == nil || *s.Minimum >= 0 {
		out["negative"] = -1
	} else {
		out["below the smallest"] = int64(*s.Minimum) - 1
	}
}

func addTexts(out map[string]any, s *schema) {
	out["of the wrong type (number)"], out["of the wrong type (boolean)"] = 1, false
	out["far too long"] = strings.Repeat("长", 70_000)
	if s.MaxLength != nil && len(s.Enum) == 0 {
		out["too long"] = strings.Repeat("长", *s.MaxLength+1)
	}
	if value(s.MinLength) > 0 {
		out["empty"] = ""
	}
	if len(s.Enum) > 0 || s.Pattern != "" {
		out["not one of those"] = "没有 这样的"
	}
	if s.Format == "date-time" {
		out["no time"], out["a day that is none"], out["beyond years"] = "yesterday", "2026-02-30T00:00:00Z", "99999-01-01T00:00:00Z"
	}
	out[broken] = brokenText{}
}

// brokenText is a JSON text that is no UTF-8.
type brokenText struct{}

// MarshalJSON is not used: encoding/json would repair what it writes. See encode.
func (brokenText) MarshalJSON() ([]byte, error) { return []byte(`"` + brokenMark + `"`), nil }

const brokenMark = "@broken@"
