// Command dump turns OPA's own test cases (YAML within its Go module) into JSON that the C++ runner reads.
//
//	go run ./dump OUT_DIR
//
// It writes OUT_DIR/v0/FOLDER.json and OUT_DIR/v1/FOLDER.json (evaluation) and OUT_DIR/compile/v0.json and v1.json (what the
// compiler reports): arrays of cases as OPA has them, each with its "key", "v1/every/test-every-0001#0": dialect, folder, file
// and place in the file, because notes repeat.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/test/compilecases"
)

// What OPA 1.22.2 holds; a different count means that the extraction broke or that the pin moved.
var wantCases = map[string]int{"v0": 2028, "v1": 2400, "compile": 22}

type evalCase struct {
	Key string `json:"key"`
	cases.TestCase
}

type compileCase struct {
	Key string `json:"key"`
	compilecases.TestCase
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dump OUT_DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "dump:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	root, err := moduleFolder()
	if err != nil {
		return err
	}
	files := map[string][]any{} // output file -> cases
	keys := newKeys()
	counts := map[string]int{}
	for _, source := range []struct{ dialect, folder string }{
		{"v0", "v1/test/cases/testdata/v0"},
		{"v1", "v1/test/cases/testdata/v1"},
		{"v0", "v1/topdown/testdata/cases"}, // one more, of the evaluator's own: v0/cases
	} {
		set, err := cases.Load(filepath.Join(root, source.folder))
		if err != nil {
			return err
		}
		for _, c := range set.Cases {
			folder := filepath.Base(filepath.Dir(c.Filename))
			files[source.dialect+"/"+folder] = append(files[source.dialect+"/"+folder],
				evalCase{keys.next(source.dialect+"/"+folder, c.Filename), c})
			counts[source.dialect]++
		}
	}
	for _, dialect := range []string{"v0", "v1"} {
		set, err := compilecases.Load(filepath.Join(root, "v1/test/compilecases/testdata", dialect))
		if err != nil {
			return err
		}
		for _, c := range set.Cases {
			files["compile/"+dialect] = append(files["compile/"+dialect], compileCase{keys.next("compile/"+dialect, c.Filename), c})
			counts["compile"]++
		}
	}
	for name, list := range files {
		if err := write(filepath.Join(out, name+".json"), list); err != nil {
			return err
		}
	}
	for what, want := range wantCases {
		fmt.Printf("%s: %d cases\n", what, counts[what])
		if counts[what] != want {
			return fmt.Errorf("%s: expected %d cases", what, want)
		}
	}
	return nil
}

// keys numbers the cases of each file.
type keys map[string]int

func newKeys() keys { return keys{} }

func (k keys) next(folder, file string) string {
	name := folder + "/" + strings.TrimSuffix(filepath.Base(file), ".yaml")
	i := k[name]
	k[name]++
	return fmt.Sprintf("%s#%d", name, i)
}

func write(path string, list []any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	text.WriteString("[\n")
	for i, c := range list {
		if i > 0 {
			text.WriteString(",\n")
		}
		var one bytes.Buffer
		encoder := json.NewEncoder(&one)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(c); err != nil {
			return err
		}
		text.Write(bytes.TrimSpace(one.Bytes()))
	}
	text.WriteString("\n]\n")
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// moduleFolder finds the module's files: no Go package embeds the v0 cases.
func moduleFolder() (string, error) {
	tool := os.Getenv("GO")
	if tool == "" {
		tool = "go"
	}
	folder, err := exec.Command(tool, "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		return "", fmt.Errorf("go list -m github.com/open-policy-agent/opa: %w", err)
	}
	return strings.TrimSpace(string(folder)), nil
}
