package play

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base/clock"
)

// Shop is a running shop as people use it.
type Shop struct {
	Base    string // address of the API
	Clock   clock.Clock
	WeChat  Simulator
	Owner   *Person
	Finance *Person
	levels  map[string]string // code → id
}

// Customer is a user of the shop's mini-program.
func (s *Shop) Customer(user string) *Person { return Customer(s.Base, user, s.Clock, s.WeChat) }

type items[T any] struct {
	Items []T `json:"items"`
}

// Hire makes an admin and logs in with the password changed, as the person would.
func (s *Shop) Hire(ctx context.Context, account, name, role, password string) (*Person, AdminLogin, error) {
	var made struct {
		Password string `json:"password"`
		TOTP     struct {
			Secret string `json:"secret"`
		} `json:"totp"`
	}
	err := s.Owner.Post(ctx, "/api/admin/v1/admins", map[string]string{"account": account, "name": name, "role": role}, &made)
	if err != nil {
		return nil, AdminLogin{}, err
	}
	login := AdminLogin{Account: account, Password: made.Password, Secret: made.TOTP.Secret}
	login, p, err := NewPassword(ctx, s.Base, login, s.Clock, password)
	return p, login, err
}

type level struct {
	ID   string `json:"id"`
	Code string `json:"code"`
}

// LevelID finds a level by its code.
func (s *Shop) LevelID(ctx context.Context, code string) (string, error) {
	if s.levels == nil {
		var list items[level]
		if err := s.Owner.Get(ctx, "/api/admin/v1/levels", &list); err != nil {
			return "", err
		}
		s.levels = map[string]string{}
		for _, l := range list.Items {
			s.levels[l.Code] = l.ID
		}
	}
	id, ok := s.levels[code]
	if !ok {
		return "", fmt.Errorf("there is no level %s", code)
	}
	return id, nil
}

// Distributor is an admitted person with a promo code.
type Distributor struct {
	*Person
	ID    string
	Code  Code
	Level string
}

// Code is a promo code as the API shows it.
type Code struct {
	ID    string `json:"id"`
	Code  string `json:"code"`
	Scene string `json:"scene"`
	Link  string `json:"link"`
}

// Recruit lets somebody apply, admits him, gives him a level and lets him make a code for the shop.
func (s *Shop) Recruit(ctx context.Context, user, levelCode string) (*Distributor, error) {
	d := &Distributor{Person: s.Customer(user), Level: levelCode}
	var terms struct {
		Version string `json:"agreement_version"`
	}
	if err := d.Get(ctx, "/api/v1/distributor-terms", &terms); err != nil {
		return nil, err
	}
	var application struct {
		ID string `json:"id"`
	}
	if err := d.Post(ctx, "/api/v1/applications", map[string]string{"agreement_version": terms.Version}, &application); err != nil {
		return nil, err
	}
	var admitted struct {
		ID        string `json:"id"`
		LevelCode string `json:"level_code"`
		Version   int    `json:"version"`
	}
	if err := s.Owner.Post(ctx, "/api/admin/v1/applications/"+application.ID+"/approve", nil, &admitted); err != nil {
		return nil, err
	}
	d.ID = admitted.ID
	if admitted.LevelCode != levelCode {
		id, err := s.LevelID(ctx, levelCode)
		if err != nil {
			return nil, err
		}
		in := map[string]any{"level_id": id, "version": admitted.Version, "reason": "服务合同已签"}
		if err := s.Owner.Post(ctx, "/api/admin/v1/distributors/"+d.ID+"/level", in, nil); err != nil {
			return nil, err
		}
	}
	return d, d.Post(ctx, "/api/v1/codes", map[string]any{"target": map[string]string{"kind": "shop"}}, &d.Code)
}

// GiveTerritory signs a contract with a city partner for a year from now.
func (s *Shop) GiveTerritory(ctx context.Context, d *Distributor, document string, regions ...int) error {
	now := s.Clock.Now()
	return s.Owner.Post(ctx, "/api/admin/v1/territory-contracts", map[string]any{
		"distributor_id": d.ID, "document_no": document, "regions": regions, "from": now, "until": now.AddDate(1, 0, 0),
	}, nil)
}

// Rule is a commission rule to put into force at once.
type Rule map[string]any

// PublishRule drafts a rule and publishes it; it is in force when this returns.
func (s *Shop) PublishRule(ctx context.Context, r Rule) error {
	var drafted struct {
		ID string `json:"id"`
	}
	if err := s.Owner.Post(ctx, "/api/admin/v1/commission-rules", map[string]any{"rule": r}, &drafted); err != nil {
		return err
	}
	var published struct {
		Status string `json:"status"`
	}
	if err := s.Owner.Post(ctx, "/api/admin/v1/commission-rules/"+drafted.ID+"/publish", map[string]any{}, &published); err != nil {
		return err
	}
	if published.Status != "published" {
		return fmt.Errorf("rule %s is %s", drafted.ID, published.Status)
	}
	return nil
}

// Touch is what the API says of a scan.
type Touch struct {
	Distributor string `json:"distributor_id"`
	Bound       bool   `json:"bound"`
	Reason      string `json:"reason"`
}

// Scan reports that somebody opened the mini-program with a code.
func Scan(ctx context.Context, p *Person, scene string) (t Touch, err error) {
	err = p.Post(ctx, "/api/v1/touches", map[string]string{"kind": "scan", "scene": scene}, &t)
	return t, err
}

// Await asks again until done says yes, for a few seconds: what follows a notification is applied at once, but not in
// the same request.
func Await(ctx context.Context, done func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
