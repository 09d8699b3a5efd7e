package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerDistributor(api *httpx.API) {
	tags := []string{"distributor"}
	httpx.Register(api, httpx.Op{ID: "get-my-distributor", Method: http.MethodGet, Path: "/distributor", Summary: "Me as a distributor: level, rights, duties", Permission: access.Distributor, Tags: tags}, a.myDistributor)
	httpx.Register(api, httpx.Op{
		ID: "put-real-name", Method: http.MethodPut, Path: "/distributor/real-name", Summary: "Give my real name, for payouts",
		Description: "Kept encrypted. A change of name is a risk sign and starts a waiting time.",
		Permission:  access.Distributor, Tags: tags, Rate: httpx.Rate{PerMinute: 10, Burst: 10}, Errors: []int{http.StatusConflict},
	}, a.putRealName)
}

type myLevelBody struct {
	Code           string `json:"code"`
	NameZH         string `json:"name_zh"`
	NameEN         string `json:"name_en"`
	Cycle          string `json:"cycle" enum:"weekly,monthly"`
	SceneCodes     bool   `json:"scene_codes" doc:"May have mini-program codes"`
	FirstPromote   bool   `json:"first_promote"`
	OpenRounds     bool   `json:"open_rounds"`
	HoldTerritory  bool   `json:"hold_territory"`
	RightsNoteZH   string `json:"rights_note_zh"`
	RightsNoteEN   string `json:"rights_note_en"`
	DutiesNoteZH   string `json:"duties_note_zh"`
	DutiesNoteEN   string `json:"duties_note_en"`
	MonthlyDutyFen int64  `json:"monthly_sales_duty_fen" doc:"Least own settled sales a month; 0: none"`
}

type myDistributorBody struct {
	ID             base.DistributorID `json:"id"`
	Status         string             `json:"status" enum:"active,suspended,closed"`
	Level          myLevelBody        `json:"level"`
	AdmittedAt     time.Time          `json:"admitted_at"`
	RealNameMasked string             `json:"real_name_masked" doc:"Empty if none was given"`
	HasIDNo        bool               `json:"has_id_no"`
	NameChangedAt  *time.Time         `json:"name_changed_at,omitempty"`
	Customers      int                `json:"customers" doc:"How many are bound to me"`
}

type myDistributorOutput struct{ Body myDistributorBody }

func (a *API) myDistributor(ctx context.Context, _ *struct{}) (*myDistributorOutput, error) {
	d, err := distributor.Get(ctx, a.Flow.DB.Q(), httpx.PrincipalOf(ctx).Distributor)
	if err != nil {
		return nil, err
	}
	return a.showMyDistributor(ctx, d)
}

func (a *API) showMyDistributor(ctx context.Context, d distributor.Distributor) (*myDistributorOutput, error) {
	name, err := a.Flow.Box.Open(distributor.RealNamePlace, d.RealNameEnc)
	if err != nil {
		return nil, err
	}
	bound, err := attribution.CountBound(ctx, a.Flow.DB.Q(), d.ID)
	if err != nil {
		return nil, err
	}
	l := d.Level
	return &myDistributorOutput{myDistributorBody{
		ID: d.ID, Status: string(d.Status), AdmittedAt: base.Time(d.AdmittedMs), RealNameMasked: distributor.MaskName(name),
		HasIDNo: d.IDNoEnc != "", NameChangedAt: httpx.Time(d.NameChangedMs), Customers: bound,
		Level: myLevelBody{
			l.Code, l.NameZH, l.NameEN, string(l.Cycle), l.Rights.SceneCodes, l.Rights.FirstPromote, l.Rights.OpenRounds,
			l.Rights.HoldTerritory, l.Rights.NoteZH, l.Rights.NoteEN, l.Duties.NoteZH, l.Duties.NoteEN, int64(l.Duties.MonthlySales),
		},
	}}, nil
}

type realNameInput struct {
	Body struct {
		RealName string `json:"real_name" minLength:"2" maxLength:"60"`
		IDNo     string `json:"id_no,omitempty" maxLength:"18" doc:"Where the tax policy needs it; left out: keep what is there"`
	}
}

func (a *API) putRealName(ctx context.Context, in *realNameInput) (*myDistributorOutput, error) {
	id := httpx.PrincipalOf(ctx).Distributor
	d, err := a.Flow.SetRealName(ctx, flow.RealNameInput{
		ID: id, RealName: in.Body.RealName, IDNo: in.Body.IDNo, By: base.Distributor(id),
	})
	if err != nil {
		return nil, err
	}
	return a.showMyDistributor(ctx, d)
}
