package commission

import (
	"bytes"
	"encoding/json"
	"io"

	"fenxiao/server/base/errs"
)

const draftBytesMax = 16 << 10

// DecodeDraft reads rule JSON strictly: an unknown field, a second document or a wrong value is refused.
func DecodeDraft(body []byte) (Draft, error) {
	if len(body) > draftBytesMax {
		return Draft{}, malformed(nil)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var d Draft
	if err := dec.Decode(&d); err != nil {
		return Draft{}, malformed(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Draft{}, malformed(err)
	}
	return d, d.Validate()
}

func malformed(err error) error {
	return errs.E(errs.Malformed, "commission.rule_malformed", "规则内容无法识别，请检查格式", errs.EN("This is no rule JSON."), errs.Cause(err))
}
