// Put into k8s.io/apiserver/pkg/cel/library as package library_test: records the arguments of testQuantity, testIP, …
package library_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	apiservercel "k8s.io/apiserver/pkg/cel"
)

// recordDirect writes one row; match says how the test compares the runtime error ("regexp" or "exact").
func recordDirect(t *testing.T, expr string, value ref.Val, runtimeError, match string, compileErrors []string, extra map[string]any) {
	test, name, _ := strings.Cut(t.Name(), "/")
	row := map[string]any{"table": strings.ToLower(strings.TrimPrefix(test, "Test")), "name": name, "expr": expr}
	switch {
	case len(compileErrors) > 0:
		row["compileErrors"] = compileErrors
	case runtimeError != "":
		row["runtimeError"] = runtimeError
		row["runtimeErrorMatch"] = match
	default:
		row["value"] = typedValue(value)
	}
	for key, v := range extra {
		row[key] = v
	}
	record("library", row)
}

func typedValue(value ref.Val) map[string]any {
	typed := func(name string, v any) map[string]any { return map[string]any{"type": name, "value": v} }
	switch v := value.(type) {
	case types.Bool:
		return typed("bool", bool(v))
	case types.Int:
		return typed("int", int64(v))
	case types.Uint:
		return typed("uint", uint64(v))
	case types.Double:
		return typed("double", float64(v))
	case types.String:
		return typed("string", string(v))
	case types.Bytes:
		return typed("bytes", base64.StdEncoding.EncodeToString(v))
	case types.Null:
		return typed("null_type", nil)
	case *types.Optional:
		if !v.HasValue() {
			return typed("optional_type", nil)
		}
		return typed("optional_type", typedValue(v.GetValue()))
	case traits.Lister:
		items := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			items = append(items, typedValue(it.Next()))
		}
		return typed("list", items)
	case apiservercel.Quantity:
		return typed(v.Type().TypeName(), v.Quantity.String())
	case apiservercel.IP:
		return typed(v.Type().TypeName(), v.Addr.String())
	case apiservercel.CIDR:
		return typed(v.Type().TypeName(), v.Prefix.String())
	case apiservercel.Semver:
		return typed(v.Type().TypeName(), v.Version.String())
	case apiservercel.URL:
		return typed(v.Type().TypeName(), v.URL.String())
	case apiservercel.Format:
		return typed(v.Type().TypeName(), v.Name)
	case *apiservercel.Format:
		return typed(v.Type().TypeName(), v.Name)
	}
	panic(fmt.Sprintf("no JSON for %T", value))
}
