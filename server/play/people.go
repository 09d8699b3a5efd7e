package play

import (
	"context"
	"fmt"
	"time"

	"github.com/pquerna/otp/totp"

	"fenxiao/server/base/clock"
)

// tokenUse is how long a person goes on with one log-in before a new one; it is below every lifetime of the API.
const tokenUse = 10 * time.Minute

// Simulator is what people do in WeChat itself.
type Simulator interface {
	LoginCode(user string) string
	Pay(ctx context.Context, prepayID string) error
	ConfirmTransfer(ctx context.Context, outBillNo string) error
}

// Person is somebody who logs in again whenever the time has moved on.
type Person struct {
	*Client
	clock  clock.Clock
	logIn  func(ctx context.Context) (token string, err error)
	issued time.Time
}

// Fresh makes sure that the log-in holds. Call it after the clock has moved.
func (p *Person) Fresh(ctx context.Context) error {
	now := p.clock.Now()
	if p.Token != "" && now.Sub(p.issued).Abs() < tokenUse {
		return nil
	}
	token, err := p.logIn(ctx)
	if err != nil {
		return err
	}
	p.Token, p.issued = token, now
	return nil
}

// Get, Post and Put are the Client's, with a log-in that holds.
func (p *Person) Get(ctx context.Context, path string, out any) error {
	if err := p.Fresh(ctx); err != nil {
		return err
	}
	return p.Client.Get(ctx, path, out)
}

// Post does something once.
func (p *Person) Post(ctx context.Context, path string, in, out any) error {
	if err := p.Fresh(ctx); err != nil {
		return err
	}
	return p.Client.Post(ctx, path, in, out)
}

// Put replaces something.
func (p *Person) Put(ctx context.Context, path string, in, out any) error {
	if err := p.Fresh(ctx); err != nil {
		return err
	}
	return p.Client.Put(ctx, path, in, out)
}

// Raw reads a body that is not JSON.
func (p *Person) Raw(ctx context.Context, path string) (contentType string, body []byte, err error) {
	if err := p.Fresh(ctx); err != nil {
		return "", nil, err
	}
	return p.Client.Raw(ctx, path)
}

// Customer is a user of the mini-program, who logs in with WeChat.
func Customer(base, user string, c clock.Clock, wx Simulator) *Person {
	p := &Person{Client: NewClient(base, user), clock: c}
	p.logIn = func(ctx context.Context) (string, error) {
		var out struct {
			Access string `json:"access_token"`
		}
		err := NewClient(base, user).Post(ctx, "/api/v1/auth/wechat", map[string]string{"code": wx.LoginCode(user)}, &out)
		return out.Access, err
	}
	return p
}

// AdminLogin is what an admin was handed over.
type AdminLogin struct {
	Account  string
	Password string
	Secret   string // of the one-time codes
}

// Admin is one of those who run the shop.
func Admin(base string, l AdminLogin, c clock.Clock) *Person {
	p := &Person{Client: NewClient(base, l.Account), clock: c}
	p.logIn = func(ctx context.Context) (string, error) { return adminToken(ctx, base, l, c) }
	return p
}

func adminToken(ctx context.Context, base string, l AdminLogin, c clock.Clock) (string, error) {
	code, err := totp.GenerateCode(l.Secret, c.Now())
	if err != nil {
		return "", fmt.Errorf("make a one-time code: %w", err)
	}
	var out struct {
		Token string `json:"token"`
	}
	in := map[string]string{"account": l.Account, "password": l.Password, "code": code}
	err = NewClient(base, l.Account).Post(ctx, "/api/admin/v1/session", in, &out)
	return out.Token, err
}

// NewPassword changes the one-time password that an admin begins with, and returns the log-in from now on.
func NewPassword(ctx context.Context, base string, l AdminLogin, c clock.Clock, password string) (AdminLogin, *Person, error) {
	p := Admin(base, l, c)
	in := map[string]string{"password": l.Password, "new_password": password}
	if err := p.Post(ctx, "/api/admin/v1/session/password", in, nil); err != nil {
		return l, nil, err
	}
	l.Password = password
	token, issued := p.Token, p.issued
	p = Admin(base, l, c)
	p.Token, p.issued = token, issued
	return l, p, nil
}
