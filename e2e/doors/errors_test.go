package doors_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/errs"
)

// statuses are what httpx makes of kinds.
var statuses = map[errs.Kind]int{
	errs.Invalid: 422, errs.Malformed: 400, errs.Unauthorized: 401, errs.Forbidden: 403, errs.NotFound: 404,
	errs.Conflict: 409, errs.Limited: 429, errs.Unavailable: 503, errs.Internal: 500,
}

// manyTexts are codes that say the same of different things.
var manyTexts = map[string]string{
	"request.malformed": "of a body, and of a query",
	"internal":          "of a request, and of one item of a batch",
}

const errorsHead = `# Errors

Every refusal is ` + "`application/problem+json`" + ` (RFC 9457) with a stable ` + "`code`" + `; clients translate and decide by it, never by the
text. The list is made from the source by ` + "`make golden`" + `, and a test keeps it true. … stands for a value, which is in
` + "`params`" + ` too. For ` + "`request.invalid`" + ` and its like, ` + "`errors`" + ` says what is wrong where: a JSON pointer, a code, a text.

| code | HTTP | kind | 中文 | English |
| --- | --- | --- | --- | --- |
`

// TestErrors_Golden lists every refusal that the program can make, and checks that each has both languages and that no
// code has two meanings.
func TestErrors_Golden(t *testing.T) {
	t.Parallel()
	found, unclear := refusals(t, root)
	require.Empty(t, unclear, "the text of these refusals cannot be read from the source")
	require.Greater(t, len(found), 100)
	byCode := map[string]refusal{}
	var wrong []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	for _, r := range found {
		check(hasHan(r.zh), "%s: %s has no Chinese: %q", r.at, r.code, r.zh)
		check(r.en != "" && !hasHan(r.en), "%s: %s has no English: %q", r.at, r.code, r.en)
		check(r.code == "internal" || codeForm.MatchString(r.code), "%s: %q is no code like domain.reason", r.at, r.code)
		first, again := byCode[r.code]
		if !again {
			byCode[r.code] = r
			continue
		}
		check(first.kind == r.kind, "%s is of two kinds: %s at %s, %s at %s", r.code, first.kind, first.at, r.kind, r.at)
		check(manyTexts[r.code] != "" || first.zh == r.zh && first.en == r.en, "%s means two things: %s and %s", r.code, first.at, r.at)
	}
	var out strings.Builder
	out.WriteString(errorsHead)
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		r := byCode[code]
		fmt.Fprintf(&out, "| `%s` | %d | %s | %s | %s |\n", code, r.http(), r.kind, r.zh, r.en)
	}
	golden(t, filepath.Join(root, "docs/errors.md"), out.String())
	slices.Sort(wrong)
	require.Empty(t, wrong)
}

func hasHan(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x4e00 && r <= 0x9fff })
}

// refusal is one call of errs.E in the source.
type refusal struct {
	at, code, zh, en string
	kind             errs.Kind
	status           int // said beside it; 0: that of the kind
}

func (r refusal) http() int {
	if r.status != 0 {
		return r.status
	}
	return statuses[r.kind]
}
