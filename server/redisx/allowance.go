package redisx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
)

// What a day's counters can answer besides yes. After ErrUnavailable it is not known whether the
// allowance was taken: take it again with the same id, or give it back.
var (
	// ErrNotReady: the day's counters are not complete (new day, emptied Redis). Nothing was
	// taken; call RebuildDay and try again.
	ErrNotReady         = errors.New("the day's withdrawal counters are not ready")
	ErrCountExceeded    = errors.New("withdrawals of the day used up")
	ErrAmountExceeded   = errors.New("withdrawal amount of the day exceeded")
	ErrPlatformExceeded = errors.New("the platform's withdrawal budget of the day exceeded")
	// ErrGivenBack: this id's allowance was given back before; a new try is a new withdrawal.
	ErrGivenBack = errors.New("withdrawal allowance was given back")
	// ErrOtherAllowance: this id has taken an allowance of another amount or distributor.
	ErrOtherAllowance = errors.New("withdrawal id has taken another allowance")
)

// allowanceTTL is when a day's counters are swept away. Nothing relies on it: a day without
// counters is rebuilt.
const allowanceTTL = 7 * 24 * time.Hour

// Allowance is one withdrawal's wish to count against a day, and the limits it must keep. A limit
// is the largest that is allowed; zero allows nothing.
type Allowance struct {
	AllowanceEntry
	CountMax    int       // withdrawals of the distributor on the day
	AmountMax   money.Fen // of the distributor on the day
	PlatformMax money.Fen // of all distributors on the day
}

// AllowanceEntry is what one withdrawal has taken from a business day.
type AllowanceEntry struct {
	WithdrawalID string
	Distributor  string
	Day          base.BusinessDay
	Amount       money.Fen
	TakenAtMs    int64 // filled by ListAllowances; elsewhere not used
}

// TakeAllowance counts a withdrawal against its day, all limits at once or nothing. The limits are
// looked at in the order count, amount, platform. The same withdrawal takes once, however often it
// asks. Take before the database's transaction and call KeepAllowance after it has committed; if
// it is refused, GiveBackAllowance.
func (c *Client) TakeAllowance(ctx context.Context, a Allowance) error {
	if err := a.check(); err != nil {
		return fmt.Errorf("take withdrawal allowance: %w", err)
	}
	return c.runAllowance(ctx, takeScript, "take withdrawal allowance", a.Day,
		a.WithdrawalID, c.nowMs(), int64(a.Amount), a.Distributor,
		a.CountMax, int64(a.AmountMax), int64(a.PlatformMax))
}

// KeepAllowance counts a withdrawal that the database has accepted, if it is not counted yet,
// without looking at limits. It closes the one gap that a rebuild leaves: taken, then Redis
// emptied, then the rebuild's reading of the database, and only then the commit.
func (c *Client) KeepAllowance(ctx context.Context, e AllowanceEntry) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("keep withdrawal allowance: %w", err)
	}
	return c.runAllowance(ctx, addScript, "keep withdrawal allowance", e.Day,
		"", e.WithdrawalID, c.nowMs(), int64(e.Amount), e.Distributor)
}

// GiveBackAllowance gives back, once, what the withdrawal took from day (the day it was taken
// from, not today). An id that has taken nothing is marked, so that a take still on its way finds
// itself too late.
func (c *Client) GiveBackAllowance(ctx context.Context, day base.BusinessDay, withdrawalID string) error {
	if withdrawalID == "" {
		return errors.New("give withdrawal allowance back: no withdrawal id")
	}
	return c.runAllowance(ctx, giveBackScript, "give withdrawal allowance back", day, withdrawalID)
}

const (
	rebuildTriesMax   = 3
	rebuildBatchRows  = 500
	argsPerAddedEntry = 4
)

// RebuildDay makes the day's counters complete again from what load reads from the database: every
// withdrawal requested on the day whose allowance is not given back. It does nothing, and does not
// call load, when they are complete.
//
// Any number of replicas may rebuild at once, and withdrawals may be kept and given back meanwhile
// (takes are refused): an entry is added by its id, once, and not at all when it was given back.
// load must begin its reading after it is called. The counters become ready only if they are still
// the ones that this rebuild began with; if Redis was emptied again meanwhile, it starts over, and
// returns ErrNotReady when that happens three times.
//
// What remains: a withdrawal that was taken before Redis lost its data and is committed after load
// has read is missing until its KeepAllowance. If the process dies just then, it stays missing
// from the platform's budget for the day. The distributor's own count and amount hold even so:
// the update that takes the hold checks them again in the database, which decides in the end.
func (c *Client) RebuildDay(ctx context.Context, day base.BusinessDay, load func(context.Context) ([]AllowanceEntry, error)) error {
	for range rebuildTriesMax {
		err := c.rebuildDay(ctx, day, load)
		if !errors.Is(err, ErrNotReady) {
			return err
		}
	}
	return fmt.Errorf("rebuild the withdrawal counters of %s: %w", day, ErrNotReady)
}

func (c *Client) rebuildDay(ctx context.Context, day base.BusinessDay, load func(context.Context) ([]AllowanceEntry, error)) error {
	const verb = "rebuild withdrawal counters"
	token := strconv.FormatInt(c.nowMs(), 36) + "-" + strconv.FormatInt(c.rebuilds.Add(1), 36)
	epoch, err := beginScript.Run(ctx, c.rdb, []string{c.dayKey(day)}, token, ttlSeconds()).Text()
	if err != nil {
		return unavailable(verb, err)
	}
	if epoch == "" {
		return nil // complete already
	}
	entries, err := load(ctx)
	if err != nil {
		return fmt.Errorf("read the day's withdrawals: %w", err)
	}
	for batch := range slices.Chunk(entries, rebuildBatchRows) {
		args := make([]any, 1, 1+argsPerAddedEntry*len(batch))
		args[0] = epoch
		for _, e := range batch {
			e.Day = day
			if err := e.check(); err != nil {
				return fmt.Errorf("%s: withdrawal %q: %w", verb, e.WithdrawalID, err)
			}
			args = append(args, e.WithdrawalID, c.nowMs(), int64(e.Amount), e.Distributor)
		}
		if err := c.runAllowance(ctx, addScript, verb, day, args...); err != nil {
			return err
		}
	}
	return c.runAllowance(ctx, readyScript, verb, day, epoch)
}

// ListAllowances returns what is counted against the day, the oldest first, for a job that
// compares it with the database: an entry there for minutes without a withdrawal in the database
// belongs to a request that died between the two, and should be given back. ErrNotReady when the
// counters are not complete.
func (c *Client) ListAllowances(ctx context.Context, day base.BusinessDay) ([]AllowanceEntry, error) {
	const verb = "list withdrawal allowances"
	fields, err := c.rdb.HGetAll(ctx, c.dayKey(day)).Result()
	if err != nil {
		return nil, unavailable(verb, err)
	}
	if fields["ready"] == "" {
		return nil, fmt.Errorf("%s: %w", verb, ErrNotReady)
	}
	var entries []AllowanceEntry
	for field, value := range fields {
		id, found := strings.CutPrefix(field, "w:")
		if !found {
			continue
		}
		e, err := parseEntry(value)
		if err != nil {
			return nil, fmt.Errorf("%s: withdrawal %s: %w", verb, id, err)
		}
		e.WithdrawalID, e.Day = id, day
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b AllowanceEntry) int {
		return cmp.Or(cmp.Compare(a.TakenAtMs, b.TakenAtMs), cmp.Compare(a.WithdrawalID, b.WithdrawalID))
	})
	return entries, nil
}

// parseEntry reads what the scripts write: milliseconds|fen|distributor.
func parseEntry(value string) (AllowanceEntry, error) {
	parts := strings.SplitN(value, "|", 3)
	if len(parts) != 3 {
		return AllowanceEntry{}, fmt.Errorf("unreadable entry %q", value)
	}
	ms, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return AllowanceEntry{}, fmt.Errorf("unreadable time: %w", err)
	}
	fen, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return AllowanceEntry{}, fmt.Errorf("unreadable amount: %w", err)
	}
	return AllowanceEntry{Distributor: parts[2], Amount: money.Fen(fen), TakenAtMs: ms}, nil
}

func (e AllowanceEntry) check() error {
	if e.WithdrawalID == "" || e.Distributor == "" || e.Day <= 0 || e.Amount <= 0 {
		return errors.New("withdrawal, distributor, day and a positive amount are needed")
	}
	return money.Check(e.Amount)
}

func (c *Client) nowMs() int64 { return c.now().UnixMilli() }

// dayKey is the one key that holds everything about a day, so that its marker and its counters are
// lost together or not at all.
func (c *Client) dayKey(day base.BusinessDay) string {
	return c.key("wd", fmt.Sprintf("{%d}", int(day)))
}

func ttlSeconds() int { return int(allowanceTTL / time.Second) }
