package sim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// controlRoutes is the API that plays the user, the operator of the merchant console, and fate.
func (s *Server) controlRoutes(m *http.ServeMux) {
	get := func(path string, f func() any) {
		m.HandleFunc("GET /_sim/"+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, f()) })
	}
	get("books", func() any { return s.Books() })
	get("notifies", func() any { return s.Books().Notifies })
	get("violations", func() any { return s.Books().Violations })
	get("check", func() any { return map[string]any{"problems": s.Check()} })
	get("faults", func() any { return s.Faults() })
	m.HandleFunc("GET /_sim/{$}", s.page)
	m.HandleFunc("GET /_sim/users/{user}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]string{"openid": s.OpenID(r.PathValue("user")), "code": s.LoginCode(r.PathValue("user"))})
	})

	post := func(path string, f func(r *http.Request) (any, error)) {
		m.HandleFunc("POST /_sim/"+path, func(w http.ResponseWriter, r *http.Request) { control(w, r, f) })
	}
	post("pay/{prepay_id}", s.controlPay)
	post("pay/{prepay_id}/cancel", func(*http.Request) (any, error) {
		return map[string]string{"errMsg": "requestPayment:fail cancel"}, nil
	})
	post("transfer/{no}/confirm", func(r *http.Request) (any, error) { return nil, s.ConfirmTransfer(r.Context(), r.PathValue("no")) })
	post("transfer/{no}/reject", func(r *http.Request) (any, error) { return nil, s.RejectTransfer(r.Context(), r.PathValue("no")) })
	post("transfer/confirm", func(r *http.Request) (any, error) {
		var p ConfirmSheet
		if err := body(r, &p); err != nil {
			return nil, err
		}
		return nil, s.ConfirmSigned(r.Context(), p)
	})
	post("receipt/{transaction_id}/confirm", func(r *http.Request) (any, error) {
		return nil, s.ConfirmReceipt(r.Context(), r.PathValue("transaction_id"))
	})
	post("notifies/{id}/resend", func(r *http.Request) (any, error) { return nil, s.Resend(r.Context(), r.PathValue("id")) })
	post("tick", func(r *http.Request) (any, error) { s.Settle(r.Context()); return nil, nil })
	post("refunds", func(r *http.Request) (any, error) {
		var q ConsoleRefund
		if err := body(r, &q); err != nil {
			return nil, err
		}
		no, err := s.RefundInConsole(r.Context(), q)
		return map[string]string{"out_refund_no": no}, err
	})
	post("faults", func(r *http.Request) (any, error) {
		var f Fault
		if err := body(r, &f); err != nil {
			return nil, err
		}
		return nil, badInput(s.AddFault(f))
	})
	m.HandleFunc("DELETE /_sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		answer(w, http.StatusOK, map[string]bool{"ok": true})
	})
	s.settingRoutes(post)
	s.userRoutes(post)
}

// settingRoutes are the clock and the merchant console's settings.
func (s *Server) settingRoutes(post func(string, func(*http.Request) (any, error))) {
	post("clock", func(r *http.Request) (any, error) {
		var q struct {
			MS int64 `json:"advance_ms"`
		}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		s.Advance(r.Context(), time.Duration(q.MS)*time.Millisecond)
		return nil, nil
	})
	post("balance", func(r *http.Request) (any, error) {
		q := map[string]int64{}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		for account, fen := range q {
			s.SetBalance(account, fen)
		}
		return nil, nil
	})
	post("limits", func(r *http.Request) (any, error) {
		var q TransferLimits
		if err := body(r, &q); err != nil {
			return nil, err
		}
		s.SetTransferLimits(q)
		return nil, nil
	})
	post("certificates", func(r *http.Request) (any, error) {
		var q struct {
			On bool `json:"on"`
		}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		s.SetCertificates(q.On)
		return nil, nil
	})
	post("push", func(r *http.Request) (any, error) {
		var q struct {
			URL string `json:"url"`
		}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		s.SetPushURL(q.URL)
		return nil, nil
	})
}

// userRoutes are what people do outside of paying.
func (s *Server) userRoutes(post func(string, func(*http.Request) (any, error))) {
	post("users/{user}", func(r *http.Request) (any, error) {
		var q struct {
			AppID    string `json:"appid"`
			RealName string `json:"real_name"`
		}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		user := r.PathValue("user")
		if q.AppID != "" && q.AppID != s.id.AppID {
			return map[string]string{"openid": s.OpenIDIn(q.AppID, user)}, nil
		}
		s.SetRealName(user, q.RealName)
		return map[string]string{"openid": s.OpenID(user)}, nil
	})
	post("users/{user}/grant", func(r *http.Request) (any, error) {
		var q struct {
			TemplateID string `json:"template_id"`
			N          int    `json:"n"`
		}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		s.Grant(r.PathValue("user"), q.TemplateID, max(1, q.N))
		return nil, nil
	})
	post("phone-codes", func(r *http.Request) (any, error) {
		var q struct {
			Phone string `json:"phone"`
		}
		if err := body(r, &q); err != nil {
			return nil, err
		}
		return map[string]string{"code": s.PhoneCode(q.Phone)}, nil
	})
}

// controlPay pays by prepay_id, or, when the sheet of wx.requestPayment is sent along, only if it was signed.
func (s *Server) controlPay(r *http.Request) (any, error) {
	var p PaySheet
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && r.ContentLength > 0 {
		if err := body(r, &p); err != nil {
			return nil, err
		}
	}
	if p == (PaySheet{}) {
		return nil, s.Pay(r.Context(), r.PathValue("prepay_id"))
	}
	if p.Package != "prepay_id="+r.PathValue("prepay_id") {
		return nil, badInput(errors.New("package does not name the prepay_id of the path"))
	}
	return nil, s.PaySigned(r.Context(), p)
}

// errInput marks what the caller of the control API did wrong.
type errInput struct{ error }

func badInput(err error) error {
	if err == nil {
		return nil
	}
	return errInput{err}
}

func body(r *http.Request, v any) error {
	raw, err := readBody(r)
	if err != nil {
		return badInput(err)
	}
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	return badInput(d.Decode(v))
}

// control answers a control call: JSON, or back to the page when a person clicked.
func control(w http.ResponseWriter, r *http.Request, f func(*http.Request) (any, error)) {
	out, err := f(r)
	person := strings.Contains(r.Header.Get("Accept"), "text/html")
	var bad errInput
	switch {
	case err == nil && person:
		http.Redirect(w, r, "/_sim/", http.StatusSeeOther)
	case err == nil && out == nil:
		answer(w, http.StatusOK, map[string]bool{"ok": true})
	case err == nil:
		answer(w, http.StatusOK, out)
	case errors.Is(err, ErrUnknown):
		answer(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	case errors.Is(err, ErrState):
		answer(w, http.StatusConflict, map[string]string{"error": err.Error()})
	case errors.As(err, &bad):
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	default:
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Simulated", "true")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
