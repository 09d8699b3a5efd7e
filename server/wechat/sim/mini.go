package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	tokenLife     = 7200 * time.Second
	tokenOverlap  = 5 * time.Minute // an old token stays good so long after a new one was made
	forceGap      = 30 * time.Second
	forcePerDay   = 20
	stablePerMin  = 10_000
	tokenTextLn   = 136
	codeLife      = 5 * time.Minute
	usedCodesMax  = 100_000
	qrPerMinute   = 5000
	miniTypeError = "application/json; encoding=utf-8"
)

// miniError is a refusal of the mini-program API: HTTP 200 with an errcode.
type miniError struct {
	code int
	msg  string
}

func (e miniError) Error() string { return fmt.Sprintf("errcode %d: %s", e.code, e.msg) }

func refuseMini(code int, msg string) error { return miniError{code, msg} }

// token is one access token. Tokens live by the wall clock, because clients cache them by theirs.
type token struct {
	text      string
	expiresMS int64
	kind      string // token or stable_token: neither invalidates the other
}

// miniState is what the mini-program side remembers in memory: a restart forgets tokens and codes, and clients must
// cope with that anyway.
type miniState struct {
	tokens     map[string]*token
	current    map[string]*token // by kind
	forced     []int64           // wall ms of forced refreshes in the last day
	codes      map[string]loginCode
	used       map[string]int64
	loginN     int64
	rate       map[string]*minuteCount
	grants     map[string]int    // openid + template → sends left
	phoneCodes map[string]string // code → phone
	lastSeenMS map[string]int64  // openid → wall ms of the last log-in
}

type loginCode struct {
	user      string
	expiresMS int64
}

type minuteCount struct {
	minute int64
	n      int
}

func newMiniState() miniState {
	return miniState{
		tokens: map[string]*token{}, current: map[string]*token{}, codes: map[string]loginCode{}, used: map[string]int64{},
		rate: map[string]*minuteCount{}, grants: map[string]int{}, phoneCodes: map[string]string{}, lastSeenMS: map[string]int64{},
	}
}

// revoke kills all tokens at once.
func (m *miniState) revoke() { clear(m.tokens); clear(m.current) }

// over counts a call and tells whether it is above the limit of its minute.
func (s *Server) over(what string, limit int) bool {
	minute := s.wall().Unix() / 60
	c := s.mini.rate[what]
	if c == nil || c.minute != minute {
		c = &minuteCount{minute: minute}
		s.mini.rate[what] = c
	}
	c.n++
	return c.n > limit
}

// miniOp does the work of one endpoint of the mini-program API.
type miniOp func(r *http.Request, raw []byte) (any, error)

// image is an answer that is not JSON.
type image struct {
	contentType string
	data        []byte
}

// open wraps an operation that needs no access token; authed one that does.
func (s *Server) open(op miniOp) http.HandlerFunc { return s.miniHandler(op, false, "") }

func (s *Server) authed(method string, op miniOp) http.HandlerFunc {
	return s.miniHandler(op, true, method)
}

func (s *Server) miniHandler(op miniOp, needsToken bool, method string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{s: s, w: w, r: r}
		raw, err := readBody(r)
		if err != nil {
			x.failMini(miniError{47001, "data format error"})
			return
		}
		x.fault = s.requestFault(r, raw)
		if !x.before() {
			return
		}
		var out any
		if needsToken {
			err = s.checkToken(r.URL.Query().Get("access_token"))
		}
		if err == nil && method != "" && r.Method != method {
			err = refuseMini(43002, "require POST method")
		}
		if err == nil {
			out, err = op(r, raw)
		}
		if !x.after() {
			return
		}
		if err != nil {
			x.failMini(err)
			return
		}
		x.replyMini(out)
	}
}

func (x *exchange) replyMini(out any) {
	if img, ok := out.(image); ok {
		x.w.Header().Set("Content-Type", img.contentType)
		x.send(http.StatusOK, img.data)
		return
	}
	body, err := json.Marshal(out)
	if err != nil {
		x.failMini(err)
		return
	}
	if x.w.Header().Get("Content-Type") == "" {
		x.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	x.send(http.StatusOK, body)
}

func (x *exchange) failMini(err error) {
	me, ok := err.(miniError) //nolint:errorlint // operations return it bare
	if !ok {
		x.s.log.Error("simulator failed", "path", x.r.URL.Path, "err", err)
		me = miniError{-1, "system error"}
	}
	body, _ := json.Marshal(map[string]any{"errcode": me.code, "errmsg": orText(me.msg, "simulated error") + " rid: sim"})
	x.w.Header().Set("Content-Type", miniTypeError)
	x.send(http.StatusOK, body)
}

// done is the plain answer of calls that return nothing.
func done() map[string]any { return map[string]any{"errcode": 0, "errmsg": "ok"} }

func (s *Server) checkToken(text string) error {
	s.lock()
	defer s.unlock()
	if text == "" {
		return refuseMini(41001, "access_token missing")
	}
	t := s.mini.tokens[text]
	switch {
	case t == nil:
		return refuseMini(40001, "invalid credential, access_token is invalid or not latest")
	case s.wall().UnixMilli() >= t.expiresMS:
		return refuseMini(42001, "access_token expired")
	}
	return nil
}

func (s *Server) checkApp(appID, secret string) error {
	switch {
	case appID == "":
		return refuseMini(41002, "appid missing")
	case secret == "":
		return refuseMini(41004, "appsecret missing")
	case appID != s.id.AppID:
		return refuseMini(40013, "invalid appid")
	case secret != s.id.AppSecret:
		return refuseMini(40125, "invalid appsecret")
	}
	return nil
}

// life is how long a new token lives; a fault may shorten it. Call it under the lock.
func (s *Server) life() time.Duration {
	if a := s.draw(http.MethodPost, "/cgi-bin/stable_token", "", func(a Action) bool { return a.ExpiresIn > 0 }); a != nil {
		return time.Duration(a.ExpiresIn) * time.Second
	}
	return tokenLife
}

// issue makes a new token of a kind; the one before stays good for five minutes, or dies at once.
func (s *Server) issue(kind string, killOld bool) *token {
	nowMS := s.wall().UnixMilli()
	if old := s.mini.current[kind]; old != nil {
		old.expiresMS = min(old.expiresMS, nowMS+tokenOverlap.Milliseconds())
		if killOld {
			delete(s.mini.tokens, old.text)
		}
	}
	for text, t := range s.mini.tokens {
		if nowMS > t.expiresMS+tokenLife.Milliseconds() {
			delete(s.mini.tokens, text)
		}
	}
	t := &token{text: s.noise.text(tokenTextLn), expiresMS: nowMS + s.life().Milliseconds(), kind: kind}
	s.mini.tokens[t.text], s.mini.current[kind] = t, t
	return t
}

func (s *Server) tokenReply(t *token) any {
	return map[string]any{"access_token": t.text, "expires_in": max(1, (t.expiresMS-s.wall().UnixMilli()+500)/1000)}
}

// plainToken is GET /cgi-bin/token: each call makes a new one.
func (s *Server) plainToken(r *http.Request, _ []byte) (any, error) {
	q := r.URL.Query()
	if q.Get("grant_type") != "client_credential" {
		return nil, refuseMini(40002, "invalid grant_type")
	}
	if err := s.checkApp(q.Get("appid"), q.Get("secret")); err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	return s.tokenReply(s.issue("token", false)), nil
}

// stableToken is POST /cgi-bin/stable_token: the same one while it is good, unless refreshed by force.
func (s *Server) stableToken(r *http.Request, raw []byte) (any, error) {
	if r.Method != http.MethodPost {
		return nil, refuseMini(43002, "require POST method")
	}
	var q struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
		Force     bool   `json:"force_refresh"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	if q.GrantType != "client_credential" {
		return nil, refuseMini(40002, "invalid grant_type")
	}
	if err := s.checkApp(q.AppID, q.Secret); err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	if s.over("stable_token", stablePerMin) {
		return nil, refuseMini(45009, "reach max api minute frequence limit")
	}
	nowMS := s.wall().UnixMilli()
	t := s.mini.current["stable_token"]
	if q.Force {
		if err := s.takeForce(nowMS); err != nil {
			return nil, err
		}
		return s.tokenReply(s.issue("stable_token", true)), nil
	}
	// The platform renews it five minutes before its end.
	if t == nil || s.mini.tokens[t.text] == nil || t.expiresMS-nowMS <= tokenOverlap.Milliseconds() && s.life() == tokenLife || t.expiresMS <= nowMS {
		t = s.issue("stable_token", false)
	}
	return s.tokenReply(t), nil
}

// takeForce counts a forced refresh: 20 a day, 30 s apart.
func (s *Server) takeForce(nowMS int64) error {
	kept := s.mini.forced[:0]
	for _, at := range s.mini.forced {
		if nowMS-at < 24*time.Hour.Milliseconds() {
			kept = append(kept, at)
		}
	}
	s.mini.forced = kept
	if n := len(kept); n >= forcePerDay || n > 0 && nowMS-kept[n-1] < forceGap.Milliseconds() {
		return refuseMini(45011, "api minute-quota reach limit, must slower, retry next minute")
	}
	s.mini.forced = append(s.mini.forced, nowMS)
	return nil
}
