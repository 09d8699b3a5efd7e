package withdrawal

// Words says the state plainly, in Chinese and in English.
func (s State) Words() (zh, en string) {
	switch s {
	case Requested:
		return "待审核", "waiting for approval"
	case Approved:
		return "已通过，等待打款", "approved, waiting to be paid"
	case Paying:
		return "正在向微信发起转账", "being sent to WeChat"
	case AwaitingUser:
		return "请在 24 小时内到微信确认收款", "confirm it in WeChat within 24 hours"
	case Paid:
		return "已到账", "paid"
	case Rejected:
		return "已驳回，金额已退回", "rejected; the amount is back"
	case Failed:
		return "打款失败，金额已退回，可重新申请", "the payout failed; the amount is back, you can try again"
	case Expired:
		return "未在 24 小时内确认，金额已退回，可重新申请", "not confirmed in time; the amount is back, you can try again"
	case Cancelled:
		return "已取消，金额已退回", "cancelled; the amount is back"
	}
	return string(s), string(s)
}

// failTexts say WeChat's fail reasons to the payee. They are an open set: what is not here gets a general text.
var failTexts = map[string][2]string{
	"ACCOUNT_FROZEN":                         {"微信账户被冻结，请联系微信客服后重新申请", "Your WeChat account is frozen. Ask WeChat's service, then try again."},
	"ACCOUNT_NOT_EXIST":                      {"微信账户不存在，请更换微信后联系客服", "The WeChat account does not exist."},
	"NAME_NOT_CORRECT":                       {"真实姓名与微信实名不一致，请修改后重新申请", "The real name differs from the one in WeChat. Correct it and try again."},
	"REAL_NAME_CHECK_FAIL":                   {"微信未实名认证，请先完成实名再申请", "WeChat has not verified your name yet. Do that first."},
	"ID_CARD_NOT_CORRECT":                    {"身份证号与微信实名不一致，请修改后重新申请", "The ID number differs from the one in WeChat. Correct it and try again."},
	"OVERDUE_CLOSE":                          {"超过 24 小时未确认收款，请重新申请并及时确认", "It was not confirmed within 24 hours. Ask again and confirm in time."},
	"DAY_RECEIVED_COUNT_EXCEED":              {"今天的微信收款次数已达上限，请明天再申请", "WeChat's daily number of receipts is used up. Try tomorrow."},
	"DAY_RECEIVED_QUOTA_EXCEED":              {"今天的微信收款额度已达上限，请明天再申请", "WeChat's daily limit for you is used up. Try tomorrow."},
	"REALNAME_ACCOUNT_RECEIVED_QUOTA_EXCEED": {"您的微信收款额度已达上限，请稍后再申请", "WeChat's limit for your account is used up. Try later."},
	"BLOCK_B2C_USERLIMITAMOUNT_BSRULE_MONTH": {"本月的微信收款额度已达上限，请下月再申请", "WeChat's monthly limit for you is used up. Try next month."},
	"PAYEE_ACCOUNT_ABNORMAL":                 {"微信账户异常，请联系微信客服后重新申请", "Your WeChat account has a problem. Ask WeChat's service, then try again."},
	"TRANSFER_RISK":                          {"微信风控拦截，请稍后重新申请或联系客服", "WeChat's risk control stopped it. Try later or ask us."},
	"MCH_CANCEL":                             {"转账已撤销", "The transfer was withdrawn."},
}

// FailWords says to the payee why WeChat did not pay; empty without a reason.
func FailWords(reason string) (zh, en string) {
	if reason == "" {
		return "", ""
	}
	if t, known := failTexts[reason]; known {
		return t[0], t[1]
	}
	return "微信未能完成转账，请稍后重新申请或联系客服", "WeChat could not make the transfer. Try later or ask us."
}
