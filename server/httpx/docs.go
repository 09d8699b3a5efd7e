package httpx

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/base/crypt"
)

// docsFiles are the page and swagger-ui-dist 5.35.0 (Apache-2.0), packed as it came.
//
//go:embed docs/page.html docs/init.js docs/*.gz docs/swagger-ui.LICENSE docs/swagger-ui.NOTICE
var docsFiles embed.FS

// docsPolicy lets the page use what comes from here and nothing else; Swagger UI sets styles from script.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// RegisterDocs adds /openapi/NAME.json for every API of the engine, and /docs, where they can be read and tried
// without any other site. Call it last.
func RegisterDocs(a *API) {
	apis := a.engine.apis
	for _, api := range apis {
		document := sync.OnceValues(api.OpenAPI)
		RegisterRaw(a, Op{
			ID: "openapi-" + api.Name(), Method: http.MethodGet, Path: "/openapi/" + api.Name() + ".json", Root: true,
			Summary: "OpenAPI document: " + api.audience.Title, Tags: []string{"system"}, Permission: access.Public,
			Produces: "application/openapi+json",
		}, func(c *gin.Context) {
			doc, err := document()
			if err != nil {
				WriteError(c, err)
				return
			}
			cached(c, "application/openapi+json", doc)
		})
	}
	RegisterRaw(a, Op{
		ID: "docs", Method: http.MethodGet, Path: "/docs", Root: true, Summary: "API documentation", Tags: []string{"system"},
		Permission: access.Public, Status: http.StatusFound, Produces: "text/html",
	}, func(c *gin.Context) { c.Redirect(http.StatusFound, "/docs/"+apis[0].Name()) })
	RegisterRaw(a, Op{
		ID: "docs-file", Method: http.MethodGet, Path: "/docs/{file}", Root: true, Summary: "A page or file of the API documentation",
		Tags: []string{"system"}, Permission: access.Public, Produces: "text/html",
	}, func(c *gin.Context) { serveDocs(c, apis) })
}

var pageTemplate = template.Must(template.ParseFS(docsFiles, "docs/page.html"))

type docsLink struct {
	Name, Title string
	Current     bool
}

func serveDocs(c *gin.Context, apis []*API) {
	c.Header("Content-Security-Policy", docsPolicy)
	name := c.Param("file")
	var links []docsLink
	var current *docsLink
	for _, api := range apis {
		links = append(links, docsLink{api.Name(), api.audience.Title, api.Name() == name})
	}
	for i := range links {
		if links[i].Current {
			current = &links[i]
		}
	}
	switch {
	case current != nil:
		var page bytes.Buffer
		if err := pageTemplate.Execute(&page, map[string]any{"Name": current.Name, "Title": current.Title, "All": links}); err != nil {
			WriteError(c, fmt.Errorf("write documentation page: %w", err))
			return
		}
		cached(c, "text/html; charset=utf-8", page.Bytes())
	case name == "init.js":
		serveDocsFile(c, "init.js", "text/javascript; charset=utf-8")
	case name == "swagger-ui-bundle.js":
		serveDocsFile(c, "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8")
	case name == "swagger-ui.css":
		serveDocsFile(c, "swagger-ui.css.gz", "text/css; charset=utf-8")
	case name == "swagger-ui.LICENSE", name == "swagger-ui.NOTICE":
		serveDocsFile(c, name, "text/plain; charset=utf-8")
	default:
		WriteError(c, errNotFound)
	}
}

func serveDocsFile(c *gin.Context, file, contentType string) {
	content, err := docsFiles.ReadFile("docs/" + file)
	if err != nil {
		WriteError(c, fmt.Errorf("read documentation file: %w", err))
		return
	}
	if strings.HasSuffix(file, ".gz") {
		c.Header("Vary", "Accept-Encoding")
		if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
			c.Header("Content-Encoding", "gzip")
		} else if content, err = unzip(content); err != nil {
			WriteError(c, err)
			return
		}
	}
	cached(c, contentType, content)
}

func unzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("unpack documentation file: %w", err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack documentation file: %w", err)
	}
	return out, nil
}

// cached lets the browser keep the content and ask whether it is still the same.
func cached(c *gin.Context, contentType string, content []byte) {
	tag := `"` + crypt.Hash(string(content))[:32] + `"`
	c.Header("Cache-Control", "no-cache")
	c.Header("ETag", tag)
	if c.GetHeader("If-None-Match") == tag {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, contentType, content)
}
