package doors_test

import (
	"regexp"
	"strings"
	"time"

	"pgregory.net/rapid"
)

var idPattern = regexp.MustCompile(`^\^([a-z]{2})\[`)

// idPrefix says of which kind of id a schema is, "" for none.
func idPrefix(s *schema) string {
	m := idPattern.FindStringSubmatch(s.Pattern)
	if m == nil || !strings.HasSuffix(s.Pattern, "{13}$") {
		return ""
	}
	return m[1]
}

// example makes a value that fits a schema: what is required, and nothing else.
func (w *walk) example(op *operation, s *schema) any {
	s = op.resolve(s)
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.is("object"):
		out := map[string]any{}
		for _, name := range s.Required {
			out[name] = w.example(op, s.Properties[name])
		}
		return out
	case s.is("array"):
		out := []any{}
		for range max(1, value(s.MinItems)) {
			out = append(out, w.example(op, s.Items))
		}
		return out
	case s.is("integer"), s.is("number"):
		return max(1, int64(value(s.Minimum)))
	case s.is("boolean"):
		return false
	default:
		return w.text(s)
	}
}

func (w *walk) text(s *schema) string {
	if prefix := idPrefix(s); prefix != "" {
		if id := w.ids[prefix]; id != "" {
			return id
		}
		return nobodys(prefix)
	}
	switch {
	case s.Pattern != "":
		return rapid.StringMatching(s.Pattern).Example(1)
	case s.Format == "date-time":
		return w.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	case s.Format == "date":
		return w.Clock.Now().Format(time.DateOnly)
	}
	text := "字a1"
	for len([]rune(text)) < value(s.MinLength) {
		text += "字a1"
	}
	if s.MaxLength != nil {
		text = string([]rune(text)[:min(len([]rune(text)), *s.MaxLength)])
	}
	return text
}

// value is what a pointer points to, 0 for nil.
func value[T int | float64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}
