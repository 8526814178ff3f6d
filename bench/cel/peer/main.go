// Command peer measures cel-go, the CEL engine of the Kubernetes API server, on the cases of bench/cel.
//
//	go run . ../cases.json ../pods.json
//
// It prints a JSON line for each case and mode:
//
//	k8s-cost         compiled by the API server's own admission compiler: constant folding, cost tracking with the limit of one
//	                 call, interruptible; evaluated with a context, as a ValidatingAdmissionPolicy is
//	plain-optimised  the same libraries and constant folding, nothing else: the fastest that cel-go offers
//
// An evaluation is one expression on one Pod; figures are means over all Pods, the best of several rounds.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

type benchCase struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
}

type result struct {
	Name          string  `json:"name"`
	Mode          string  `json:"mode"`
	NsPerEval     float64 `json:"ns_per_eval"`
	AllocsPerEval float64 `json:"allocs_per_eval"`
	CompileNs     int64   `json:"compile_ns"`
	True          int     `json:"true"` // on how many Pods the expression holds: another engine must agree
	Pods          int     `json:"pods"`
}

const (
	benchTime = "200ms"
	rounds    = 5
	compiles  = 25
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: peer CASES.json PODS.json")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(casesPath, podsPath string) error {
	testing.Init()
	if err := flag.Set("test.benchtime", benchTime); err != nil {
		return err
	}
	var cases []benchCase
	if err := readJSON(casesPath, &cases); err != nil {
		return err
	}
	pods, err := readPods(podsPath)
	if err != nil {
		return err
	}
	plain, err := plainEnv()
	if err != nil {
		return err
	}
	compiler := plugincel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true))
	modes := []struct {
		name    string
		compile func(string) (cel.Program, error)
		eval    func(cel.Program, *activation) (any, error)
	}{
		{
			"k8s-cost",
			func(expr string) (cel.Program, error) {
				options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true, StrictCost: true}
				r := compiler.CompileCELExpression(condition(expr), options, environment.StoredExpressions)
				if r.Error != nil {
					return nil, r.Error
				}
				return r.Program, nil
			},
			func(program cel.Program, a *activation) (any, error) {
				value, _, err := program.ContextEval(context.Background(), a)
				if err != nil {
					return nil, err
				}
				return value.Value(), nil
			},
		},
		{
			"plain-optimised",
			func(expr string) (cel.Program, error) {
				ast, issues := plain.Compile(expr)
				if issues.Err() != nil {
					return nil, issues.Err()
				}
				return plain.Program(ast, cel.EvalOptions(cel.OptOptimize))
			},
			func(program cel.Program, a *activation) (any, error) {
				value, _, err := program.Eval(a)
				if err != nil {
					return nil, err
				}
				return value.Value(), nil
			},
		},
	}
	out := json.NewEncoder(os.Stdout)
	for _, c := range cases {
		for _, mode := range modes {
			r, err := measure(c, mode.compile, mode.eval, pods)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", c.Name, mode.name, err)
			}
			r.Mode = mode.name
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func measure(c benchCase, compile func(string) (cel.Program, error), eval func(cel.Program, *activation) (any, error), pods []*activation) (result, error) {
	r := result{Name: c.Name, Pods: len(pods)}
	program, err := compile(c.Expr)
	if err != nil {
		return r, err
	}
	for i, pod := range pods {
		value, err := eval(program, pod)
		if err != nil {
			return r, fmt.Errorf("pod %d: %w", i, err)
		}
		if value == true {
			r.True++
		}
	}
	durations := []time.Duration{}
	for range compiles {
		start := time.Now()
		if _, err := compile(c.Expr); err != nil {
			return r, err
		}
		durations = append(durations, time.Since(start))
	}
	sort.Slice(durations, func(i, j int) bool { return durations[i] < durations[j] })
	r.CompileNs = durations[compiles/2].Nanoseconds()
	for range rounds {
		b := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				for _, pod := range pods {
					if _, err := eval(program, pod); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		evals := float64(b.N) * float64(len(pods))
		if ns := float64(b.T.Nanoseconds()) / evals; r.NsPerEval == 0 || ns < r.NsPerEval {
			r.NsPerEval = float64(int(ns))
		}
		r.AllocsPerEval = float64(b.AllocsPerOp()) / float64(len(pods))
	}
	return r, nil
}

// condition is the API server's view of an expression: its text and what it may yield.
type condition string

func (c condition) GetExpression() string  { return string(c) }
func (condition) ReturnTypes() []*cel.Type { return []*cel.Type{cel.AnyType} }

// activation resolves variables as the API server's does: `object` is an unstructured map, adapted on each access.
type activation struct{ object any }

func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case plugincel.ObjectVarName:
		return a.object, true
	case plugincel.OldObjectVarName:
		return nil, true
	}
	return nil, false
}

func (a *activation) Parent() interpreter.Activation { return nil }

// plainEnv has what the API server's environment has for stored expressions, without its program options.
func plainEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		library.URLs(), library.Regex(), library.Lists(), library.Authz(), library.AuthzSelectors(), library.Quantity(),
		library.IP(), library.CIDR(), library.Format(), library.SemverLib(library.SemverVersion(1)),
		ext.Strings(ext.StringsVersion(2)), ext.Sets(), ext.TwoVarComprehensions(), ext.Lists(ext.ListsVersion(3)),
		cel.Variable("object", types.DynType), cel.Variable("oldObject", types.DynType),
	)
}

func readPods(path string) ([]*activation, error) {
	var raw []json.RawMessage
	if err := readJSON(path, &raw); err != nil {
		return nil, err
	}
	pods := []*activation{}
	for _, data := range raw {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(data); err != nil {
			return nil, err
		}
		pods = append(pods, &activation{object: object.Object})
	}
	return pods, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
