package flow_test

import (
	"context"
	"fmt"
	"sync"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/wechat"
)

// bank stands for WeChat's transfers: it keeps books by number, and does what a test tells it to.
type bank struct {
	wechat.Pay
	clock *clock.Manual

	mu    sync.Mutex
	bills map[string]*wechat.Transfer
	sent  map[string]wechat.TransferRequest
	calls map[wechat.Op]int
	wrong []string // where the house broke the protocol

	// before answers a call without doing it, after does it and answers otherwise; nil: as it should be.
	before func(op wechat.Op, no string) error
	after  func(op wechat.Op, no string) error
	state  wechat.TransferState // of a new transfer
	mute   bool                 // no package in answers
}

const bankMchID = "1900000001"

func newBank(c *clock.Manual) *bank {
	return &bank{
		clock: c, bills: map[string]*wechat.Transfer{}, sent: map[string]wechat.TransferRequest{}, calls: map[wechat.Op]int{},
		state: wechat.TransferWaitConfirm,
	}
}

func (b *bank) Account() wechat.Account { return wechat.Account{AppID: "wx1", MchID: bankMchID} }

func bankError(op wechat.Op, class wechat.Class, code string) error {
	return &wechat.Error{Op: op, Class: class, HTTPStatus: 400, Code: code, Message: "told to"}
}

// enter counts a call and answers it early if it is told to.
func (b *bank) enter(op wechat.Op, no string) error {
	b.calls[op]++
	if b.before == nil {
		return nil
	}
	return b.before(op, no)
}

func (b *bank) leave(op wechat.Op, no string) error {
	if b.after == nil {
		return nil
	}
	return b.after(op, no)
}

func (b *bank) Transfer(_ context.Context, r wechat.TransferRequest) (wechat.Transfer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := r.Check(); err != nil {
		b.wrong = append(b.wrong, err.Error())
	}
	if err := b.enter(wechat.OpTransfer, r.OutBillNo); err != nil {
		return wechat.Transfer{}, err
	}
	t, there := b.bills[r.OutBillNo]
	if !there {
		t = &wechat.Transfer{
			MchID: bankMchID, OutBillNo: r.OutBillNo, TransferBillNo: "W" + r.OutBillNo, State: b.state, Amount: r.Amount,
			OpenID: r.OpenID, CreatedAt: b.clock.Now(),
		}
		b.bills[r.OutBillNo], b.sent[r.OutBillNo] = t, r
	} else if fmt.Sprintf("%+v", b.sent[r.OutBillNo]) != fmt.Sprintf("%+v", r) {
		b.wrong = append(b.wrong, "another transfer under "+r.OutBillNo)
	}
	if err := b.leave(wechat.OpTransfer, r.OutBillNo); err != nil {
		return wechat.Transfer{}, err
	}
	answer := wechat.Transfer{OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo, State: t.State, FailReason: t.FailReason}
	if t.State == wechat.TransferWaitConfirm && !b.mute {
		answer.PackageInfo = "pkg+" + r.OutBillNo
	}
	return answer, nil
}

func (b *bank) QueryTransfer(_ context.Context, no string) (wechat.Transfer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.enter(wechat.OpQueryTransfer, no); err != nil {
		return wechat.Transfer{}, err
	}
	t, there := b.bills[no]
	if !there {
		return wechat.Transfer{}, bankError(wechat.OpQueryTransfer, wechat.NotFound, "NOT_FOUND")
	}
	return *t, b.leave(wechat.OpQueryTransfer, no)
}

func (b *bank) CancelTransfer(_ context.Context, no string) (wechat.Transfer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.enter(wechat.OpCancelTransfer, no); err != nil {
		return wechat.Transfer{}, err
	}
	t := b.bills[no]
	if t.State == wechat.TransferWaitConfirm {
		t.State = wechat.TransferCanceling
	}
	return wechat.Transfer{OutBillNo: no, TransferBillNo: t.TransferBillNo, State: t.State}, b.leave(wechat.OpCancelTransfer, no)
}

// end moves a bill as WeChat would, and returns what a notification says.
func (b *bank) end(no string, s wechat.TransferState, reason string) wechat.Transfer {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, there := b.bills[no]
	if !there {
		return wechat.Transfer{}
	}
	if !t.State.Final() {
		t.State, t.FailReason, t.UpdatedAt = s, reason, b.clock.Now()
	}
	return *t
}

func (b *bank) confirm(no string) wechat.Transfer { return b.end(no, wechat.TransferSuccess, "") }

// told changes how calls are answered.
func (b *bank) told(before, after func(wechat.Op, string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.after = before, after
}

func (b *bank) count(op wechat.Op) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[op]
}

func (b *bank) paid() (sum money.Fen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.bills {
		if t.State == wechat.TransferSuccess {
			sum += t.Amount
		}
	}
	return sum
}

// failing answers one kind of call with an error, always.
func failing(op wechat.Op, class wechat.Class, code string) func(wechat.Op, string) error {
	return func(o wechat.Op, _ string) error {
		if o != op {
			return nil
		}
		return bankError(op, class, code)
	}
}
