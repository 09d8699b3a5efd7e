package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const loginPrefix = "sim:"

// OpenID is the openid of a simulated user in the merchant's app. It is the same each time.
func (s *Server) OpenID(user string) string { return s.OpenIDIn(s.Merchant().AppID, user) }

// OpenIDIn is the openid of a user in another app: the merchant's payments must refuse it.
func (s *Server) OpenIDIn(appID, user string) string {
	s.lock()
	defer s.unlock()
	return s.user(appID, user).OpenID
}

// SetRealName gives a user the name that transfers are checked against; "" checks nothing.
func (s *Server) SetRealName(user, name string) {
	s.lock()
	defer s.unlock()
	u := s.user(s.id.AppID, user)
	u.RealName = name
	s.touch(u)
}

func (s *Server) user(appID, name string) *User {
	id := openIDOf(appID, name)
	u := s.users[id]
	if u == nil {
		u = &User{OpenID: id, AppID: appID, Name: name}
		s.users[id] = u
		s.touch(u)
	}
	return u
}

// LoginCode is what wx.login gives this user: good once, for five minutes.
func (s *Server) LoginCode(user string) string {
	s.lock()
	defer s.unlock()
	s.mini.loginN++
	code := fmt.Sprintf("%s%s:%d-%s", loginPrefix, user, s.mini.loginN, s.noise.text(6))
	s.mini.codes[code] = loginCode{user, s.wall().Add(codeLife).UnixMilli()}
	return code
}

// session is GET /sns/jscode2session. Besides issued codes it takes sim:<user> and sim:<user>:<anything>, each once.
func (s *Server) session(r *http.Request, _ []byte) (any, error) {
	q := r.URL.Query()
	if err := s.checkApp(q.Get("appid"), q.Get("secret")); err != nil {
		return nil, err
	}
	code := q.Get("js_code")
	switch {
	case q.Get("grant_type") != "authorization_code":
		return nil, refuseMini(40002, "invalid grant_type")
	case code == "":
		return nil, refuseMini(41008, "missing code")
	}
	s.lock()
	defer s.unlock()
	user, err := s.redeem(code)
	if err != nil {
		return nil, err
	}
	if s.over("session:"+user, 100) {
		return nil, refuseMini(45011, "api minute-quota reach limit, must slower, retry next minute")
	}
	u := s.user(s.id.AppID, user)
	s.mini.lastSeenMS[u.OpenID] = s.wall().UnixMilli()
	return map[string]string{"openid": u.OpenID, "session_key": s.noise.base64(16)}, nil
}

// redeem uses a code up. Call it under the lock.
func (s *Server) redeem(code string) (string, error) {
	if _, used := s.mini.used[code]; used {
		return "", refuseMini(40163, "code been used")
	}
	nowMS := s.wall().UnixMilli()
	user := ""
	if c, issued := s.mini.codes[code]; issued {
		delete(s.mini.codes, code)
		if nowMS > c.expiresMS {
			return "", refuseMini(40029, "invalid code")
		}
		user = c.user
	} else if rest, ok := strings.CutPrefix(code, loginPrefix); ok {
		user, _, _ = strings.Cut(rest, ":")
	}
	if user == "" {
		return "", refuseMini(40029, "invalid code")
	}
	if len(s.mini.used) >= usedCodesMax {
		for c, at := range s.mini.used {
			if nowMS-at > codeLife.Milliseconds() {
				delete(s.mini.used, c)
			}
		}
	}
	s.mini.used[code] = nowMS
	return user, nil
}

// PhoneCode is what <button open-type="getPhoneNumber"> gives: good once.
func (s *Server) PhoneCode(phone string) string {
	s.lock()
	defer s.unlock()
	code := "simphone" + s.noise.text(40)
	s.mini.phoneCodes[code] = phone
	return code
}

// phoneNumber is POST /wxa/business/getuserphonenumber. A code sim:<phone> works too, each once.
func (s *Server) phoneNumber(_ *http.Request, raw []byte) (any, error) {
	var q struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	s.lock()
	defer s.unlock()
	phone, ok := s.mini.phoneCodes[q.Code]
	if !ok {
		var rest string
		if rest, ok = strings.CutPrefix(q.Code, loginPrefix); ok {
			phone, _, _ = strings.Cut(rest, ":")
		}
		if _, used := s.mini.used["phone "+q.Code]; used || len(phone) != 11 {
			ok = false
		}
	}
	if !ok {
		return nil, refuseMini(40029, "invalid code")
	}
	delete(s.mini.phoneCodes, q.Code)
	s.mini.used["phone "+q.Code] = s.wall().UnixMilli()
	return map[string]any{"errcode": 0, "errmsg": "ok", "phone_info": map[string]any{
		"phoneNumber": phone, "purePhoneNumber": phone, "countryCode": "86",
		"watermark": map[string]any{"timestamp": s.wall().Unix(), "appid": s.id.AppID},
	}}, nil
}

func (s *Server) sawUser(openID string, within time.Duration) bool {
	at, ok := s.mini.lastSeenMS[openID]
	return ok && s.wall().UnixMilli()-at <= within.Milliseconds()
}
