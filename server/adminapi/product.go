package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/httpx"
)

func (a *API) registerProduct(api *httpx.API) {
	tags := []string{"goods"}
	httpx.Register(api, httpx.Op{ID: "list-products", Method: http.MethodGet, Path: "/products", Summary: "Products, newest first", Permission: access.PermProductRead, Tags: tags}, a.listProducts)
	httpx.Register(api, httpx.Op{ID: "get-product", Method: http.MethodGet, Path: "/products/{id}", Summary: "One product", Permission: access.PermProductRead, Tags: tags, Errors: []int{http.StatusNotFound}}, a.getProduct)
	httpx.Register(api, httpx.Op{
		ID: "create-product", Method: http.MethodPost, Path: "/products", Summary: "Enter a product with its SKUs",
		Permission: access.PermProductWrite, Tags: tags, Idempotent: true, Status: http.StatusCreated,
	}, a.createProduct)
	httpx.Register(api, httpx.Op{
		ID: "update-product", Method: http.MethodPut, Path: "/products/{id}", Summary: "Replace a product",
		Description: "SKUs keep their id; one that is left out goes off sale. Orders that were placed keep their names and prices. Another version than the present one is a conflict.",
		Permission:  access.PermProductWrite, Tags: tags, Idempotent: true, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.updateProduct)
}

// SKUFields is a SKU as it is entered.
type SKUFields struct {
	ID    base.SKUID `json:"id,omitempty" doc:"Left out for a new SKU"`
	Name  string     `json:"name,omitempty" maxLength:"100" doc:"May be empty for the only SKU"`
	Price money.Fen  `json:"price_fen" minimum:"0" maximum:"100000000"`
	Cost  money.Fen  `json:"cost_fen,omitempty" minimum:"-1" maximum:"100000000" default:"-1" doc:"Of one; -1: not known"`
	Off   bool       `json:"off,omitempty" doc:"Not for sale"`
}

// ProductFields is a product as it is entered.
type ProductFields struct {
	Name          string      `json:"name" minLength:"1" maxLength:"100"`
	Category      string      `json:"category,omitempty" maxLength:"64"`
	Summary       string      `json:"summary,omitempty" maxLength:"500"`
	Detail        string      `json:"detail,omitempty" maxLength:"60000"`
	ImageURL      string      `json:"image_url,omitempty" maxLength:"500"`
	Status        string      `json:"status" enum:"draft,on_sale,off_sale"`
	AftersaleDays int         `json:"aftersale_days,omitempty" minimum:"-1" maximum:"365" default:"-1" doc:"-1: the shop's"`
	EarlyFrom     *time.Time  `json:"early_from,omitempty" doc:"Window of first promotion: only customers of promoters with that right see and buy it"`
	EarlyUntil    *time.Time  `json:"early_until,omitempty"`
	SKUs          []SKUFields `json:"skus" minItems:"1" maxItems:"100"`
}

func (f ProductFields) entry() catalog.Entry {
	e := catalog.Entry{
		Name: f.Name, Category: f.Category, Summary: f.Summary, Detail: f.Detail, ImageURL: f.ImageURL, Status: catalog.Status(f.Status),
		AftersaleDays: f.AftersaleDays, EarlyFrom: instant(f.EarlyFrom), EarlyUntil: instant(f.EarlyUntil),
	}
	for _, s := range f.SKUs {
		e.SKUs = append(e.SKUs, catalog.SKUEntry{ID: s.ID, Name: s.Name, Price: s.Price, Cost: s.Cost, Off: s.Off})
	}
	return e
}

// instant is a time that may be absent.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

type productBody struct {
	ID base.ProductID `json:"id"`
	ProductFields
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int       `json:"version" doc:"Send it with a change"`
}

func showProduct(p catalog.Product) productBody {
	b := productBody{
		ID: p.ID, CreatedAt: base.Time(p.CreatedMs), UpdatedAt: base.Time(p.UpdatedMs), Version: p.Version,
		ProductFields: ProductFields{
			Name: p.Name, Category: p.Category, Summary: p.Summary, Detail: p.Detail, ImageURL: p.ImageURL, Status: string(p.Status),
			AftersaleDays: p.AftersaleDays, EarlyFrom: httpx.Time(p.EarlyFromMs), EarlyUntil: httpx.Time(p.EarlyUntilMs),
		},
	}
	for _, s := range p.SKUs {
		b.SKUs = append(b.SKUs, SKUFields{ID: s.ID, Name: s.Name, Price: s.Price, Cost: s.Cost, Off: s.Status != catalog.OnSale})
	}
	return b
}

type productOutput struct{ Body productBody }

func productOut(p catalog.Product, err error) (*productOutput, error) {
	if err != nil {
		return nil, err
	}
	return &productOutput{showProduct(p)}, nil
}

type listProductsInput struct {
	Status   string `query:"status" enum:"draft,on_sale,off_sale" doc:"Left out: all"`
	Category string `query:"category" maxLength:"64"`
	Name     string `query:"name" maxLength:"100" doc:"A part of it"`
	httpx.PageInput
}

type productPage struct{ Body httpx.Page[productBody] }

func (a *API) listProducts(ctx context.Context, in *listProductsInput) (*productPage, error) {
	f := catalog.Filter{Status: catalog.Status(in.Status), Category: in.Category, Name: in.Name, Offset: in.Offset(), Limit: in.PageSize}
	total, err := catalog.Count(ctx, a.Flow.DB.Q(), f)
	if err != nil {
		return nil, err
	}
	rows, err := catalog.List(ctx, a.Flow.DB.Q(), f)
	if err != nil {
		return nil, err
	}
	return &productPage{httpx.NewPage(in.PageInput, int64(total), rows, showProduct)}, nil
}

type productPath struct {
	ID base.ProductID `path:"id"`
}

func (a *API) getProduct(ctx context.Context, in *productPath) (*productOutput, error) {
	return productOut(catalog.Get(ctx, a.Flow.DB.Q(), in.ID))
}

type createProductInput struct{ Body ProductFields }

func (a *API) createProduct(ctx context.Context, in *createProductInput) (*productOutput, error) {
	return productOut(a.Flow.CreateProduct(ctx, base.ProductID(httpx.OpID(ctx)), in.Body.entry(), httpx.PrincipalOf(ctx).Actor))
}

type updateProductInput struct {
	ID   base.ProductID `path:"id"`
	Body struct {
		ProductFields
		Version int `json:"version" minimum:"1" doc:"As it was read"`
	}
}

func (a *API) updateProduct(ctx context.Context, in *updateProductInput) (*productOutput, error) {
	edit := catalog.Edit{ID: in.ID, Version: in.Body.Version, Entry: in.Body.entry()}
	return productOut(a.Flow.UpdateProduct(ctx, edit, httpx.PrincipalOf(ctx).Actor))
}
