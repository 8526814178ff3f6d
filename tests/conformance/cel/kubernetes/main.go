// Command kubernetes dumps the tables that stand in the test files of Kubernetes' own CEL code (k8s.io/apiserver,
// k8s.io/apiextensions-apiserver) as JSON.
//
//	go run . OUT_DIR
//
// The tables are Go literals, local to test functions. So both modules are copied to a scratch directory, one recording
// call is inserted into each test function, the recorders in _inject/ are put beside the tests, and `go test` is run on
// the copies: a row is written only if the module's own test agrees with it. (`go test -overlay` would do without the
// copy, but it refuses to touch the module cache.)
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// An insertion puts a call into a test function: at its start, or (beforeLoop) before its first `for` statement, where
// the table is complete.
type insertion struct {
	file, function, call string
	beforeLoop           bool
}

type target struct {
	module, pkg string
	recorders   map[string]string // package clause -> file in _inject
	insertions  []insertion
}

var targets = []target{
	{
		module:    "k8s.io/apiserver",
		pkg:       "pkg/cel/library",
		recorders: map[string]string{"library": "library_cost_test.go", "library_test": "library_direct_test.go"},
		insertions: []insertion{
			{file: "quantity_test.go", function: "testQuantity", call: `recordDirect(t, expr, expectResult, expectRuntimeErrPattern, "regexp", expectCompileErrs, nil)`},
			{file: "semver_test.go", function: "testSemver", call: `recordDirect(t, expr, expectResult, expectRuntimeErrPattern, "regexp", expectCompileErrs, map[string]any{"version": version})`},
			{file: "ip_test.go", function: "testIP", call: `recordDirect(t, expr, expectResult, expectRuntimeErr, "exact", expectCompileErrs, nil)`},
			{file: "cidr_test.go", function: "testCIDR", call: `recordDirect(t, expr, expectResult, expectRuntimeErr, "exact", expectCompileErrs, nil)`},
			{file: "cost_test.go", function: "testCost", call: `recordCost(t, expr, expectEsimatedCost, expectRuntimeCost)`},
			{file: "cost_test.go", function: "TestSize", call: `recordSize(cases)`, beforeLoop: true},
		},
	},
	{
		module:    "k8s.io/apiextensions-apiserver",
		pkg:       "pkg/apiserver/schema/cel",
		recorders: map[string]string{"cel": "schema_cel_test.go"},
		insertions: []insertion{
			{file: "validation_test.go", function: "TestValidationExpressions", call: `recordValidationExpressions(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestValidationExpressionsAtSchemaLevels", call: `recordSchemaLevels(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestMessageExpression", call: `recordMessageExpressions(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestReasonAndFldPath", call: `recordReasons(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestValidateFieldPath", call: `recordFieldPaths(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestRatcheting", call: `recordRatcheting(cases)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestOptionalOldSelf", call: `recordOptionalOldSelf(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestOptionalOldSelfCheckForNull", call: `recordOptionalOldSelfNull(tests)`, beforeLoop: true},
			{file: "validation_test.go", function: "TestOptionalOldSelfIsOptionalType", call: `recordOptionalOldSelfType(cases)`, beforeLoop: true},
			{file: "compilation_test.go", function: "TestCelCompilation", call: `recordCompilation(cases)`, beforeLoop: true},
			{file: "compilation_test.go", function: "TestCostEstimation", call: `recordCostEstimation(cases)`, beforeLoop: true},
			{file: "celcoststability_test.go", function: "TestCelCostStability", call: `recordRuntimeCosts(cases)`, beforeLoop: true},
			{file: "celcoststability_test.go", function: "TestCelEstimatedCostStability", call: `recordEstimatedCosts(cases)`, beforeLoop: true},
		},
	},
}

// What v0.34.4 holds: cases a table and, where a case has a list of rules, rules. A different count is an error.
var want = map[string][2]int{
	"compilation":            {25, 0},
	"cost_bounds":            {136, 0},
	"cost_estimated":         {39, 301},
	"cost_runtime":           {41, 329},
	"field_paths":            {28, 0},
	"library":                {349, 0},
	"library_cost":           {216, 0},
	"library_size":           {6, 0},
	"message_expressions":    {12, 0},
	"optional_old_self":      {36, 0},
	"ratcheting":             {16, 0},
	"reasons":                {4, 0},
	"schema_levels":          {25, 0},
	"validation_expressions": {61, 790},
}

// What differs from run to run: the schema's own type is named after the time, and rows made by walking a Go map are
// numbered as they come.
var (
	inferredTypes = regexp.MustCompile(`selfType[0-9]+`)
	repeatedNames = regexp.MustCompile(`"(lookup_and_comparison|comparison_with_lookup_succeeds)#[0-9]+"`)
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kubernetes OUT_DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes:", err)
		os.Exit(1)
	}
}

func goTool() string {
	if tool := os.Getenv("GO"); tool != "" {
		return tool
	}
	return "go"
}

func run(outDir string) error {
	scratch, err := os.MkdirTemp("", "cel-dump-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return err
	}
	modfile := filepath.Join(scratch, "go.mod")
	if err := copyFile("go.mod", modfile); err != nil {
		return err
	}
	if err := copyFile("go.sum", filepath.Join(scratch, "go.sum")); err != nil {
		return err
	}
	for _, t := range targets {
		dir := filepath.Join(scratch, filepath.Base(t.module))
		if err := prepare(t, dir); err != nil {
			return fmt.Errorf("%s: %w", t.module, err)
		}
		if err := execute(goTool(), "mod", "edit", "-replace="+t.module+"="+dir, modfile); err != nil {
			return err
		}
	}
	lines := filepath.Join(scratch, "lines")
	if err := os.Mkdir(lines, 0o755); err != nil {
		return err
	}
	if err := os.Setenv("CEL_DUMP_DIR", lines); err != nil {
		return err
	}
	for _, t := range targets {
		if err := execute(goTool(), "test", "-modfile="+modfile, "-mod=mod", "-count=1", "-run="+tests(t), t.module+"/"+t.pkg); err != nil {
			return err
		}
	}
	return collect(lines, outDir)
}

// tests names the test functions to run; helper functions (testQuantity) are reached from any test.
func tests(t target) string {
	names := []string{}
	for _, in := range t.insertions {
		if !in.beforeLoop {
			return "."
		}
		names = append(names, in.function)
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

func execute(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// prepare copies a module and puts the recording into it.
func prepare(t target, dir string) error {
	source, err := exec.Command(goTool(), "list", "-m", "-f", "{{.Dir}}", t.module).Output()
	if err != nil {
		return err
	}
	root := strings.TrimSpace(string(source))
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, root))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return copyFile(path, to)
	})
	if err != nil {
		return err
	}
	for _, in := range t.insertions {
		if err := insert(filepath.Join(dir, t.pkg, in.file), in); err != nil {
			return err
		}
	}
	common, err := os.ReadFile("_inject/record_test.go")
	if err != nil {
		return err
	}
	for clause, recorder := range t.recorders {
		if err := copyFile(filepath.Join("_inject", recorder), filepath.Join(dir, t.pkg, "dump_"+recorder)); err != nil {
			return err
		}
		text := bytes.Replace(common, []byte("package PACKAGE"), []byte("package "+clause), 1)
		if err := os.WriteFile(filepath.Join(dir, t.pkg, "dump_record_"+clause+"_test.go"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func insert(path string, in insertion) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, path, text, 0)
	if err != nil {
		return err
	}
	for _, decl := range tree.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Name.Name != in.function {
			continue
		}
		if !in.beforeLoop {
			return insertAt(path, text, files.Position(function.Body.Lbrace).Offset+1, in.call)
		}
		for _, statement := range function.Body.List {
			switch statement.(type) {
			case *ast.RangeStmt, *ast.ForStmt:
				return insertAt(path, text, files.Position(statement.Pos()).Offset, in.call)
			}
		}
	}
	return fmt.Errorf("%s: no place to record %s", path, in.function)
}

func insertAt(path string, text []byte, offset int, call string) error {
	result := string(text[:offset]) + "\n\t" + call + "\n" + string(text[offset:])
	return os.WriteFile(path, []byte(result), 0o644)
}

// collect makes each file of lines a JSON document and checks the counts.
func collect(lines, outDir string) error {
	paths, err := filepath.Glob(filepath.Join(lines, "*.jsonl"))
	if err != nil {
		return err
	}
	var problems []error
	seen := map[string]bool{}
	for _, path := range paths {
		table := strings.TrimSuffix(filepath.Base(path), ".jsonl")
		seen[table] = true
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data = inferredTypes.ReplaceAll(data, []byte("selfType"))
		data = repeatedNames.ReplaceAll(data, []byte(`"$1"`))
		rows := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		if strings.HasPrefix(table, "library") {
			sort.Strings(rows) // some are built by walking a Go map: any order is as good, so take one that stays
		}
		rules, details, err := count(rows)
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		fmt.Printf("kubernetes: %-24s %4d cases %4d rules  %s\n", table, len(rows), rules, details)
		if got := [2]int{len(rows), rules}; got != want[table] {
			problems = append(problems, fmt.Errorf("%s: expected %d cases and %d rules", table, want[table][0], want[table][1]))
		}
		document := "{\"cases\": [\n" + strings.Join(rows, ",\n") + "\n]}\n"
		if err := os.WriteFile(filepath.Join(outDir, table+".json"), []byte(document), 0o644); err != nil {
			return err
		}
	}
	for table := range want {
		if !seen[table] {
			problems = append(problems, fmt.Errorf("%s: nothing recorded", table))
		}
	}
	return errors.Join(problems...)
}

func count(rows []string) (rules int, details string, err error) {
	tables := map[string]int{}
	for _, row := range rows {
		var parsed struct {
			Table string `json:"table"`
			Rules []struct {
				Expect struct {
					Valid *bool `json:"valid"`
				} `json:"expect"`
			} `json:"rules"`
		}
		if err := json.Unmarshal([]byte(row), &parsed); err != nil {
			return 0, "", err
		}
		rules += len(parsed.Rules)
		if parsed.Table != "" {
			tables[parsed.Table]++
		}
		for _, rule := range parsed.Rules {
			if rule.Expect.Valid != nil {
				tables[map[bool]string{true: "valid", false: "failing"}[*rule.Expect.Valid]]++
			}
		}
	}
	parts := []string{}
	for name, n := range tables {
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	sort.Strings(parts)
	return rules, strings.Join(parts, ", "), nil
}
