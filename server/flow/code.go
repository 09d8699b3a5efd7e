package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/wechat"
)

// How often mini-program codes may be drawn: WeChat allows an app 5,000 a minute; what is kept costs nothing.
const (
	drawAppPerMinute    = 4_000
	drawAppBurst        = 200
	drawPersonPerMinute = 30
	drawPersonBurst     = 10
)

// Widths of link codes, in pixels.
const (
	linkWidthMin     = 128
	linkWidthMax     = 1024
	linkWidthDefault = 430
)

const codeTextTries = 3

// What promotion can be refused for.
var (
	ErrSceneRight = errs.E(errs.Forbidden, "code.scene_not_allowed", "您的等级暂不支持小程序码，可使用推广链接二维码",
		errs.EN("Your level has no mini-program codes. Use the link code."))
	ErrSceneLimit = errs.E(errs.Limited, "code.scene_rate_limited", "小程序码生成过于频繁，请稍后再试",
		errs.EN("Too many mini-program codes at once. Please try again in a moment."))
	ErrImage = errs.E(errs.Invalid, "code.image_invalid", "图片参数有误，请检查页面、宽度与版本",
		errs.EN("Something about the image is wrong: check page, width and version."))
)

// MakeCode returns a promo code of an active distributor: the one there for the same target, channel and end, or a new
// one. The same id again returns the same code.
func (f *Flow) MakeCode(ctx context.Context, n attribution.NewCode) (c attribution.Code, err error) {
	for try := 1; ; try++ {
		n.Text = attribution.NewCodeText()
		err = f.DB.InTx(ctx, "flow.make_code", func(ctx context.Context, tx *store.Tx) error {
			d, err := distributor.Get(ctx, tx, n.Distributor)
			if err != nil {
				return err
			}
			if err := d.MustBeActive(); err != nil {
				return err
			}
			if err := mayPromote(ctx, tx, d, n.Target); err != nil {
				return err
			}
			c, err = attribution.MakeCode(ctx, tx, n)
			return err
		})
		if errs.CodeOf(err) != attribution.ErrCodeTaken.Code || try == codeTextTries {
			return c, err
		}
	}
}

// ErrTarget says that nobody may promote the product now, or not this level.
var ErrTarget = errs.E(errs.Conflict, "code.target_not_on_sale", "该商品暂不能推广，请选择其他商品",
	errs.EN("The product cannot be promoted now. Choose another."))

// mayPromote refuses products that are not for sale, and in their first days those whose level has no right to them.
func mayPromote(ctx context.Context, tx *store.Tx, d distributor.Distributor, t attribution.Target) error {
	if t.Kind != attribution.TargetProduct || t.ID == 0 {
		return nil
	}
	p, err := catalog.Get(ctx, tx, base.ProductID(t.ID))
	if err != nil {
		return err
	}
	switch sale := p.SaleAt(tx.Now()); {
	case sale == catalog.SaleOpen, sale == catalog.SaleEarly && d.Level.Rights.FirstPromote:
		return nil
	default:
		return ErrTarget
	}
}

// DisableCode stops a promo code for good, with a reason.
func (f *Flow) DisableCode(ctx context.Context, d attribution.Disable) (err error) {
	if d.Reason, err = checkReason(d.Reason); err != nil {
		return err
	}
	return f.DB.InTx(ctx, "flow.disable_code", func(ctx context.Context, tx *store.Tx) error {
		c, err := attribution.CodeOf(ctx, tx, d.ID)
		if err != nil {
			return err
		}
		if err := attribution.DisableCode(ctx, tx, d); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: d.By, Action: "code.disable", Object: d.ID.String(), Reason: d.Reason,
			Before: map[string]any{"status": c.Status, "code": c.Text, "distributor": c.Distributor},
			After:  map[string]any{"status": attribution.CodeIsDisabled},
		})
	})
}

// ImageInput says which code to draw, and how. Zero values take the shop's page and version, and the usual width.
type ImageInput struct {
	Distributor base.DistributorID // whose code it must be
	Code        base.CodeID
	Page        string
	Width       int // pixels
	Env         wechat.Env
}

// SceneImage draws the mini-program code of a promo code as JPEG. Each drawing is asked of WeChat once and kept. Only
// active distributors whose level has the right get one, and not too often.
func (f *Flow) SceneImage(ctx context.Context, in ImageInput) ([]byte, error) {
	c, d, err := f.drawable(ctx, in)
	if err != nil {
		return nil, err
	}
	if !d.Level.Rights.SceneCodes {
		return nil, ErrSceneRight
	}
	scene := f.sceneCode(c, in)
	if err := scene.Check(); err != nil {
		return nil, errs.E(ErrImage.Kind, ErrImage.Code, ErrImage.Message, errs.EN(ErrImage.English), errs.Cause(err))
	}
	key := attribution.ImageKey{Code: c.Text, Page: scene.Page, Width: scene.Width, Env: string(scene.Env)}
	image, kept, err := attribution.Image(ctx, f.DB.Q(), key)
	if err != nil || kept {
		return image, err
	}
	if err := f.mayDraw(ctx, d.ID); err != nil {
		return nil, err
	}
	image, err = f.Mini.SceneCode(ctx, scene)
	if err != nil {
		return nil, sceneRefusal(err)
	}
	err = f.DB.InTx(ctx, "flow.keep_image", func(ctx context.Context, tx *store.Tx) error {
		return attribution.KeepImage(ctx, tx, key, image)
	})
	return image, err
}

const pageMax = 128 // of the column, in bytes

func (f *Flow) sceneCode(c attribution.Code, in ImageInput) wechat.SceneCode {
	s := wechat.SceneCode{
		Scene: attribution.EncodeScene(c.Text), Page: in.Page, Width: in.Width, Env: in.Env, CheckPath: f.Shop.CheckPage,
	}
	if s.Page == "" {
		s.Page = f.Shop.CodePage
	}
	if len(s.Page) > pageMax {
		s.Page = "/" // refused by Check, as every page that begins so
	}
	if s.Width == 0 {
		s.Width = wechat.SceneWidthDefault
	}
	if s.Env == "" {
		s.Env = wechat.Env(f.Shop.CodeEnv)
	}
	return s
}

// mayDraw lets the call pass when Redis does not answer: WeChat has a limit of its own.
func (f *Flow) mayDraw(ctx context.Context, d base.DistributorID) error {
	limits := []struct {
		name, key        string
		perMinute, burst int
	}{
		{"scene_code_of", d.String(), drawPersonPerMinute, drawPersonBurst},
		{"scene_code", "app", drawAppPerMinute, drawAppBurst},
	}
	for _, l := range limits {
		allowed, after, err := f.Limiter.Limit(ctx, l.name, l.key, l.perMinute, l.burst)
		if err != nil {
			f.Log.WarnContext(ctx, "count drawing of a scene code", "error", err)
			continue
		}
		if !allowed {
			return errs.E(ErrSceneLimit.Kind, ErrSceneLimit.Code, ErrSceneLimit.Message, errs.EN(ErrSceneLimit.English), errs.After(after))
		}
	}
	return nil
}

func sceneRefusal(err error) error {
	if errors.Is(err, wechat.ErrInput) || wechat.ClassOf(err) == wechat.Refused {
		return errs.E(ErrImage.Kind, ErrImage.Code, ErrImage.Message, errs.EN(ErrImage.English), errs.Cause(err))
	}
	return wechatBusy(err)
}

// LinkURL is the promotion link of a code, for places without WeChat.
func (f *Flow) LinkURL(code string) string {
	return strings.TrimSuffix(f.Shop.LinkBase, "/") + attribution.LinkPath(code)
}

// LinkImage draws a code's promotion link as a QR code in PNG. Nothing is asked of WeChat.
func (f *Flow) LinkImage(ctx context.Context, in ImageInput) ([]byte, error) {
	if in.Width == 0 {
		in.Width = linkWidthDefault
	}
	if in.Width < linkWidthMin || in.Width > linkWidthMax {
		return nil, ErrImage
	}
	c, _, err := f.drawable(ctx, in)
	if err != nil {
		return nil, err
	}
	png, err := qrcode.Encode(f.LinkURL(c.Text), qrcode.Medium, in.Width)
	if err != nil {
		return nil, fmt.Errorf("draw link code: %w", err)
	}
	return png, nil
}

// drawable returns a working code of an active distributor. Another one's code is none.
func (f *Flow) drawable(ctx context.Context, in ImageInput) (attribution.Code, distributor.Distributor, error) {
	q := f.DB.Q()
	c, err := attribution.CodeOf(ctx, q, in.Code)
	if err == nil && c.Distributor != in.Distributor {
		err = attribution.ErrCodeNotFound
	}
	if err != nil {
		return attribution.Code{}, distributor.Distributor{}, err
	}
	d, err := distributor.Get(ctx, q, c.Distributor)
	if err == nil {
		err = d.MustBeActive()
	}
	if err == nil {
		err = c.MustWork(f.DB.Clock.Now())
	}
	return c, d, err
}
