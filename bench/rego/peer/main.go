// Command peer measures OPA, as a library, on the cases of bench/rego: prepared queries, the input parsed once, what `opa bench`
// measures. It prints a JSON line for each case.
//
//	go run . CASES.json [-only NAME]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

type benchCase struct {
	Name    string   `json:"name"`
	Dialect string   `json:"dialect"`
	Modules []string `json:"modules"`
	Query   string   `json:"query"`
	Input   *string  `json:"input"`
	Data    *string  `json:"data"`
}

type result struct {
	Name          string  `json:"name"`
	NsPerEval     float64 `json:"ns_per_eval"`
	AllocsPerEval int64   `json:"allocs_per_eval"`
	CompileNs     int64   `json:"compile_ns"`
	PolicyBytes   int64   `json:"policy_bytes"`
	Value         any     `json:"value"`
}

const (
	rounds       = 3
	benchTime    = "300ms"
	compileTime  = 400 * time.Millisecond
	memoryCopies = 10
)

func main() {
	testing.Init()
	only := flag.String("only", "", "one case")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: peer [-only NAME] CASES.json")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *only); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(casesPath, only string) error {
	if err := flag.Set("test.benchtime", benchTime); err != nil {
		return err
	}
	var cases []benchCase
	if err := readJSON(casesPath, &cases); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, c := range cases {
		if only != "" && only != c.Name {
			continue
		}
		r, err := measure(&c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

type source struct{ name, text string }

func measure(c *benchCase) (*result, error) {
	ctx := context.Background()
	var sources []source
	for _, path := range c.Modules {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source{path, string(text)})
	}
	data := map[string]any{}
	if c.Data != nil {
		if err := readJSON(*c.Data, &data); err != nil {
			return nil, err
		}
	}
	// What makes reading data fastest (`--optimize-store-for-read-speed`).
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	var input any
	if c.Input != nil {
		if err := readJSON(*c.Input, &input); err != nil {
			return nil, err
		}
	}
	value, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, err
	}

	r := &result{Name: c.Name}
	var query rego.PreparedEvalQuery
	var durations []time.Duration
	for begin := time.Now(); time.Since(begin) < compileTime || len(durations) < 3; {
		start := time.Now()
		if query, err = prepare(ctx, c, sources, store); err != nil {
			return nil, err
		}
		durations = append(durations, time.Since(start))
	}
	slices.Sort(durations)
	r.CompileNs = durations[len(durations)/2].Nanoseconds()

	results, err := query.Eval(ctx, rego.EvalParsedInput(value))
	if err != nil {
		return nil, err
	}
	if len(results) > 0 {
		r.Value = results[0].Expressions[0].Value
	}
	for range rounds {
		b := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := query.Eval(ctx, rego.EvalParsedInput(value)); err != nil {
					b.Fatal(err)
				}
			}
		})
		if ns := float64(b.T.Nanoseconds()) / float64(b.N); r.NsPerEval == 0 || ns < r.NsPerEval {
			r.NsPerEval = ns
		}
		r.AllocsPerEval = b.AllocsPerOp()
	}

	before := heap()
	kept := make([]rego.PreparedEvalQuery, memoryCopies)
	for i := range kept {
		if kept[i], err = prepare(ctx, c, sources, store); err != nil {
			return nil, err
		}
	}
	r.PolicyBytes = (heap() - before) / memoryCopies
	runtime.KeepAlive(kept)
	return r, nil
}

func prepare(ctx context.Context, c *benchCase, sources []source, store storage.Store) (rego.PreparedEvalQuery, error) {
	version := ast.RegoV1
	if c.Dialect == "v0" {
		version = ast.RegoV0
	}
	modules := map[string]*ast.Module{}
	for _, s := range sources {
		module, err := ast.ParseModuleWithOpts(s.name, s.text, ast.ParserOptions{RegoVersion: version})
		if err != nil {
			return rego.PreparedEvalQuery{}, err
		}
		modules[s.name] = module
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		return rego.PreparedEvalQuery{}, compiler.Errors
	}
	return rego.New(rego.Query(c.Query), rego.Compiler(compiler), rego.Store(store)).PrepareForEval(ctx)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := util.NewJSONDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
