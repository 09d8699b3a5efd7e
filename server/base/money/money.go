// Package money does exact arithmetic on Chinese yuan. Amounts are whole fen, rates are whole basis points,
// and nothing here is ever a float.
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Fen is an amount in fen (1/100 yuan).
type Fen int64

// BasisPoints is a rate; Whole is 100 %.
type BasisPoints int64

// Whole is the rate of 100 %.
const Whole BasisPoints = 10_000

// Max bounds every amount that comes from outside (10 billion yuan), so that sums of
// a million of them still fit into an int64.
const Max Fen = 1_000_000_000_000

// ErrRange says that an amount is negative or beyond Max.
var ErrRange = errors.New("money: amount out of range")

// ErrOverflow says that a sum or product does not fit.
var ErrOverflow = errors.New("money: overflow")

// ErrSyntax says that a text is not an amount in yuan with at most two decimals.
var ErrSyntax = errors.New("money: not an amount in yuan")

// Check refuses an amount from outside that is negative or beyond Max.
func Check(f Fen) error {
	if f < 0 || f > Max {
		return fmt.Errorf("%w: %d fen", ErrRange, int64(f))
	}
	return nil
}

// String prints yuan with two decimals, for people.
func (f Fen) String() string {
	sign, u := "", uint64(f)
	if f < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}

// String prints percent with two decimals, for people.
func (r BasisPoints) String() string { return Fen(r).String() + "%" }

// Parse reads yuan with at most two decimals ("12", "12.3", "-12.34"), as WeChat's bills have them.
func Parse(s string) (Fen, error) {
	digits, neg := strings.CutPrefix(s, "-")
	whole, frac, dotted := strings.Cut(digits, ".")
	if whole == "" || len(frac) > 2 || dotted && frac == "" || !allDigits(whole+frac) {
		return 0, fmt.Errorf("%w: %.40q", ErrSyntax, s)
	}
	n, err := strconv.ParseInt(whole+(frac + "00")[:2], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %.40q", ErrRange, s)
	}
	if neg {
		n = -n
	}
	return Fen(n), nil
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// Add sums amounts and refuses to wrap.
func Add(amounts ...Fen) (Fen, error) {
	var sum Fen
	for _, a := range amounts {
		next := sum + a
		if (next > sum) != (a > 0) && a != 0 {
			return 0, ErrOverflow
		}
		sum = next
	}
	return sum, nil
}

// Times multiplies a non-negative amount by a non-negative count and refuses to wrap.
func (f Fen) Times(n int64) (Fen, error) {
	if f < 0 || n < 0 {
		return 0, ErrRange
	}
	hi, lo := bits.Mul64(uint64(f), uint64(n))
	if hi != 0 || lo > 1<<63-1 {
		return 0, ErrOverflow
	}
	return Fen(lo), nil
}

// Share returns the part of a non-negative amount at a rate between 0 and the whole, floored to the fen.
func (f Fen) Share(rate BasisPoints) Fen {
	if rate < 0 || rate > Whole {
		panic(fmt.Sprintf("money: share of %d at %d bp", f, rate))
	}
	return f.Part(Fen(rate), Fen(Whole))
}

// Part returns ⌊f × num / den⌋ for 0 ≤ num ≤ den and f ≥ 0. The product is taken in 128 bits, so that no
// amount overflows. A zero den is a part of nothing: 0.
func (f Fen) Part(num, den Fen) Fen {
	if f < 0 || num < 0 || num > den {
		panic(fmt.Sprintf("money: part of %d: %d of %d", f, num, den))
	}
	if den == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(f), uint64(num))
	q, _ := bits.Div64(hi, lo, uint64(den))
	return Fen(q)
}

// Split divides a whole over weights by largest remainder, so that the parts add up to the whole exactly; on equal
// remainders the earlier weight gets the fen. Without any weight all of it goes to the first part.
func Split(whole Fen, weights []Fen) []Fen {
	parts := make([]Fen, len(weights))
	if len(weights) == 0 || whole == 0 {
		return parts
	}
	var sum Fen
	for _, w := range weights {
		if w < 0 {
			panic(fmt.Sprintf("money: split by weight %d", w))
		}
		sum += w
	}
	if whole < 0 || sum < 0 {
		panic(fmt.Sprintf("money: split %d over %d", whole, sum))
	}
	if sum == 0 {
		parts[0] = whole
		return parts
	}
	rest := whole
	remainders := make([]uint64, len(weights))
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(whole), uint64(w))
		q, r := bits.Div64(hi, lo, uint64(sum))
		parts[i], remainders[i] = Fen(q), r
		rest -= Fen(q)
	}
	for ; rest > 0; rest-- {
		best := 0
		for i, r := range remainders {
			if r > remainders[best] {
				best = i
			}
		}
		parts[best]++
		remainders[best] = 0
	}
	return parts
}
