// Package base holds the words that domain packages share, so that they need not know each other.
package base

import (
	"fenxiao/server/base/ids"
)

// The kinds of things that have ids, and what their ids look like.
type (
	customerKind    struct{}
	distributorKind struct{}
	applicationKind struct{}
	levelKind       struct{}
	contractKind    struct{}
	codeKind        struct{}
	touchKind       struct{}
	bindingKind     struct{}
	productKind     struct{}
	skuKind         struct{}
	orderKind       struct{}
	lineKind        struct{}
	paymentKind     struct{}
	fulfilmentKind  struct{}
	refundKind      struct{}
	ruleKind        struct{}
	shareKind       struct{}
	commissionKind  struct{}
	statementKind   struct{}
	withdrawalKind  struct{}
	adminKind       struct{}
	eventKind       struct{}
)

func (customerKind) Prefix() string    { return "cu" }
func (distributorKind) Prefix() string { return "di" }
func (applicationKind) Prefix() string { return "ap" }
func (levelKind) Prefix() string       { return "lv" }
func (contractKind) Prefix() string    { return "tc" }
func (codeKind) Prefix() string        { return "pc" }
func (touchKind) Prefix() string       { return "to" }
func (bindingKind) Prefix() string     { return "bi" }
func (productKind) Prefix() string     { return "pr" }
func (skuKind) Prefix() string         { return "sk" }
func (orderKind) Prefix() string       { return "or" }
func (lineKind) Prefix() string        { return "ol" }
func (paymentKind) Prefix() string     { return "pa" }
func (fulfilmentKind) Prefix() string  { return "fu" }
func (refundKind) Prefix() string      { return "rf" }
func (ruleKind) Prefix() string        { return "ru" }
func (shareKind) Prefix() string       { return "sh" }
func (commissionKind) Prefix() string  { return "cm" }
func (statementKind) Prefix() string   { return "st" }
func (withdrawalKind) Prefix() string  { return "wd" }
func (adminKind) Prefix() string       { return "ad" }
func (eventKind) Prefix() string       { return "ev" }

type (
	CustomerID    = ids.ID[customerKind]
	DistributorID = ids.ID[distributorKind]
	ApplicationID = ids.ID[applicationKind]
	LevelID       = ids.ID[levelKind]
	ContractID    = ids.ID[contractKind] // territory contract
	CodeID        = ids.ID[codeKind]     // promo code
	TouchID       = ids.ID[touchKind]
	BindingID     = ids.ID[bindingKind]
	ProductID     = ids.ID[productKind]
	SKUID         = ids.ID[skuKind]
	OrderID       = ids.ID[orderKind]
	LineID        = ids.ID[lineKind] // order line
	PaymentID     = ids.ID[paymentKind]
	FulfilmentID  = ids.ID[fulfilmentKind]
	RefundID      = ids.ID[refundKind]
	RuleID        = ids.ID[ruleKind] // one version of a commission rule
	ShareID       = ids.ID[shareKind]
	CommissionID  = ids.ID[commissionKind] // accrual or reversal row
	StatementID   = ids.ID[statementKind]
	WithdrawalID  = ids.ID[withdrawalKind]
	AdminID       = ids.ID[adminKind]
	EventID       = ids.ID[eventKind] // in the inbox or outbox
)

// Tier says why a payee has a share of a line. There are these three and no others: an upline of an upline cannot
// be expressed (禁止传销条例, article 7).
type Tier string

const (
	Seller    Tier = "seller"
	Upline    Tier = "upline"
	Territory Tier = "territory"
)

// Actor is who does something, for histories and the audit log.
type Actor struct {
	Kind string // customer, distributor, admin, system, wechat
	ID   int64  // 0 for system and wechat
}

// System is the program itself, doing a job.
var System = Actor{Kind: "system"}

// WeChat is the other side of the wire.
var WeChat = Actor{Kind: "wechat"}

// Customer acts as a customer.
func Customer(id CustomerID) Actor { return Actor{"customer", int64(id)} }

// Distributor acts as a distributor.
func Distributor(id DistributorID) Actor { return Actor{"distributor", int64(id)} }

// Admin acts as an admin.
func Admin(id AdminID) Actor { return Actor{"admin", int64(id)} }

// String shows the actor in histories: "admin:ad…", "system".
func (a Actor) String() string {
	switch a.Kind {
	case "customer":
		return a.Kind + ":" + CustomerID(a.ID).String()
	case "distributor":
		return a.Kind + ":" + DistributorID(a.ID).String()
	case "admin":
		return a.Kind + ":" + AdminID(a.ID).String()
	default:
		return a.Kind
	}
}
