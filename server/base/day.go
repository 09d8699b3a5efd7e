package base

import (
	"fmt"
	"time"

	"fenxiao/server/base/clock"
)

// BusinessDay is a day in Asia/Shanghai as yyyymmdd, the form it is stored in.
type BusinessDay int

// DayOf returns the business day of an instant.
func DayOf(t time.Time) BusinessDay {
	y, m, d := t.In(clock.Shop).Date()
	return BusinessDay(y*10_000 + int(m)*100 + d)
}

// Start is the first instant of the day.
func (d BusinessDay) Start() time.Time {
	return time.Date(int(d)/10_000, time.Month(int(d)/100%100), int(d)%100, 0, 0, 0, 0, clock.Shop).UTC()
}

// End is the first instant after the day.
func (d BusinessDay) End() time.Time { return d.Add(1).Start() }

// Add returns the day n days later.
func (d BusinessDay) Add(n int) BusinessDay {
	return DayOf(time.Date(int(d)/10_000, time.Month(int(d)/100%100), int(d)%100+n, 12, 0, 0, 0, clock.Shop))
}

// String shows the day as 2026-11-23.
func (d BusinessDay) String() string {
	return fmt.Sprintf("%04d-%02d-%02d", int(d)/10_000, int(d)/100%100, int(d)%100)
}

// Cycle is how often a distributor's commissions are settled.
type Cycle string

const (
	Weekly  Cycle = "weekly"  // Monday to Sunday
	Monthly Cycle = "monthly" // the calendar month
)

// Valid says whether the cycle is one of the two.
func (c Cycle) Valid() bool { return c == Weekly || c == Monthly }

// Period is one turn of a cycle.
type Period struct {
	Cycle Cycle
	First BusinessDay // its first day, which names it
}

// PeriodOf returns the period of a cycle in which an instant lies.
func PeriodOf(c Cycle, t time.Time) Period {
	day := DayOf(t)
	if c == Monthly {
		return Period{c, day - day%100 + 1}
	}
	weekday := (int(day.Start().In(clock.Shop).Weekday()) + 6) % 7 // Monday is 0
	return Period{c, day.Add(-weekday)}
}

// Next returns the period after p.
func (p Period) Next() Period { return PeriodOf(p.Cycle, p.End()) }

// Previous returns the period before p.
func (p Period) Previous() Period { return PeriodOf(p.Cycle, p.Start().Add(-time.Millisecond)) }

// Start is the first instant of the period.
func (p Period) Start() time.Time { return p.First.Start() }

// End is the first instant after the period.
func (p Period) End() time.Time {
	if p.Cycle == Monthly {
		return BusinessDay((int(p.First.Add(31)) / 100 * 100) + 1).Start()
	}
	return p.First.Add(7).Start()
}

// Last is the last day of the period.
func (p Period) Last() BusinessDay { return DayOf(p.End().Add(-time.Millisecond)) }

// Ms is an instant as the database has it: UTC milliseconds, 0 for none.
func Ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Time is the instant of stored milliseconds; 0 is the zero time.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
