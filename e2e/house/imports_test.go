package house_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "fenxiao/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		list = append(list, p)
	}
}

// floors gives each package its floor by the longest prefix; what is on a floor may import what is on lower ones.
var floors = map[string]int{
	"fenxiao/server/base":     0,
	"fenxiao/sql":             0,
	"fenxiao/server/store":    1,
	"fenxiao/server/redisx":   1,
	"fenxiao/server/wechat":   1,
	"fenxiao/server/ledger":   2,
	"fenxiao/server/domain":   3,
	"fenxiao/server/view":     3,
	"fenxiao/server/flow":     4,
	"fenxiao/server/access":   4,
	"fenxiao/server/audit":    4,
	"fenxiao/config":          4, // read by cmd only; it knows the small structs of what it configures
	"fenxiao/server/httpx":    5,
	"fenxiao/server/adminapi": 5,
	"fenxiao/miniprogram-api": 5,
	"fenxiao/jobs":            5,
	"fenxiao/server/adminweb": 5,
	"fenxiao/server/app":      6,
	"fenxiao/server/play":     7, // uses the shop from outside
	"fenxiao/cmd":             8,
	"fenxiao/e2e":             9,
	"fenxiao/bench":           9,
	"fenxiao/scripts":         9,
}

// sideways lists the imports that are allowed on one floor.
var sideways = map[string][]string{
	"fenxiao/server/adminapi":     {"fenxiao/server/httpx", "fenxiao/jobs"},
	"fenxiao/miniprogram-api":     {"fenxiao/server/httpx"},
	"fenxiao/server/domain":       {},
	"fenxiao/server/store":        {"fenxiao/server/store"}, // inbox, outbox and the like stand on store
	"fenxiao/server/wechat/live":  {"fenxiao/server/wechat"},
	"fenxiao/server/wechat/sim":   {"fenxiao/server/wechat"},
	"fenxiao/server/base":         {"fenxiao/server/base"},
	"fenxiao/cmd":                 {"fenxiao/cmd"},
	"fenxiao/server/play":         {"fenxiao/server/play"},
	"fenxiao/e2e":                 {"fenxiao/e2e"},
	"fenxiao/server/app":          {"fenxiao/server/app"},
	"fenxiao/server/flow":         {"fenxiao/server/flow"},
	"fenxiao/server/store/idem":   {"fenxiao/server/store"},
	"fenxiao/server/httpx":        {"fenxiao/server/httpx"},
	"fenxiao/server/view":         {"fenxiao/server/view"},
	"fenxiao/server/store/outbox": {"fenxiao/server/store"},
}

func under(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

func longest[V any](table map[string]V, path string) (best string, v V, ok bool) {
	for prefix, value := range table {
		if under(path, prefix) && len(prefix) > len(best) {
			best, v, ok = prefix, value, true
		}
	}
	return best, v, ok
}

func TestImports_GoDownwardsOnly(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		_, floor, known := longest(floors, p.ImportPath)
		if !known {
			t.Errorf("%s stands on no floor: give it one in this test and in docs/architecture.md", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, "fenxiao/") {
				continue
			}
			_, below, _ := longest(floors, imp)
			if below < floor || below == floor && allowedSideways(p.ImportPath, imp) {
				continue
			}
			t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, floor, imp, below)
		}
	}
}

func allowedSideways(from, to string) bool {
	_, allowed, _ := longest(sideways, from)
	for _, prefix := range allowed {
		if under(to, prefix) {
			return true
		}
	}
	return false
}

// homes says in which packages a library may be imported (tests may stand beside them).
var homes = map[string][]string{
	"github.com/silenceper/wechat":           {"fenxiao/server/wechat/live"},
	"github.com/wechatpay-apiv3":             {"fenxiao/server/wechat/live"},
	"github.com/go-redis/redis":              {"fenxiao/server/redisx"},
	"github.com/go-redis/redis_rate":         {"fenxiao/server/redisx"},
	"github.com/bsm/redislock":               {"fenxiao/server/redisx"},
	"github.com/alicebob/miniredis":          {"fenxiao/server/redisx"},
	"github.com/gin-gonic/gin":               {"fenxiao/server/httpx", "fenxiao/server/adminapi", "fenxiao/miniprogram-api", "fenxiao/server/adminweb", "fenxiao/server/app"},
	"github.com/danielgtaylor/huma":          {"fenxiao/server/httpx", "fenxiao/server/adminapi", "fenxiao/miniprogram-api", "fenxiao/server/app"},
	"github.com/go-sql-driver/mysql":         {"fenxiao/server/store", "fenxiao/bench", "fenxiao/config"},
	"modernc.org/sqlite":                     {"fenxiao/server/store", "fenxiao/bench"},
	"github.com/jmoiron/sqlx":                {"fenxiao/server", "fenxiao/bench"},
	"github.com/stretchr/testify/assert":     {},
	"github.com/silenceper/wechat/v2/wechat": {},
}

func TestLibraries_StayAtHome(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			library, allowed, ok := longest(homes, imp)
			if ok && !anyUnder(p.ImportPath, allowed) {
				t.Errorf("%s imports %s", p.ImportPath, library)
			}
		}
	}
}

func anyUnder(path string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if under(path, prefix) {
			return true
		}
	}
	return false
}

// TestBase_IsStandardLibraryOnly keeps floor 0 free of everything else.
func TestBase_IsStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !under(p.ImportPath, "fenxiao/server/base") {
			continue
		}
		for _, imp := range p.Imports {
			first, _, _ := strings.Cut(imp, "/")
			if strings.Contains(first, ".") {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}
