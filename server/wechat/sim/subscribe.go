package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// fieldMax is how long the values of a subscribe message may be, by the kind that its key begins with.
var fieldMax = map[string]int{
	"thing": 20, "number": 32, "letter": 32, "symbol": 5, "character_string": 32, "time": 24, "date": 24,
	"amount": 32, "phone_number": 17, "car_number": 8, "name": 10, "phrase": 5,
}

// Grant plays the user who accepts n messages of a template.
func (s *Server) Grant(user, templateID string, n int) {
	s.lock()
	defer s.unlock()
	s.mini.grants[s.user(s.id.AppID, user).OpenID+" "+templateID] += n
}

// subscribeSend is POST /cgi-bin/message/subscribe/send.
func (s *Server) subscribeSend(_ *http.Request, raw []byte) (any, error) {
	var q struct {
		ToUser     string `json:"touser"`
		TemplateID string `json:"template_id"`
		Page       string `json:"page"`
		Data       map[string]struct {
			Value any `json:"value"`
		} `json:"data"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	s.lock()
	defer s.unlock()
	if u := s.users[q.ToUser]; u == nil || u.AppID != s.id.AppID {
		return nil, refuseMini(40003, "invalid openid")
	}
	if q.TemplateID == "" || s.o.Templates != nil && !contains(s.o.Templates, q.TemplateID) {
		return nil, refuseMini(40037, "invalid template_id")
	}
	data := map[string]string{}
	for k, v := range q.Data {
		text := fmt.Sprint(v.Value)
		limit := fieldMax[strings.TrimRight(k, "0123456789")]
		if n := utf8.RuneCountInString(text); limit == 0 || n == 0 || n > limit {
			return nil, refuseMini(47003, "argument invalid! data."+k+".value invalid")
		}
		data[k] = text
	}
	if len(data) == 0 {
		return nil, refuseMini(47003, "argument invalid! data")
	}
	if page, _, _ := strings.Cut(q.Page, "?"); page != "" && s.o.Pages != nil && !contains(s.o.Pages, page) {
		return nil, refuseMini(41030, "invalid page")
	}
	key := q.ToUser + " " + q.TemplateID
	if s.mini.grants[key] < 1 {
		return nil, refuseMini(43101, "user refuse to accept the msg")
	}
	s.mini.grants[key]--
	if len(s.messages) < listMax {
		s.messages = append(s.messages, Message{q.ToUser, q.TemplateID, q.Page, data, s.now().UnixMilli()})
		s.touch(&s.messages[len(s.messages)-1])
	}
	return done(), nil
}

const (
	checkTextMax = 2500
	checkSeen    = 2 * time.Hour
)

// riskyWords make the simulated content check say no.
var riskyWords = map[string]int{"赌博": 20006, "代开发票": 20008, "色情": 20002, "加微信返现": 10001}

// msgSecCheck is POST /wxa/msg_sec_check.
func (s *Server) msgSecCheck(_ *http.Request, raw []byte) (any, error) {
	var q struct {
		Version  int    `json:"version"`
		OpenID   string `json:"openid"`
		Scene    int    `json:"scene"`
		Content  string `json:"content"`
		Nickname string `json:"nickname"`
		Title    string `json:"title"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	if q.Version != 2 || q.Scene < 1 || q.Scene > 4 || q.Content == "" || utf8.RuneCountInString(q.Content) > checkTextMax {
		return nil, refuseMini(40129, "invalid scene, version or content")
	}
	s.lock()
	defer s.unlock()
	if u := s.users[q.OpenID]; u == nil || u.AppID != s.id.AppID {
		return nil, refuseMini(40003, "invalid openid")
	}
	if !s.sawUser(q.OpenID, checkSeen) {
		return nil, refuseMini(61010, "code is expired: the user was not here in the last 2 hours")
	}
	suggest, label := "pass", 100
	for word, l := range riskyWords {
		if strings.Contains(q.Content+q.Nickname+q.Title, word) {
			suggest, label = "risky", l
		}
	}
	return map[string]any{
		"errcode": 0, "errmsg": "ok", "trace_id": s.noise.text(20), "result": map[string]any{"suggest": suggest, "label": label},
	}, nil
}
