package httpx

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"fenxiao/server/base/errs"
)

const fieldsMax = 20

var installed sync.Once

// install sets what huma keeps per process: how problems look, and that JSON names are taken by the letter.
func install() {
	installed.Do(func() {
		huma.DefaultArrayNullable = false
		huma.ValidateStrictCasing = true
		huma.NewError = func(status int, _ string, _ ...error) huma.StatusError {
			return &Problem{Status: status, Code: ErrInternal.Code}
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, list ...error) huma.StatusError {
			p := problemOf(ctx.Context(), refusalOf(status, msg, list))
			stateOf(ctx.Context()).code = p.Code
			return p
		}
	})
}

// refusalOf translates huma's own refusals.
func refusalOf(status int, msg string, list []error) error {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return errTooLarge
	case http.StatusUnsupportedMediaType:
		return errMediaType
	case http.StatusBadRequest:
		return malformed()
	case http.StatusUnprocessableEntity:
		return invalid(list)
	default:
		return fmt.Errorf("huma: %d %s: %w", status, msg, errors.Join(list...))
	}
}

func malformed(opts ...errs.Option) *errs.Error {
	opts = append(opts, errs.EN("The request cannot be read: the body must be JSON as documented."))
	return errs.E(errs.Malformed, "request.malformed", "请求内容无法识别，请检查 JSON 格式", opts...)
}

func invalid(list []error) *errs.Error {
	var fields []errs.Option
	for _, err := range list {
		var d *huma.ErrorDetail
		if !errors.As(err, &d) {
			d = &huma.ErrorDetail{Location: "body", Message: err.Error()}
		}
		if len(fields) < fieldsMax {
			fields = append(fields, errs.At(faultOf(d)))
		}
	}
	return errs.E(errs.Invalid, "request.invalid", "提交的内容有误，请检查后重试",
		append(fields, errs.EN("Something in the request is not as it must be; see errors."))...)
}

// badParam is a parameter that cannot be read.
func badParam(in, name, code, detail string) *errs.Error {
	return invalid([]error{&huma.ErrorDetail{Location: in + "." + name, Message: code + ": " + detail}})
}

// faults maps the beginnings of huma's messages to stable codes and Chinese. Order matters: the first that fits counts.
var faults = []struct{ prefix, code, zh string }{
	{"expected required property", "required", "缺少必填项"},
	{"required ", "required", "缺少必填参数"},
	{"unexpected property", "unknown", "不认识的字段"},
	{"expected value to be one of", "one_of", "只能是 "},
	{"expected length >=", "too_short", "长度至少为 "},
	{"expected length <=", "too_long", "长度不能超过 "},
	{"expected number >=", "too_small", "不能小于 "},
	{"expected number <=", "too_large", "不能大于 "},
	{"expected number >", "too_small", "必须大于 "},
	{"expected number <", "too_large", "必须小于 "},
	{"expected number to be a multiple", "multiple", "必须是指定数的倍数"},
	{"expected array length >=", "too_few", "数量至少为 "},
	{"expected array length <=", "too_many", "数量不能超过 "},
	{"expected array items to be unique", "not_unique", "不能有重复项"},
	{"expected array", "type", "应为列表"},
	{"expected object", "type", "应为对象"},
	{"expected boolean", "type", "应为 true 或 false"},
	{"expected integer", "type", "应为整数"},
	{"expected number", "type", "应为数字"},
	{"expected string to be RFC 3339", "format", "应为 RFC 3339 时间或日期"},
	{"expected string to", "format", "格式不正确"},
	{"expected string", "type", "应为文本"},
	{"invalid integer", "type", "应为整数"},
	{"invalid boolean", "type", "应为 true 或 false"},
	{"invalid date/time", "format", "应为 RFC 3339 时间或日期"},
	{jsonFault, "type", "类型或大小不正确"},
	{"bad_id", "format", "编号格式不正确"},
}

// faultOf translates one of huma's details into pointer, code and text. Values are not repeated: they may be secret.
func faultOf(d *huma.ErrorDetail) (pointer, code, detail string) {
	pointer = pointerOf(d.Location)
	for _, f := range faults {
		rest, ok := strings.CutPrefix(d.Message, f.prefix)
		if !ok {
			continue
		}
		detail = f.zh
		switch {
		case f.prefix == "expected required property":
			name, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			pointer += "/" + escapePointer(name)
		case f.prefix == jsonFault:
			pointer = strings.TrimSpace(rest)
		case strings.HasSuffix(f.zh, " "):
			detail += strings.Trim(strings.TrimSpace(rest), `"`)
		}
		return clip(pointer), f.code, detail
	}
	return clip(pointer), "invalid", "内容不正确"
}

const pointerBytesMax = 200

func clip(s string) string {
	if len(s) > pointerBytesMax {
		return strings.ToValidUTF8(s[:pointerBytesMax], "")
	}
	return s
}

// pointerOf turns huma's "body.items[0].sku_id" into "/items/0/sku_id" and "query.limit" into "/query/limit".
func pointerOf(location string) string {
	location = strings.TrimPrefix(location, "body")
	var b strings.Builder
	for _, part := range strings.FieldsFunc(location, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		b.WriteString("/" + escapePointer(part))
	}
	return b.String()
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

const jsonFault = "json fault at"

// unmarshal reads JSON; what passes the schema and still does not fit (a number beyond int64, an id of another kind)
// is told by its place.
func unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return errors.New(jsonFault + " " + placeOf(data, t.Offset))
	}
	if err != nil {
		return errors.New(jsonFault)
	}
	return nil
}
