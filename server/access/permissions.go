// Package access knows who may come in and what they may do: admins with password, one-time code and role; customers
// with tokens after WeChat's log-in.
package access

import (
	"slices"
	"strings"
)

// Who may call, besides the permissions of admins below.
const (
	Public      = "public"      // everybody
	Customer    = "customer"    // a customer who is logged in
	Distributor = "distributor" // a customer who is a distributor
	AdminSelf   = "admin.self"  // any admin, about the own log-in; also one who must change the password first
	AdminAny    = "admin.any"   // any admin
)

// What admins may do. A name that ends in .read changes nothing; an auditor has all of those.
const (
	PermAdminRead           = "admin.read"
	PermAdminWrite          = "admin.write"
	PermAuditRead           = "audit.read"
	PermAuditRun            = "audit.run"
	PermJobRead             = "job.read"
	PermJobRun              = "job.run"
	PermInboxRead           = "inbox.read"
	PermInboxReplay         = "inbox.replay"
	PermSettingRead         = "setting.read"
	PermSettingWrite        = "setting.write"
	PermSettingMoney        = "setting.money" // limits, tax, budgets
	PermSettingRisk         = "setting.risk"  // what needs a typed acknowledgement (upline payee, share of a region)
	PermDashboardRead       = "dashboard.read"
	PermDistributorRead     = "distributor.read"
	PermDistributorReview   = "distributor.review"
	PermDistributorSuspend  = "distributor.suspend"
	PermDistributorWrite    = "distributor.write" // level, upline, closing
	PermLevelRead           = "level.read"
	PermLevelWrite          = "level.write"
	PermContractRead        = "contract.read"
	PermContractWrite       = "contract.write"
	PermCustomerRead        = "customer.read"
	PermCustomerPhone       = "customer.phone" // see a phone number in full; logged
	PermCustomerRebind      = "customer.rebind"
	PermCodeRead            = "code.read"
	PermCodeWrite           = "code.write"
	PermProductRead         = "product.read"
	PermProductWrite        = "product.write"
	PermStockRead           = "stock.read"
	PermStockWrite          = "stock.write"
	PermOrderRead           = "order.read"
	PermOrderShip           = "order.ship"
	PermOrderCancel         = "order.cancel"
	PermRefundRead          = "refund.read"
	PermRefundRequest       = "refund.request"
	PermRefundApprove       = "refund.approve"
	PermRuleRead            = "rule.read"
	PermRuleWrite           = "rule.write"
	PermRulePublish         = "rule.publish"
	PermCommissionRead      = "commission.read"
	PermCommissionHold      = "commission.hold"
	PermCommissionAdjust    = "commission.adjust"
	PermAdjustmentApprove   = "commission.adjust_approve" // the second person
	PermStatementRead       = "statement.read"
	PermStatementConfirm    = "statement.confirm"
	PermSettlementRun       = "settlement.run"
	PermWithdrawalRead      = "withdrawal.read"
	PermWithdrawalApprove   = "withdrawal.approve"
	PermWithdrawalReject    = "withdrawal.reject"
	PermWithdrawalPayByBank = "withdrawal.pay_by_bank"
	PermLedgerRead          = "ledger.read"
	PermDebtWriteOff        = "debt.write_off"
)

// Role is what an admin is.
type Role string

// The roles that there are.
const (
	Owner           Role = "owner"
	Operations      Role = "operations"
	Finance         Role = "finance"
	Warehouse       Role = "warehouse"
	CustomerService Role = "customer_service"
	Auditor         Role = "auditor"
)

// Roles lists all roles.
func Roles() []Role { return []Role{Owner, Operations, Finance, Warehouse, CustomerService, Auditor} }

// Valid says whether the role is one of them.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// HandlesMoney says that the role can let money leave, so that its admins need a second factor.
func (r Role) HandlesMoney() bool { return r == Owner || r == Finance }

// Permissions lists all permissions of admins, sorted.
func Permissions() []string {
	all := []string{
		PermAdminRead, PermAdminWrite, PermAuditRead, PermAuditRun, PermJobRead, PermJobRun, PermInboxRead, PermInboxReplay,
		PermSettingRead, PermSettingWrite, PermSettingMoney, PermSettingRisk, PermDashboardRead, PermDistributorRead,
		PermDistributorReview, PermDistributorSuspend, PermDistributorWrite, PermLevelRead, PermLevelWrite, PermContractRead,
		PermContractWrite, PermCustomerRead, PermCustomerPhone, PermCustomerRebind, PermCodeRead, PermCodeWrite,
		PermProductRead, PermProductWrite, PermStockRead, PermStockWrite, PermOrderRead, PermOrderShip, PermOrderCancel,
		PermRefundRead, PermRefundRequest, PermRefundApprove, PermRuleRead, PermRuleWrite, PermRulePublish,
		PermCommissionRead, PermCommissionHold, PermCommissionAdjust, PermAdjustmentApprove, PermStatementRead,
		PermStatementConfirm, PermSettlementRun, PermWithdrawalRead, PermWithdrawalApprove, PermWithdrawalReject,
		PermWithdrawalPayByBank, PermLedgerRead, PermDebtWriteOff,
	}
	slices.Sort(all)
	return all
}

// granted says what each role may; owner and auditor follow a rule instead.
func granted(r Role) []string {
	switch r {
	case Operations:
		return []string{
			PermDashboardRead, PermDistributorRead, PermDistributorReview, PermDistributorSuspend, PermDistributorWrite,
			PermLevelRead, PermLevelWrite, PermContractRead, PermContractWrite, PermCustomerRead, PermCustomerRebind,
			PermCodeRead, PermCodeWrite, PermProductRead, PermProductWrite, PermStockRead, PermStockWrite, PermOrderRead,
			PermOrderShip, PermOrderCancel, PermRefundRead, PermRefundRequest, PermRuleRead, PermRuleWrite,
			PermCommissionRead, PermCommissionHold, PermStatementRead, PermWithdrawalRead, PermSettingRead, PermSettingWrite,
			PermJobRead, PermInboxRead, PermInboxReplay,
		}
	case Finance:
		return []string{
			PermDashboardRead, PermDistributorRead, PermContractRead, PermLevelRead, PermCustomerRead, PermProductRead,
			PermOrderRead, PermRefundRead, PermRefundRequest, PermRefundApprove, PermRuleRead, PermRulePublish,
			PermCommissionRead, PermCommissionHold, PermCommissionAdjust, PermAdjustmentApprove, PermStatementRead,
			PermStatementConfirm, PermSettlementRun, PermWithdrawalRead, PermWithdrawalApprove, PermWithdrawalReject,
			PermWithdrawalPayByBank, PermLedgerRead, PermDebtWriteOff, PermSettingRead, PermSettingMoney, PermAuditRead,
			PermAuditRun, PermJobRead, PermJobRun, PermInboxRead, PermInboxReplay,
		}
	case Warehouse:
		return []string{PermProductRead, PermStockRead, PermStockWrite, PermOrderRead, PermOrderShip, PermRefundRead}
	case CustomerService:
		return []string{
			PermDistributorRead, PermCustomerRead, PermCustomerPhone, PermCodeRead, PermProductRead, PermStockRead,
			PermOrderRead, PermOrderCancel, PermRefundRead, PermRefundRequest, PermCommissionRead, PermStatementRead,
			PermWithdrawalRead,
		}
	default:
		return nil
	}
}

// May says whether a role has a permission. What is not a permission nobody has, the owner neither.
func (r Role) May(permission string) bool {
	switch permission {
	case Public, AdminSelf, AdminAny:
		return r.Valid()
	}
	if !slices.Contains(Permissions(), permission) {
		return false
	}
	switch r {
	case Owner:
		return true
	case Auditor:
		return strings.HasSuffix(permission, ".read")
	default:
		return slices.Contains(granted(r), permission)
	}
}

// Granted lists what a role may, sorted.
func (r Role) Granted() []string {
	var out []string
	for _, p := range Permissions() {
		if r.May(p) {
			out = append(out, p)
		}
	}
	return out
}

// Known says whether a permission may stand on an operation.
func Known(permission string) bool {
	switch permission {
	case Public, Customer, Distributor, AdminSelf, AdminAny:
		return true
	}
	return slices.Contains(Permissions(), permission)
}
