package miniprogramapi

import (
	"context"
	"net/http"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerTouch(api *httpx.API) {
	httpx.Register(api, httpx.Op{
		ID: "report-touch", Method: http.MethodPost, Path: "/touches", Summary: "Report a touch: whose code it is, and whether it bound me",
		Description: "Report what the mini-program was opened with, as it came. Without a log-in the touch is recorded and binds nobody; report it again after the log-in. Whatever is wrong with the code is a reason, never an error.",
		Permission:  access.Public, Tags: []string{"promotion"}, Rate: httpx.Rate{PerMinute: 600, Burst: 300},
	}, a.reportTouch)
}

type touchInput struct {
	Body struct {
		Kind  string `json:"kind" enum:"scan,click,share,poster,link,relay"`
		Scene string `json:"scene" minLength:"1" maxLength:"512" doc:"The scene, encoded or not, the promotion link, or the code"`
	}
}

type touchBody struct {
	ID          base.TouchID       `json:"id"`
	Code        string             `json:"code,omitempty" doc:"Left out for a code that is none of ours"`
	Distributor base.DistributorID `json:"distributor_id,omitempty" doc:"Whose code it is"`
	LevelZH     string             `json:"level_name_zh,omitempty"`
	LevelEN     string             `json:"level_name_en,omitempty"`
	Target      *targetBody        `json:"target,omitempty" doc:"Where the code leads"`
	Bound       bool               `json:"bound" doc:"This touch made me this distributor's customer"`
	Reason      string             `json:"reason" doc:"Why it did or did not: bound_first, protected, self, code_expired, …"`
}

type touchOutput struct{ Body touchBody }

func (a *API) reportTouch(ctx context.Context, in *touchInput) (*touchOutput, error) {
	s, err := a.Flow.Scan(ctx, flow.ScanInput{
		Touch: base.TouchID(a.Flow.DB.Mint.Next()), Kind: attribution.TouchKind(in.Body.Kind), Raw: in.Body.Scene,
		Customer: httpx.PrincipalOf(ctx).Customer,
	})
	if err != nil {
		return nil, err
	}
	out := touchOutput{touchBody{ID: s.Touch.ID, Bound: s.Touch.Bound, Reason: string(s.Touch.Reason)}}
	if s.Owner != nil {
		target := showTarget(s.Code.Target())
		out.Body.Code, out.Body.Distributor, out.Body.Target = s.Code.Text, s.Owner.ID, &target
		out.Body.LevelZH, out.Body.LevelEN = s.Owner.Level.NameZH, s.Owner.Level.NameEN
	}
	return &out, nil
}
