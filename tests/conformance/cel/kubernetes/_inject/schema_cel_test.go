// Put into k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel: records the tables of the CRD validation tests, with
// what this version of Kubernetes makes of each rule ("observed") beside what the test asserts.
package cel

import (
	"context"
	"encoding/json"
	"math"
	"sort"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/utils/ptr"
)

// A run is one call of Validator.Validate, as the test at hand makes it.
type run struct {
	schema       *schema.Structural
	obj, oldObj  any
	isRoot       bool
	budget       int64
	perCallLimit uint64
	ratchet      bool
}

func recordValidationExpressions(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(*schema.Structural)
		r := run{obj: row["obj"], oldObj: row["oldObj"], budget: row["costBudget"].(int64)}
		if r.budget == 0 {
			r.budget = celconfig.RuntimeCELCostBudget
		}
		rules := []any{}
		add := func(rule string, isRoot bool, expect map[string]any) {
			withIt := withRule(*s, rule)
			r.schema, r.isRoot = &withIt, isRoot
			rules = append(rules, map[string]any{"rule": rule, "isRoot": isRoot, "expect": expect, "observed": r.observe()})
		}
		for _, rule := range row["valid"].([]string) {
			expect := map[string]any{"valid": true}
			if cost := row["expectedCost"].(int64); cost != 0 {
				expect["cost"] = cost
			}
			if row["expectSkipped"].(bool) {
				expect["skipped"] = true
			}
			add(rule, row["isRoot"].(bool), expect)
		}
		// The failing rules are validated as roots whatever the row says: so does the test.
		failing := row["errors"].(map[string]string)
		for _, rule := range sortedKeys(failing) {
			add(rule, true, map[string]any{"valid": false, "error": failing[rule]})
		}
		record("validation_expressions", map[string]any{"name": row["name"], "schema": schemaJSON(s), "object": r.obj,
			"oldObject": r.oldObj, "costBudget": r.budget, "rules": rules})
	}
}

func recordRuntimeCosts(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(*schema.Structural)
		costs := row["expectCost"].(map[string]int64)
		rules := []any{}
		for _, rule := range sortedKeys(costs) {
			rules = append(rules, map[string]any{"rule": rule, "cost": costs[rule]})
		}
		record("cost_runtime", map[string]any{"name": row["name"], "schema": schemaJSON(s), "object": row["obj"], "rules": rules})
	}
}

func recordEstimatedCosts(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(*schema.Structural)
		costs := row["expectCost"].(map[string]uint64)
		rules := []any{}
		for _, rule := range sortedKeys(costs) {
			rules = append(rules, map[string]any{"rule": rule, "cost": costs[rule]})
		}
		record("cost_estimated", map[string]any{"name": row["name"], "schema": schemaJSON(s), "rules": rules})
	}
}

func recordCostEstimation(table any) {
	for _, row := range rowsOf(table) {
		generate := row["schemaGenerator"].(func(*int64) *schema.Structural)
		limit := row["setMaxElements"].(int64)
		for _, variant := range []struct {
			name          string
			schema        *schema.Structural
			cost, atLeast uint64
		}{
			{"calculated", generate(nil), row["expectedCalcCost"].(uint64), row["expectCalcCostExceedsLimit"].(uint64)},
			{"set", generate(&limit), row["expectedSetCost"].(uint64), row["expectedSetCostExceedsLimit"].(uint64)},
		} {
			r := run{schema: variant.schema}
			record("cost_bounds", map[string]any{"name": row["name"], "variant": variant.name, "schema": schemaJSON(variant.schema),
				"cost": variant.cost, "atLeast": variant.atLeast, "observed": r.compile(NewExpressionsEnvLoader())})
		}
	}
}

func recordCompilation(table any) {
	for _, row := range rowsOf(table) {
		s := row["input"].(schema.Structural)
		expect := []any{}
		for _, matcher := range row["expectedResults"].([]validationMatcher) {
			expect = append(expect, matcher.String())
		}
		fields := map[string]any{"name": row["name"], "schema": schemaJSON(&s), "expect": expect}
		// Two cases add a function of their own to the environment; what a plain environment says is no use there.
		if !strings.Contains(row["name"].(string), "planned to be added in future releases") {
			r := run{schema: &s}
			fields["observed"] = r.compile(NewExpressionsEnvLoader())
		}
		record("compilation", fields)
	}
}

func recordSchemaLevels(table any) {
	for _, row := range rowsOf(table) {
		r := run{schema: row["schema"].(*schema.Structural), obj: row["obj"], oldObj: row["oldObj"], isRoot: true, budget: math.MaxInt}
		r.record("schema_levels", row["name"], map[string]any{"errors": row["errors"]})
	}
}

func recordOptionalOldSelf(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(*schema.Structural).DeepCopy()
		setOptionalOldSelf(s)
		r := run{schema: s, obj: row["obj"], oldObj: row["oldObj"], isRoot: true, budget: math.MaxInt}
		r.record("optional_old_self", row["name"], map[string]any{"errors": row["errors"]})
	}
}

func recordOptionalOldSelfNull(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(schema.Structural)
		setOptionalOldSelf(&s)
		for _, old := range []any{nil, row["oldObj"]} {
			r := run{schema: &s, obj: row["obj"], oldObj: old, budget: math.MaxInt}
			r.record("optional_old_self", row["name"], map[string]any{"errors": []string{}})
		}
	}
}

func recordOptionalOldSelfType(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(schema.Structural)
		setOptionalOldSelf(&s)
		r := run{schema: &s, obj: row["obj"], oldObj: row["obj"], budget: math.MaxInt}
		r.record("optional_old_self", row["name"], map[string]any{"errors": row["errors"]})
	}
}

func setOptionalOldSelf(s *schema.Structural) {
	for i := range s.XValidations {
		s.XValidations[i].OptionalOldSelf = ptr.To(true)
	}
}

func recordMessageExpressions(table any) {
	for _, row := range rowsOf(table) {
		s := withRuleMessageAndMessageExpression(objectType(map[string]schema.Structural{"str": stringType}), "false",
			row["message"].(string), row["messageExpression"].(string))
		r := run{schema: &s, obj: map[string]any{"str": "a string"}, budget: row["costBudget"].(int64),
			perCallLimit: row["perCallLimit"].(uint64)}
		expect := map[string]any{"errors": []any{row["expectedValidationErr"]}}
		if remaining := row["expectedRemainingBudget"].(int64); remaining != 0 {
			expect["remainingBudget"] = remaining
		}
		if log := row["expectedLogErr"].(string); log != "" {
			expect["log"] = log
		}
		r.record("message_expressions", row["name"], expect)
	}
}

func recordReasons(table any) {
	for _, row := range rowsOf(table) {
		r := run{schema: row["schema"].(*schema.Structural), obj: row["obj"], isRoot: true, budget: celconfig.RuntimeCELCostBudget}
		errors := []any{}
		for _, err := range row["errors"].(field.ErrorList) {
			errors = append(errors, map[string]any{"type": string(err.Type), "field": err.Field})
		}
		r.record("reasons", row["name"], map[string]any{"errors": errors})
	}
}

func recordFieldPaths(table any) {
	for _, row := range rowsOf(table) {
		s := row["schema"].(*schema.Structural)
		fields := map[string]any{"name": row["name"], "schema": schemaJSON(s), "fieldPath": row["fieldPath"], "error": row["errDetail"]}
		if path, _, err := ValidFieldPath(row["fieldPath"].(string), s); err == nil {
			fields["observed"] = path.String()
		} else {
			fields["observedError"] = err.Error()
		}
		record("field_paths", fields)
	}
}

func recordRatcheting(table any) {
	for _, row := range rowsOf(table) {
		r := run{schema: row["schema"].(*schema.Structural), obj: row["newObj"], oldObj: row["oldObj"],
			budget: row["runtimeCostBudget"].(int64), ratchet: true}
		if r.budget == 0 {
			r.budget = celconfig.RuntimeCELCostBudget
		}
		r.record("ratcheting", row["name"], map[string]any{"errors": row["errors"], "warnings": row["warnings"]})
	}
}

// record writes a case whose rules stand in the schema.
func (r run) record(table string, name any, expect map[string]any) {
	row := map[string]any{"name": name, "schema": schemaJSON(r.schema), "object": r.obj, "oldObject": r.oldObj,
		"isRoot": r.isRoot, "costBudget": r.budget, "expect": expect, "observed": r.observe()}
	if r.perCallLimit != 0 {
		row["perCallLimit"] = r.perCallLimit
	}
	record(table, row)
}

// observe validates as the API server does.
func (r run) observe() map[string]any {
	limit := uint64(celconfig.PerCallLimit)
	if r.perCallLimit != 0 {
		limit = r.perCallLimit
	}
	recorder := &warningRecorder{}
	ctx := warning.WithWarningRecorder(context.Background(), recorder)
	options := []Option{}
	if r.ratchet {
		options = append(options, WithRatcheting(common.NewCorrelatedObject(r.obj, r.oldObj, &model.Structural{Structural: r.schema})))
	}
	v := validator(r.schema, r.schema, r.isRoot, model.SchemaDeclType(r.schema, r.isRoot), limit)
	errs, remaining := v.Validate(ctx, field.NewPath("root"), r.schema, r.obj, r.oldObj, r.budget, options...)
	// Properties are validated in the order of a Go map, which is none.
	sort.SliceStable(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	warnings := recorder.Warnings()
	sort.Strings(warnings)
	errors := []any{}
	for _, err := range errs {
		errors = append(errors, map[string]any{"type": string(err.Type), "field": err.Field, "detail": err.Detail, "text": err.Error()})
	}
	observed := map[string]any{"errors": errors}
	if remaining < 0 {
		observed["outOfBudget"] = true
	} else {
		observed["cost"] = r.budget - remaining
	}
	if len(warnings) > 0 {
		observed["warnings"] = warnings
	}
	compiled := r.compile(StoredExpressionsEnvLoader())
	for i, asNew := range r.compile(NewExpressionsEnvLoader()) {
		if compiled[i]["error"] == nil && asNew["error"] != nil {
			compiled[i]["onlyStored"] = true
		}
	}
	if len(compiled) > 0 {
		observed["compiled"] = compiled
	}
	return observed
}

// compile reports on the rules at the schema's top. The API server compiles with one environment what users create now
// and with another, which has the newest functions too, what is stored already.
func (r run) compile(loader EnvLoader) []map[string]any {
	results, err := Compile(r.schema, model.SchemaDeclType(r.schema, r.isRoot), celconfig.PerCallLimit,
		environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true), loader)
	if err != nil {
		return []map[string]any{{"error": err.Error()}}
	}
	compiled := []map[string]any{}
	for _, result := range results {
		row := map[string]any{}
		if result.Error != nil {
			row["error"] = result.Error.Detail
			row["errorType"] = string(result.Error.Type)
		} else {
			row["maxCost"] = result.MaxCost
			row["maxCardinality"] = result.MaxCardinality
			row["usesOldSelf"] = result.UsesOldSelf
		}
		if result.MessageExpressionError != nil {
			row["messageExpressionError"] = result.MessageExpressionError.Detail
		} else if result.MessageExpression != nil {
			row["messageExpressionMaxCost"] = result.MessageExpressionMaxCost
		}
		compiled = append(compiled, row)
	}
	return compiled
}

// schemaJSON is the schema as a CRD would hold it.
func schemaJSON(s *schema.Structural) json.RawMessage {
	if s == nil {
		return json.RawMessage("null")
	}
	tree := openAPI(s)
	completeStructural(tree, s)
	data, err := json.Marshal(tree)
	if err != nil {
		panic(err)
	}
	return data
}

func openAPI(s *schema.Structural) map[string]any {
	data, err := json.Marshal(s.ToKubeOpenAPI())
	if err != nil {
		panic(err)
	}
	tree := map[string]any{}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		panic(err)
	}
	return tree
}

// ToKubeOpenAPI drops additionalProperties inside allOf, anyOf, oneOf and not; completeStructural puts them back.
func completeStructural(tree map[string]any, s *schema.Structural) {
	if s.Items != nil {
		completeStructural(tree["items"].(map[string]any), s.Items)
	}
	for name, property := range s.Properties {
		completeStructural(tree["properties"].(map[string]any)[name].(map[string]any), &property)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil {
		completeStructural(tree["additionalProperties"].(map[string]any), s.AdditionalProperties.Structural)
	}
	if s.ValueValidation != nil {
		completeJunctors(tree, s.ValueValidation)
	}
}

func completeJunctors(tree map[string]any, v *schema.ValueValidation) {
	for junctor, list := range map[string][]schema.NestedValueValidation{"allOf": v.AllOf, "anyOf": v.AnyOf, "oneOf": v.OneOf} {
		for i := range list {
			completeNested(tree[junctor].([]any)[i].(map[string]any), &list[i])
		}
	}
	if v.Not != nil {
		completeNested(tree["not"].(map[string]any), v.Not)
	}
}

func completeNested(tree map[string]any, v *schema.NestedValueValidation) {
	if v.Items != nil {
		completeNested(tree["items"].(map[string]any), v.Items)
	}
	for name, property := range v.Properties {
		completeNested(tree["properties"].(map[string]any)[name].(map[string]any), &property)
	}
	if v.AdditionalProperties != nil {
		holder := openAPI(&schema.Structural{ValueValidation: &schema.ValueValidation{AllOf: []schema.NestedValueValidation{*v.AdditionalProperties}}})
		nested := holder["allOf"].([]any)[0].(map[string]any)
		completeNested(nested, v.AdditionalProperties)
		tree["additionalProperties"] = nested
	}
	completeJunctors(tree, &v.ValueValidation)
}
