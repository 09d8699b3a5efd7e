package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// payError is a refusal as WeChat Pay words it.
type payError struct {
	status  int
	code    string
	message string
}

func (e *payError) Error() string { return e.code + ": " + e.message }

func refuse(status int, code, message string) error { return &payError{status, code, message} }

func paramError(message string) error { return refuse(http.StatusBadRequest, "PARAM_ERROR", message) }

func invalid(message string) error {
	return refuse(http.StatusBadRequest, "INVALID_REQUEST", message)
}

// call is one request to WeChat Pay, read and proven.
type call struct {
	r     *http.Request
	raw   []byte
	first []*Notify // notifications that a fault wants to be there before the reply
}

// payOp does the work of one endpoint under no lock of its own. A nil answer is 204.
type payOp func(c *call) (any, error)

// pay wraps an operation into WeChat Pay's transport: identity, signature, faults, signed reply.
func (s *Server) pay(op payOp) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{s: s, w: w, r: r, pay: true}
		raw, err := readBody(r)
		if err != nil {
			x.fail(paramError("请求体过大或不完整"))
			return
		}
		if err := s.admitPay(r, raw); err != nil {
			x.fail(err)
			return
		}
		x.fault = s.requestFault(r, raw)
		if !x.before() {
			return
		}
		c := &call{r: r, raw: raw}
		out, err := op(c)
		for _, n := range c.first {
			s.deliverNow(r.Context(), n)
		}
		s.worker.wake()
		if !x.after() {
			return
		}
		if err != nil {
			x.fail(err)
			return
		}
		x.reply(out)
	}
}

func readBody(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if len(raw) > bodyMax {
		return nil, fmt.Errorf("body above %d bytes", bodyMax)
	}
	return raw, nil
}

// admitPay checks what every WeChat Pay request must carry.
func (s *Server) admitPay(r *http.Request, raw []byte) error {
	if r.Header.Get("User-Agent") == "" || !acceptsJSON(r.Header.Values("Accept")) {
		s.note("missing_header", r.Method+" "+r.URL.Path+": User-Agent and Accept: application/json are mandatory")
		return paramError("Http头缺少Accept或User-Agent")
	}
	if len(raw) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.note("content_type", r.Method+" "+r.URL.Path+": a body must be application/json")
		return paramError("Http头Content-Type须为application/json")
	}
	if err := s.verifyRequest(r, raw); err != nil {
		s.note("sign_error", r.Method+" "+r.URL.Path+": "+err.Error())
		return refuse(http.StatusUnauthorized, "SIGN_ERROR", err.Error())
	}
	return nil
}

func acceptsJSON(accept []string) bool {
	all := strings.Join(accept, ",")
	return strings.Contains(all, "application/json") || strings.Contains(all, "*/*")
}

func (s *Server) note(code, detail string) {
	s.lock()
	defer s.unlock()
	s.violate(code, detail)
}

// decode reads a JSON object. WeChat ignores what it does not know, and so does this.
func (c *call) decode(v any) error {
	if err := json.Unmarshal(c.raw, v); err != nil {
		return paramError("请求体不是合法的JSON，或字段类型有误")
	}
	return nil
}

// hashParams identifies the parameters of a request regardless of order and spacing. replace swaps in values that
// differ each time although they mean the same (encrypted fields).
func hashParams(raw []byte, replace map[string]string) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return "", paramError("请求体不是合法的JSON")
	}
	for k, v := range replace {
		m[k] = v
	}
	canonical, err := json.Marshal(m) // map keys come out sorted
	if err != nil {
		return "", fmt.Errorf("encode parameters: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(canonical)), nil
}

// notifyURLProblem says what is wrong with a notify_url: https without a query, or http on loopback (a simulator's
// concession to a shop that runs on the same machine).
func notifyURLProblem(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || len(raw) > 255:
		return "notify_url 格式有误"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(raw, "?#"):
		return "notify_url 不能携带参数"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "notify_url 必须为https协议"
}

// exchange writes one answer, with the fault that was drawn for it.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	pay   bool
	fault *Action
}

func (x *exchange) reply(out any) {
	if out == nil {
		x.write(http.StatusNoContent, nil)
		return
	}
	body, err := json.Marshal(out)
	if err != nil {
		x.s.log.Error("encode reply", "err", err)
		x.fail(refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "系统异常"))
		return
	}
	x.write(http.StatusOK, body)
}

func (x *exchange) fail(err error) {
	pe, ok := err.(*payError) //nolint:errorlint // operations return it bare
	if !ok {
		x.s.log.Error("simulator failed", "path", x.r.URL.Path, "err", err)
		pe = &payError{http.StatusInternalServerError, "SYSTEM_ERROR", "系统异常，请稍后重试"}
	}
	body, _ := json.Marshal(map[string]string{"code": pe.code, "message": pe.message}) // strings always encode
	x.write(pe.status, body)
}

// write signs and sends. Errors are signed too.
func (x *exchange) write(status int, body []byte) {
	s, h := x.s, x.w.Header()
	at := s.skewed()
	s.lock()
	h.Set("Request-ID", "SIM-"+s.noise.text(24))
	s.unlock()
	h.Set("Date", at.UTC().Format(http.TimeFormat))
	if body != nil {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	s.signReply(x, at, body)
	x.send(status, body)
}

// send puts the bytes on the wire, or half of them when a fault says so.
func (x *exchange) send(status int, body []byte) {
	if x.fault != nil && x.fault.TruncateBody && len(body) > 1 {
		x.w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		x.w.WriteHeader(status)
		_, _ = x.w.Write(body[:len(body)/2])
		if f, ok := x.w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
}

// signReply adds the proof, or the flawed one a fault asks for.
func (s *Server) signReply(x *exchange, at time.Time, body []byte) {
	pair := s.signer(x.r.Header.Get("Wechatpay-Serial"))
	s.flawed(x.fault, pair, at, body).apply(x.w.Header())
	if x.fault != nil && x.fault.Sig == SigMissing {
		for _, k := range []string{"Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial", "Wechatpay-Signature-Type"} {
			x.w.Header().Del(k)
		}
	}
}

// flawed signs well, or as the fault says.
func (s *Server) flawed(a *Action, pair platformPair, at time.Time, body []byte) signed {
	if a == nil {
		return s.signBody(pair, at, body)
	}
	if a.Sig == SigCert {
		k := s.keySet()
		pair = platformPair{k.Platform, serialOf(k.PlatformCert)}
	}
	if a.Sig == SigStale {
		at = at.Add(-301 * time.Second)
	}
	g := s.signBody(pair, at, body)
	switch a.Sig {
	case SigWrong:
		s.lock()
		g.signature = s.noise.base64(keyBits / 8)
		s.unlock()
	case SigUnknownSerial:
		g.serial = "PUB_KEY_ID_0199999999999999999999999999"
	}
	return g
}
