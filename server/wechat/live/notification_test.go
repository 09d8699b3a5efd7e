package live_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat"
)

func signedHeader(s signature, body string) http.Header {
	h := http.Header{}
	s.set(h, body)
	return h
}

func TestParseNotification(t *testing.T) {
	t.Parallel()
	c := newClient(t, config(t, ""))
	for _, test := range []struct {
		event, original string
		kind            wechat.NotificationKind
	}{
		{"TRANSACTION.SUCCESS", "transaction", wechat.PaymentEvent},
		{"TRANSACTION.SUCCESS", "profitsharing", wechat.OtherEvent},
		{"REFUND.SUCCESS", "refund", wechat.RefundEvent},
		{"REFUND.ABNORMAL", "refund", wechat.RefundEvent},
		{"REFUND.CLOSED", "refund", wechat.RefundEvent},
		{"MCHTRANSFER.BILL.FINISHED", "mch_payment", wechat.TransferEvent},
		{"MCHTRANSFER.AUTHORIZATION.CLOSED", "", wechat.OtherEvent},
		{"SOMETHING.NEW", "", wechat.OtherEvent},
	} {
		body := notification(test.event, test.original, paymentJSON)
		n, err := c.ParseNotification(t.Context(), signedHeader(signature{}, body), []byte(body))
		require.NoError(t, err, test.event)
		require.Equal(t, wechat.Notification{ID: "EV-1", EventType: test.event, Kind: test.kind, At: paidAt, Plain: []byte(paymentJSON)}, n)
	}
	body := notification("TRANSACTION.SUCCESS", "transaction", paymentJSON)
	h := signedHeader(signature{}, body)
	h.Del("Wechatpay-Signature-Type")
	_, err := c.ParseNotification(t.Context(), h, []byte(body))
	require.NoError(t, err, "the type of signature may be left out")
}

func TestNotificationsThatAreNotProvablyFromWeChat(t *testing.T) {
	t.Parallel()
	c := newClient(t, config(t, ""))
	body := notification("TRANSACTION.SUCCESS", "transaction", paymentJSON)
	missing := func(name string) http.Header {
		h := signedHeader(signature{}, body)
		h.Del(name)
		return h
	}
	other := signedHeader(signature{}, body)
	other.Set("Wechatpay-Signature-Type", "WECHATPAY2-SM2-WITH-SM3")
	for name, h := range map[string]http.Header{
		"another key":    signedHeader(signature{key: theKeys().other}, body),
		"unknown serial": signedHeader(signature{serial: "PUB_KEY_ID_2"}, body),
		"a certificate":  signedHeader(signature{key: theKeys().other, serial: theKeys().certSerial}, body),
		"old":            signedHeader(signature{age: 301 * time.Second}, body),
		"future":         signedHeader(signature{age: -302 * time.Second}, body),
		"other body":     signedHeader(signature{}, body+" "),
		"no signature":   missing("Wechatpay-Signature"),
		"no serial":      missing("Wechatpay-Serial"),
		"no time":        missing("Wechatpay-Timestamp"),
		"no nonce":       missing("Wechatpay-Nonce"),
		"nothing":        {},
		"another method": other,
	} {
		n, err := c.ParseNotification(t.Context(), h, []byte(body))
		require.ErrorIs(t, err, wechat.ErrBadSignature, name)
		require.Zero(t, n)
		require.NotContains(t, err.Error(), "resource", "the request stays out of the error")
	}
	long := body + strings.Repeat(" ", wechat.NotificationBytesMax)
	_, err := c.ParseNotification(t.Context(), signedHeader(signature{}, long), []byte(long))
	require.ErrorIs(t, err, wechat.ErrBadSignature)
}

func TestSignatureProbe(t *testing.T) {
	t.Parallel()
	c := newClient(t, config(t, ""))
	body := notification("TRANSACTION.SUCCESS", "transaction", paymentJSON)
	h := signedHeader(signature{}, body)
	h.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+h.Get("Wechatpay-Signature"))
	_, err := c.ParseNotification(t.Context(), h, []byte(body))
	require.ErrorIs(t, err, wechat.ErrSignProbe)
	require.NotErrorIs(t, err, wechat.ErrBadSignature)
}

// TestSignedButUnreadable has what makes the library panic, too.
func TestSignedButUnreadable(t *testing.T) {
	t.Parallel()
	c := newClient(t, config(t, ""))
	good := notification("TRANSACTION.SUCCESS", "transaction", paymentJSON)
	for name, body := range map[string]string{
		"nothing":           "",
		"no JSON":           "<xml>",
		"no resource":       `{"id":"EV-1","event_type":"TRANSACTION.SUCCESS"}`,
		"null":              `null`,
		"short nonce":       strings.Replace(good, `"nonce":"123456789012"`, `"nonce":"12345678"`, 1),
		"other nonce":       strings.Replace(good, `"nonce":"123456789012"`, `"nonce":"123456789013"`, 1),
		"other data":        strings.Replace(good, `"additional"`, `""`, 1),
		"other algorithm":   strings.Replace(good, "AEAD_AES_256_GCM", "AEAD_SM4_GCM", 1),
		"cipher not base64": strings.Replace(good, `"ciphertext":"`, `"ciphertext":"*`, 1),
		"plain is no JSON":  notification("TRANSACTION.SUCCESS", "transaction", "hello"),
		"no id":             strings.Replace(good, `"EV-1"`, `""`, 1),
		"long id":           strings.Replace(good, `"EV-1"`, `"`+strings.Repeat("E", 65)+`"`, 1),
		"odd time":          strings.Replace(good, "2026-11-23T", "2026-11-23 ", 1),
	} {
		n, err := c.ParseNotification(t.Context(), signedHeader(signature{}, body), []byte(body))
		require.ErrorIs(t, err, wechat.ErrMalformed, name)
		require.Zero(t, n)
	}
}

// TestChangeOfKeys: while an account moves to the public key, notifications come signed with either.
func TestChangeOfKeys(t *testing.T) {
	t.Parallel()
	cfg := config(t, "")
	cfg.PlatformCertsPEM = theKeys().certPEM
	c := newClient(t, cfg)
	body := notification("TRANSACTION.SUCCESS", "transaction", paymentJSON)
	for name, s := range map[string]signature{"public key": {}, "certificate": {key: theKeys().other, serial: theKeys().certSerial}} {
		_, err := c.ParseNotification(t.Context(), signedHeader(s, body), []byte(body))
		require.NoError(t, err, name)
	}
	for name, s := range map[string]signature{"key of the other": {serial: theKeys().certSerial}, "unknown": {serial: "77"}} {
		_, err := c.ParseNotification(t.Context(), signedHeader(s, body), []byte(body))
		require.ErrorIs(t, err, wechat.ErrBadSignature, name)
	}
}

// FuzzParseNotification signs whatever comes: a good signature is no promise about the content.
func FuzzParseNotification(f *testing.F) {
	c := newClient(f, config(f, ""))
	good := notification("TRANSACTION.SUCCESS", "transaction", paymentJSON)
	f.Add(good, true)
	f.Add(good, false)
	f.Add(strings.Replace(good, `"nonce":"123456789012"`, `"nonce":"1"`, 1), true)
	f.Add(`{"id":"EV-1"}`, true)
	f.Fuzz(func(t *testing.T, body string, properly bool) {
		s := signature{}
		if !properly {
			s.key = theKeys().other
		}
		n, err := c.ParseNotification(t.Context(), signedHeader(s, body), []byte(body))
		switch {
		case !properly || len(body) > wechat.NotificationBytesMax:
			require.ErrorIs(t, err, wechat.ErrBadSignature)
		case err != nil:
			require.ErrorIs(t, err, wechat.ErrMalformed)
			require.Zero(t, n)
		default:
			require.NotEmpty(t, n.ID)
			require.LessOrEqual(t, len(n.ID), wechat.NotificationIDMax)
			require.NotEmpty(t, n.Plain)
		}
	})
}
