package access

import (
	"crypto/subtle"
	"encoding/base32"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"fenxiao/server/base/crypt"
)

const (
	totpSecretBytes = 20
	totpStepSeconds = 30
	totpIssuer      = "Fenxiao"
	totpPlace       = "admin.totp"

	recoveryCodes    = 10
	recoveryCodeLen  = 16
	recoveryGroupLen = 4
)

// TOTP is a second factor as an authenticator app takes it.
type TOTP struct {
	Secret string // base 32
	URI    string // otpauth://..., for a QR code
}

func newTOTP(account string) (TOTP, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: account, Secret: crypt.Random(totpSecretBytes)})
	if err != nil {
		return TOTP{}, err
	}
	return TOTP{Secret: key.Secret(), URI: key.URL()}, nil
}

// totpStep finds the step of 30 seconds whose code was given: this one, the one before or the one after. 0 is none.
func totpStep(secret, code string, now time.Time) int64 {
	if _, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err != nil || len(code) != 6 {
		return 0
	}
	step, found := now.Unix()/totpStepSeconds, int64(0)
	for s := step - 1; s <= step+1; s++ {
		want, err := totp.GenerateCode(secret, time.Unix(s*totpStepSeconds, 0))
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = s
		}
	}
	return found
}

// newRecoveryCodes makes codes to be shown once and their hashes to be stored. A code is worth 79 bits, so its hash
// needs no salt.
func newRecoveryCodes() (shown, hashes []string) {
	for range recoveryCodes {
		code := crypt.Password(recoveryCodeLen)
		hashes = append(hashes, crypt.Hash(code))
		var groups []string
		for i := 0; i < recoveryCodeLen; i += recoveryGroupLen {
			groups = append(groups, code[i:i+recoveryGroupLen])
		}
		shown = append(shown, strings.Join(groups, "-"))
	}
	return shown, hashes
}

// recoveryHash is the hash of a code as a person may type it.
func recoveryHash(typed string) string {
	return crypt.Hash(strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(typed)))
}
