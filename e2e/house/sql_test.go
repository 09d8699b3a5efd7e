package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// text is one SQL text of the program, and the package it stands in.
type text struct {
	where   string // file:line
	folder  string // relative to the root
	content string
}

var looksLikeSQL = regexp.MustCompile(`(?is)^\s*(SELECT\s|INSERT\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|CREATE\s|ALTER\s|DROP\s|REPLACE\s)`)

// goSQL collects the string constants of non-test Go files that are SQL or parts of it, concatenations joined.
func goSQL(t *testing.T) []text {
	t.Helper()
	var out []text
	walk(t, ".go", func(path string) {
		if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/") || strings.Contains(path, "/e2e/") {
			return
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		require.NoError(t, err)
		folder, err := filepath.Rel(root, filepath.Dir(path))
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			s, isText := joined(e)
			if !isText {
				return true
			}
			if looksLikeSQL.MatchString(s) {
				out = append(out, text{files.Position(e.Pos()).String(), folder, s})
			}
			return false
		})
	})
	require.NotEmpty(t, out)
	return out
}

// joined reads a string literal or a concatenation; what is not a literal in it becomes a space.
func joined(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, okLeft := joined(e.X)
		right, okRight := joined(e.Y)
		return left + " " + right, okLeft || okRight
	default:
		return "", false
	}
}

func walk(t *testing.T, suffix string, fn func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, suffix) {
			fn(path)
		}
		return nil
	})
	require.NoError(t, err)
}

var (
	comment = regexp.MustCompile(`(?s)/\*!.*?\*/`)
	quoted  = regexp.MustCompile(`'[^']*'`)
)

// banned are the words that one of the databases does not understand, or understands differently.
var banned = map[string]*regexp.Regexp{
	"||":                      regexp.MustCompile(`\|\|`),
	"/ (division)":            regexp.MustCompile(`/`),
	"RETURNING":               regexp.MustCompile(`(?i)\bRETURNING\b`),
	"INSERT IGNORE":           regexp.MustCompile(`(?i)\bINSERT\s+(OR\s+)?IGNORE\b`),
	"REPLACE INTO":            regexp.MustCompile(`(?i)\bREPLACE\s+INTO\b`),
	"ON DUPLICATE KEY":        regexp.MustCompile(`(?i)\bON\s+DUPLICATE\b`),
	"ON CONFLICT":             regexp.MustCompile(`(?i)\bON\s+CONFLICT\b`),
	"GREATEST or LEAST":       regexp.MustCompile(`(?i)\b(GREATEST|LEAST)\s*\(`),
	"a date function":         regexp.MustCompile(`(?i)\b(NOW|CURDATE|DATE|DATETIME|STRFTIME|UNIX_TIMESTAMP|FROM_UNIXTIME|DATE_ADD|DATE_FORMAT|JULIANDAY)\s*\(|\bCURRENT_TIMESTAMP\b`),
	"AVG":                     regexp.MustCompile(`(?i)\bAVG\s*\(`),
	"SKIP LOCKED":             regexp.MustCompile(`(?i)\bSKIP\s+LOCKED\b`),
	"row-value compare":       regexp.MustCompile(`\)\s*[<>]=?\s*\(\s*\?\s*,`),
	"AUTO_INCREMENT":          regexp.MustCompile(`(?i)\bAUTO_?INCREMENT\b`),
	"CHECK":                   regexp.MustCompile(`(?i)\bCHECK\s*\(`),
	"SELECT *":                regexp.MustCompile(`(?i)\bSELECT\s+\*`),
	"FOR UPDATE in the plain": regexp.MustCompile(`(?i)\bFOR\s+UPDATE\b`),
}

// dialectFacts are the few texts that are for one database only; each is chosen by dialect where it is used.
var dialectFacts = []string{"sqlite_master", "information_schema", "GET_LOCK", "RELEASE_LOCK", "UNIX_TIMESTAMP(NOW(3))"}

func TestSQL_IsPortable(t *testing.T) {
	t.Parallel()
	texts := goSQL(t)
	walk(t, ".sql", func(path string) {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		_, content, _ := strings.Cut(string(b), "-- +goose Up\n")
		texts = append(texts, text{path, "sql", content})
	})
	for _, sql := range texts {
		if slices.ContainsFunc(dialectFacts, func(fact string) bool { return strings.Contains(sql.content, fact) }) {
			require.Equal(t, "server/store", sql.folder, sql.where)
			continue
		}
		plain := quoted.ReplaceAllString(comment.ReplaceAllString(sql.content, ""), "''")
		for name, pattern := range banned {
			if pattern.MatchString(plain) {
				t.Errorf("%s: %s is not for all our databases", sql.where, name)
			}
		}
		if update := updateLimit.FindString(plain); update != "" {
			t.Errorf("%s: UPDATE … LIMIT is not for all our databases", sql.where)
		}
	}
}

var updateLimit = regexp.MustCompile(`(?is)^\s*(UPDATE|DELETE)\b.*\bLIMIT\b`)

var oneStatement = regexp.MustCompile(`(?s)^-- \+goose Up\n(CREATE (TABLE|INDEX|UNIQUE INDEX)|ALTER TABLE|DROP INDEX)\b[^;]*;\n$`)

func TestMigrations_OneStatementEach(t *testing.T) {
	t.Parallel()
	numbers := map[string]string{}
	walk(t, ".sql", func(path string) {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Regexp(t, oneStatement, string(b), path)
		number, _, _ := strings.Cut(filepath.Base(path), "_")
		require.Len(t, number, 5, path)
		require.Empty(t, numbers[number], "%s and %s have one number", path, numbers[number])
		numbers[number] = path
		if strings.Contains(string(b), "CREATE TABLE") {
			require.Contains(t, string(b), "/*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */", path)
		}
	})
}

var writes = regexp.MustCompile(`(?is)\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]+)\b`)

// TestTables_AreWrittenByOnePackage finds every INSERT, UPDATE and DELETE: a table has one writer.
func TestTables_AreWrittenByOnePackage(t *testing.T) {
	t.Parallel()
	writers := map[string]map[string]string{}
	for _, sql := range goSQL(t) {
		for _, m := range writes.FindAllStringSubmatch(comment.ReplaceAllString(sql.content, ""), -1) {
			table := strings.ToLower(m[1])
			if table == "set" {
				continue
			}
			if writers[table] == nil {
				writers[table] = map[string]string{}
			}
			writers[table][sql.folder] = sql.where
		}
	}
	require.NotEmpty(t, writers)
	for table, folders := range writers {
		if len(folders) > 1 {
			t.Errorf("table %s is written by %v", table, folders)
		}
	}
}

// sources are the only places that may ask the machine for the time, chance or the environment.
var sources = map[string][]string{
	"time.Now":     {"server/base", "cmd"},
	"time.Since":   {"server/base", "cmd"},
	"os.Getenv":    {"server/base", "cmd", "config", "server/store/storetest"},
	"os.LookupEnv": {"server/base", "cmd", "config", "server/store/storetest"},
	"os.Environ":   {"cmd", "config", "server/store/storetest"},
}

func TestTimeAndEnvironment_ComeIn(t *testing.T) {
	t.Parallel()
	walk(t, ".go", func(path string) {
		folder, err := filepath.Rel(root, filepath.Dir(path))
		require.NoError(t, err)
		if strings.HasSuffix(path, "_test.go") || under(folder, "e2e") || under(folder, "bench") || under(folder, "scripts") {
			return
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			if allowed, named := sources[x.Name+"."+sel.Sel.Name]; named && !anyUnder(folder, allowed) {
				t.Errorf("%s: %s.%s", files.Position(sel.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	})
}
