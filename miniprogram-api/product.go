package miniprogramapi

import (
	"context"
	"net/http"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/httpx"
)

func (a *API) registerProduct(api *httpx.API) {
	tags := []string{"goods"}
	httpx.Register(api, httpx.Op{
		ID: "list-products", Method: http.MethodGet, Path: "/products", Summary: "Products that I can buy, newest first",
		Description: "A new product in its first-promotion window is there for customers of promoters with that right only.",
		Permission:  access.Customer, Tags: tags,
	}, a.listProducts)
	httpx.Register(api, httpx.Op{
		ID: "get-product", Method: http.MethodGet, Path: "/products/{id}", Summary: "One product that is for sale", Permission: access.Customer, Tags: tags,
		Errors: []int{http.StatusNotFound},
	}, a.getProduct)
}

type skuBody struct {
	ID        base.SKUID `json:"id"`
	Name      string     `json:"name" doc:"Empty for the only variant"`
	Price     money.Fen  `json:"price_fen"`
	Available int64      `json:"available" doc:"How many can be ordered now"`
}

// ProductBody is a product as customers see it.
type ProductBody struct {
	ID       base.ProductID `json:"id"`
	Name     string         `json:"name"`
	Category string         `json:"category"`
	Summary  string         `json:"summary"`
	ImageURL string         `json:"image_url"`
	SKUs     []skuBody      `json:"skus"`
}

// showProduct leaves out what is not for sale, and what the goods cost the shop.
func showProduct(p catalog.Product, free map[base.SKUID]int64) ProductBody {
	out := ProductBody{ID: p.ID, Name: p.Name, Category: p.Category, Summary: p.Summary, ImageURL: p.ImageURL}
	for _, s := range p.SKUs {
		if s.Status == catalog.OnSale {
			out.SKUs = append(out.SKUs, skuBody{s.ID, s.Name, s.Price, max(0, free[s.ID])})
		}
	}
	return out
}

func (a *API) freeOf(ctx context.Context, products []catalog.Product) (map[base.SKUID]int64, error) {
	var skus []base.SKUID
	for _, p := range products {
		for _, s := range p.SKUs {
			skus = append(skus, s.ID)
		}
	}
	return inventory.FreeOf(ctx, a.Flow.DB.Q(), skus)
}

type listProductsInput struct {
	httpx.FeedInput
	Category string `query:"category" maxLength:"64"`
}

type productFeed struct{ Body httpx.Feed[ProductBody] }

func (a *API) listProducts(ctx context.Context, in *listProductsInput) (*productFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := a.Flow.Shelf(ctx, httpx.PrincipalOf(ctx).Customer, catalog.Shelf{Category: in.Category, Before: base.ProductID(at.ID), Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	free, err := a.freeOf(ctx, rows)
	if err != nil {
		return nil, err
	}
	feed := httpx.NewFeed(rows, in.Limit, func(p catalog.Product) httpx.Cursor { return httpx.Cursor{ID: int64(p.ID)} },
		func(p catalog.Product) ProductBody { return showProduct(p, free) })
	return &productFeed{feed}, nil
}

type productPath struct {
	ID base.ProductID `path:"id"`
}

type productDetail struct {
	Body struct {
		ProductBody
		Detail string `json:"detail"`
	}
}

func (a *API) getProduct(ctx context.Context, in *productPath) (*productDetail, error) {
	p, err := a.Flow.ProductFor(ctx, httpx.PrincipalOf(ctx).Customer, in.ID)
	if err != nil {
		return nil, err
	}
	free, err := a.freeOf(ctx, []catalog.Product{p})
	if err != nil {
		return nil, err
	}
	var out productDetail
	out.Body.ProductBody, out.Body.Detail = showProduct(p, free), p.Detail
	return &out, nil
}
