// Command differential asks OPA and Bulwark the same questions about policies that it makes up.
//
//	differential record -count 2000 -seed 1 > recorded.jsonl     OPA's answers, for the test in C++
//	differential run -ours BINARY -count 100000 -seed 1          both; each difference, made smaller
//	differential run -syntax ...                                 the same, of parsing texts that are mostly broken
//	differential run -calls ...                                  the same, of single calls of built-ins
//	differential run -count 1000                                 what the cases come to, by OPA alone
//	differential show -seed 17                                   one case with OPA's answer
//
// BINARY is rego_differential, which is asked a question a line on its standard input (--serve).
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	count := flags.Int("count", 1000, "how many cases")
	seed := flags.Int64("seed", 1, "seed of the first case; the next has the next number")
	ours := flags.String("ours", "", "the binary to compare with")
	differences := flags.Int("differences", 50, "stop after so many differences")
	size := flags.Int("size", 1200, "record: only cases whose line is no longer")
	syntax := flags.Bool("syntax", false, "run: only what the parser says about broken texts")
	calls := flags.Bool("calls", false, "run: each case is one call of a built-in")
	skip := flags.String("skip", "", "run: pass over differences where an answer matches this regular expression")
	_ = flags.Parse(os.Args[2:])
	source := Generate
	if *syntax {
		source = GenerateSyntax
	} else if *calls {
		source = GenerateCall
	}
	var err error
	switch os.Args[1] {
	case "record":
		err = record(*seed, *count, *size)
	case "run":
		err = run(*ours, source, *seed, *count, *differences, *skip)
	case "show":
		show(*seed)
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "differential:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: differential record|run|show [flags]")
	os.Exit(2)
}

type pair struct {
	*Question
	Want *Answer `json:"want"`
}

func record(seed int64, count, size int) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	undefined, compile := 0, 0
	for n := 0; n < count; seed++ {
		q := Generate(seed).Question()
		if line, err := marshal(q); err != nil || len(line) > size-20 {
			continue
		}
		want := Ask(q)
		if want.Lost != "" {
			continue
		}
		// Answers without a value are some of the cases, not most of them.
		isCompile := want.Compile != nil
		isUndefined := !isCompile && want.Error == "" && len(want.Rows) == 0
		if isCompile && compile*8 > n || isUndefined && undefined*8 > n {
			continue
		}
		line, err := marshal(pair{q, want})
		if err != nil {
			return err
		}
		if len(line) > size {
			continue
		}
		if isCompile {
			compile++
		} else if isUndefined {
			undefined++
		}
		n++
		if _, err := out.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func marshal(x any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(x)
	return strings.TrimSpace(b.String()), err
}

func show(seed int64) {
	q := Generate(seed).Question()
	printQuestion(q)
	fmt.Println("OPA: ", brief(Ask(q)))
}

func printQuestion(q *Question) {
	fmt.Printf("=== seed %d, %s, strict %v\n", q.Seed, q.Dialect, q.Strict)
	for _, m := range q.Modules {
		fmt.Println(m)
	}
	input, _ := marshal(q.Input)
	data, _ := marshal(q.Data)
	fmt.Printf("query: %s\ninput: %s\ndata:  %s\n", q.Query, input, data)
}

func brief(a *Answer) string {
	s, _ := marshal(a)
	if len(s) > 1500 {
		s = s[:1500] + "…"
	}
	return s
}

// --- comparing -----------------------------------------------------------------------------------

// A server is a process of ours that answers questions, started again where it dies.
type server struct {
	path  string
	cmd   *exec.Cmd
	in    *bufio.Writer
	lines chan string
}

func (s *server) start() error {
	s.cmd = exec.Command(s.path, "--serve")
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.in = bufio.NewWriter(in)
	lines := make(chan string)
	s.lines = lines
	go func() {
		defer close(lines)
		reader := bufio.NewReaderSize(out, 1<<20)
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	return s.cmd.Start()
}

func (s *server) ask(q *Question) (*Answer, error) {
	if s.cmd == nil {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	line, err := marshal(q)
	if err != nil {
		return nil, err
	}
	_, _ = s.in.WriteString(line + "\n")
	_ = s.in.Flush()
	select {
	case answer, ok := <-s.lines:
		if !ok {
			err := s.cmd.Wait()
			s.cmd = nil
			fmt.Fprintln(os.Stderr, "crashed on", line)
			return &Answer{Lost: fmt.Sprint("crashed: ", err)}, nil
		}
		a := &Answer{}
		decoder := json.NewDecoder(strings.NewReader(answer))
		decoder.UseNumber()
		if err := decoder.Decode(a); err != nil {
			return nil, fmt.Errorf("%s: %w", answer, err)
		}
		if a.Rows == nil && a.Error == "" && a.Compile == nil {
			a.Rows = []any{}
		}
		return a, nil
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
		return &Answer{Lost: "out of time"}, nil
	}
}

func run(ours string, source func(int64) *Case, seed int64, count, differences int, skip string) error {
	s := &server{path: ours}
	kinds := map[string]int{}
	found := 0
	asked := 0
	for n := range count {
		c := source(seed + int64(n))
		q := c.Question()
		want := Ask(q)
		if want.Lost != "" {
			kinds["no answer of OPA's"]++
			continue
		}
		asked++
		switch {
		case want.Error != "":
			kinds["evaluation errors"]++
		case want.Compile != nil:
			kinds["compile errors"]++
			if ours == "" {
				fmt.Println(c.Seed, want.Compile[0])
			}
		case len(want.Rows) == 0:
			kinds["undefined"]++
		default:
			kinds["results"]++
		}
		if ours == "" { // only counted
			continue
		}
		got, err := s.ask(q)
		if err != nil {
			return err
		}
		if Same(want, got) {
			continue
		}
		if skip != "" && regexp.MustCompile(skip).MatchString(brief(want)+"\n"+brief(got)) {
			kinds["passed over"]++
			continue
		}
		found++
		if err := minimise(c, s); err != nil {
			return err
		}
		q = c.Question()
		printQuestion(q)
		got, err = s.ask(q)
		if err != nil {
			return err
		}
		fmt.Printf("OPA:  %s\nours: %s\n\n", brief(Ask(q)), brief(got))
		if found >= differences {
			break
		}
	}
	fmt.Printf("%d pairs %v, %d differences\n", asked, kinds, found)
	if found > 0 {
		os.Exit(1)
	}
	return nil
}
