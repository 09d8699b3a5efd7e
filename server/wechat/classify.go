package wechat

import "strings"

// What WeChat Pay's codes mean, from its documents. Codes are an open set: whatever is not here is Unknown, and so is
// everything that comes with a status of 5xx, because a server that is in trouble may have done the work.
var (
	commonCodes = map[string]Class{
		"PARAM_ERROR":            Refused,
		"APPID_MCHID_NOT_MATCH":  Refused,
		"MCH_NOT_EXISTS":         Refused,
		"SIGN_ERROR":             Refused, // keys or clock
		"NO_AUTH":                Refused, // product not granted, or the IP is not on the list
		"FREQUENCY_LIMITED":      Later,
		"FREQUENCY_LIMIT_EXCEED": Later,
		"FREQUENCY_LIMIT":        Later,
		"RATELIMIT_EXCEEDED":     Later,
		"SYSTEM_ERROR":           Unknown,
		"BANK_ERROR":             Unknown,
	}
	paymentCodes = map[string]Class{
		"OPENID_MISMATCH":   Refused,
		"RULE_LIMIT":        Refused,
		"TRADE_ERROR":       Refused,
		"ACCOUNT_ERROR":     Refused,
		"OUT_TRADE_NO_USED": Exists,
		"ORDERPAID":         Exists, // both spellings are on record
		"ORDER_PAID":        Exists,
		"ORDER_CLOSED":      Exists,
		"ORDERCLOSED":       Exists,
		"ORDER_NOT_EXIST":   NotFound,
		"ORDERNOTEXIST":     NotFound,
	}
	refundCodes = map[string]Class{
		"NOT_ENOUGH":            Later, // top up; the number stays
		"USER_ACCOUNT_ABNORMAL": Refused,
		"RESOURCE_NOT_EXISTS":   NotFound,
	}
	transferCodes = map[string]Class{
		"NOT_ENOUGH":     Later, // top up; the number stays
		"ALREADY_EXISTS": Exists,
		"NOT_FOUND":      NotFound,
	}
	codesOf = map[Op]map[string]Class{
		OpPrepay: paymentCodes, OpQueryPayment: paymentCodes, OpClosePayment: paymentCodes,
		OpRefund: refundCodes, OpQueryRefund: refundCodes,
		OpTransfer: transferCodes, OpQueryTransfer: transferCodes, OpCancelTransfer: transferCodes,
	}
	// An INVALID_REQUEST with one of these in its message is about a number that was used before.
	usedBefore = []string{"已存在", "不一致", "重入", "已支付", "已关闭", "已使用"}
)

// ClassifyPay says what an error answer of WeChat Pay means for the call it answers.
func ClassifyPay(op Op, status int, code, message string) Class {
	if status < 400 || status >= 500 {
		return Unknown
	}
	if code == "INVALID_REQUEST" {
		for _, words := range usedBefore {
			if strings.Contains(message, words) {
				return Exists
			}
		}
		return Refused
	}
	if class, ok := codesOf[op][code]; ok {
		return class
	}
	if class, ok := commonCodes[code]; ok {
		return class
	}
	return Unknown
}

// What the mini-program's errcodes mean. The calls there move no money, so that Unknown is only a word for the log.
var miniCodes = map[int64]Class{
	-1:       Later,   // busy
	45009:    Later,   // quota of the minute or the day
	45011:    Later,   // too often
	89503:    Later,   // waits for an administrator's word
	40001:    Later,   // token not the latest; a retry with a new one has failed already. For a token request: wrong secret
	40014:    Later,   // token invalid
	42001:    Later,   // token too old
	10060001: Later,   // the order is not known for shipping yet
	40002:    Refused, // grant type
	40003:    Refused, // openid
	40013:    Refused, // appid
	40029:    Refused, // code wrong or too old
	40097:    Refused, // argument
	40125:    Refused, // secret
	40163:    Refused, // code used
	40164:    Refused, // IP not on the list
	40169:    Refused, // scene
	40226:    Refused, // risky user
	41002:    Refused, // appid missing
	41004:    Refused, // secret missing
	41030:    Refused, // page
	43002:    Refused, // method
	45029:    Refused, // number of codes used up
	47001:    Refused, // format
	10060002: Exists,  // shipped already, all of it
	10060003: Refused, // the one correction is used up
	10060004: Refused, // order cannot be shipped
	10060023: Exists,  // the same was uploaded already
	10060028: Refused, // order's state does not allow it
}

// ClassifyMini says what an errcode of the mini-program's server API means. 0 is no error and has no class.
func ClassifyMini(errcode int64) Class {
	if errcode == 0 {
		return ""
	}
	if class, ok := miniCodes[errcode]; ok {
		return class
	}
	return Unknown
}

// TokenTrouble says whether an errcode asks for a new access token.
func TokenTrouble(errcode int64) bool {
	return errcode == 40001 || errcode == 40014 || errcode == 42001
}
