// Command fenxiao runs the shop: see its help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes are a contract with scripts.
const (
	exitOK     = 0
	exitFailed = 1 // an invariant or a step failed
	exitUsage  = 2 // wrong usage, or something cannot be reached
)

// errFailed says that what was asked for was done, and the answer is no: an invariant or a step failed.
var errFailed = errors.New("failed")

// errUsage says that the command line is wrong; the usage was shown.
var errUsage = errors.New("usage")

// command is one word after fenxiao.
type command struct {
	name, args, about string
	more              string // what its help adds
	run               func(ctx context.Context, c *call) error
}

// call is one run of a command: its words, and where it writes.
type call struct {
	command
	words  []string
	out    io.Writer
	errOut io.Writer
}

var commands = []command{
	{"demo", "[--addr 127.0.0.1:8080] [--dir DIR] [--days 90]", "build a demo shop with the WeChat simulator and serve it; nothing else is needed",
		`The first start makes the data through the real flows and shows how far it is; the shop answers meanwhile. The folder
is kept: started again, the demo goes on where it was. Addresses and log-ins are printed. Ctrl-C stops it.`, runDemo},
	{"serve", "[--addr HOST:PORT] [--redis HOST:PORT]", "serve the shop",
		`WeChat's settings are needed (--config, or the environment); without a database named, fenxiao.db in this folder is used.
Tables are brought up to date. SIGINT and SIGTERM let requests under way end first.`, runServe},
	{"story", "[--unhappy] [--redis ADDR] [--lang zh|en] [--json]", "play the main job once on an empty database and prove it",
		`From the scan of a code to the money in the distributor's wallet, over real HTTP on this machine, WeChat simulated: every
step with its figures, compared with plain arithmetic, then the audit. Without a database named, it uses one that is
thrown away. A database that has anything in it is refused and left as it is.`, runStory},
	{"audit", "[--json]", "prove the invariants over a database",
		`Reads one snapshot and writes nothing, so that it can run beside a running shop. Of an invariant that does not hold, the
offending rows are named, at most 20 of a kind.`, runAudit},
	{"migrate", "up|status", "bring a database's tables up to this program",
		`Safe when several replicas start at once. There is no way back: keep a backup.`, runMigrate},
	{"jobs", "list|run NAME", "list the jobs, or run one now",
		`Running one beside its schedule, or twice at once, does no harm. Jobs that ask WeChat need its settings.`, runJobs},
	{"admin", "create --login NAME --role ROLE|reset --login NAME|code --secret SECRET", "make an admin, give one a new password and second factor, or print a one-time code",
		`The first admin of a shop is made here: admin create --login boss --role owner. What is printed is shown once.`, runAdmin},
	{"wxsim", "--addr HOST:PORT --dir DIR", "run the WeChat simulator alone, for any WeChat Pay client",
		`DIR gets apiclient_key.pem, apiclient_cert.pem, wechatpay_pub_key.pem and merchant.json with all else that a client
needs to talk to it. People pay and confirm at /_sim/. Nothing here is WeChat, and no money moves.`, runWxsim},
	{"health", "[--url http://127.0.0.1:8080/healthz]", "ask a running shop whether it is well",
		`For a container's health check.`, runHealth},
}

const (
	databaseHelp = `
A database is named by --db FILE (SQLite), --dsn DSN (MySQL, MariaDB, TiDB) or --config FILE, else by FENXIAO_DB or
FENXIAO_DSN in the environment. A password belongs in the environment or the file, not on the command line.
`
	exitHelp = `
Exit: 0 as it should be, 1 an invariant or step failed, 2 wrong usage or something cannot be reached.
`
)

func usage(w io.Writer) {
	fmt.Fprintf(w, "fenxiao: distribution and team buying for WeChat mini-programs\n\nUsage: fenxiao COMMAND [FLAGS]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n           fenxiao %s %s\n", c.name, c.about, c.name, c.args)
	}
	fmt.Fprint(w, databaseHelp, exitHelp, "\nfenxiao COMMAND -h explains a command.\n")
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, words []string, out, errOut io.Writer) int {
	if len(words) == 0 || words[0] == "help" || words[0] == "-h" || words[0] == "--help" {
		usage(out)
		if len(words) == 0 {
			return exitUsage
		}
		return exitOK
	}
	for _, c := range commands {
		if c.name == words[0] {
			return c.exit(c.run(ctx, &call{c, words[1:], out, errOut}), errOut)
		}
	}
	fmt.Fprintf(errOut, "fenxiao: there is no command %q\n\n", words[0])
	usage(errOut)
	return exitUsage
}

func (c command) exit(err error, errOut io.Writer) int {
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.Is(err, errUsage):
		return exitUsage
	default:
		fmt.Fprintf(errOut, "fenxiao %s: %v\n", c.name, err)
		return exitUsage
	}
}

// flags makes the flag set of a command.
func (c *call) flags() *flag.FlagSet {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // parse says what is to be said, and where
	return f
}

// help shows the command, its flags, and what commands have in common.
func (c *call) help(f *flag.FlagSet) {
	fmt.Fprintf(c.out, "fenxiao %s: %s\n\nUsage: fenxiao %s %s\n\n%s\n\n", c.name, c.about, c.name, c.args, c.more)
	f.VisitAll(func(x *flag.Flag) {
		kind, about := flag.UnquoteUsage(x)
		if x.DefValue != "" && x.DefValue != "false" {
			about += " (without it " + x.DefValue + ")"
		}
		fmt.Fprintf(c.out, "  %-18s %s\n", strings.TrimSpace("--"+x.Name+" "+kind), about)
	})
	if f.Lookup("db") != nil {
		fmt.Fprint(c.out, databaseHelp)
	}
	fmt.Fprint(c.out, exitHelp)
}

// parse reads the flags and allows at most max words beside them.
func (c *call) parse(f *flag.FlagSet, max int) error {
	// Flags may stand before and after the words: "migrate up --db FILE" reads as well as "migrate --db FILE up".
	var plain []string
	for rest := c.words; ; {
		if err := f.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.help(f)
				return err
			}
			return c.misused("%v", err)
		}
		if rest = f.Args(); len(rest) == 0 {
			break
		}
		plain, rest = append(plain, rest[0]), rest[1:]
	}
	c.words = plain
	if len(plain) > max {
		return c.misused("%q is one word too many", plain[max])
	}
	return nil
}

// misused says what is wrong with the command line and shows how it should be.
func (c *call) misused(format string, args ...any) error {
	fmt.Fprintf(c.errOut, "fenxiao %s: %s\nUsage: fenxiao %s %s\nfenxiao %s -h explains the flags.\n", c.name, fmt.Sprintf(format, args...), c.name, c.args, c.name)
	return errUsage
}
