package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/play"
)

// kept is what the folder remembers beside the database.
type kept struct {
	Set    bool              `json:"set"`  // people and goods are there
	Made   bool              `json:"made"` // all days are there
	First  base.BusinessDay  `json:"first_day"`
	Done   int               `json:"days_done"`
	Admins []play.AdminLogin `json:"admins"`
}

func (d *demo) file() string { return filepath.Join(d.o.Dir, "demo.json") }

// load reads the folder. One in which the set-up was cut off has nothing worth keeping and is begun anew.
func (d *demo) load() error {
	b, err := os.ReadFile(d.file())
	if errors.Is(err, fs.ErrNotExist) {
		return d.begin()
	}
	if err == nil {
		err = json.Unmarshal(b, &d.kept)
	}
	if err != nil {
		return fmt.Errorf("read the demo's folder: %w", err)
	}
	if !d.kept.Set {
		return d.begin()
	}
	return nil
}

// begin clears what an earlier set-up left. Only files of the demo's own making are removed.
func (d *demo) begin() error {
	for _, name := range []string{"demo.db", "demo.db-wal", "demo.db-shm", "wechat", "keys.json"} {
		if err := os.RemoveAll(filepath.Join(d.o.Dir, name)); err != nil {
			return err
		}
	}
	d.kept = kept{First: base.DayOf(clock.Wall()).Add(-d.o.Days)}
	return d.save()
}

func (d *demo) save() error {
	b, err := json.MarshalIndent(d.kept, "", "  ")
	if err != nil {
		return err
	}
	tmp := d.file() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.file())
}

// next is the moment at which making goes on.
func (k kept) next(days int) time.Time {
	return k.First.Add(min(k.Done, days)).Start().Add(openingHour)
}
