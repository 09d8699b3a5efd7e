package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
)

// Argon2id's costs. Two at once are 64 MiB, which fits a small machine; more wait.
const (
	argonMemoryKiB = 32 * 1024
	argonPasses    = 3
	argonThreads   = 1
	argonAtOnce    = 2
	argonSaltBytes = 16
	argonKeyBytes  = 32
)

const (
	passwordRunesMin = 10
	passwordBytesMax = 128
)

// ErrWeakPassword says what a password must be.
var ErrWeakPassword = errs.E(errs.Invalid, "auth.weak_password", "密码至少 10 位，不能包含账号，也不能是常见或重复的组合",
	errs.EN("A password needs at least 10 characters, must not contain the account, and must not be a common or repeated one."),
	errs.At("/new_password", "weak", "at least 10 characters"))

// hasher makes and checks password hashes, a few at a time.
type hasher struct {
	slots chan struct{}
	dummy string // checked for unknown accounts, so that they take as long as known ones
}

func newHasher() *hasher {
	// No password gives random bytes; to check against them costs what any check costs. To hash here would take 32 MiB
	// that an idle program then keeps for a while.
	return &hasher{
		slots: make(chan struct{}, argonAtOnce),
		dummy: phcOf(crypt.Random(argonSaltBytes), crypt.Random(argonKeyBytes)),
	}
}

// hash returns a PHC string.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return phc(password, crypt.Random(argonSaltBytes)), nil
}

// check says whether the password is the one that was hashed, and whether it should be hashed again because the
// costs have been raised since.
func (h *hasher) check(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	got := argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.threads, uint32(len(p.key)))
	stale = p.memory != argonMemoryKiB || p.passes != argonPasses || p.threads != argonThreads
	return subtle.ConstantTimeCompare(got, p.key) == 1, stale, nil
}

func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to check a password: %w", ctx.Err())
	}
}

func (h *hasher) leave() { <-h.slots }

func phc(password string, salt []byte) string {
	return phcOf(salt, argon2.IDKey([]byte(password), salt, argonPasses, argonMemoryKiB, argonThreads, argonKeyBytes))
}

func phcOf(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonPasses, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

type phcParts struct {
	memory, passes uint32
	threads        uint8
	salt, key      []byte
}

func parsePHC(s string) (p phcParts, err error) {
	parts := strings.Split(s, "$")
	var version int
	if len(parts) != 6 || parts[1] != "argon2id" {
		return p, fmt.Errorf("read password hash: not argon2id")
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, fmt.Errorf("read password hash: version")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.threads); err != nil || p.passes == 0 || p.threads == 0 {
		return p, fmt.Errorf("read password hash: costs")
	}
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return p, fmt.Errorf("read password hash: salt")
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(p.key) == 0 {
		return p, fmt.Errorf("read password hash: key")
	}
	return p, nil
}

// checkPassword refuses what is guessed first.
func checkPassword(password, account string) error {
	low := strings.ToLower(password)
	distinct := map[rune]bool{}
	for _, r := range low {
		distinct[r] = true
	}
	switch {
	case utf8.RuneCountInString(password) < passwordRunesMin, len(password) > passwordBytesMax,
		strings.Contains(low, account), len(distinct) < 5, common(low):
		return ErrWeakPassword
	}
	return nil
}

func common(low string) bool {
	for _, p := range []string{"password", "qwertyuiop", "1234567890", "0123456789", "abcdefghij", "iloveyou", "fenxiao"} {
		if strings.HasPrefix(low, p) && len(low) < len(p)+5 {
			return true
		}
	}
	return false
}
