package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/base/region"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// Address is where an order goes. It is stored sealed.
type Address struct {
	Name   string `json:"name"`
	Phone  string `json:"phone"`
	Detail string `json:"detail"` // street and door, below the district
}

const (
	addressNameMax   = 40 // characters
	addressDetailMax = 200
)

// What a checkout is refused for.
var (
	ErrAddress = errs.E(errs.Invalid, "order.address_invalid", "收货信息有误，请填写姓名、手机号和详细地址，并选择区县",
		errs.EN("The address is wrong: give a name, a phone, the street, and choose the district."))
	ErrPriceChanged = errs.E(errs.Conflict, "order.price_changed", "商品价格或优惠已变化，请确认新的金额后再下单",
		errs.EN("The price has changed. Look at the new total and order again."))
	ErrRemark = errs.E(errs.Invalid, "order.remark_invalid", "备注最多 200 字", errs.EN("A remark has at most 200 characters."))
)

// CheckoutInput is an order as the customer places it.
type CheckoutInput struct {
	ID            base.OrderID // minted by the caller, who keeps it for every retry
	Customer      base.CustomerID
	Items         []BasketItem
	Delivery      order.Delivery
	Region        region.Code // of the address, or of the pick-up point
	Address       Address
	Remark        string
	ExpectedTotal money.Fen // what the customer saw and agreed to
}

// Checkout places an order: the price is checked against what the customer saw, stock is reserved, who earns is decided
// and frozen, and the shares are computed and stored, all or nothing. An order of 0.00 is paid at once. With the id of
// an order that the customer has it returns that one.
func (f *Flow) Checkout(ctx context.Context, in CheckoutInput) (order.Detail, error) {
	sealed, err := f.sealAddress(in)
	if err != nil {
		return order.Detail{}, err
	}
	d, err := f.checkout(ctx, in, sealed)
	if store.IsDup(err) { // the same order was placed at the same instant: this time it is there
		d, err = f.checkout(ctx, in, sealed)
	}
	return d, err
}

func (f *Flow) checkout(ctx context.Context, in CheckoutInput, sealed string) (d order.Detail, err error) {
	err = f.DB.InTx(ctx, "flow.checkout", func(ctx context.Context, tx *store.Tx) error {
		there, err := order.Get(ctx, tx, in.ID)
		if errs.CodeOf(err) == order.ErrNotFound.Code {
			err = placeOrder(ctx, tx, in, sealed)
		} else if err == nil && there.Customer != in.Customer {
			err = order.ErrNotFound
		}
		if err == nil {
			d, err = order.Load(ctx, tx, in.ID)
		}
		return err
	})
	return d, err
}

func (f *Flow) sealAddress(in CheckoutInput) (string, error) {
	if utf8.RuneCountInString(in.Remark) > order.RemarkMax || !utf8.ValidString(in.Remark) {
		return "", ErrRemark
	}
	a := in.Address
	a.Name, a.Phone, a.Detail = strings.TrimSpace(a.Name), strings.TrimSpace(a.Phone), strings.TrimSpace(a.Detail)
	phone, err := crm.CheckPhone(a.Phone)
	detailOK := in.Delivery == order.PickUp && a.Detail == "" || fitsLine(a.Detail, addressDetailMax)
	_, known := region.Lookup(in.Region)
	if err != nil || !known || !detailOK || !fitsLine(a.Name, addressNameMax) {
		return "", ErrAddress
	}
	a.Phone = phone
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("seal address: %w", err)
	}
	return f.Box.Seal(order.AddressPlace, string(text)), nil
}

func fitsLine(s string, longest int) bool {
	return s != "" && utf8.RuneCountInString(s) <= longest && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// AddressOf opens an order's address.
func (f *Flow) AddressOf(o order.Order) (a Address, err error) {
	text, err := f.Box.Open(order.AddressPlace, o.AddressEnc)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &a)
	}
	if err != nil {
		err = fmt.Errorf("open address of %s: %w", o.ID, err)
	}
	return a, err
}

// RevealAddress opens an order's address for somebody who sends the goods, and writes that down.
func (f *Flow) RevealAddress(ctx context.Context, id base.OrderID, by base.Actor) (a Address, o order.Order, err error) {
	err = f.DB.InTx(ctx, "flow.reveal_address", func(ctx context.Context, tx *store.Tx) error {
		if o, err = order.Get(ctx, tx, id); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "order.reveal_address", Object: id.String(),
		})
	})
	if err == nil {
		a, err = f.AddressOf(o)
	}
	return a, o, err
}

// placeOrder writes an order and all that is decided with it. The stock rows, which many orders want, come last.
func placeOrder(ctx context.Context, tx *store.Tx, in CheckoutInput, sealed string) error {
	quote, err := price(ctx, tx, QuoteInput{in.Customer, in.Items, in.Delivery}, tx.Now())
	if err != nil {
		return err
	}
	who, err := earners(ctx, tx, in.Customer, in.Region, tx.Now())
	if err != nil {
		return err
	}
	if err := quote.sellable(who, tx.Now()); err != nil {
		return err
	}
	if quote.Priced.Total != in.ExpectedTotal {
		return errs.E(ErrPriceChanged.Kind, ErrPriceChanged.Code, ErrPriceChanged.Message, errs.EN(ErrPriceChanged.English),
			errs.Param("total_fen", int64(quote.Priced.Total)))
	}
	lines, err := writeOrder(ctx, tx, in, quote, sealed)
	if err != nil {
		return err
	}
	if err := attribution.Freeze(ctx, tx, who.frozen(in.ID, in.Customer)); err != nil {
		return err
	}
	if err := storeShares(ctx, tx, in.ID, who, lines); err != nil {
		return err
	}
	if err := attribution.OrderPlaced(ctx, tx, in.Customer, tx.Now()); err != nil {
		return err
	}
	if err := crm.Ordered(ctx, tx, in.Customer, tx.Now()); err != nil {
		return err
	}
	if quote.Priced.Total == 0 {
		accruals, err := paidOrders(ctx, tx, []base.OrderID{in.ID})
		if err != nil {
			return err
		}
		if err := ledger.Post(ctx, tx, accruals...); err != nil {
			return err
		}
	}
	return inventory.Book(ctx, tx, inventory.Move{
		Kind: inventory.Reserve, Ref: in.ID.String(), Warehouse: inventory.Main, Items: stockItems(lines), Actor: base.Customer(in.Customer),
	})
}

func writeOrder(ctx context.Context, tx *store.Tx, in CheckoutInput, quote Quote, sealed string) ([]order.Line, error) {
	n := order.NewOrder{
		ID: in.ID, Customer: in.Customer, Terms: quote.Terms, Priced: quote.Priced, PolicyVersion: quote.PolicyVersion, Delivery: in.Delivery,
		Region: in.Region, AddressEnc: sealed, Remark: in.Remark,
		ExpiresMs: base.Ms(tx.Now().Add(time.Duration(quote.policy.CloseMinutes) * time.Minute)),
	}
	for i, item := range quote.Items {
		days := item.Product.AftersaleDays
		if days == catalog.DefaultDays {
			days = quote.policy.AftersaleDays
		}
		n.Lines = append(n.Lines, order.NewLine{
			ID: base.LineID(tx.NextID()), Product: item.Product.ID, SKU: item.SKU.ID, Name: item.Title(), Category: item.Product.Category,
			Qty: quote.Qty[i], Price: item.SKU.Price, Cost: item.SKU.Cost, AftersaleDays: days,
		})
	}
	_, lines, err := order.Create(ctx, tx, n)
	return lines, err
}

func storeShares(ctx context.Context, tx *store.Tx, id base.OrderID, who parties, lines []order.Line) error {
	in := commission.OrderInput{Order: id, At: tx.Now(), Payees: who.payees()}
	for _, l := range lines {
		in.Lines = append(in.Lines, commission.LineInput{
			Line: l.ID, Product: l.Product, SKU: l.SKU, Category: l.Category, Qty: l.Qty, Base: l.Net, Cost: l.Cost,
		})
	}
	shares, err := commission.Price(ctx, tx, in)
	if err != nil {
		return fmt.Errorf("compute shares: %w", err)
	}
	return commission.StoreShares(ctx, tx, shares)
}

// stockItems is what an order's lines take of the stock.
func stockItems(lines []order.Line) []inventory.Item {
	out := make([]inventory.Item, len(lines))
	for i, l := range lines {
		out[i] = inventory.Item{SKU: l.SKU, Qty: l.Qty}
	}
	return out
}

// OrderOf returns a customer's order. Somebody else's is order.ErrNotFound.
func (f *Flow) OrderOf(ctx context.Context, customer base.CustomerID, id base.OrderID) (order.Detail, error) {
	d, err := order.Load(ctx, f.DB.Q(), id)
	if err == nil && d.Order.Customer != customer {
		return order.Detail{}, order.ErrNotFound
	}
	return d, err
}
