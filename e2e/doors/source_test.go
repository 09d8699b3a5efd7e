package doors_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/errs"
)

// source is one package as it is written: enough of it to read what errs.E is called with.
type source struct {
	fset   *token.FileSet
	consts map[string]ast.Expr
	funcs  map[string]*ast.FuncDecl
	calls  map[string][]call // of functions of the package, by name
	made   []call            // of errs.E
}

// call is a call and the function that it stands in; nil at the top.
type call struct {
	expr *ast.CallExpr
	in   *ast.FuncDecl
	near ast.Expr // what stands after it in the same composite literal: the status of a protocol's refusal
}

// env says what the parameters of a function are, at one of its calls.
type env map[string]bound

type bound struct {
	expr ast.Expr
	env  env
}

// refusals reads all packages below a folder.
func refusals(t *testing.T, root string) (found []refusal, unclear []string) {
	t.Helper()
	dirs := map[string]bool{}
	for _, top := range []string{"server", "miniprogram-api", "jobs"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				dirs[filepath.Dir(path)] = true
			}
			return err
		})
		require.NoError(t, err)
	}
	for dir := range dirs {
		p := parse(t, dir)
		for _, c := range p.made {
			list, ok := p.read(c)
			found = append(found, list...)
			if !ok {
				unclear = append(unclear, p.at(c))
			}
		}
	}
	return found, unclear
}

func parse(t *testing.T, dir string) *source {
	t.Helper()
	p := &source{token.NewFileSet(), map[string]ast.Expr{}, map[string]*ast.FuncDecl{}, map[string][]call{}, nil}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(p.fset, filepath.Join(dir, e.Name()), nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			p.declare(d)
		}
	}
	return p
}

func (p *source) declare(d ast.Decl) {
	f, _ := d.(*ast.FuncDecl)
	if f != nil {
		p.funcs[f.Name.Name] = f
	}
	near := map[ast.Expr]ast.Expr{}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) {
					p.consts[name.Name] = n.Values[i]
				}
			}
		case *ast.CompositeLit:
			if len(n.Elts) == 2 {
				near[n.Elts[0]] = n.Elts[1]
			}
		case *ast.CallExpr:
			c := call{n, f, near[n]}
			if name, ok := n.Fun.(*ast.Ident); ok {
				p.calls[name.Name] = append(p.calls[name.Name], c)
			} else if is(n.Fun, "errs", "E") {
				p.made = append(p.made, c)
			}
		}
		return true
	})
}

func is(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

func (p *source) at(c call) string {
	pos := p.fset.Position(c.expr.Pos())
	return fmt.Sprintf("%s:%d", strings.TrimPrefix(pos.Filename, root+"/"), pos.Line)
}

// read gives what a call of errs.E makes: one refusal, or one for each call of the function that it stands in, where its
// arguments are that function's parameters. A refusal made of another one's fields is that other one.
func (p *source) read(c call) (list []refusal, ok bool) {
	if s, isSel := c.expr.Args[0].(*ast.SelectorExpr); isSel && s.Sel.Name == "Kind" {
		return nil, true
	}
	for _, e := range p.envs(c.in, c.expr.Args[1], 3) {
		r := refusal{at: p.at(c), kind: p.kind(c.expr.Args[0], e), status: status(c.near)}
		var okCode, okZH bool
		r.code, okCode = p.text(c.expr.Args[1], e)
		r.zh, okZH = p.text(c.expr.Args[2], e)
		if !okCode || !okZH || r.kind == "" {
			return nil, false
		}
		r.en = p.english(c, e)
		list = append(list, r)
	}
	return list, len(list) > 0
}

// envs lists what the parameters of f are: nothing, if the code does not hang on them.
func (p *source) envs(f *ast.FuncDecl, code ast.Expr, depth int) []env {
	if _, ok := p.text(code, nil); ok || f == nil || depth == 0 {
		return []env{nil}
	}
	var out []env
	for _, c := range p.calls[f.Name.Name] {
		args := map[string]ast.Expr{}
		i := 0
		for _, field := range f.Type.Params.List {
			for _, name := range field.Names {
				if i < len(c.expr.Args) {
					args[name.Name] = c.expr.Args[i]
				}
				i++
			}
		}
		for _, outer := range p.envs(c.in, args[identName(code)], depth-1) {
			e := env{}
			for name, expr := range args {
				e[name] = bound{expr, outer}
			}
			out = append(out, e)
		}
	}
	return out
}

func identName(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func (p *source) kind(e ast.Expr, in env) errs.Kind {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		for k := range statuses {
			if strings.ReplaceAll(string(k), "_", "") == strings.ToLower(e.Sel.Name) {
				return k
			}
		}
	case *ast.Ident:
		if v, ok := in[e.Name]; ok {
			return p.kind(v.expr, v.env)
		}
	}
	return ""
}

// english finds errs.EN among the options, or, where they come in a list, in the function.
func (p *source) english(c call, e env) (text string) {
	find := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if x, ok := n.(*ast.CallExpr); ok && text == "" && is(x.Fun, "errs", "EN") {
				text, _ = p.text(x.Args[0], e)
			}
			return text == ""
		})
	}
	find(c.expr)
	if text == "" && c.expr.Ellipsis.IsValid() && c.in != nil {
		find(c.in)
	}
	return text
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-z]`)

// text reads a text: a literal, a constant, a parameter, a sum, a format, an element of a list.
func (p *source) text(e ast.Expr, in env) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.Ident:
		if v, ok := in[e.Name]; ok {
			return p.text(v.expr, v.env)
		}
		if v, ok := p.consts[e.Name]; ok {
			return p.text(v, nil)
		}
	case *ast.BinaryExpr:
		x, okX := p.text(e.X, in)
		y, okY := p.text(e.Y, in)
		return x + y, okX && okY
	case *ast.CallExpr:
		if is(e.Fun, "fmt", "Sprintf") {
			s, ok := p.text(e.Args[0], in)
			return strings.ReplaceAll(verb.ReplaceAllString(s, "…"), "%%", "%"), ok
		}
	case *ast.IndexExpr:
		list, ok := in[identName(e.X)]
		i, isNumber := e.Index.(*ast.BasicLit)
		if lit, isList := list.expr.(*ast.CompositeLit); ok && isNumber && isList {
			n, err := strconv.Atoi(i.Value)
			if err == nil && n < len(lit.Elts) {
				return p.text(lit.Elts[n], list.env)
			}
		}
	}
	return "", false
}

// status reads http.StatusX.
func status(e ast.Expr) int {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return 0
	}
	return map[string]int{
		"StatusMethodNotAllowed": 405, "StatusRequestTimeout": 408, "StatusRequestEntityTooLarge": 413, "StatusUnsupportedMediaType": 415,
	}[s.Sel.Name]
}
