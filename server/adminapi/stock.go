package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

func (a *API) registerStock(api *httpx.API) {
	tags := []string{"stock"}
	httpx.Register(api, httpx.Op{ID: "list-stock", Method: http.MethodGet, Path: "/stock", Summary: "SKUs with what lies in the warehouse, also those that never had any", Permission: access.PermStockRead, Tags: tags}, a.listStock)
	httpx.Register(api, httpx.Op{ID: "list-stock-movements", Method: http.MethodGet, Path: "/skus/{id}/stock-movements", Summary: "What happened to a SKU, newest first", Permission: access.PermStockRead, Tags: tags}, a.listMovements)
	httpx.Register(api, httpx.Op{
		ID: "receive-stock", Method: http.MethodPost, Path: "/stock/receipts", Summary: "Book goods that came from a supplier",
		Description: "The document number is unique: booking it again with the same quantities does nothing, with others it is a conflict.",
		Permission:  access.PermStockWrite, Tags: tags, Idempotent: true, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.receiveStock)
	httpx.Register(api, httpx.Op{
		ID: "adjust-stock", Method: http.MethodPost, Path: "/stock/adjustments", Summary: "Book the difference that a count found",
		Permission: access.PermStockWrite, Tags: tags, Idempotent: true, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.adjustStock)
}

type stockBody struct {
	SKU       base.SKUID `json:"sku_id"`
	Warehouse int64      `json:"warehouse"`
	OnHand    int64      `json:"on_hand"`
	Reserved  int64      `json:"reserved" doc:"Promised to orders, still there"`
	Available int64      `json:"available"`
	InTransit int64      `json:"in_transit"`
}

func showStock(s inventory.Stock) stockBody {
	return stockBody{s.SKU, int64(s.Warehouse), s.OnHand, s.Reserved, s.Free(), s.InTransit}
}

type stockRow struct {
	SKU         base.SKUID     `json:"sku_id"`
	Product     base.ProductID `json:"product_id"`
	ProductName string         `json:"product_name"`
	SKUName     string         `json:"sku_name"`
	Price       money.Fen      `json:"price_fen"`
	Warehouse   int64          `json:"warehouse"`
	OnHand      int64          `json:"on_hand"`
	Reserved    int64          `json:"reserved" doc:"Promised to orders, still there"`
	Available   int64          `json:"available"`
	InTransit   int64          `json:"in_transit"`
}

func showStockRow(s view.StockLine) stockRow {
	return stockRow{s.SKU, s.Product, s.ProductName, s.SKUName, s.Price, s.Warehouse, s.OnHand, s.Reserved, s.OnHand - s.Reserved, s.InTransit}
}

type listStockInput struct {
	Product base.ProductID `query:"product_id"`
	Name    string         `query:"name" maxLength:"100" doc:"A part of the product's or the SKU's name"`
	Below   int64          `query:"below" minimum:"1" maximum:"1000000" doc:"Only what has fewer available than this; 1: sold out"`
	httpx.PageInput
}

type stockPage struct{ Body httpx.Page[stockRow] }

func (a *API) listStock(ctx context.Context, in *listStockInput) (*stockPage, error) {
	f := view.StockFilter{Product: in.Product, Name: in.Name, Below: in.Below, Limit: in.PageSize, Offset: in.Offset()}
	total, err := view.CountStock(ctx, a.Flow.DB.Q(), f)
	if err != nil {
		return nil, err
	}
	rows, err := view.Stock(ctx, a.Flow.DB.Q(), f)
	if err != nil {
		return nil, err
	}
	return &stockPage{httpx.NewPage(in.PageInput, total, rows, showStockRow)}, nil
}

type movementBody struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind" enum:"reserve,release,commit,restock,receive,adjust"`
	Ref       string    `json:"ref" doc:"The order, parcel, refund or document behind it"`
	Warehouse int64     `json:"warehouse"`
	OnHand    int64     `json:"on_hand_delta"`
	Reserved  int64     `json:"reserved_delta"`
	Reason    string    `json:"reason"`
	Actor     string    `json:"actor"`
}

func showMovement(m inventory.Movement) movementBody {
	return movementBody{base.Time(m.AtMs), string(m.Kind), m.Ref, int64(m.Warehouse), m.OnHandDelta, m.ReservedDelta, m.Reason, m.Actor}
}

type listMovementsInput struct {
	ID base.SKUID `path:"id"`
	httpx.FeedInput
}

type movementFeed struct{ Body httpx.Feed[movementBody] }

func (a *API) listMovements(ctx context.Context, in *listMovementsInput) (*movementFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	if _, err := catalog.Items(ctx, a.Flow.DB.Q(), []base.SKUID{in.ID}); err != nil {
		return nil, err
	}
	rows, err := inventory.Movements(ctx, a.Flow.DB.Q(), inventory.History{SKU: in.ID, Before: at.ID, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	return &movementFeed{httpx.NewFeed(rows, in.Limit, func(m inventory.Movement) httpx.Cursor { return httpx.Cursor{TimeMs: m.AtMs, ID: m.ID} }, showMovement)}, nil
}

type receiveStockInput struct {
	Body struct {
		Document string `json:"document_no" pattern:"^[0-9A-Za-z][0-9A-Za-z ._/#-]{0,63}$"`
		Items    []struct {
			SKU base.SKUID `json:"sku_id"`
			Qty int64      `json:"qty" minimum:"1" maximum:"1000000"`
		} `json:"items" minItems:"1" maxItems:"200"`
		Reason string `json:"reason,omitempty" maxLength:"200"`
	}
}

type stockOutput struct {
	Body struct {
		Items []stockBody `json:"items" doc:"As it is now"`
	}
}

func stockOut(rows []inventory.Stock, err error) (*stockOutput, error) {
	if err != nil {
		return nil, err
	}
	var out stockOutput
	for _, s := range rows {
		out.Body.Items = append(out.Body.Items, showStock(s))
	}
	return &out, nil
}

func (a *API) receiveStock(ctx context.Context, in *receiveStockInput) (*stockOutput, error) {
	move := flow.StockInput{Ref: in.Body.Document, Kind: inventory.Receive, Reason: in.Body.Reason, By: httpx.PrincipalOf(ctx).Actor}
	for _, it := range in.Body.Items {
		move.Items = append(move.Items, inventory.Item{SKU: it.SKU, Qty: it.Qty})
	}
	return stockOut(a.Flow.MoveStock(ctx, move))
}

type adjustStockInput struct {
	Body struct {
		Document string `json:"document_no" pattern:"^[0-9A-Za-z][0-9A-Za-z ._/#-]{0,63}$"`
		Items    []struct {
			SKU   base.SKUID `json:"sku_id"`
			Delta int64      `json:"delta" minimum:"-1000000" maximum:"1000000" doc:"Found minus booked"`
		} `json:"items" minItems:"1" maxItems:"200"`
		Reason string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) adjustStock(ctx context.Context, in *adjustStockInput) (*stockOutput, error) {
	move := flow.StockInput{Ref: in.Body.Document, Kind: inventory.Adjust, Reason: in.Body.Reason, By: httpx.PrincipalOf(ctx).Actor}
	for _, it := range in.Body.Items {
		move.Items = append(move.Items, inventory.Item{SKU: it.SKU, Qty: it.Delta})
	}
	return stockOut(a.Flow.MoveStock(ctx, move))
}
