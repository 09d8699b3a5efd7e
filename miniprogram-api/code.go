package miniprogramapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/wechat"
)

func (a *API) registerCode(api *httpx.API) {
	tags := []string{"promotion"}
	httpx.Register(api, httpx.Op{
		ID: "make-code", Method: http.MethodPost, Path: "/codes", Summary: "My promo code for a target and a channel",
		Description: "Returns the working code for the same target, channel and end, or makes one.",
		Permission:  access.Distributor, Tags: tags, Idempotent: true, Errors: []int{http.StatusNotFound},
	}, a.makeCode)
	httpx.Register(api, httpx.Op{ID: "list-codes", Method: http.MethodGet, Path: "/codes", Summary: "My promo codes, newest first", Permission: access.Distributor, Tags: tags}, a.listCodes)
	images := []int{http.StatusConflict, http.StatusUnprocessableEntity}
	httpx.RegisterRaw(api, httpx.Op{
		ID: "get-scene-image", Method: http.MethodGet, Path: "/codes/{id}/scene.jpg", Summary: "The mini-program code of a promo code, as JPEG",
		Description: "For levels with that right. width: 280 to 1280 pixels, page: without a leading slash, env: release, trial or develop.",
		Permission:  access.Distributor, Tags: tags, Query: []string{"width", "page", "env"}, Produces: "image/jpeg",
		Errors: append(images, http.StatusServiceUnavailable),
	}, a.sceneImage)
	httpx.RegisterRaw(api, httpx.Op{
		ID: "get-link-image", Method: http.MethodGet, Path: "/codes/{id}/link.png", Summary: "The promotion link of a promo code as a QR code, as PNG",
		Description: "For places without WeChat. width: 128 to 1024 pixels.",
		Permission:  access.Distributor, Tags: tags, Query: []string{"width"}, Produces: "image/png", Errors: images,
	}, a.linkImage)
}

type targetBody struct {
	Kind    string         `json:"kind" enum:"shop,product" doc:"shop is the home page"`
	Product base.ProductID `json:"product_id,omitempty" doc:"For the kind product"`
}

func showTarget(t attribution.Target) targetBody {
	out := targetBody{Kind: string(t.Kind)}
	if t.Kind == attribution.TargetProduct {
		out.Product = base.ProductID(t.ID)
	}
	return out
}

type makeCodeInput struct {
	Body struct {
		Target    targetBody `json:"target"`
		Channel   string     `json:"channel,omitempty" maxLength:"16" doc:"My own label: letters, digits, - and _"`
		ExpiresAt time.Time  `json:"expires_at,omitzero" doc:"Left out: never"`
	}
}

type promoCodeBody struct {
	ID        base.CodeID `json:"id"`
	Code      string      `json:"code"`
	Scene     string      `json:"scene" doc:"What a mini-program code of it carries"`
	Link      string      `json:"link" doc:"The promotion link, for places without WeChat"`
	Target    targetBody  `json:"target"`
	Channel   string      `json:"channel"`
	Status    string      `json:"status" enum:"active,disabled,expired"`
	ExpiresAt *time.Time  `json:"expires_at,omitempty"`
	CreatedAt time.Time   `json:"created_at"`
	HasScene  bool        `json:"has_scene_image" doc:"My level may have the mini-program code"`
}

func (a *API) showCode(c attribution.Code, l distributor.Level) promoCodeBody {
	status := string(c.Status)
	if c.Status == attribution.CodeActive && !c.Works(a.Flow.DB.Clock.Now()) {
		status = "expired"
	}
	return promoCodeBody{
		c.ID, c.Text, attribution.EncodeScene(c.Text), a.Flow.LinkURL(c.Text), showTarget(c.Target()), c.Channel, status,
		httpx.Time(c.ExpiresMs), base.Time(c.MadeMs), l.Rights.SceneCodes,
	}
}

type promoCodeOutput struct{ Body promoCodeBody }

func (a *API) makeCode(ctx context.Context, in *makeCodeInput) (*promoCodeOutput, error) {
	id, b := httpx.PrincipalOf(ctx).Distributor, in.Body
	c, err := a.Flow.MakeCode(ctx, attribution.NewCode{
		ID: base.CodeID(httpx.OpID(ctx)), Distributor: id, Channel: b.Channel, Expires: b.ExpiresAt,
		Target: attribution.Target{Kind: attribution.TargetKind(b.Target.Kind), ID: int64(b.Target.Product)},
	})
	if err != nil {
		return nil, err
	}
	d, err := distributor.Get(ctx, a.Flow.DB.Q(), id)
	if err != nil {
		return nil, err
	}
	return &promoCodeOutput{a.showCode(c, d.Level)}, nil
}

type listCodesInput struct{ httpx.FeedInput }

type codeFeed struct{ Body httpx.Feed[promoCodeBody] }

func (a *API) listCodes(ctx context.Context, in *listCodesInput) (*codeFeed, error) {
	q, id := a.Flow.DB.Q(), httpx.PrincipalOf(ctx).Distributor
	from, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	d, err := distributor.Get(ctx, q, id)
	if err != nil {
		return nil, err
	}
	rows, err := attribution.Codes(ctx, q, attribution.CodeFilter{Distributor: id, Before: base.CodeID(from.ID), Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	at := func(c attribution.Code) httpx.Cursor { return httpx.Cursor{TimeMs: c.MadeMs, ID: int64(c.ID)} }
	show := func(c attribution.Code) promoCodeBody { return a.showCode(c, d.Level) }
	return &codeFeed{httpx.NewFeed(rows, in.Limit, at, show)}, nil
}

// imageAge is how long a device may keep a picture: it never changes, but its code may be disabled.
const imageAge = "private, max-age=3600"

// imageInput reads the id and the width of a picture's address.
func imageInput(c *gin.Context) (flow.ImageInput, error) {
	in := flow.ImageInput{Distributor: httpx.PrincipalOf(c.Request.Context()).Distributor}
	if err := in.Code.UnmarshalText([]byte(c.Param("id"))); err != nil || in.Code == 0 {
		return in, attribution.ErrCodeNotFound
	}
	if text := c.Query("width"); text != "" {
		width, err := strconv.Atoi(text)
		if err != nil || width <= 0 {
			return in, flow.ErrImage
		}
		in.Width = width
	}
	return in, nil
}

func (a *API) sceneImage(c *gin.Context) {
	in, err := imageInput(c)
	var image []byte
	if err == nil {
		in.Page, in.Env = c.Query("page"), wechat.Env(c.Query("env"))
		image, err = a.Flow.SceneImage(c.Request.Context(), in)
	}
	sendImage(c, "image/jpeg", image, err)
}

func (a *API) linkImage(c *gin.Context) {
	in, err := imageInput(c)
	var image []byte
	if err == nil {
		image, err = a.Flow.LinkImage(c.Request.Context(), in)
	}
	sendImage(c, "image/png", image, err)
}

func sendImage(c *gin.Context, kind string, image []byte, err error) {
	if err != nil {
		httpx.WriteError(c, err)
		return
	}
	c.Header("Cache-Control", imageAge)
	c.Data(http.StatusOK, kind, image)
}
