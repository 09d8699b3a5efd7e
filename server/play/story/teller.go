// Package story plays the main job once, without a person: from a scan to the money in the distributor's wallet, over
// real HTTP, every figure taken from the API's answer and compared with plain arithmetic of the story's own.
package story

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"fenxiao/server/base/money"
)

// ErrFailed says that a figure was not what the story's arithmetic says, or a step was refused.
var ErrFailed = errors.New("story: a step failed")

// text is what is told, in both languages.
type text struct{ zh, en string }

// figure is one number of a step: what the API said, and what it should be.
type figure struct {
	label text
	got   string
	want  string
}

// Teller prints steps as they happen.
type Teller struct {
	out     io.Writer
	english bool
	asJSON  bool
	number  int
	failed  bool
	step    text
	figures []figure
}

// NewTeller prints to out, in Chinese or English, or as one JSON object per line.
func NewTeller(out io.Writer, english, asJSON bool) *Teller {
	return &Teller{out: out, english: english, asJSON: asJSON}
}

func (t *Teller) say(x text) string {
	if t.english {
		return x.en
	}
	return x.zh
}

// begin starts a step; the one before ends with it.
func (t *Teller) begin(zh, en string) {
	t.end()
	t.step = text{zh, en}
}

// chapter prints a heading.
func (t *Teller) chapter(zh, en string) {
	t.end()
	if !t.asJSON {
		fmt.Fprintf(t.out, "\n%s\n", t.say(text{zh, en}))
	}
}

// note shows a figure that has no expectation.
func (t *Teller) note(zh, en string, got any) {
	t.figures = append(t.figures, figure{text{zh, en}, show(got), show(got)})
}

// expect compares a figure of the API with the story's own.
func (t *Teller) expect(zh, en string, got, want any) {
	t.figures = append(t.figures, figure{text{zh, en}, show(got), show(want)})
}

// show writes money as yuan and anything else plainly.
func show(v any) string {
	if fen, ok := v.(money.Fen); ok {
		return "¥" + fen.String()
	}
	return fmt.Sprint(v)
}

// end closes the step under way and prints it.
func (t *Teller) end() {
	if t.step == (text{}) {
		return
	}
	ok := true
	for _, f := range t.figures {
		ok = ok && f.got == f.want
	}
	t.print(ok)
	t.failed = t.failed || !ok
	t.step, t.figures = text{}, nil
}

func (t *Teller) print(ok bool) {
	t.number++
	if t.asJSON {
		t.printJSON(ok)
		return
	}
	mark := "✓"
	if !ok {
		mark = "✗"
	}
	fmt.Fprintf(t.out, "%s %2d %s\n", mark, t.number, t.say(t.step))
	for _, f := range t.figures {
		if f.got == f.want {
			fmt.Fprintf(t.out, "       %s  %s\n", t.say(f.label), f.got)
			continue
		}
		fmt.Fprintf(t.out, "     ✗ %s  %s（%s %s）\n", t.say(f.label), f.got, t.say(text{"应为", "should be"}), f.want)
	}
}

type stepLine struct {
	Step    string            `json:"step"`
	OK      bool              `json:"ok"`
	Figures map[string]string `json:"figures"`
	Wrong   map[string]string `json:"expected,omitempty"`
}

func (t *Teller) printJSON(ok bool) {
	line := stepLine{Step: t.say(t.step), OK: ok, Figures: map[string]string{}}
	for _, f := range t.figures {
		label := t.say(f.label)
		line.Figures[label] = f.got
		if f.got != f.want {
			if line.Wrong == nil {
				line.Wrong = map[string]string{}
			}
			line.Wrong[label] = f.want
		}
	}
	t.json(line)
}

func (t *Teller) json(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own structs come here
	}
	fmt.Fprintf(t.out, "%s\n", b)
}

// broken ends the step under way with a refusal that should not have come.
func (t *Teller) broken(err error) {
	if t.step == (text{}) {
		t.step = text{"出错", "error"}
	}
	t.expect("错误", "error", err.Error(), "")
	t.end()
}
