package flow_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

func (p *counter) notifyTransfer(id string, t wechat.Transfer) {
	p.t.Helper()
	require.NoError(p.t, p.f.TakeNotification(p.t.Context(), wechat.Notification{ID: id, Kind: wechat.TransferEvent, Plain: wechat.EncodeTransfer(t)}))
}

// eventually lets hours pass until a withdrawal has a state.
func (p *counter) eventually(id base.WithdrawalID, want withdrawal.State) {
	p.t.Helper()
	for range 60 {
		if p.get(id).State == want {
			return
		}
		p.jobs(time.Minute)
	}
	p.state(id, want)
}

func TestPayout_PaidAfterConfirmation(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(8_000)
		p.payOut()
		got := p.get(w.ID)
		require.Equal(t, withdrawal.AwaitingUser, got.State)
		require.Equal(t, "pkg+"+w.OutBillNo, got.PackageInfo)
		require.Equal(t, "W"+w.OutBillNo, got.TransferBillNo)
		sent := p.bank.sent[w.OutBillNo]
		require.Equal(t, "李明", sent.UserName)
		require.Equal(t, wechat.SceneCommission, sent.SceneID)
		require.NotContains(t, got.PayeeNameEnc+got.TransferBody, "李明", "the name is sealed at rest")

		answer := p.bank.confirm(w.OutBillNo)
		p.notifyTransfer("n1", answer)
		p.apply()
		got = p.get(w.ID)
		require.Equal(t, withdrawal.Paid, got.State)
		require.Empty(t, got.PackageInfo)
		p.wallet(w.Distributor, ledger.Wallet{})
		calls, err := withdrawal.Calls(t.Context(), p.db.Q(), w.ID)
		require.NoError(t, err)
		require.Len(t, calls, 1)
		require.Equal(t, "ok", calls[0].Class)
		require.Empty(t, p.bank.wrong)
		p.audit()
	})
}

func TestPayout_EveryAnswer(t *testing.T) {
	t.Parallel()
	never := func(wechat.Op, string) error { return nil }
	tests := []struct {
		name          string
		before, after func(wechat.Op, string) error
		state         wechat.TransferState
		soon          withdrawal.State // after the first run
		heal          bool             // WeChat works again afterwards
		end           withdrawal.State
		wallet        ledger.Wallet
	}{
		{name: "accepted first", state: wechat.TransferAccepted, soon: withdrawal.Paying, end: withdrawal.Paying, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "under way first", state: wechat.TransferProcessing, soon: withdrawal.Paying, end: withdrawal.Paying, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "at once", state: wechat.TransferSuccess, soon: withdrawal.Paying, end: withdrawal.Paid},
		{name: "fails at once", state: wechat.TransferFail, soon: withdrawal.Paying, end: withdrawal.Failed, wallet: ledger.Wallet{Available: 5_000}},
		{name: "cancelled at once", state: wechat.TransferCancelled, soon: withdrawal.Paying, end: withdrawal.Cancelled, wallet: ledger.Wallet{Available: 5_000}},
		{name: "paying without a question", state: wechat.TransferPaying, soon: withdrawal.AwaitingUser, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "a word nobody knows", state: "NEWLY_INVENTED", soon: withdrawal.Paying, end: withdrawal.Paying, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "no answer, and nothing done", before: failing(wechat.OpTransfer, wechat.Unknown, ""), soon: withdrawal.Paying, heal: true, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "no answer, and done", after: failing(wechat.OpTransfer, wechat.Unknown, "SYSTEM_ERROR"), soon: withdrawal.Paying, heal: true, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "no answer, for ever", before: failing(wechat.OpTransfer, wechat.Unknown, ""), soon: withdrawal.Paying, end: withdrawal.Paying, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "not enough money", before: failing(wechat.OpTransfer, wechat.Later, "NOT_ENOUGH"), soon: withdrawal.Paying, end: withdrawal.Paying, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "not enough money, then topped up", before: failing(wechat.OpTransfer, wechat.Later, "NOT_ENOUGH"), soon: withdrawal.Paying, heal: true, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "too often", before: failing(wechat.OpTransfer, wechat.Later, "FREQUENCY_LIMITED"), soon: withdrawal.Paying, heal: true, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "refused", before: failing(wechat.OpTransfer, wechat.Refused, "PARAM_ERROR"), soon: withdrawal.Failed, end: withdrawal.Failed, wallet: ledger.Wallet{Available: 5_000}},
		{name: "refused, but done", after: failing(wechat.OpTransfer, wechat.Refused, "NO_AUTH"), soon: withdrawal.AwaitingUser, heal: true, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "refused, and the question too", before: func(op wechat.Op, _ string) error { return bankError(op, wechat.Refused, "SIGN_ERROR") }, soon: withdrawal.Paying, end: withdrawal.Paying, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "the number exists", after: failing(wechat.OpTransfer, wechat.Exists, "ALREADY_EXISTS"), soon: withdrawal.AwaitingUser, heal: true, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
		{name: "as it should be", before: never, soon: withdrawal.AwaitingUser, end: withdrawal.AwaitingUser, wallet: ledger.Wallet{Withdrawing: 5_000}},
	}
	eachCounter(t, func(t *testing.T, p *counter) {
		for _, tt := range tests {
			p.bank.told(tt.before, tt.after)
			p.bank.state = wechat.TransferWaitConfirm
			if tt.state != "" {
				p.bank.state = tt.state
			}
			w := p.approved(5_000)
			p.payOut()
			require.Equal(t, tt.soon, p.get(w.ID).State, "%s, soon", tt.name)
			if tt.heal {
				p.bank.told(nil, nil)
			}
			if tt.heal || tt.soon != tt.end {
				p.eventually(w.ID, tt.end)
			} else {
				p.jobs(30 * time.Minute)
			}
			require.Equal(t, tt.end, p.get(w.ID).State, tt.name)
			p.wallet(w.Distributor, tt.wallet)
			if tt.end == withdrawal.AwaitingUser && tt.state == "" {
				p.eventually(w.ID, withdrawal.AwaitingUser)
				p.jobs(time.Hour)
				require.Equal(t, "pkg+"+w.OutBillNo, p.get(w.ID).PackageInfo, tt.name)
			}
			p.bank.told(nil, nil)
			for range 4 { // leave nothing under way for the next row
				p.bank.confirm(w.OutBillNo)
				p.jobs(time.Hour)
			}
			require.True(t, p.get(w.ID).State.Final(), "%s: it ends when WeChat works again", tt.name)
		}
		require.Empty(t, p.bank.wrong)
		p.audit()
	})
}

func TestPayout_ReleasesOnlyWhatCannotLand(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.bank.told(failing(wechat.OpTransfer, wechat.Unknown, ""), nil)
		p.payOut()
		p.bank.told(failing(wechat.OpTransfer, wechat.Refused, "NO_AUTH"), nil)
		p.jobs(90 * time.Second) // not known, sent again, refused: but the first sending may still land
		p.state(w.ID, withdrawal.Paying)
		require.Equal(t, 2, p.bank.count(wechat.OpTransfer))
		p.eventually(w.ID, withdrawal.Failed)
		require.GreaterOrEqual(t, p.clock.Now().Sub(base.Time(p.get(w.ID).UnknownMs)), 5*time.Minute)
		require.Equal(t, "NO_AUTH", p.get(w.ID).FailReason)
		p.wallet(w.Distributor, ledger.Wallet{Available: 5_000})
		p.today(w.Distributor, 0, 0)
		n, _ := p.allowances()
		require.Zero(t, n)
		p.audit()
	})
}

func TestPayout_OnlyTheLatestHolderReleases(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.bank.told(func(op wechat.Op, _ string) error {
			if op != wechat.OpTransfer {
				return nil
			}
			// While our sending is under way, another replica claims the payout, and may be sending it too.
			p.tx(func(ctx context.Context, tx *store.Tx) error {
				ok, err := withdrawal.Claim(ctx, tx, p.get(w.ID), base.Ms(tx.Now().Add(time.Minute)))
				require.True(t, ok)
				return err
			})
			return bankError(op, wechat.Refused, "PARAM_ERROR")
		}, nil)
		p.payOut()
		p.state(w.ID, withdrawal.Paying)
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 5_000})
		p.bank.told(failing(wechat.OpTransfer, wechat.Refused, "PARAM_ERROR"), nil)
		p.eventually(w.ID, withdrawal.Failed)
		p.wallet(w.Distributor, ledger.Wallet{Available: 5_000})
		p.audit()
	})
}

func TestPayout_OldBillsAreNeverSentAgain(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.bank.told(failing(wechat.OpTransfer, wechat.Unknown, ""), nil)
		p.payOut()
		p.bank.told(nil, nil)
		p.clock.Advance(30 * 24 * time.Hour)
		p.jobs(time.Hour)
		require.Equal(t, 1, p.bank.count(wechat.OpTransfer))
		require.NotEmpty(t, p.get(w.ID).Trouble)
		p.state(w.ID, withdrawal.Paying)
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 5_000})
	})
}

func TestPayout_LostPackageIsFetchedBySendingTheSame(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.bank.mute = true
		p.payOut()
		require.Empty(t, p.get(w.ID).PackageInfo)
		p.bank.mute = false
		// The name changes meanwhile: what is sent again is what was sent first.
		_, err := p.f.SetRealName(t.Context(), flow.RealNameInput{ID: w.Distributor, RealName: "王芳", By: boss})
		require.NoError(t, err)
		p.policy(func(w *withdrawal.Policy) { w.Remark = "改过的备注" })
		p.jobs(time.Minute)
		require.Equal(t, "pkg+"+w.OutBillNo, p.get(w.ID).PackageInfo)
		require.Empty(t, p.bank.wrong)
	})
}

func TestPayout_NameRules(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) {
			w.MinFen, w.MaxFen, w.SecondApproverAboveFen, w.DailyAmountFen, w.NameRequired = 20, 300_000, 300_000, 900_000, false
		})
		small, large := p.approved(29), p.approved(200_000)
		nameless := p.distributor()
		p.fund(nameless.ID, 250_000)
		_, err := p.f.RequestWithdrawal(t.Context(), p.input(nameless.ID, 200_000))
		require.ErrorIs(t, err, withdrawal.ErrNameNeeded, "WeChat insists")
		anonymous := p.request(nameless.ID, 5_000)
		p.approve(anonymous)
		p.payOut()
		require.Empty(t, p.bank.sent[small.OutBillNo].UserName, "WeChat takes none below 0.30")
		require.Equal(t, "李明", p.bank.sent[large.OutBillNo].UserName)
		require.Empty(t, p.bank.sent[anonymous.OutBillNo].UserName)
		require.Empty(t, p.bank.wrong)
	})
}

func TestPayout_Ends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state  wechat.TransferState
		reason string
		want   withdrawal.State
		wallet ledger.Wallet
	}{
		{wechat.TransferSuccess, "", withdrawal.Paid, ledger.Wallet{}},
		{wechat.TransferFail, "NAME_NOT_CORRECT", withdrawal.Failed, ledger.Wallet{Available: 5_000}},
		{wechat.TransferFail, wechat.FailOverdue, withdrawal.Expired, ledger.Wallet{Available: 5_000}},
		{wechat.TransferCancelled, "MCH_CANCEL", withdrawal.Cancelled, ledger.Wallet{Available: 5_000}},
	}
	eachCounter(t, func(t *testing.T, p *counter) {
		for _, tt := range tests {
			w := p.approved(5_000)
			p.payOut()
			p.jobs(25 * time.Hour)
			p.state(w.ID, withdrawal.AwaitingUser) // our clock ends nothing
			p.bank.end(w.OutBillNo, tt.state, tt.reason)
			p.jobs(time.Hour)
			got := p.get(w.ID)
			require.Equal(t, tt.want, got.State)
			require.Equal(t, tt.reason, got.FailReason)
			p.wallet(w.Distributor, tt.wallet)
		}
		p.audit()
	})
}

func TestPayout_NotificationBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.bank.told(nil, func(op wechat.Op, no string) error {
			if op != wechat.OpTransfer {
				return nil
			}
			done := *p.bank.bills[no]
			done.State = wechat.TransferSuccess
			p.notifyTransfer("early", done)
			p.apply()
			return nil
		})
		p.payOut()
		got := p.get(w.ID)
		require.Equal(t, withdrawal.Paid, got.State)
		require.Equal(t, string(wechat.TransferSuccess), got.WeChatState, "the slower answer changes nothing")
		require.Empty(t, got.PackageInfo)
		p.wallet(w.Distributor, ledger.Wallet{})
		p.audit()
	})
}

func TestPayout_TwentyNotificationsAtOnce(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		for _, end := range []wechat.TransferState{wechat.TransferSuccess, wechat.TransferFail} {
			w := p.approved(5_000)
			p.payOut()
			said := p.bank.end(w.OutBillNo, end, "")
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					// Other ids: WeChat does not promise that it keeps them.
					n := wechat.Notification{ID: fmt.Sprint(w.ID, i%10), Kind: wechat.TransferEvent, Plain: wechat.EncodeTransfer(said)}
					if err := p.f.TakeNotification(t.Context(), n); err != nil {
						t.Error(err)
					}
					if _, err := p.inbox.Run(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			p.apply()
			require.True(t, p.get(w.ID).State.Final())
		}
		p.audit()
	})
}

func TestPayout_WrongNotificationsAreKept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*wechat.Transfer)
	}{
		{"another merchant", func(t *wechat.Transfer) { t.MchID = "1" }},
		{"no merchant", func(t *wechat.Transfer) { t.MchID = "" }},
		{"more money", func(t *wechat.Transfer) { t.Amount++ }},
		{"another payee", func(t *wechat.Transfer) { t.OpenID = "somebody" }},
		{"another number", func(t *wechat.Transfer) { t.OutBillNo = "wd0000000000000" }},
	}
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.payOut()
		said := p.bank.confirm(w.OutBillNo)
		for i, tt := range tests {
			wrong := said
			tt.change(&wrong)
			p.notifyTransfer(fmt.Sprint("wrong", i), wrong)
			p.apply()
			kept, err := inbox.Troubled(t.Context(), p.db.Q(), 10)
			require.NoError(t, err)
			require.Len(t, kept, i+1, tt.name)
			require.Equal(t, inbox.Kept, kept[0].State)
			p.state(w.ID, withdrawal.AwaitingUser)
		}
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 5_000})
		p.notifyTransfer("right", said)
		p.apply()
		p.state(w.ID, withdrawal.Paid)

		// A word that contradicts the end changes nothing.
		other := said
		other.State, other.FailReason = wechat.TransferFail, "OTHER_FAIL_REASON_TYPE"
		p.notifyTransfer("contradiction", other)
		p.apply()
		p.state(w.ID, withdrawal.Paid)
		require.NotEmpty(t, p.get(w.ID).Trouble)
		p.audit()
	})
}

func TestPayout_NotSentForWhoMayNotBePaid(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		_, err := p.f.Suspend(t.Context(), flow.PersonDecision{ID: w.Distributor, By: boss, Reason: "核查"})
		require.NoError(t, err)
		p.payOut()
		got := p.get(w.ID)
		require.Equal(t, withdrawal.Requested, got.State)
		require.Zero(t, got.FirstApprover)
		_, err = p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1})
		require.ErrorIs(t, err, withdrawal.ErrSuspended)
		require.Zero(t, p.bank.count(wechat.OpTransfer))
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 5_000})
	})
}

func TestPayout_DebtGoesBackToReview(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.SecondApproverAboveFen = 5_000 })
		d := p.earner(13_000)
		approved, half := p.request(d.ID, 5_000), p.request(d.ID, 8_000)
		p.approve(approved)
		got, err := p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: half.ID, Admin: 1})
		require.NoError(t, err)
		require.EqualValues(t, 1, got.FirstApprover)
		p.clawBack(d.ID, 3_000)
		p.state(approved.ID, withdrawal.Requested)
		require.Zero(t, p.get(half.ID).FirstApprover, "what was approved before does not count any more")
		p.wallet(d.ID, ledger.Wallet{Withdrawing: 13_000, Debt: -3_000})
		_, err = p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: approved.ID, Admin: 1})
		require.ErrorIs(t, err, withdrawal.ErrInDebt)

		_, err = p.f.RejectWithdrawal(t.Context(), withdrawal.Decision{ID: approved.ID, Admin: 1, Reason: "先抵扣欠款"})
		require.NoError(t, err)
		p.wallet(d.ID, ledger.Wallet{Withdrawing: 8_000, Available: 2_000})
		p.audit()
	})
}

func (p *counter) clawBack(d base.DistributorID, amount money.Fen) {
	p.t.Helper()
	ref := fmt.Sprint("clawback:", p.db.Mint.Next())
	p.tx(func(ctx context.Context, tx *store.Tx) error {
		s, err := ledger.ClawBack(ctx, tx, ledger.Move{Kind: "clawback", Ref: ref, Other: ledger.Platform(ledger.CommissionExpense), Distributor: d, Amount: amount})
		if err != nil || s.Debt == 0 {
			return err
		}
		return p.f.Indebted(ctx, tx, d)
	})
}

func TestPayout_DebtDuringPayout(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.payOut()
		p.clawBack(w.Distributor, 2_000)
		p.state(w.ID, withdrawal.AwaitingUser) // what is under way is not touched
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 5_000, Debt: -2_000})
		p.bank.end(w.OutBillNo, wechat.TransferFail, "")
		p.jobs(time.Hour)
		p.wallet(w.Distributor, ledger.Wallet{Available: 3_000})
		p.audit()
	})
}

func TestPayout_CancelWhileAwaiting(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		p.payOut()
		p.bank.told(failing(wechat.OpCancelTransfer, wechat.Unknown, ""), nil)
		got, err := p.f.CancelWithdrawal(t.Context(), w.Distributor, w.ID)
		require.NoError(t, err)
		require.Equal(t, withdrawal.AwaitingUser, got.State)
		require.NotZero(t, got.CancelAskedMs)
		p.bank.told(nil, nil)
		p.jobs(time.Minute)
		require.Equal(t, wechat.TransferCanceling, p.bank.bills[w.OutBillNo].State, "asked again while WeChat still waits")
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 5_000})
		p.bank.end(w.OutBillNo, wechat.TransferCancelled, "")
		p.jobs(time.Hour)
		p.state(w.ID, withdrawal.Cancelled)
		p.wallet(w.Distributor, ledger.Wallet{Available: 5_000})

		// The confirmation was quicker than the cancellation.
		w = p.approved(6_000)
		p.payOut()
		_, err = p.f.CancelWithdrawal(t.Context(), w.Distributor, w.ID)
		require.NoError(t, err)
		p.bank.confirm(w.OutBillNo)
		p.jobs(time.Hour)
		p.state(w.ID, withdrawal.Paid)
		_, err = p.f.CancelWithdrawal(t.Context(), w.Distributor, w.ID)
		require.ErrorIs(t, err, withdrawal.ErrEnded)
		p.audit()
	})
}

func TestPayout_ManyReplicasSendOnce(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		var all []withdrawal.Withdrawal
		for range 5 {
			all = append(all, p.approved(5_000))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := p.f.PayOut(t.Context(), 20); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, len(all), p.bank.count(wechat.OpTransfer))
		for _, w := range all {
			p.state(w.ID, withdrawal.AwaitingUser)
		}
	})
}

func TestPayout_QueryOnDemand(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.f.Wake = func() { p.apply() }
		w := p.approved(5_000)
		got, err := p.f.QueryPayout(t.Context(), w.ID)
		require.NoError(t, err)
		require.Equal(t, withdrawal.Approved, got.State, "nothing to ask about")
		p.payOut()
		p.bank.confirm(w.OutBillNo)
		got, err = p.f.QueryPayout(t.Context(), w.ID)
		require.NoError(t, err)
		require.Equal(t, withdrawal.Paid, got.State)
		_, err = p.f.QueryPayout(t.Context(), base.WithdrawalID(1))
		require.Equal(t, "withdrawal.not_found", errs.CodeOf(err))
	})
}

// TestPayout_OneThatFailsHoldsUpNobody breaks what the first payout needs; the second is paid all the same.
func TestPayout_OneThatFailsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		broken, fine := p.approved(8_000), p.approved(9_000)
		p.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE distributor SET real_name_enc = 'not sealed by us' WHERE id = ?`, broken.Distributor)
			return err
		})
		_, err := p.f.PayOut(t.Context(), 10)
		require.ErrorContains(t, err, broken.ID.String())
		require.Equal(t, withdrawal.Approved, p.get(broken.ID).State)
		require.Equal(t, withdrawal.AwaitingUser, p.get(fine.ID).State)
		p.audit()
	})
}
