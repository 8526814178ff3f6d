package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A Question is a case as an engine gets it.
type Question struct {
	Seed    int64          `json:"seed"`
	Dialect string         `json:"dialect"`
	Strict  bool           `json:"strict,omitempty"`
	Syntax  bool           `json:"syntax,omitempty"` // only parsed: the answer has no rows
	Query   string         `json:"query"`
	Modules []string       `json:"modules"`
	Input   map[string]any `json:"input"`
	Data    map[string]any `json:"data"`
}

func (c *Case) Question() *Question {
	q := &Question{Seed: c.Seed, Dialect: c.Dialect, Strict: c.Strict, Syntax: c.Syntax, Query: c.Query, Input: c.Input, Data: c.Data}
	for _, m := range c.Modules {
		q.Modules = append(q.Modules, m.Text(c.Dialect))
	}
	return q
}

// An Answer is rows of bindings (values tagged: see Tagged), or an error of the evaluation, or what the compiler reports.
type Answer struct {
	Rows    []any    `json:"rows,omitempty"`
	Error   string   `json:"error,omitempty"`   // "module:row: code: message"
	Compile []string `json:"compile,omitempty"` // "module:row: code: message"
	Lost    string   `json:"lost,omitempty"`    // no answer: out of time, crashed
	// What is as good: where an error ends the query, OPA's rule index decides which errors occur.
	Or *Answer `json:"or,omitempty"`
}

// Tagged is a value as JSON that loses nothing: a set is {"$set": [...]}, an object whose keys are not all strings is
// {"$object": [[key, value], ...]}.
func Tagged(v ast.Value) any {
	switch v := v.(type) {
	case ast.Null:
		return nil
	case ast.Boolean:
		return bool(v)
	case ast.Number:
		return json.Number(v)
	case ast.String:
		return valid(string(v))
	case *ast.Array:
		list := []any{}
		v.Foreach(func(t *ast.Term) { list = append(list, Tagged(t.Value)) })
		return list
	case ast.Set:
		list := []any{}
		for _, t := range v.Slice() {
			list = append(list, Tagged(t.Value))
		}
		return map[string]any{"$set": list}
	case ast.Object:
		plain := map[string]any{}
		pairs := []any{}
		v.Foreach(func(key, value *ast.Term) {
			if s, ok := key.Value.(ast.String); ok {
				plain[valid(string(s))] = Tagged(value.Value)
			}
			pairs = append(pairs, []any{Tagged(key.Value), Tagged(value.Value)})
		})
		if len(plain) == len(pairs) {
			return plain
		}
		return map[string]any{"$object": pairs}
	}
	return fmt.Sprintf("%T", v)
}

// valid is what JSON makes of a string that is not UTF-8: each wrong byte becomes U+FFFD.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// untagged is the value of tagged JSON.
func untagged(x any) ast.Value {
	switch x := x.(type) {
	case []any:
		terms := make([]*ast.Term, len(x))
		for i := range x {
			terms[i] = ast.NewTerm(untagged(x[i]))
		}
		return ast.NewArray(terms...)
	case map[string]any:
		if list, ok := x["$set"].([]any); ok {
			set := ast.NewSet()
			for _, item := range list {
				set.Add(ast.NewTerm(untagged(item)))
			}
			return set
		}
		o := ast.NewObject()
		if list, ok := x["$object"].([]any); ok {
			for _, pair := range list {
				o.Insert(ast.NewTerm(untagged(pair.([]any)[0])), ast.NewTerm(untagged(pair.([]any)[1])))
			}
			return o
		}
		for k, v := range x {
			o.Insert(ast.StringTerm(k), ast.NewTerm(untagged(v)))
		}
		return o
	}
	return ast.MustInterfaceToValue(x)
}

const patience = 2 * time.Second

// Ask is OPA's answer.
func Ask(q *Question) *Answer {
	answer := ask(q, true)
	if q.Strict && answer.Compile == nil && answer.Lost == "" {
		if other := ask(q, false); other.Lost == "" && !Same(answer, other) {
			answer.Or = other
		}
	}
	return answer
}

func ask(q *Question, indexing bool) (answer *Answer) {
	defer func() { // OPA's own failures are no answer
		if r := recover(); r != nil {
			answer = &Answer{Lost: fmt.Sprint(r)}
		}
	}()
	version := ast.RegoV1
	if q.Dialect == "v0" {
		version = ast.RegoV0
	}
	modules := map[string]*ast.Module{}
	for i, text := range q.Modules {
		name := fmt.Sprintf("test-%d.rego", i)
		m, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: version})
		if err != nil {
			return reports(err)
		}
		modules[name] = m
	}
	if q.Syntax {
		return &Answer{Rows: []any{}}
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		return reports(compiler.Errors)
	}
	parsed, err := ast.ParseBodyWithOpts(q.Query, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return reports(err)
	}
	query, err := compiler.QueryCompiler().Compile(parsed)
	if err != nil {
		return reports(err)
	}
	ctx := context.Background()
	store := inmem.NewFromObject(decoded(q.Data))
	txn := storage.NewTransactionOrDie(ctx, store)
	defer store.Abort(ctx, txn)
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(patience, cancel.Cancel)
	defer timer.Stop()
	rows, err := topdown.NewQuery(query).WithCompiler(compiler).WithStore(store).WithTransaction(txn).
		WithInput(ast.NewTerm(ast.MustInterfaceToValue(decoded(q.Input)))).
		WithStrictBuiltinErrors(q.Strict).WithIndexing(indexing).WithCancel(cancel).Run(ctx)
	if topdown.IsCancel(err) {
		return &Answer{Lost: "out of time"}
	}
	if err != nil {
		return &Answer{Error: err.Error()}
	}
	answer = &Answer{Rows: []any{}}
	for _, row := range rows {
		out := map[string]any{}
		for name, term := range row {
			if s := string(name); !strings.HasPrefix(s, "__local") && !strings.HasPrefix(s, "$") {
				out[s] = Tagged(term.Value)
			}
		}
		answer.Rows = append(answer.Rows, out)
	}
	return answer
}

// decoded is a document after a way through JSON, as users' documents are.
func decoded(document map[string]any) map[string]any {
	raw, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	out := map[string]any{}
	if err := decoder.Decode(&out); err != nil {
		panic(err)
	}
	return out
}

// Names that OPA's compiler makes up show in some messages.
var generated = regexp.MustCompile(`__local\d+__`)

func reports(err error) *Answer {
	list, ok := err.(ast.Errors)
	if !ok {
		if one, ok := err.(*ast.Error); ok {
			list = ast.Errors{one}
		} else {
			return &Answer{Compile: []string{err.Error()}}
		}
	}
	seen := map[string]bool{}
	for _, e := range list {
		where := "?"
		if e.Location != nil {
			where = fmt.Sprintf("%s:%d", e.Location.File, e.Location.Row)
		}
		if generated.MatchString(e.Message) {
			return &Answer{Lost: "the message shows what the compiler made of the module"}
		}
		seen[where+": "+e.Code+": "+e.Message] = true
	}
	return &Answer{Compile: slices.Sorted(maps.Keys(seen))}
}

// Same says whether b is a's answer.
func Same(a, b *Answer) bool {
	if a.Or != nil && Same(a.Or, b) {
		return true
	}
	if (a.Rows == nil) != (b.Rows == nil) || a.Error != b.Error || !slices.Equal(a.Compile, b.Compile) || a.Lost != b.Lost {
		return false
	}
	set := func(rows []any) ast.Set {
		s := ast.NewSet()
		for _, row := range rows {
			s.Add(ast.NewTerm(untagged(row)))
		}
		return s
	}
	return set(a.Rows).Compare(set(b.Rows)) == 0
}
