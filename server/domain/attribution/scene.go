package attribution

import (
	"net/url"
	"strings"

	"fenxiao/server/base/crypt"
)

const (
	// CodeMin and CodeMax bound the length of a promo code, in characters of base 62.
	CodeMin = 6
	CodeMax = 12

	codeLength = 10 // 59 bits: nobody guesses one
	rawMax     = 512
	unescapes  = 3 // WeChat encodes once, its tools and careless clients again
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewCodeText makes a random promo code.
func NewCodeText() string {
	out := make([]byte, 0, codeLength)
	for len(out) < codeLength {
		for _, b := range crypt.Random(2 * codeLength) {
			if b < 248 && len(out) < codeLength { // 248 = 4×62: no letter is likelier than another
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}

// IsCode says whether a text looks like a promo code.
func IsCode(s string) bool {
	if len(s) < CodeMin || len(s) > CodeMax {
		return false
	}
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return true
}

// EncodeScene returns the scene of a promo code, within what WeChat draws.
func EncodeScene(code string) string { return "s=" + code }

// DecodeScene finds the promo code in what a mini-program received: a scene, encoded any number of times up to three,
// a query string that holds one, the tail of a promotion link, or the bare code.
func DecodeScene(raw string) (code string, ok bool) {
	if len(raw) > rawMax {
		return "", false
	}
	for range unescapes + 1 {
		raw = strings.TrimSpace(raw)
		if code, ok := pickCode(raw); ok {
			return code, true
		}
		plain, err := url.PathUnescape(raw) // PathUnescape leaves + alone, which a scene may contain
		if err != nil || plain == raw {
			return "", false
		}
		raw = plain
	}
	return "", false
}

// pickCode reads one level of encoding.
func pickCode(s string) (string, bool) {
	if IsCode(s) {
		return s, true
	}
	_, query, hasQuery := strings.Cut(s, "?")
	if !hasQuery {
		query = s
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name == "s" && IsCode(value):
			return value, true
		case name == "scene": // scene=s%3D…, or scene=s=…
			if inner, ok := strings.CutPrefix(value, "s="); ok && IsCode(inner) {
				return inner, true
			}
			if plain, err := url.PathUnescape(value); err == nil && plain != value {
				if code, ok := DecodeScene(plain); ok {
					return code, true
				}
			}
		}
	}
	if path, _, _ := strings.Cut(s, "?"); strings.Contains(path, "/"+linkFolder+"/") {
		tail := path[strings.LastIndex(path, "/"+linkFolder+"/")+len(linkFolder)+2:]
		return tail, IsCode(tail)
	}
	return "", false
}

// linkFolder is the folder of promotion links.
const linkFolder = "l"

// LinkPath is the path of a code's promotion link under the shop's public address.
func LinkPath(code string) string { return "/" + linkFolder + "/" + code }
