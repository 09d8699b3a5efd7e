// Package crypt keeps personal data unreadable at rest, and makes the random numbers of the program.
package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrSealed says that a sealed value cannot be opened: wrong key, wrong place, or changed.
var ErrSealed = errors.New("crypt: value cannot be opened")

// Box seals fields with AES-256-GCM. The newest key seals, all keys open, so that keys can be rotated. It is safe for
// concurrent use, and shows nothing of its keys when printed.
type Box struct {
	primary string
	aeads   map[string]cipher.AEAD
	index   []byte
}

// NewBox makes a box of the keys.
func NewBox(k Keys) (*Box, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	b := &Box{primary: k.Field[0].ID, aeads: map[string]cipher.AEAD{}, index: k.Index}
	for _, key := range k.Field {
		block, err := aes.NewCipher(key.Bytes)
		if err != nil {
			return nil, fmt.Errorf("use field key %s: %w", key.ID, err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("use field key %s: %w", key.ID, err)
		}
		b.aeads[key.ID] = aead
	}
	return b, nil
}

// String shows that it is a box.
func (b *Box) String() string { return "crypt.Box" }

// GoString shows that it is a box, also to %#v.
func (b *Box) GoString() string { return "crypt.Box" }

// Seal encrypts plain text as "keyid.base64url". The place ("customer.phone") is bound into it: a value moved to
// another column does not open. An empty text stays empty. Equal texts give different values.
func (b *Box) Seal(place, plain string) string {
	if plain == "" {
		return ""
	}
	aead := b.aeads[b.primary]
	nonce := Random(aead.NonceSize())
	sealed := aead.Seal(nonce, nonce, []byte(plain), []byte(place))
	return b.primary + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open decrypts what Seal made for the same place; "" is "". The error is ErrSealed and never holds the value.
func (b *Box) Open(place, sealed string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	id, text, _ := strings.Cut(sealed, ".")
	aead, ok := b.aeads[id]
	if !ok {
		return "", fmt.Errorf("%w: no key %.16q for %s", ErrSealed, id, place)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < aead.NonceSize() {
		return "", fmt.Errorf("%w: %s is damaged", ErrSealed, place)
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(place))
	if err != nil {
		return "", fmt.Errorf("%w: %s is damaged or of another key", ErrSealed, place)
	}
	return string(plain), nil
}

// Blind maps a value to 64 hexadecimal digits by which equal values of the same place can be found, without telling
// the value to who does not have the key. "" is "". Normalise before (a phone without spaces and country code).
func (b *Box) Blind(place, value string) string {
	if value == "" {
		return ""
	}
	return hex.EncodeToString(MAC(b.index, place, value))
}

// MAC is HMAC-SHA256 over a label and parts, each with its length, so that no two lists of parts read the same.
func MAC(key []byte, label string, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range append([]string{label}, parts...) {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// Hash is SHA-256 in hexadecimal, for tokens that are random enough to need no salt.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Equal compares without telling by its time where the difference is.
func Equal(a, b []byte) bool { return hmac.Equal(a, b) }

// Random returns n random bytes; the machine's generator does not fail (crypto/rand ends the program rather).
func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // documented never to return an error
	return b
}

// Token returns n random bytes as URL-safe text.
func Token(n int) string { return base64.RawURLEncoding.EncodeToString(Random(n)) }

const words = "23456789abcdefghjkmnpqrstuvwxyz" // no 0 and o, no 1, i and l

// Password returns a random text of n characters that people can read out and type. Each character is worth
// almost 5 bits.
func Password(n int) string {
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, c := range Random(2 * n) {
			if int(c) < 256-256%len(words) && len(out) < n { // no bias towards the first letters
				out = append(out, words[int(c)%len(words)])
			}
		}
	}
	return string(out)
}
