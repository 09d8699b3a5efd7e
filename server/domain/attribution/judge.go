package attribution

import (
	"time"

	"fenxiao/server/base"
)

// Reason says why a touch bound or did not bind. It is stored with the touch and, in words, shown to people.
type Reason string

// Why a binding was made.
const (
	BoundFirst       Reason = "bound_first"        // never bound, never ordered
	BoundIdle        Reason = "bound_idle"         // ordered before, but not for long
	BoundAfterLapse  Reason = "bound_after_lapse"  // the earlier binding was over
	BoundAfterClosed Reason = "bound_after_closed" // the earlier binding's distributor is closed
	ReplacedIdle     Reason = "replaced_idle"      // the earlier binding's protection was over
	ReplacedByScan   Reason = "replaced_by_scan"   // the policy is last_scan
)

// Why none was made.
const (
	Anonymous        Reason = "anonymous"          // not logged in
	NotAVisit        Reason = "not_a_visit"        // a share, poster, copied link or relay
	CodeUnknown      Reason = "code_unknown"       // no such code
	CodeExpired      Reason = "code_expired"       //
	CodeDisabled     Reason = "code_disabled"      //
	SelfScan         Reason = "self"               // one's own code
	OwnerSuspended   Reason = "owner_suspended"    // the code's distributor
	OwnerClosed      Reason = "owner_closed"       //
	AlreadyBound     Reason = "already_bound"      // to this distributor
	StillProtected   Reason = "protected"          // bound to another
	BoundForLife     Reason = "bound_for_life"     // bound to another, policy life
	OrderedLately    Reason = "ordered_lately"     // not bound, and ordered too lately
	EndedLapsed      Reason = "lapsed"             // end of a binding: no order for too long
	EndedReplaced    Reason = "replaced"           // end of a binding: another distributor's scan
	EndedOwnerClosed Reason = "distributor_closed" // end of a binding
)

// OwnerState is what attribution needs to know about a distributor.
type OwnerState string

const (
	OwnerActive      OwnerState = "active"
	OwnerIsSuspended OwnerState = "suspended"
	OwnerIsClosed    OwnerState = "closed"
)

// facts is all that a decision about a binding depends on.
type facts struct {
	kind      TouchKind
	customer  base.CustomerID // 0: not logged in
	self      base.DistributorID
	codeFault Reason // "": the code works
	owner     base.DistributorID
	ownerIs   OwnerState
	lastOrder time.Time
	binding   *Binding // the active row; nil: none
	holderIs  OwnerState
	now       time.Time
}

// verdict is the decision: whether to bind, why, and how the earlier binding ends ("": it stays).
type verdict struct {
	bind   bool
	reason Reason
	endOld Reason
}

// judge decides about a binding. It is pure: the same facts give the same verdict.
func (p Policy) judge(f facts) verdict {
	if r := refusal(f); r != "" {
		return verdict{reason: r}
	}
	b := f.binding
	switch {
	case b == nil:
		return p.judgeUnbound(f, verdict{reason: BoundFirst})
	case p.Lapsed(*b, f.now):
		return p.judgeUnbound(f, verdict{reason: BoundAfterLapse, endOld: EndedLapsed})
	case f.holderIs == OwnerIsClosed:
		return p.judgeUnbound(f, verdict{reason: BoundAfterClosed, endOld: EndedOwnerClosed})
	case b.Distributor == f.owner:
		return verdict{reason: AlreadyBound}
	case p.Mode == Life:
		return verdict{reason: BoundForLife}
	case p.Mode == LastScan:
		return verdict{bind: true, reason: ReplacedByScan, endOld: EndedReplaced}
	case p.protects(*b, f.now):
		return verdict{reason: StillProtected}
	default:
		return verdict{bind: true, reason: ReplacedIdle, endOld: EndedReplaced}
	}
}

// judgeUnbound finishes a verdict about somebody who has no binding in force.
func (p Policy) judgeUnbound(f facts, v verdict) verdict {
	if p.recentBuyer(f.lastOrder, f.now) {
		return verdict{reason: OrderedLately, endOld: v.endOld}
	}
	if v.reason == BoundFirst && !f.lastOrder.IsZero() {
		v.reason = BoundIdle
	}
	v.bind = true
	return v
}

// refusal says what rules a binding out whatever the customer's state is.
func refusal(f facts) Reason {
	switch {
	case f.codeFault != "":
		return f.codeFault
	case !f.kind.IsVisit():
		return NotAVisit
	case f.customer == 0:
		return Anonymous
	case f.self != 0 && f.self == f.owner:
		return SelfScan
	case f.ownerIs == OwnerIsSuspended:
		return OwnerSuspended
	case f.ownerIs != OwnerActive:
		return OwnerClosed
	default:
		return ""
	}
}
