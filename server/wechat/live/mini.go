package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2/miniprogram/auth"
	miniconfig "github.com/silenceper/wechat/v2/miniprogram/config"
	minicontext "github.com/silenceper/wechat/v2/miniprogram/context"
	"github.com/silenceper/wechat/v2/miniprogram/order"
	"github.com/silenceper/wechat/v2/miniprogram/qrcode"
	"github.com/silenceper/wechat/v2/util"

	"fenxiao/server/base/clock"
	"fenxiao/server/wechat"
)

const (
	loginCodeBytesMax = 256
	messageBytesMax   = 300
)

// mini is the mini-program's side of a client.
type mini struct {
	cfg    *miniconfig.Config
	gate   http.RoundTripper
	limit  time.Duration
	tokens *tokens
	secret string
}

func newMini(cfg Config, g gate) mini {
	install()
	return mini{cfg: &miniconfig.Config{AppID: cfg.AppID, AppSecret: cfg.AppSecret}, gate: g, limit: cfg.Timeout,
		tokens: newTokens(cfg), secret: cfg.AppSecret}
}

// Login asks who is behind a code of wx.login.
func (m *mini) Login(ctx context.Context, code string) (wechat.Session, error) {
	if code == "" || len(code) > loginCodeBytesMax {
		return wechat.Session{}, &wechat.Error{Op: wechat.OpLogin, Class: wechat.Refused, Code: "40029", Message: "not a code of wx.login"}
	}
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	c, end := begin(ctx, m.gate)
	defer end()
	// The library puts the code into the query as it is.
	who, err := auth.NewAuth(&minicontext.Context{Config: m.cfg}).Code2SessionContext(c.ctx, url.QueryEscape(code))
	if err != nil {
		return wechat.Session{}, m.failure(wechat.OpLogin, err, "")
	}
	if who.OpenID == "" {
		return wechat.Session{}, m.failure(wechat.OpLogin, errors.New("wechat: answer has no openid"), "")
	}
	return wechat.Session{OpenID: who.OpenID, UnionID: who.UnionID}, nil
}

// SceneCode draws a mini-program code.
func (m *mini) SceneCode(ctx context.Context, s wechat.SceneCode) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, refuse(wechat.OpSceneCode, err)
	}
	width, env := s.Width, s.Env
	if width == 0 {
		width = wechat.SceneWidthDefault
	}
	if env == "" {
		env = wechat.Release
	}
	want := qrcode.QRCoder{Scene: s.Scene, Page: s.Page, Width: width, EnvVersion: string(env), CheckPath: &s.CheckPath}
	var image []byte
	err := m.withToken(ctx, wechat.OpSceneCode, func(c *minicontext.Context) (err error) {
		if image, err = qrcode.NewQRCode(c).GetWXACodeUnlimit(want); err != nil {
			return err
		}
		return checkJPEG(image)
	})
	if err != nil {
		return nil, err
	}
	return image, nil
}

// checkJPEG looks at what came as an image: the library believes the content type.
func checkJPEG(image []byte) error {
	if bytes.HasPrefix(image, []byte{0xFF, 0xD8, 0xFF}) {
		return nil
	}
	var refusal util.CommonError
	if err := json.Unmarshal(image, &refusal); err == nil && refusal.ErrCode != 0 {
		return &refusal
	}
	return errors.New("wechat: answer is no JPEG")
}

// UploadShipping tells that an order was sent.
func (m *mini) UploadShipping(ctx context.Context, s wechat.Shipping) error {
	if err := s.Check(); err != nil {
		return refuse(wechat.OpUploadShipping, err)
	}
	mode := order.DeliveryModeUnifiedDelivery
	if s.IsSplit() {
		mode = order.DeliveryModeSplitDelivery
	}
	at := s.At.In(clock.Shop).Truncate(time.Millisecond) // the library prints all digits and the zone it is given
	parcels := make([]*order.ShippingInfo, len(s.Parcels))
	for i, p := range s.Parcels {
		parcels[i] = &order.ShippingInfo{TrackingNo: p.TrackingNo, ExpressCompany: p.Company, ItemDesc: p.Items,
			Contact: order.ShippingContact{ReceiverContact: p.ReceiverContactMasked}}
	}
	request := &order.UploadShippingInfoRequest{
		OrderKey:      &order.ShippingOrderKey{OrderNumberType: order.NumberTypeTransactionID, TransactionID: s.TransactionID},
		LogisticsType: order.LogisticsType(s.Logistics), DeliveryMode: mode, IsAllDelivered: s.AllDelivered,
		ShippingList: parcels, UploadTime: &at, Payer: &order.ShippingPayer{Openid: s.OpenID},
	}
	return m.withToken(ctx, wechat.OpUploadShipping, func(c *minicontext.Context) error {
		return order.NewShipping(c).UploadShippingInfo(request)
	})
}

// withToken runs a use of the library with an access token, and once more with a new one if WeChat refuses the first.
func (m *mini) withToken(ctx context.Context, op wechat.Op, use func(*minicontext.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	c, end := begin(ctx, m.gate)
	defer end()
	for again := false; ; again = true {
		token, err := m.tokens.get(c.ctx)
		if err != nil {
			return m.failure(op, err, "")
		}
		err = use(&minicontext.Context{Config: m.cfg, AccessTokenContextHandle: markedToken{token, c}})
		if err == nil {
			return nil
		}
		code, _, found := errcode(err)
		if again || !found || !wechat.TokenTrouble(code) {
			return m.failure(op, err, token)
		}
		m.tokens.drop(c.ctx, token)
	}
}

var (
	errcodeText = regexp.MustCompile(`errcode=(-?\d+) , err(?:or)?msg=(.*)`)
	statusText  = regexp.MustCompile(`^http (?:get|post) error : .*statusCode=(\d+)$`)
)

// errcode finds WeChat's code in the library's errors, some of which are only text.
func errcode(err error) (code int64, message string, found bool) {
	var common *util.CommonError
	if errors.As(err, &common) {
		return common.ErrCode, common.ErrMsg, true
	}
	if match := errcodeText.FindStringSubmatch(err.Error()); match != nil {
		code, err := strconv.ParseInt(match[1], 10, 64)
		return code, match[2], err == nil
	}
	return 0, "", false
}

// failure turns an error of the library into one of the port. The library's texts hold whole URLs with the secret or the
// token; nothing of them is kept but codes, WeChat's message and what went wrong below HTTP.
func (m *mini) failure(op wechat.Op, err error, token string) error {
	e := &wechat.Error{Op: op, Class: wechat.Unknown}
	var overHTTP *url.Error
	if errors.As(err, &overHTTP) {
		e.Cause = overHTTP.Err
		return e
	}
	if match := statusText.FindStringSubmatch(err.Error()); match != nil {
		e.HTTPStatus, _ = strconv.Atoi(match[1])
		return e
	}
	if code, message, found := errcode(err); found {
		e.HTTPStatus, e.Code, e.Class = http.StatusOK, strconv.FormatInt(code, 10), wechat.ClassifyMini(code)
		e.Message = wechat.Fit(m.scrub(message, token), messageBytesMax)
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errTooLong) {
		e.Cause = err
		return e
	}
	e.HTTPStatus, e.Message = http.StatusOK, "answer cannot be read"
	return e
}

func (m *mini) scrub(text, token string) string {
	text = strings.ReplaceAll(text, m.secret, "***")
	if token != "" {
		text = strings.ReplaceAll(text, token, "***")
	}
	return text
}

// refuse says that a request was not sent.
func refuse(op wechat.Op, err error) error {
	return &wechat.Error{Op: op, Class: wechat.Refused, Cause: err}
}
