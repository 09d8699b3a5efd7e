package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/jobs"
	"fenxiao/server/access"
	"fenxiao/server/audit"
	"fenxiao/server/base"
	"fenxiao/server/httpx"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/inbox"
	"fenxiao/server/store/outbox"
)

const troubleMax = 100

func (a *API) registerSystem(api *httpx.API) {
	tags := []string{"system"}
	httpx.Register(api, httpx.Op{ID: "list-jobs", Method: http.MethodGet, Path: "/jobs", Summary: "Jobs and how their last run went", Permission: access.PermJobRead, Tags: tags}, a.listJobs)
	httpx.Register(api, httpx.Op{ID: "run-job", Method: http.MethodPost, Path: "/jobs/{name}/run", Summary: "Run a job now", Permission: access.PermJobRun, Tags: tags}, a.runJob)
	httpx.Register(api, httpx.Op{ID: "run-audit", Method: http.MethodPost, Path: "/audit", Summary: "Prove the invariants now", Permission: access.PermAuditRun, Tags: tags}, a.runAudit)
	httpx.Register(api, httpx.Op{ID: "list-troubles", Method: http.MethodGet, Path: "/troubles", Summary: "Notifications and outgoing messages that a person should look at", Permission: access.PermInboxRead, Tags: tags}, a.troubles)
	httpx.Register(api, httpx.Op{ID: "replay-event", Method: http.MethodPost, Path: "/inbox/{id}/replay", Summary: "Try to apply a notification again", Permission: access.PermInboxReplay, Tags: tags}, a.replay)
	httpx.Register(api, httpx.Op{ID: "list-history", Method: http.MethodGet, Path: "/history/{object}", Summary: "What was changed on one thing, by whom and why", Permission: access.PermAuditRead, Tags: tags}, a.history)
}

type jobStatus struct {
	Name    string     `json:"name"`
	Running bool       `json:"running"`
	RanAt   *time.Time `json:"ran_at" doc:"End of the last run; null: never"`
	Result  string     `json:"result"`
}

type jobList struct {
	Body struct {
		Items []jobStatus `json:"items"`
	}
}

func (a *API) listJobs(ctx context.Context, _ *struct{}) (*jobList, error) {
	list, err := jobs.Statuses(ctx, a.Flow.DB.Q())
	if err != nil {
		return nil, err
	}
	var out jobList
	for _, s := range list {
		item := jobStatus{Name: s.Name, Running: s.UntilMs > 0, Result: s.Result}
		if s.RanMs > 0 {
			at := base.Time(s.RanMs)
			item.RanAt = &at
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	return &out, nil
}

type jobName struct {
	Name string `path:"name" pattern:"^[a-z_]{1,40}$"`
}

type jobDone struct {
	Body struct {
		Done int `json:"done" doc:"Units of work"`
	}
}

func (a *API) runJob(ctx context.Context, in *jobName) (*jobDone, error) {
	n, err := a.Jobs.RunNamed(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	var out jobDone
	out.Body.Done = n
	return &out, nil
}

type auditReport struct {
	Body struct {
		OK      bool           `json:"ok"`
		Results []audit.Result `json:"results"`
	}
}

func (a *API) runAudit(ctx context.Context, _ *struct{}) (*auditReport, error) {
	report, err := audit.Run(ctx, a.Flow.DB)
	if err != nil {
		return nil, err
	}
	var out auditReport
	out.Body.OK, out.Body.Results = report.OK(), report.Results
	return &out, nil
}

type trouble struct {
	Box   string       `json:"box" enum:"inbox,outbox"`
	ID    base.EventID `json:"id"`
	Kind  string       `json:"kind"`
	Ref   string       `json:"ref" doc:"Our number in it"`
	State string       `json:"state"`
	Tries int          `json:"tries"`
	Why   string       `json:"why"`
}

type troubleList struct {
	Body struct {
		Items []trouble `json:"items"`
	}
}

func (a *API) troubles(ctx context.Context, _ *struct{}) (*troubleList, error) {
	in, err := inbox.Troubled(ctx, a.Flow.DB.Q(), troubleMax)
	if err != nil {
		return nil, err
	}
	sent, err := outbox.Troubled(ctx, a.Flow.DB.Q(), troubleMax)
	if err != nil {
		return nil, err
	}
	var list troubleList
	for _, t := range in {
		list.Body.Items = append(list.Body.Items, trouble{"inbox", base.EventID(t.ID), t.Kind, t.Ref, string(t.State), t.Tries, t.Outcome})
	}
	for _, t := range sent {
		list.Body.Items = append(list.Body.Items, trouble{"outbox", base.EventID(t.ID), t.Kind, t.Ref, t.State, t.Tries, t.Error})
	}
	return &list, nil
}

type eventPath struct {
	ID base.EventID `path:"id"`
}

func (a *API) replay(ctx context.Context, in *eventPath) (*struct{}, error) {
	return nil, a.Flow.ReplayEvent(ctx, in.ID, httpx.PrincipalOf(ctx).Actor)
}

type objectPath struct {
	Object string `path:"object" maxLength:"64" doc:"An id, such as wd… or or…"`
}

type change struct {
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`
	Action    string    `json:"action"`
	Before    string    `json:"before" doc:"JSON; empty if there was nothing"`
	After     string    `json:"after" doc:"JSON"`
	Reason    string    `json:"reason"`
	RequestID string    `json:"request_id"`
}

type changeList struct {
	Body struct {
		Items []change `json:"items"`
	}
}

func (a *API) history(ctx context.Context, in *objectPath) (*changeList, error) {
	rows, err := auditlog.Of(ctx, a.Flow.DB.Q(), in.Object)
	if err != nil {
		return nil, err
	}
	var out changeList
	for _, r := range rows {
		out.Body.Items = append(out.Body.Items, change{base.Time(r.AtMs), r.Actor, r.Action, r.Before, r.After, r.Reason, r.RequestID})
	}
	return &out, nil
}
