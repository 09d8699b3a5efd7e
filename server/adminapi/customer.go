package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/crm"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerCustomer(api *httpx.API) {
	httpx.Register(api, httpx.Op{ID: "list-customers", Method: http.MethodGet, Path: "/customers", Summary: "Customers, newest first, phones masked", Permission: access.PermCustomerRead, Tags: []string{"customers"}}, a.listCustomers)
	httpx.Register(api, httpx.Op{ID: "get-customer-binding", Method: http.MethodGet, Path: "/customers/{id}/binding", Summary: "Whose customer somebody is", Permission: access.PermCustomerRead, Tags: []string{"customers"}}, a.customerBinding)
	httpx.Register(api, httpx.Op{ID: "explain-attribution", Method: http.MethodGet, Path: "/orders/{id}/attribution", Summary: "Who earns an order and why, in words, from stored rows", Permission: access.PermOrderRead, Tags: []string{"orders"}}, a.explainAttribution)
}

type customerBody struct {
	ID           base.CustomerID `json:"id"`
	OpenIDMasked string          `json:"openid_masked"`
	PhoneMasked  string          `json:"phone_masked" doc:"Empty if none was given"`
	LastOrderAt  *time.Time      `json:"last_order_at,omitempty"`
	CreatedAt    time.Time       `json:"created_at"`
}

func (a *API) showCustomer(c crm.Customer) (customerBody, error) {
	phone, err := a.Flow.Box.Open(crm.PhonePlace, c.PhoneEnc)
	if err != nil {
		return customerBody{}, err
	}
	return customerBody{c.ID, crm.MaskOpenID(c.OpenID), crm.MaskPhone(phone), httpx.Time(c.LastOrderMs), base.Time(c.CreatedMs)}, nil
}

type listCustomersInput struct {
	Phone string `query:"phone" maxLength:"20" doc:"A whole phone number; left out: all"`
	httpx.PageInput
}

type customerPage struct{ Body httpx.Page[customerBody] }

func (a *API) listCustomers(ctx context.Context, in *listCustomersInput) (*customerPage, error) {
	q, hash := a.Flow.DB.Q(), ""
	if in.Phone != "" {
		phone, err := crm.CheckPhone(in.Phone)
		if err != nil {
			return nil, err
		}
		hash = a.Flow.Box.Blind(crm.PhonePlace, phone)
	}
	total, err := crm.Count(ctx, q, hash)
	if err != nil {
		return nil, err
	}
	rows, err := crm.List(ctx, q, hash, crm.Page{Offset: in.Offset(), Limit: in.PageSize})
	if err != nil {
		return nil, err
	}
	bodies := make([]customerBody, len(rows))
	for i, c := range rows {
		if bodies[i], err = a.showCustomer(c); err != nil {
			return nil, err
		}
	}
	same := func(b customerBody) customerBody { return b }
	return &customerPage{httpx.NewPage(in.PageInput, total, bodies, same)}, nil
}

type customerPath struct {
	ID base.CustomerID `path:"id"`
}

type customerBindingBody struct {
	Bound          bool               `json:"bound"`
	Binding        base.BindingID     `json:"binding_id,omitempty"`
	Distributor    base.DistributorID `json:"distributor_id,omitempty"`
	Since          *time.Time         `json:"since,omitempty"`
	ProtectedUntil *time.Time         `json:"protected_until,omitempty" doc:"Left out: for life"`
	LapsesAt       *time.Time         `json:"lapses_at,omitempty" doc:"Left out: never"`
	Reason         string             `json:"reason"`
}

type customerBindingOutput struct{ Body customerBindingBody }

func (a *API) customerBinding(ctx context.Context, in *customerPath) (*customerBindingOutput, error) {
	q, now := a.Flow.DB.Q(), a.Flow.DB.Clock.Now()
	if _, err := crm.Get(ctx, q, in.ID); err != nil {
		return nil, err
	}
	b, bound, err := attribution.BindingOf(ctx, q, in.ID, now)
	if err != nil || !bound {
		return &customerBindingOutput{}, err
	}
	policy, _, err := attribution.CurrentPolicy(ctx, q, now)
	if err != nil {
		return nil, err
	}
	return &customerBindingOutput{customerBindingBody{
		true, b.ID, b.Distributor, httpx.Time(b.SinceMs), httpx.Time(base.Ms(policy.ProtectedUntil(b))),
		httpx.Time(base.Ms(policy.LapsesAt(b))), string(b.Reason),
	}}, nil
}

type orderPathID struct {
	ID base.OrderID `path:"id"`
}

type sentenceBody struct {
	Code string `json:"code"`
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

type payeeBody struct {
	Distributor base.DistributorID `json:"distributor_id"`
	Level       base.LevelID       `json:"level_id"`
	Cycle       string             `json:"cycle" enum:"weekly,monthly"`
}

type attributionOutput struct {
	Body struct {
		Order         base.OrderID    `json:"order_id"`
		Customer      base.CustomerID `json:"customer_id"`
		Seller        *payeeBody      `json:"seller,omitempty"`
		Upline        *payeeBody      `json:"upline,omitempty"`
		Territory     *payeeBody      `json:"territory,omitempty"`
		Contract      base.ContractID `json:"contract_id,omitempty"`
		Region        region.Code     `json:"region_code,omitempty"`
		Binding       base.BindingID  `json:"binding_id,omitempty"`
		Touch         base.TouchID    `json:"touch_id,omitempty"`
		PolicyVersion int             `json:"policy_version"`
		Reason        string          `json:"reason"`
		DecidedAt     time.Time       `json:"decided_at"`
		Words         []sentenceBody  `json:"words"`
	}
}

func showPayee(p attribution.Payee) *payeeBody {
	if p.ID == 0 {
		return nil
	}
	return &payeeBody{p.ID, p.Level, string(p.Cycle)}
}

func (a *API) explainAttribution(ctx context.Context, in *orderPathID) (*attributionOutput, error) {
	x, err := a.Flow.ExplainAttribution(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return showAttribution(x), nil
}

func showAttribution(x flow.AttributionExplained) *attributionOutput {
	var out attributionOutput
	b, f := &out.Body, x.Evidence.Frozen
	b.Order, b.Customer, b.Contract, b.Region = f.Order, f.Customer, f.Contract, f.Region
	b.Seller, b.Upline, b.Territory = showPayee(f.Seller), showPayee(f.Upline), showPayee(f.Territory)
	b.Binding, b.Touch, b.PolicyVersion, b.Reason, b.DecidedAt = f.Binding, f.Touch, f.PolicyVersion, f.Reason, base.Time(f.DecidedMs)
	for _, s := range x.Sentences {
		b.Words = append(b.Words, sentenceBody{s.Code, s.ZH, s.EN})
	}
	return &out
}
