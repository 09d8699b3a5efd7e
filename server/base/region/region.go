// Package region knows the provinces, cities and districts of China by their GB/T 2260 codes.
package region

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Code is a six-digit GB/T 2260 code: two digits of the province, two of the city, two of the district. 0 is none.
type Code int

// Level says how wide a region is.
type Level string

const (
	Province Level = "province" // also municipalities, autonomous and special administrative regions
	City     Level = "city"
	District Level = "district" // also counties, and cities directly under a province
)

const (
	perProvince = 10_000
	perCity     = 100
)

// Region is one row of the table.
type Region struct {
	Code Code
	Name string
}

//go:embed regions.tsv
var table string

type index struct {
	rows   []Region
	byCode map[Code]Region
}

var load = sync.OnceValue(func() index {
	var x index
	x.byCode = map[Code]Region{}
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		code, name, _ := strings.Cut(line, "\t")
		n, err := strconv.Atoi(code)
		if err != nil || name == "" {
			panic("region: broken table: " + line)
		}
		r := Region{Code(n), name}
		x.rows = append(x.rows, r)
		x.byCode[r.Code] = r
	}
	return x
})

// Lookup finds a region by its code.
func Lookup(c Code) (Region, bool) {
	r, ok := load().byCode[c]
	return r, ok
}

// Parse reads six digits that are the code of a region.
func Parse(s string) (Code, error) {
	n, err := strconv.Atoi(s)
	if err != nil || len(s) != 6 {
		return 0, fmt.Errorf("region: %.20q has not six digits", s)
	}
	if _, ok := Lookup(Code(n)); !ok {
		return 0, fmt.Errorf("region: %s is no code of GB/T 2260", s)
	}
	return Code(n), nil
}

// Level says how wide the region is; the code itself tells.
func (c Code) Level() Level {
	switch {
	case c%perProvince == 0:
		return Province
	case c%perCity == 0:
		return City
	default:
		return District
	}
}

// Province is the code of the province that the region is or lies in.
func (c Code) Province() Code { return c / perProvince * perProvince }

// City is the code of the city that the region is or lies in; for a province 0.
func (c Code) City() Code {
	if c.Level() == Province {
		return 0
	}
	return c / perCity * perCity
}

// Parent is the next wider region that the table has; 0 for a province.
func (c Code) Parent() Code {
	switch c.Level() {
	case Province:
		return 0
	case District:
		if _, ok := Lookup(c.City()); ok {
			return c.City()
		}
	}
	return c.Province()
}

// Chain lists the region and what it lies in, the most specific first. A step that the table does not have is listed
// too, so that an address always has the same steps.
func (c Code) Chain() []Code {
	switch {
	case c == 0:
		return nil
	case c.Level() == Province:
		return []Code{c}
	case c.Level() == City:
		return []Code{c, c.Province()}
	default:
		return []Code{c, c.City(), c.Province()}
	}
}

// Name is the region's own name; "" for a code the table does not have.
func (c Code) Name() string { return load().byCode[c].Name }

// unspoken says that a part is only a heading, which nobody writes into an address: the counties directly under a
// province or autonomous region, and the counties of a municipality (Chongqing).
func unspoken(name string) bool {
	return name == "县" || strings.HasSuffix(name, "直辖县级行政区划")
}

// FullName is the name with what it lies in, widest first, as an address has it: 广东省广州市天河区, 北京市朝阳区.
func (c Code) FullName() string {
	var b strings.Builder
	last := ""
	for _, part := range slices.Backward(c.Chain()) {
		name := part.Name()
		if name == last || part != c && unspoken(name) {
			continue
		}
		b.WriteString(name)
		last = name
	}
	return b.String()
}

// String shows six digits.
func (c Code) String() string {
	if c == 0 {
		return ""
	}
	return fmt.Sprintf("%06d", int(c))
}

// Children lists what lies directly in a region, by code; of 0 the provinces.
func Children(c Code) []Region {
	var out []Region
	for _, r := range load().rows {
		if r.Code.Parent() == c {
			out = append(out, r)
		}
	}
	return out
}
