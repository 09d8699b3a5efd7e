// Package miniprogramapi is the door for customers and distributors, who come with the mini-program, and for WeChat's
// notifications: thin operations that decode, call flow or read a domain, and encode. One file per resource.
package miniprogramapi

import (
	"fenxiao/server/access"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/wechat"
)

// API holds what the operations call.
type API struct {
	Flow      *flow.Flow
	Customers *access.Customers
	Pay       wechat.Pay
}

// Register adds all operations.
func (a *API) Register(api *httpx.API) {
	a.registerNotify(api)
	a.registerAuth(api)
	a.registerMe(api)
	a.registerTouch(api)
	a.registerApplication(api)
	a.registerDistributor(api)
	a.registerCode(api)
	a.registerLink(api)
	a.registerRegion(api)
	a.registerEarning(api)
	a.registerWallet(api)
	a.registerWithdrawal(api)
	a.registerProduct(api)
	a.registerOrder(api)
	a.registerPayment(api)
	a.registerRefund(api)
}
