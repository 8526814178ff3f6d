// record runs the own tests of Gatekeeper and of its constraint framework and writes down what their
// functions were given and what they answered: one JSON line a call, duplicates left out.
//
//	go run . > ../calls.json      (with GOFLAGS=-mod=mod; see ../README.md)
//
// It copies both modules out of the module cache, puts a recorder at the beginning of the functions
// listed below (a deferred call that has the arguments as they are and the results as they will
// be), and runs `go test` on the packages. Nothing of the modules' code is kept, only data.
package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

const (
	gatekeeperModule = "github.com/open-policy-agent/gatekeeper/v3"
	gatekeeperVer    = "v3.23.1"
	frameworkModule  = "github.com/open-policy-agent/frameworks/constraint"
	frameworkVer     = "v0.0.0-20260616163050-e1eaa1bf6d62"
	recorderImport   = frameworkModule + "/pkg/gkrec"
)

//go:embed recorder.go.txt
var recorder string

// A function to record: where, and Go expressions of what to write down when it begins, and again
// when it ends (for what it changes).
type target struct {
	framework        bool
	file, recv, name string
	call             string
	before, after    string
}

var targets = []target{
	{false, "pkg/wildcard/wildcard.go", "Wildcard", "Matches", "wildcard.matches", "string(w), candidate", ""},
	{false, "pkg/wildcard/wildcard.go", "Wildcard", "MatchesGenerateName", "wildcard.generate", "string(w), candidate", ""},
	{false, "pkg/mutation/match/match.go", "", "Matches", "match.matches", "match, target.Object, target.Namespace, string(target.Source)", ""},
	{false, "pkg/mutation/match/apply_to.go", "", "AppliesTo", "apply.applies", "applyTo, gvk", ""},
	{false, "pkg/mutation/match/apply_to.go", "", "AppliesGVKAndOperation", "apply.operation", "applyTo, gvk, operation", ""},
	{false, "pkg/mutation/match/apply_to.go", "", "ValidateOperations", "apply.validate", "applyTo", ""},
	{false, "pkg/mutation/match/apply_to.go", "MutationApplyTo", "MatchesOperation", "apply.matches_operation", "a, operation", ""},
	{false, "pkg/mutation/match/apply_to.go", "MutationApplyTo", "EffectiveOperations", "apply.effective", "a", ""},
	{false, "pkg/mutation/path/parser/parser.go", "", "Parse", "location.parse", "input", ""},
	{false, "pkg/mutation/path/tester/tester.go", "", "New", "location.tester", "location.String(), gkrec.Each(len(tests), func(i int) any { return []any{tests[i].SubPath.String(), tests[i].Condition} })", ""},
	{false, "pkg/mutation/mutators/core/mutation_function.go", "", "Mutate", "mutator.core", "path.String(), tester, setter, obj", "obj"},
	{false, "pkg/mutation/mutators/assign/assign_mutator.go", "", "MutatorForAssign", "mutator.read.Assign", "assign", ""},
	{false, "pkg/mutation/mutators/assignmeta/assignmeta_mutator.go", "", "MutatorForAssignMetadata", "mutator.read.AssignMetadata", "assignMeta", ""},
	{false, "pkg/mutation/mutators/assignimage/assignimage_mutator.go", "", "MutatorForAssignImage", "mutator.read.AssignImage", "assignImage", ""},
	{false, "pkg/mutation/mutators/modifyset/modify_set_mutator.go", "", "MutatorForModifySet", "mutator.read.ModifySet", "modifySet", ""},
	{false, "pkg/mutation/mutators/assign/assign_mutator.go", "Mutator", "Mutate", "mutator.mutate.Assign", "m.assign, mutable", "mutable.Object"},
	{false, "pkg/mutation/mutators/assign/assign_mutator.go", "Mutator", "Matches", "mutator.matches.Assign", "m.assign, mutable", ""},
	{false, "pkg/mutation/mutators/assignmeta/assignmeta_mutator.go", "Mutator", "Mutate", "mutator.mutate.AssignMetadata", "m.assignMetadata, mutable", "mutable.Object"},
	{false, "pkg/mutation/mutators/assignimage/assignimage_mutator.go", "Mutator", "Mutate", "mutator.mutate.AssignImage", "m.assignImage, mutable", "mutable.Object"},
	{false, "pkg/mutation/mutators/assignimage/assignimage_mutator.go", "Mutator", "Matches", "mutator.matches.AssignImage", "m.assignImage, mutable", ""},
	{false, "pkg/mutation/mutators/modifyset/modify_set_mutator.go", "Mutator", "Mutate", "mutator.mutate.ModifySet", "m.modifySet, mutable", "mutable.Object"},
	{false, "pkg/mutation/mutators/modifyset/modify_set_mutator.go", "Mutator", "Matches", "mutator.matches.ModifySet", "m.modifySet, mutable", ""},
	{false, "pkg/mutation/mutators/modifyset/modify_set_mutator.go", "setter", "SetValue", "mutator.set", "s.op, s.values, obj, key", "obj"},
	{false, "pkg/mutation/mutators/assignimage/imageparser.go", "", "mutateImage", "image.mutate", "domain, path, tag, mutableImgRef", ""},
	{false, "pkg/mutation/mutators/assignimage/imageparser.go", "", "validateImageParts", "image.validate", "domain, path, tag", ""},
	{false, "pkg/mutation/schema/schema.go", "DB", "Upsert", "schema.upsert", "gkrec.Session(db), mutator.ID(), mutator.Path().String(), mutator.SchemaBindings(), mutator.TerminalType(), mutator.MustTerminate()", ""},
	{false, "pkg/mutation/schema/schema.go", "DB", "Remove", "schema.remove", "gkrec.Session(db), id", ""},
	{false, "pkg/mutation/schema/schema.go", "DB", "HasConflicts", "schema.conflicts", "gkrec.Session(db), id", ""},
	{false, "pkg/mutation/system.go", "System", "Upsert", "system.upsert", "gkrec.Session(s), m", ""},
	{false, "pkg/mutation/system.go", "System", "Remove", "system.remove", "gkrec.Session(s), id", ""},
	{false, "pkg/mutation/system.go", "System", "Mutate", "system.mutate", "gkrec.Session(s), mutable", "mutable.Object"},
	{false, "pkg/expansion/system.go", "System", "UpsertTemplate", "expansion.upsert", "gkrec.Session(s), template, gkrec.Session(s.mutationSystem)", ""},
	{false, "pkg/expansion/system.go", "System", "RemoveTemplate", "expansion.remove", "gkrec.Session(s), template.Name", ""},
	{false, "pkg/expansion/system.go", "System", "Expand", "expansion.expand", "gkrec.Session(s), base, gkrec.Session(s.mutationSystem)", ""},
	{false, "pkg/expansion/system.go", "System", "GetConflicts", "expansion.conflicts", "gkrec.Session(s)", ""},
	{false, "pkg/expansion/system.go", "", "ValidateTemplate", "expansion.validate", "template", ""},
	{false, "pkg/expansion/system.go", "", "expandResource", "expansion.resource", "obj, ns, template", ""},
	{false, "pkg/target/target.go", "K8sValidationTarget", "ValidateConstraint", "target.validate", "u", ""},
	{false, "pkg/target/target.go", "K8sValidationTarget", "ToMatcher", "target.matcher", "u", ""},
	{false, "pkg/target/target.go", "K8sValidationTarget", "HandleReview", "target.review", "obj", ""},
	{false, "pkg/target/target.go", "K8sValidationTarget", "ProcessData", "target.data", "obj", ""},
	{false, "pkg/target/matcher.go", "Matcher", "Match", "target.match", "m.match, m.cache, review", ""},
	{false, "pkg/gator/test/test.go", "", "Test", "gator.test", "objs, len(opts)", ""},
	{false, "pkg/gator/verify/runner.go", "Runner", "Run", "verify.run", "r.filesystem, filter, s, r.includeTrace", ""},
	{false, "pkg/gator/verify/read_suites.go", "", "ReadSuites", "verify.suites", "f, target, originalPath, recursive", ""},
	{false, "pkg/gator/verify/filter.go", "", "NewFilter", "filter.new", "filter", ""},
	{false, "pkg/gator/verify/filter.go", "nilFilter", "MatchesTest", "filter.test", "f, a0", ""},
	{false, "pkg/gator/verify/filter.go", "orFilter", "MatchesTest", "filter.test", "f, t", ""},
	{false, "pkg/gator/verify/filter.go", "andFilter", "MatchesTest", "filter.test", "f, t", ""},
	{false, "pkg/gator/verify/filter.go", "orFilter", "MatchesCase", "filter.case", "f, testName, caseName", ""},
	{false, "pkg/gator/verify/filter.go", "andFilter", "MatchesCase", "filter.case", "f, testName, caseName", ""},
	{false, "pkg/gator/verify/assertion.go", "Assertion", "Run", "verify.assertion", "a.Violations, a.Message, results", ""},
	{false, "pkg/gator/verify/printer_go.go", "PrinterGo", "Print", "verify.print", "r, verbose", "w"},
	{false, "cmd/gator/test/test.go", "", "formatOutput", "gator.format", "flagOutput, allResults, stats", ""},
	{false, "pkg/drivers/k8scel/driver.go", "Driver", "AddTemplate", "cel.template", "gkrec.Session(d), ct", ""},
	{false, "pkg/drivers/k8scel/driver.go", "Driver", "Query", "cel.query", "gkrec.Session(d), constraints, review", ""},
	{false, "pkg/drivers/k8scel/schema/schema.go", "Source", "Validate", "cel.source", "in", ""},
	{true, "pkg/client/drivers/rego/driver.go", "Driver", "AddTemplate", "rego.template", "gkrec.Session(d), templ", ""},
	{true, "pkg/client/drivers/rego/driver.go", "Driver", "AddConstraint", "rego.constraint", "gkrec.Session(d), constraint", ""},
	{true, "pkg/client/drivers/rego/driver.go", "Driver", "AddData", "rego.data", "gkrec.Session(d), target, path, data", ""},
	{true, "pkg/client/drivers/rego/driver.go", "Driver", "Query", "rego.query", "gkrec.Session(d), target, constraints, review", ""},
	{true, "pkg/client/client.go", "Client", "AddTemplate", "client.template", "gkrec.Session(c), c.knownTargets(), templ", ""},
	{true, "pkg/client/client.go", "Client", "AddConstraint", "client.constraint", "gkrec.Session(c), c.knownTargets(), constraint", ""},
	{true, "pkg/client/client.go", "Client", "AddData", "client.data", "gkrec.Session(c), c.knownTargets(), data", ""},
	{true, "pkg/client/client.go", "Client", "Review", "client.review", "gkrec.Session(c), c.knownTargets(), obj", ""},
	{true, "pkg/client/crds/validate.go", "", "ValidateCR", "crd.constraint", "cr, crd.Spec.Names.Kind, gkrec.Parameters(crd)", ""},
	{true, "pkg/client/crds/validate.go", "", "ValidateCRD", "crd.validate", "crd.Spec.Names.Kind, gkrec.Parameters(crd)", ""},
	{true, "pkg/client/crds/validate.go", "", "ValidateTargets", "crd.targets", "templ", ""},
	{true, "pkg/apis/constraints/apis.go", "", "GetEnforcementActionsForEP", "constraint.actions", "constraint, eps", ""},
	{true, "pkg/client/template_client.go", "templateClient", "MatchesOperation", "template.operation", "e.template, operation", ""},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run() error {
	work, err := os.MkdirTemp("", "gkrec")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	gatekeeper, framework := filepath.Join(work, "gatekeeper"), filepath.Join(work, "constraint")
	if err := fetch(gatekeeperModule+"@"+gatekeeperVer, gatekeeper); err != nil {
		return err
	}
	if err := fetch(frameworkModule+"@"+frameworkVer, framework); err != nil {
		return err
	}
	dir := filepath.Join(framework, "pkg/gkrec")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "recorder.go"), []byte(recorder), 0o644); err != nil {
		return err
	}
	packages := map[string]map[string]bool{gatekeeper: {}, framework: {}}
	for _, t := range targets {
		root := gatekeeper
		if t.framework {
			root = framework
		}
		if err := instrument(filepath.Join(root, t.file), t); err != nil {
			return fmt.Errorf("%s %s.%s: %w", t.file, t.recv, t.name, err)
		}
		packages[root]["./"+filepath.Dir(t.file)] = true
	}
	packages[framework]["./pkg/client/drivers/rego"] = true
	if err := goCommand(gatekeeper, "mod", "edit", "-replace="+frameworkModule+"="+framework); err != nil {
		return err
	}

	calls := filepath.Join(work, "calls")
	for _, root := range []string{gatekeeper, framework} {
		args := []string{"test", "-count=1", "-p=1", "-vet=off"}
		var names []string
		for name := range packages[root] {
			names = append(names, name)
		}
		sort.Strings(names)
		// Tests that need a cluster's binaries fail; what they recorded before is kept.
		os.Setenv("GKREC_OUT", calls)
		if err := goCommand(root, append(args, names...)...); err != nil {
			fmt.Fprintln(os.Stderr, "record: some tests failed in", root, err)
		}
	}
	return merge(calls)
}

func goCommand(dir string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

func fetch(module, to string) error {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return fmt.Errorf("go mod download %s: %w", module, err)
	}
	var info struct{ Dir string }
	if err := json.Unmarshal(out, &info); err != nil {
		return err
	}
	return filepath.WalkDir(info.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(info.Dir, path)
		target := filepath.Join(to, rel)
		if d.IsDir() {
			if rel == "website" || rel == "library" {
				return filepath.SkipDir
			}
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// Names the results, and puts `defer gkrec.Done(…)` first.
func instrument(file string, t target) error {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	var fn *ast.FuncDecl
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == t.name && receiver(f) == t.recv {
			fn = f
		}
	}
	if fn == nil {
		return fmt.Errorf("no such function")
	}
	for i, field := range fn.Type.Params.List {
		if len(field.Names) == 0 {
			field.Names = []*ast.Ident{ast.NewIdent(fmt.Sprintf("a%d", i))}
		}
	}
	if r := fn.Recv; r != nil && len(r.List[0].Names) == 0 {
		r.List[0].Names = []*ast.Ident{ast.NewIdent("gkSelf")}
	}
	var results []string
	if fn.Type.Results != nil {
		for i, field := range fn.Type.Results.List {
			if len(field.Names) == 0 {
				field.Names = []*ast.Ident{ast.NewIdent(fmt.Sprintf("gkR%d", i))}
			}
			for _, name := range field.Names {
				results = append(results, "&"+name.Name)
			}
		}
	}
	after := "nil"
	if t.after != "" {
		after = "func() any { return gkrec.Snap(" + t.after + ") }"
	}
	line := fmt.Sprintf("defer gkrec.Done(%q, gkrec.Args(func() any { return gkrec.Snap(%s) }), %s, %s)", t.call, t.before, after, strings.Join(results, ", "))
	if len(results) == 0 {
		line = fmt.Sprintf("defer gkrec.Done(%q, gkrec.Args(func() any { return gkrec.Snap(%s) }), %s)", t.call, t.before, after)
	}
	var out bytes.Buffer
	// Comments move when a tree is changed; a text edit does not touch them.
	if err := format.Node(&out, fset, &ast.FuncDecl{Recv: fn.Recv, Name: fn.Name, Type: fn.Type}); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := fset.Position(fn.Pos()).Offset, fset.Position(fn.Body.Lbrace).Offset
	changed := string(text[:begin]) + out.String() + " {\n\t" + line + "\n" + string(text[end+1:])
	if !strings.Contains(changed, recorderImport) {
		at := fset.Position(tree.Name.End()).Offset
		changed = changed[:at] + "\n\nimport gkrec \"" + recorderImport + "\"\n" + changed[at:]
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}

var sessionName = regexp.MustCompile(`session-[0-9]+-0x[0-9a-f]+`)

// The calls without duplicates. Those of a session stay in their order.
func merge(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	type call struct {
		Call    string          `json:"call"`
		Session string          `json:"session,omitempty"`
		Test    string          `json:"test"`
		Args    json.RawMessage `json:"args"`
		After   json.RawMessage `json:"after,omitempty"`
		Results json.RawMessage `json:"results"`
	}
	seen := map[string]bool{}
	counts := map[string]int{}
	sessions := map[string]string{}
	rename := func(name string) string {
		if sessions[name] == "" {
			sessions[name] = fmt.Sprintf("s%d", len(sessions)+1)
		}
		return sessions[name]
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			break
		}
		var c call
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
		c.Args = sessionName.ReplaceAllFunc(c.Args, func(name []byte) []byte { return []byte(rename(string(name))) })
		// Clients with targets that the framework's tests make up.
		if strings.HasPrefix(c.Call, "client.") && !bytes.HasPrefix(c.Args, []byte(`[["admission.k8s.gatekeeper.sh"]`)) {
			continue
		}
		if c.Session != "" {
			c.Session = rename(c.Session)
		} else {
			key := c.Call + string(c.Args)
			if seen[key] {
				continue
			}
			seen[key] = true
		}
		counts[c.Call]++
		b, err := json.Marshal(c)
		if err != nil {
			return err
		}
		out.Write(b)
		out.WriteByte('\n')
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "%6d %s\n", counts[name], name)
	}
	return nil
}
