// Put into k8s.io/apiserver/pkg/cel/library: records the arguments of testCost and the table of TestSize.
package library

import (
	"strings"
	"testing"

	"github.com/google/cel-go/checker"
)

func recordCost(t *testing.T, expr string, estimated checker.CostEstimate, runtime uint64) {
	test, _, _ := strings.Cut(t.Name(), "/")
	record("library_cost", map[string]any{"table": test, "expr": expr,
		"estimatedMin": estimated.Min, "estimatedMax": estimated.Max, "runtime": runtime})
}

func recordSize(table any) {
	size := func(s checker.SizeEstimate) map[string]any { return map[string]any{"min": s.Min, "max": s.Max} }
	for _, row := range rowsOf(table) {
		args := []any{}
		for _, arg := range row["argSizes"].([]checker.SizeEstimate) {
			args = append(args, size(arg))
		}
		record("library_size", map[string]any{"name": row["name"], "function": row["function"],
			"targetSize": size(row["targetSize"].(checker.SizeEstimate)), "argSizes": args,
			"resultSize": size(row["expectSize"].(checker.SizeEstimate))})
	}
}
