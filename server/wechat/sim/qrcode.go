package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	stdimage "image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	qrcode "github.com/skip2/go-qrcode"
)

const (
	sceneMax     = 32
	widthMin     = 280
	widthMax     = 1280
	widthUsual   = 430
	jpegQuality  = 90
	payloadStart = "weixin-sim://"
)

var (
	sceneRE = regexp.MustCompile("^[0-9A-Za-z!#$&'()*+,/:;=?@\\-._~]+$")
	pageRE  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_\-/]*$`)
)

type codeRequest struct {
	Scene      string `json:"scene"`
	Page       string `json:"page"`
	CheckPath  *bool  `json:"check_path"`
	EnvVersion string `json:"env_version"`
	Width      int    `json:"width"`
	IsHyaline  bool   `json:"is_hyaline"`
}

// sceneCode is POST /wxa/getwxacodeunlimit: an image, or an error in JSON, both with HTTP 200.
func (s *Server) sceneCode(r *http.Request, raw []byte) (any, error) {
	var q codeRequest
	if json.Unmarshal(raw, &q) != nil {
		return nil, refuseMini(47001, "data format error")
	}
	if err := s.checkCode(&q); err != nil {
		return nil, err
	}
	env := orText(q.EnvVersion, "release")
	payload := payloadStart + s.id.AppID + "/" + q.Page + "?scene=" + url.QueryEscape(q.Scene)
	img, err := drawCode(payload, q.Width)
	if err != nil {
		return nil, err
	}
	s.lock()
	if s.over("wxacode", qrPerMinute) {
		s.unlock()
		return nil, refuseMini(45009, "reach max api minute frequence limit")
	}
	if len(s.codes) < listMax {
		s.codes = append(s.codes, SceneCode{q.Scene, q.Page, env, payload})
	}
	fault := s.draw(r.Method, r.URL.Path, q.Scene, func(a Action) bool { return a.QR != "" })
	s.unlock()
	return encodeCode(img, q.IsHyaline, fault)
}

func (s *Server) checkCode(q *codeRequest) error {
	switch {
	case q.Scene == "" || len(q.Scene) > sceneMax || !sceneRE.MatchString(q.Scene) || strings.Contains(q.Scene, "scancode_time"):
		return refuseMini(40169, "invalid length for scene, or the data is not json string")
	case q.Width != 0 && (q.Width < widthMin || q.Width > widthMax):
		return refuseMini(47001, "width out of range")
	case q.EnvVersion != "" && q.EnvVersion != "release" && q.EnvVersion != "trial" && q.EnvVersion != "develop":
		return refuseMini(47001, "invalid env_version")
	case strings.HasPrefix(q.Page, "/") || strings.Contains(q.Page, "?"), q.Page != "" && !pageRE.MatchString(q.Page):
		return refuseMini(41030, "invalid page")
	case (q.CheckPath == nil || *q.CheckPath) && q.Page != "" && s.o.Pages != nil && !contains(s.o.Pages, q.Page):
		return refuseMini(41030, "invalid page")
	}
	if q.Width == 0 {
		q.Width = widthUsual
	}
	return nil
}

// SceneOf reads the page and the scene out of the text that a simulated code holds.
func SceneOf(payload string) (page, scene string, err error) {
	rest, ok := strings.CutPrefix(payload, payloadStart)
	if !ok {
		return "", "", fmt.Errorf("not a simulated scene code: %.40q", payload)
	}
	_, rest, _ = strings.Cut(rest, "/")
	page, query, _ := strings.Cut(rest, "?")
	v, err := url.ParseQuery(query)
	if err != nil {
		return "", "", fmt.Errorf("read scene code: %w", err)
	}
	return page, v.Get("scene"), nil
}

func encodeCode(img stdimage.Image, hyaline bool, fault *Action) (any, error) {
	how := ""
	if fault != nil {
		how = fault.QR
	}
	var b bytes.Buffer
	if hyaline || how == "png" {
		if err := png.Encode(&b, img); err != nil {
			return nil, fmt.Errorf("encode png: %w", err)
		}
		return image{"image/png", b.Bytes()}, nil
	}
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("encode jpeg: %w", err)
	}
	switch how {
	case "empty":
		return image{"image/jpeg", nil}, nil
	case "json_image":
		return image{"image/jpeg", []byte(`{"errcode":-1,"errmsg":"system error"}`)}, nil
	}
	return image{"image/jpeg", b.Bytes()}, nil
}

// drawCode draws a QR code above a band that says that it is simulated.
func drawCode(payload string, width int) (stdimage.Image, error) {
	q, err := qrcode.New(payload, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("make QR code: %w", err)
	}
	q.DisableBorder = true
	band := width / 9
	size := width - 2*band
	out := stdimage.NewRGBA(stdimage.Rect(0, 0, width, width))
	draw.Draw(out, out.Bounds(), stdimage.White, stdimage.Point{}, draw.Src)
	draw.Draw(out, stdimage.Rect(band, band*2/3, band+size, band*2/3+size), q.Image(size), stdimage.Point{}, draw.Src)
	drawMark(out, band*2/3+size, band)
	return out, nil
}

// markRows spell 模拟 SIM, drawn by hand on a grid: the simulator carries no font.
var markRows = []string{
	"...#....#...#.......#.........#...............................",
	"...#....#...#.......#....#....#...............................",
	"...#..#########.....#....#.#..#...............................",
	".#####..#...#.....######.#..#.#...............................",
	"...#....#...#.......#....#..#.#........#####...####..##.....##",
	"..##...#######......#....#....#.......##...##...##...###...###",
	"..###..#.....#......#.##.#....#.......##........##...####.####",
	"..#.#..#######......##...#....#.......##........##...##.###.##",
	".##.#..#.....#....###....#....#........#####....##...##..#..##",
	".#.#...#######......#....#....#............##...##...##.....##",
	"#..#......#.........#....#.#..#............##...##...##.....##",
	"...#..#########.....#....##..#.#......##...##...##...##.....##",
	"...#......#.........#....#..#..#.......#####...####..##.....##",
	"...#.....#.#........#......#....#.............................",
	"...#....#...#.....#.#.....#.....#.............................",
	"...#..##.....##....##...##......#.............................",
}

// drawMark paints the mark, centred in a band at the foot.
func drawMark(dst *stdimage.RGBA, top, band int) {
	red := stdimage.NewUniform(color.RGBA{R: 0xc0, A: 0xff})
	height := dst.Bounds().Dy() - top
	dot := max(1, min(band, height)/(len(markRows)+2))
	left, up := (dst.Bounds().Dx()-dot*len(markRows[0]))/2, top+(height-dot*len(markRows))/2
	for y, row := range markRows {
		for x, c := range row {
			if c == '#' {
				at := stdimage.Pt(left+x*dot, up+y*dot)
				draw.Draw(dst, stdimage.Rectangle{at, at.Add(stdimage.Pt(dot, dot))}, red, stdimage.Point{}, draw.Src)
			}
		}
	}
}
