package wechat

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Session is who logged in.
type Session struct {
	OpenID  string // the user within our mini-program
	UnionID string // the person across apps; empty unless the app is bound to an open-platform account
}

// Env is a version of the mini-program.
type Env string

const (
	Release Env = "release" // what the public has
	Trial   Env = "trial"
	Develop Env = "develop"
)

// Width of a scene code, in pixels.
const (
	SceneWidthMin     = 280
	SceneWidthMax     = 1280
	SceneWidthDefault = 430
)

// SceneMax is how many characters a scene may have.
const SceneMax = 32

// SceneCode is what a mini-program code leads to.
type SceneCode struct {
	Scene     string // see CheckScene; arrives URL-encoded as query.scene in the page
	Page      string // without leading slash and query; empty is the home page
	Width     int    // pixels; 0 is SceneWidthDefault
	Env       Env    // empty is Release
	CheckPath bool   // refuse pages that the released version does not have; keep it off before the first release
}

// Check says what WeChat would refuse about the code.
func (c SceneCode) Check() error {
	if err := CheckScene(c.Scene); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(c.Page, "/") || strings.ContainsAny(c.Page, "?#%"):
		return fmt.Errorf("%w: page %.80q has a leading slash or a query", ErrInput, c.Page)
	case c.Width != 0 && (c.Width < SceneWidthMin || c.Width > SceneWidthMax):
		return fmt.Errorf("%w: width %d is not within %d to %d", ErrInput, c.Width, SceneWidthMin, SceneWidthMax)
	case c.Env != "" && c.Env != Release && c.Env != Trial && c.Env != Develop:
		return fmt.Errorf("%w: environment %.20q", ErrInput, c.Env)
	}
	return nil
}

// ErrInput says that a request breaks WeChat's documented limits and was not sent.
var ErrInput = errors.New("wechat: refused before sending")

// CheckScene says whether a scene can be drawn: 1 to 32 of the characters WeChat allows, and not its reserved word.
func CheckScene(scene string) error {
	if scene == "" || len(scene) > SceneMax {
		return fmt.Errorf("%w: a scene has 1 to %d characters, not %d", ErrInput, SceneMax, len(scene))
	}
	for _, c := range []byte(scene) {
		if !isAlphanumeric(c) && !strings.ContainsRune("!#$&'()*+,/:;=?@-._~", rune(c)) {
			return fmt.Errorf("%w: a scene cannot contain %q", ErrInput, c)
		}
	}
	for part := range strings.SplitSeq(scene, "&") {
		if name, _, _ := strings.Cut(part, "="); name == "scancode_time" {
			return fmt.Errorf("%w: scancode_time is WeChat's own scene parameter", ErrInput)
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Logistics is how an order reaches its buyer, in WeChat's numbers.
type Logistics int

const (
	Express  Logistics = 1
	SameCity Logistics = 2
	Virtual  Logistics = 3
	PickUp   Logistics = 4 // the buyer fetches it
)

// What WeChat accepts for shipping.
const (
	ParcelsMax   = 15
	ItemsMaxRune = 120
)

// Shipping tells that an order was sent. After the first upload WeChat takes one correction, with a later At.
type Shipping struct {
	TransactionID string // WeChat's number of the payment
	OpenID        string // who paid
	Logistics     Logistics
	Parcels       []Parcel // all parcels sent so far, 1 to ParcelsMax; pick-up and virtual have one with Items only
	AllDelivered  bool     // nothing more will follow
	Split         bool     // the order goes in several parcels; implied by several Parcels or more to follow
	At            time.Time
}

// IsSplit says whether the order goes in several parcels, now or later.
func (s Shipping) IsSplit() bool {
	return s.Split || len(s.Parcels) > 1 || !s.AllDelivered
}

// Parcel is one consignment.
type Parcel struct {
	TrackingNo            string // empty unless express
	Company               string // WeChat's code of the express company; empty unless express
	Items                 string // what is in it, for the buyer, at most ItemsMaxRune characters
	ReceiverContactMasked string // like 189****1234; SF Express wants it
}

// Check says what WeChat would refuse about the shipping.
func (s Shipping) Check() error {
	switch {
	case s.TransactionID == "" || s.OpenID == "" || s.At.IsZero():
		return fmt.Errorf("%w: shipping needs a transaction, a payer and a time", ErrInput)
	case s.Logistics < Express || s.Logistics > PickUp:
		return fmt.Errorf("%w: logistics type %d", ErrInput, s.Logistics)
	case len(s.Parcels) < 1 || len(s.Parcels) > ParcelsMax:
		return fmt.Errorf("%w: %d parcels", ErrInput, len(s.Parcels))
	case s.Logistics != Express && s.IsSplit():
		return fmt.Errorf("%w: only express can go in several parcels", ErrInput)
	}
	for i, p := range s.Parcels {
		if p.Items == "" || utf8.RuneCountInString(p.Items) > ItemsMaxRune {
			return fmt.Errorf("%w: items of parcel %d need 1 to %d characters", ErrInput, i+1, ItemsMaxRune)
		}
		if s.Logistics == Express && (p.TrackingNo == "" || p.Company == "") {
			return fmt.Errorf("%w: parcel %d has no tracking number or company", ErrInput, i+1)
		}
	}
	return nil
}
