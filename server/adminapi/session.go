package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/httpx"
)

// loginRate is per address: a person types, a program guesses.
var loginRate = httpx.Rate{PerMinute: 20, Burst: 10, Strict: true}

func (a *API) registerSession(api *httpx.API) {
	tags := []string{"session"}
	httpx.Register(api, httpx.Op{ID: "login", Method: http.MethodPost, Path: "/session", Summary: "Log in", Permission: access.Public, Tags: tags, Rate: loginRate, Errors: []int{http.StatusUnauthorized}}, a.login)
	httpx.Register(api, httpx.Op{ID: "get-session", Method: http.MethodGet, Path: "/session", Summary: "Who is logged in", Permission: access.AdminSelf, Tags: tags}, a.session)
	httpx.Register(api, httpx.Op{ID: "logout", Method: http.MethodDelete, Path: "/session", Summary: "Log out", Permission: access.AdminSelf, Tags: tags}, a.logout)
	httpx.Register(api, httpx.Op{ID: "change-password", Method: http.MethodPost, Path: "/session/password", Summary: "Change the own password", Permission: access.AdminSelf, Tags: tags}, a.changePassword)
	httpx.Register(api, httpx.Op{ID: "begin-totp", Method: http.MethodPost, Path: "/session/totp", Summary: "Ask for a new one-time code secret", Permission: access.AdminSelf, Tags: tags}, a.beginTOTP)
	httpx.Register(api, httpx.Op{ID: "confirm-totp", Method: http.MethodPost, Path: "/session/totp/confirm", Summary: "Switch to the new one-time code secret", Permission: access.AdminSelf, Tags: tags}, a.confirmTOTP)
	httpx.Register(api, httpx.Op{ID: "list-admins", Method: http.MethodGet, Path: "/admins", Summary: "Admins and their roles", Permission: access.PermAdminRead, Tags: tags}, a.listAdmins)
	httpx.Register(api, httpx.Op{ID: "create-admin", Method: http.MethodPost, Path: "/admins", Summary: "Make an admin; the credentials are shown once", Permission: access.PermAdminWrite, Tags: tags, Status: http.StatusCreated}, a.createAdmin)
}

type loginInput struct {
	Body struct {
		Account  string `json:"account" minLength:"1" maxLength:"64"`
		Password string `json:"password" minLength:"1" maxLength:"128"`
		Code     string `json:"code,omitempty" maxLength:"64" doc:"One-time code or a recovery code; empty without a second factor"`
	}
}

type sessionBody struct {
	Token       string       `json:"token,omitempty" doc:"For scripts, as Bearer; browsers have the cookie"`
	CSRF        string       `json:"csrf" doc:"Send it as X-CSRF-Token with whatever changes something"`
	ExpiresAt   *time.Time   `json:"expires_at,omitempty"`
	Admin       base.AdminID `json:"admin_id"`
	Account     string       `json:"account"`
	Role        string       `json:"role"`
	Permissions []string     `json:"permissions"`
	MustChange  bool         `json:"must_change_password"`
}

type sessionOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      sessionBody
}

func (a *API) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	s, err := a.Admins.Login(ctx, access.Login{Account: in.Body.Account, Password: in.Body.Password, Code: in.Body.Code})
	if err != nil {
		return nil, err
	}
	return &sessionOutput{SetCookie: a.Auth.Cookie(s), Body: sessionBody{
		Token: s.Token, CSRF: s.CSRF, ExpiresAt: &s.Expires, Admin: s.Admin.ID, Account: s.Admin.Account,
		Role: string(s.Admin.Role), Permissions: s.Admin.Role.Granted(), MustChange: s.Admin.MustChange,
	}}, nil
}

type ownSession struct{ Body sessionBody }

func (a *API) session(ctx context.Context, _ *struct{}) (*ownSession, error) {
	p := httpx.PrincipalOf(ctx)
	return &ownSession{sessionBody{
		CSRF: p.CSRF, Admin: p.Admin, Account: p.Account, Role: p.Role,
		Permissions: access.Role(p.Role).Granted(), MustChange: p.Restricted != nil,
	}}, nil
}

type cookieOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

func (a *API) logout(ctx context.Context, _ *struct{}) (*cookieOutput, error) {
	if err := a.Admins.Logout(ctx, httpx.PrincipalOf(ctx).Session); err != nil {
		return nil, err
	}
	return &cookieOutput{a.Auth.ClearCookie()}, nil
}

type passwordInput struct {
	Body struct {
		Password    string `json:"password" minLength:"1" maxLength:"128" doc:"The current one"`
		NewPassword string `json:"new_password" minLength:"1" maxLength:"128"`
	}
}

func (a *API) changePassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	return nil, a.Admins.ChangePassword(ctx, httpx.IdentityOf(ctx), in.Body.Password, in.Body.NewPassword)
}

type totpInput struct {
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"128"`
	}
}

type totpBody struct {
	Secret string `json:"secret" doc:"For typing into an authenticator"`
	URI    string `json:"uri" doc:"otpauth:// for a QR code"`
}

type totpOutput struct{ Body totpBody }

func (a *API) beginTOTP(ctx context.Context, in *totpInput) (*totpOutput, error) {
	t, err := a.Admins.BeginTOTP(ctx, httpx.IdentityOf(ctx), in.Body.Password)
	if err != nil {
		return nil, err
	}
	return &totpOutput{totpBody{t.Secret, t.URI}}, nil
}

type totpCode struct {
	Body struct {
		Code string `json:"code" pattern:"^[0-9]{6}$"`
	}
}

type recoveryOutput struct {
	Body struct {
		RecoveryCodes []string `json:"recovery_codes" doc:"Shown once; each works once instead of a code"`
	}
}

func (a *API) confirmTOTP(ctx context.Context, in *totpCode) (*recoveryOutput, error) {
	codes, err := a.Admins.ConfirmTOTP(ctx, httpx.IdentityOf(ctx), in.Body.Code)
	if err != nil {
		return nil, err
	}
	var out recoveryOutput
	out.Body.RecoveryCodes = codes
	return &out, nil
}

type adminBody struct {
	ID         base.AdminID `json:"id"`
	Account    string       `json:"account"`
	Name       string       `json:"name"`
	Role       string       `json:"role"`
	MustChange bool         `json:"must_change_password"`
}

func showAdmin(x access.Admin) adminBody {
	return adminBody{x.ID, x.Account, x.Name, string(x.Role), x.MustChange}
}

type adminList struct {
	Body struct {
		Items []adminBody `json:"items"`
	}
}

func (a *API) listAdmins(ctx context.Context, _ *struct{}) (*adminList, error) {
	list, err := a.Admins.List(ctx)
	if err != nil {
		return nil, err
	}
	var out adminList
	for _, x := range list {
		out.Body.Items = append(out.Body.Items, showAdmin(x))
	}
	return &out, nil
}

type newAdminInput struct {
	Body struct {
		Account string `json:"account" minLength:"1" maxLength:"64"`
		Name    string `json:"name" minLength:"1" maxLength:"50"`
		Role    string `json:"role" enum:"owner,operations,finance,warehouse,customer_service,auditor"`
	}
}

type credentialsOutput struct {
	Body struct {
		Admin         adminBody `json:"admin"`
		Password      string    `json:"password" doc:"Works once: it must be changed at the first log-in"`
		TOTP          totpBody  `json:"totp"`
		RecoveryCodes []string  `json:"recovery_codes"`
	}
}

func (a *API) createAdmin(ctx context.Context, in *newAdminInput) (*credentialsOutput, error) {
	c, err := a.Admins.Create(ctx, access.NewAdmin{
		By: httpx.PrincipalOf(ctx).Actor, Account: in.Body.Account, Name: in.Body.Name, Role: access.Role(in.Body.Role),
	})
	if err != nil {
		return nil, err
	}
	var out credentialsOutput
	out.Body.Admin, out.Body.Password = showAdmin(c.Admin), c.Password
	out.Body.TOTP, out.Body.RecoveryCodes = totpBody{c.TOTP.Secret, c.TOTP.URI}, c.RecoveryCodes
	return &out, nil
}
