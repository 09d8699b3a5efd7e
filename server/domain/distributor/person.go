package distributor

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// Where personal data are sealed and blinded: the place argument of crypt.Box.
const (
	RealNamePlace = "distributor.real_name"
	IDNoPlace     = "distributor.id_no"
)

const (
	realNameMin = 2
	realNameMax = 30 // runes
)

// What this package refuses about a person's papers.
var (
	ErrRealName = errs.E(errs.Invalid, "distributor.real_name_invalid", "请填写与身份证一致的真实姓名",
		errs.EN("Give the real name as it is on the ID card."), errs.At("/real_name", "invalid", "2 to 30 letters"))
	ErrIDNo = errs.E(errs.Invalid, "distributor.id_no_invalid", "身份证号码有误，请核对后重新填写",
		errs.EN("The ID number is wrong. Please check it."), errs.At("/id_no", "invalid", "18 characters with a right check digit"))
)

// CheckRealName returns the name without spaces around it, or ErrRealName: letters of any script, with the dots and
// spaces that names have inside.
func CheckRealName(text string) (string, error) {
	name := strings.TrimSpace(text)
	n := utf8.RuneCountInString(name)
	if !utf8.ValidString(name) || n < realNameMin || n > realNameMax {
		return "", ErrRealName
	}
	for i, r := range name {
		inner := i > 0 && strings.ContainsRune("·•. -'", r)
		if !unicode.IsLetter(r) && !inner {
			return "", ErrRealName
		}
	}
	return name, nil
}

// weights of the 17 digits, and the check characters by remainder: GB 11643-1999.
var (
	idWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	idChecks  = "10X98765432"
)

// CheckIDNo returns a resident identity number (GB 11643) in capitals, or ErrIDNo. "" stays "".
func CheckIDNo(text string, now time.Time) (string, error) {
	no := strings.ToUpper(strings.TrimSpace(text))
	if no == "" {
		return "", nil
	}
	if len(no) != 18 {
		return "", ErrIDNo
	}
	sum := 0
	for i := range 17 {
		if no[i] < '0' || no[i] > '9' {
			return "", ErrIDNo
		}
		sum += int(no[i]-'0') * idWeights[i]
	}
	if no[17] != idChecks[sum%11] {
		return "", ErrIDNo
	}
	born, err := time.Parse("20060102", no[6:14])
	if err != nil || born.Year() < 1900 || born.After(now) {
		return "", ErrIDNo
	}
	return no, nil
}

// MaskName leaves the last character of a Chinese name, the first letter of another.
func MaskName(name string) string {
	runes := []rune(name)
	switch {
	case len(runes) == 0:
		return ""
	case unicode.Is(unicode.Han, runes[0]):
		return strings.Repeat("*", len(runes)-1) + string(runes[len(runes)-1])
	default:
		return string(runes[0]) + strings.Repeat("*", len(runes)-1)
	}
}

// Papers are a person's name and number, sealed by the caller for RealNamePlace and IDNoPlace.
type Papers struct {
	ID          base.DistributorID
	RealNameEnc string
	IDNoEnc     string // empty: not given
	IDNoHash    string // blinded, so that one person's accounts can be found
	Renamed     bool   // the caller compared: it replaces another name
	By          base.Actor
}

const papersSQL = `
UPDATE distributor SET real_name_enc = ?, id_no_enc = ?, id_no_hash = ?, named_ms = ?, name_changed_ms = ?,
version = version + 1 WHERE id = ? AND version = ?`

// SetPapers stores the papers of the locked distributor d and the time of a change of name.
func SetPapers(ctx context.Context, tx *store.Tx, d Distributor, p Papers) error {
	named, changed := d.NamedMs, d.NameChangedMs
	if named == 0 {
		named = tx.NowMs()
	}
	if p.Renamed {
		changed = tx.NowMs()
	}
	ok, err := tx.ExecOne(ctx, papersSQL, p.RealNameEnc, p.IDNoEnc, p.IDNoHash, named, changed, p.ID, d.Version)
	if err != nil {
		return fmt.Errorf("write real name: %w", err)
	}
	if !ok {
		return ErrChanged
	}
	to := "given"
	if p.Renamed {
		to = "changed"
	}
	return record(ctx, tx, Change{Distributor: p.ID, Kind: ChangeName, To: to, By: p.By})
}
