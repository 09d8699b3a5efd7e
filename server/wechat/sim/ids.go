package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
)

// noiseEpoch sets the noise of a seed apart from its numbers.
const noiseEpoch = 1 << 62

// source draws the simulator's numbers, tokens and nonces from one key and a counter, so that a seed repeats them.
// It is used under Server.mu only.
type source struct {
	key   [32]byte
	epoch uint64 // one more at each start with the same folder: numbers are never drawn twice
	n     uint64
}

func newSource(seed uint64) *source {
	s := &source{}
	if seed == 0 {
		copy(s.key[:], crypt.Random(len(s.key)))
		return s
	}
	s.key = sha256.Sum256(fmt.Appendf(nil, "fenxiao sim %d", seed))
	return s
}

func (s *source) block() []byte {
	s.n++
	m := hmac.New(sha256.New, s.key[:])
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], s.epoch)
	binary.BigEndian.PutUint64(b[8:], s.n)
	m.Write(b[:])
	return m.Sum(nil)
}

// Read fills p with drawn bytes, so that a source serves as the randomness of an encryption.
func (s *source) Read(p []byte) (int, error) {
	for done := 0; done < len(p); {
		done += copy(p[done:], s.block())
	}
	return len(p), nil
}

const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// text draws n letters and digits.
func (s *source) text(n int) string {
	b := make([]byte, n)
	_, _ = s.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// base64 draws n bytes and shows them the way package_info looks: with + / and =.
func (s *source) base64(n int) string {
	b := make([]byte, n)
	_, _ = s.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// digits draws n digits.
func (s *source) digits(n int) string {
	b := make([]byte, n)
	_, _ = s.Read(b)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}

// percent draws 0 to 99.
func (s *source) percent() int { return int(binary.BigEndian.Uint32(s.block()) % 100) }

// number makes a WeChat-like number: prefix, Beijing day, a counter that never repeats, digits.
func (s *source) number(prefix string, at time.Time) string {
	s.n++
	return prefix + at.In(clock.Shop).Format("20060102") + fmt.Sprintf("%03d%06d", s.epoch%1000, s.n%1_000_000) + s.digits(5)
}

// openIDOf is stable per app and person, 28 characters that begin with o, like a real one.
func openIDOf(appID, user string) string {
	sum := sha256.Sum256([]byte(appID + "\x00" + user))
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}
