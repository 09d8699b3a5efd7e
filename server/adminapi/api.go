// Package adminapi is the door for the people who run the shop: thin operations that decode, call flow or read a domain,
// and encode. One file per resource.
package adminapi

import (
	"context"

	"fenxiao/server/access"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

// API holds what the operations call.
type API struct {
	Flow   *flow.Flow
	Admins *access.Admins
	Auth   *httpx.AdminAuth
	Jobs   Jobs
}

// Jobs runs due work on demand.
type Jobs interface {
	RunNamed(ctx context.Context, name string) (done int, err error)
}

// Register adds all operations.
func (a *API) Register(api *httpx.API) {
	a.registerSession(api)
	a.registerSystem(api)
	a.registerApplication(api)
	a.registerDistributor(api)
	a.registerLevel(api)
	a.registerTerritory(api)
	a.registerPromotion(api)
	a.registerCustomer(api)
	a.registerRule(api)
	a.registerCommission(api)
	a.registerStatement(api)
	a.registerWithdrawal(api)
	a.registerWithdrawalSetting(api)
	a.registerProduct(api)
	a.registerStock(api)
	a.registerOrder(api)
	a.registerRefund(api)
}
