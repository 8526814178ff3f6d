//go:build ignore

// Answers CEL expressions with cel-go and the API server's libraries. Reads a file of this folder from
// standard input, keeps its expressions and comments, and writes it with fresh answers:
//
//	cd tests/conformance/cel/kubernetes
//	go run ../../../../src/lang/cel/ext/testdata/answers/answers.go < FILE > FILE.new
//
// An answer is the result as JSON; b'68' bytes; optional(x) or none; an object's own text; "!" and the
// message of an error; "COMPILE" and the message of the first issue; "PLAN" and what is wrong with a
// literal pattern. The argument v4 asks for strings of version 4, unchecked for no type check (cel-go
// would otherwise find wrong formats then).
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
	apiserver "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

func toJSON(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSpace(out.String())
}

func show(v ref.Val) string {
	switch x := v.(type) {
	case apiserver.Quantity:
		return x.Quantity.String()
	case *apiserver.Quantity:
		return x.Quantity.String()
	case apiserver.IP:
		return x.Addr.String()
	case apiserver.CIDR:
		return x.Prefix.String()
	case apiserver.Semver:
		return x.Version.String()
	case apiserver.URL:
		return x.URL.String()
	case *types.Optional:
		if !x.HasValue() {
			return "none"
		}
		return "optional(" + show(x.GetValue()) + ")"
	case types.String:
		return toJSON(string(x))
	case types.Int:
		return fmt.Sprint(int64(x))
	case types.Uint:
		return fmt.Sprint(uint64(x))
	case types.Double:
		return fmt.Sprint(float64(x))
	case types.Bytes:
		return fmt.Sprintf("b'%x'", []byte(x))
	case types.Duration:
		return x.Duration.String()
	}
	n, err := v.ConvertToNative(reflect.TypeOf(&structpb.Value{}))
	if err != nil {
		panic(err)
	}
	return toJSON(n.(*structpb.Value).AsInterface())
}

func answer(e *cel.Env, expr string, unchecked bool) string {
	compile := e.Compile
	if unchecked {
		compile = e.Parse
	}
	ast, iss := compile(expr)
	if iss.Err() != nil {
		return "COMPILE " + iss.Errors()[0].Message
	}
	p, err := e.Program(ast)
	if err != nil {
		return "PLAN " + err.Error()
	}
	v, _, err := p.Eval(map[string]any{})
	if err != nil {
		return "!" + err.Error()
	}
	return show(v)
}

func main() {
	version := uint32(2)
	if slices.Contains(os.Args, "v4") {
		version = 4
	}
	unchecked := slices.Contains(os.Args, "unchecked")
	e, err := cel.NewEnv(ext.Strings(ext.StringsVersion(version)), cel.OptionalTypes(),
		ext.Lists(ext.ListsVersion(3)), ext.Sets(), ext.Math(), ext.Encoders(), ext.Bindings(),
		ext.Regex(), ext.TwoVarComprehensions(), library.URLs(), library.Regex(), library.Lists(),
		library.Authz(), library.AuthzSelectors(), library.Quantity(), library.IP(), library.CIDR(),
		library.Format(), library.JSONPatch(), library.SemverLib(library.SemverVersion(1)))
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line := in.Text()
		switch {
		case strings.HasPrefix(line, "  => "):
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Println(line)
		default:
			fmt.Println(line)
			fmt.Println("  => " + answer(e, line, unchecked))
		}
	}
}
