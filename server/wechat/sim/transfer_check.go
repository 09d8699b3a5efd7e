package sim

import (
	"regexp"
	"unicode/utf8"
)

type transferRequest struct {
	AppID      string       `json:"appid"`
	OutBillNo  string       `json:"out_bill_no"`
	SceneID    string       `json:"transfer_scene_id"`
	OpenID     string       `json:"openid"`
	UserName   *string      `json:"user_name"`
	Fen        int64        `json:"transfer_amount"`
	Remark     string       `json:"transfer_remark"`
	NotifyURL  string       `json:"notify_url"`
	Perception string       `json:"user_recv_perception"`
	Infos      []reportInfo `json:"transfer_scene_report_infos"`
}

type reportInfo struct {
	Type    string `json:"info_type"`
	Content string `json:"info_content"`
}

const (
	remarkLn      = 32
	infoTypeLn    = 15
	infoContentLn = 32
)

var (
	outBillNoRE = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)
	// sceneInfos are the report fields that each scene wants, by their literal names.
	sceneInfos = map[string][]string{
		"1000": {"活动名称", "奖励说明"},
		"1005": {"岗位类型", "报酬说明"},
		"1011": {"赔付原因"},
	}
	perceptions = map[string][]string{"1005": {"劳务报酬", "报销款", "企业补贴", "开工利是"}, "1000": {"活动奖励", "现金奖励"}}
)

// check refuses what is wrong with the form of a transfer.
func (q *transferRequest) check() error {
	switch {
	case q.AppID == "":
		return paramError("appid 必填")
	case !outBillNoRE.MatchString(q.OutBillNo):
		return paramError("out_bill_no 须为1-32位的数字或大小写字母")
	case q.SceneID == "":
		return paramError("transfer_scene_id 必填")
	case q.OpenID == "":
		return paramError("openid 必填")
	case q.Fen < 1:
		return paramError("transfer_amount 须为正整数")
	case q.Remark == "" || utf8.RuneCountInString(q.Remark) > remarkLn:
		return paramError("transfer_remark 必填且不超过32个字符")
	case q.UserName != nil && q.Fen < nameForbidden:
		return paramError("转账金额小于0.3元时不能填写user_name")
	case q.UserName == nil && q.Fen >= nameRequired:
		return paramError("转账金额大于等于2000元时user_name必填")
	}
	if q.NotifyURL != "" {
		if p := notifyURLProblem(q.NotifyURL); p != "" {
			return paramError(p)
		}
	}
	return q.checkInfos()
}

// checkInfos wants exactly the report fields of the scene.
func (q *transferRequest) checkInfos() error {
	for _, i := range q.Infos {
		if i.Type == "" || i.Content == "" || utf8.RuneCountInString(i.Type) > infoTypeLn || utf8.RuneCountInString(i.Content) > infoContentLn {
			return paramError("transfer_scene_report_infos 的长度有误")
		}
	}
	want, known := sceneInfos[q.SceneID]
	if !known {
		return nil
	}
	left := map[string]bool{}
	for _, w := range want {
		left[w] = true
	}
	for _, i := range q.Infos {
		if !left[i.Type] {
			return paramError("需传入转账场景报备信息")
		}
		delete(left, i.Type)
	}
	if len(left) > 0 {
		return paramError("需传入转账场景报备信息")
	}
	return nil
}

// nameOf decrypts user_name. One that is sent in the clear, or under a key that the header does not name, is a
// breach that costs money later: it is refused and noted.
func (s *Server) nameOf(c *call, q *transferRequest) (string, error) {
	if q.UserName == nil {
		return "", nil
	}
	name, err := s.openSensitive(c.r.Header.Get("Wechatpay-Serial"), *q.UserName)
	if err != nil {
		s.note("sensitive_field", "user_name is not encrypted with the key that Wechatpay-Serial names")
		return "", paramError(err.Error())
	}
	return name, nil
}

// checkTransfer refuses what the merchant's settings do not allow. Call it under the lock.
func (s *Server) checkTransfer(q *transferRequest) error {
	if q.AppID != s.id.AppID {
		return paramError("appid与商户号不匹配")
	}
	switch u := s.users[q.OpenID]; {
	case u == nil:
		return paramError("openid无效")
	case u.AppID != q.AppID:
		return paramError("openid与appid不匹配")
	}
	scenes := s.o.Scenes
	if scenes == nil {
		scenes = []string{sceneReward}
	}
	if !contains(scenes, q.SceneID) {
		return invalid("转账场景未开通或不可用")
	}
	if ok, known := perceptions[q.SceneID]; q.Perception != "" && (!known || !contains(ok, q.Perception)) {
		return invalid("用户收款感知不在可选范围内")
	}
	if q.Fen < s.limits.MinFen || q.Fen > s.limits.MaxFen {
		return invalid("转账金额超过单笔转账上下限")
	}
	return nil
}

// clip cuts text that goes into a log.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}
