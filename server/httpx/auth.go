package httpx

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fenxiao/server/access"
	"fenxiao/server/base"
)

// CSRFHeader is the header that a browser's changing requests must have.
const CSRFHeader = "X-CSRF-Token"

// AdminAuth takes an admin's session from the browser's cookie, with a CSRF token for whatever changes something, or
// from a Bearer header, for scripts.
type AdminAuth struct {
	admins *access.Admins
	secure bool
}

// NewAdminAuth returns the admins' log-in. secure says that the public address is https.
func NewAdminAuth(admins *access.Admins, secure bool) *AdminAuth { return &AdminAuth{admins, secure} }

// Authenticate finds the admin.
func (a *AdminAuth) Authenticate(ctx context.Context, r *http.Request) (Principal, error) {
	token, fromCookie := bearer(r), false
	if token == "" {
		if c, err := r.Cookie(a.cookieName()); err == nil {
			token, fromCookie = c.Value, true
		}
	}
	if token == "" {
		return Principal{}, errNoCredentials
	}
	i, err := a.admins.Authenticate(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	if fromCookie && !safe(r.Method) && !a.admins.CheckCSRF(token, r.Header.Get(CSRFHeader)) {
		return Principal{}, errCSRF
	}
	p := Principal{
		Actor: base.Admin(i.Admin), Admin: i.Admin, Account: i.Account, Role: string(i.Role),
		Permissions: i.May, Session: i.Session, CSRF: a.admins.CSRF(token),
	}
	if i.MustChange {
		p.Restricted = access.ErrMustChange
	}
	return p, nil
}

// IdentityOf is the admin who asks, for access.Admins' methods about the own log-in.
func IdentityOf(ctx context.Context) access.Identity {
	p := PrincipalOf(ctx)
	return access.Identity{Session: p.Session, Admin: p.Admin, Account: p.Account, Role: access.Role(p.Role), MustChange: p.Restricted != nil}
}

// Schemes are how admins log in, for the document.
func (a *AdminAuth) Schemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: a.cookieName(), Description: "Browsers; whatever changes something also needs " + CSRFHeader + "."},
		"bearer":  {Type: "http", Scheme: "bearer", Description: "Scripts: the session's token."},
	}
}

// cookieName has the prefix by which browsers refuse the cookie without https, path / and the exact host.
func (a *AdminAuth) cookieName() string {
	if a.secure {
		return "__Host-fenxiao_admin"
	}
	return "fenxiao_admin"
}

// Cookie is the Set-Cookie header of a log-in.
func (a *AdminAuth) Cookie(s access.Session) string { return a.cookie(s.Token, s.Expires) }

// ClearCookie is the Set-Cookie header of a log-out.
func (a *AdminAuth) ClearCookie() string { return a.cookie("", time.Unix(1, 0)) }

func (a *AdminAuth) cookie(value string, expires time.Time) string {
	c := http.Cookie{Name: a.cookieName(), Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteStrictMode}
	return c.String()
}

// CustomerAuth takes a customer's access token from a Bearer header.
type CustomerAuth struct {
	customers     *access.Customers
	distributorOf func(context.Context, base.CustomerID) (base.DistributorID, error)
}

// NewCustomerAuth returns the customers' log-in. distributorOf finds the distributor that a customer is, 0 for none.
func NewCustomerAuth(c *access.Customers, distributorOf func(context.Context, base.CustomerID) (base.DistributorID, error)) *CustomerAuth {
	return &CustomerAuth{c, distributorOf}
}

// Authenticate finds the customer.
func (a *CustomerAuth) Authenticate(ctx context.Context, r *http.Request) (Principal, error) {
	token := bearer(r)
	if token == "" {
		return Principal{}, errNoCredentials
	}
	h, err := a.customers.Authenticate(token)
	if err != nil {
		return Principal{}, err
	}
	d, err := a.distributorOf(ctx, h.Customer)
	if err != nil {
		return Principal{}, err
	}
	return Principal{Actor: base.Customer(h.Customer), Customer: h.Customer, Distributor: d, Session: h.Session}, nil
}

// Schemes are how customers log in, for the document.
func (a *CustomerAuth) Schemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer", Description: "The access token of a log-in, for 15 minutes."}}
}

func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
