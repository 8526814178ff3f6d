package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// minors is a set of minor versions.
type minors map[int]bool

// property is an OpenAPI schema, as far as Kubernetes' documents use the language.
type property struct {
	Description string               `json:"description"`
	Type        string               `json:"type"`
	Format      string               `json:"format"`
	Ref         string               `json:"$ref"`
	Items       *property            `json:"items"`
	Additional  *property            `json:"additionalProperties"`
	Properties  map[string]*property `json:"properties"`
	Required    []string             `json:"required"`
	Preserve    bool                 `json:"x-kubernetes-preserve-unknown-fields"`
	IntOrString bool                 `json:"x-kubernetes-int-or-string"`
	ListType    string               `json:"x-kubernetes-list-type"`
	ListKeys    []string             `json:"x-kubernetes-list-map-keys"`
	MergeKey    string               `json:"x-kubernetes-patch-merge-key"`
	Kinds       []gvk                `json:"x-kubernetes-group-version-kind"`
}

type gvk struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

func (g gvk) apiVersion() string {
	if g.Group == "" {
		return g.Version
	}
	return g.Group + "/" + g.Version
}

type operation struct {
	Kind   *gvk   `json:"x-kubernetes-group-version-kind"`
	Action string `json:"x-kubernetes-action"`
}

type document struct {
	Definitions map[string]*property                  `json:"definitions"`
	Paths       map[string]map[string]json.RawMessage `json:"paths"`
}

// fieldVariant is what a field is while its type stays the same.
type fieldVariant struct {
	shape      string
	in         minors
	required   minors
	deprecated minors
	keys       []string
	merge      string
	set        bool
	enum       map[string]minors
}

type typeInfo struct {
	in     minors
	fields map[string][]*fieldVariant
}

type kindInfo struct {
	typeName string
	plural   string
	scope    string
	in       minors
}

type table struct {
	releases []release
	types    map[string]*typeInfo
	kinds    map[gvk]*kindInfo
}

func newTable(releases []release) *table {
	return &table{releases, map[string]*typeInfo{}, map[gvk]*kindInfo{}}
}

func (t *table) first() int { return t.releases[0].minor }
func (t *table) last() int  { return t.releases[len(t.releases)-1].minor }

// shortName turns io.k8s.api.apps.v1.Deployment into apps.v1.Deployment: the last three parts say
// all.
func shortName(definition string) string {
	parts := strings.Split(definition, ".")
	if len(parts) > 3 {
		parts = parts[len(parts)-3:]
	}
	return strings.Join(parts, ".")
}

// The types that are written as something else than an object of their fields.
var wellKnown = map[string]string{
	"io.k8s.apimachinery.pkg.api.resource.Quantity":   "quantity",
	"io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
	"io.k8s.apimachinery.pkg.apis.meta.v1.Time":       "date-time",
	"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime":  "date-time",
	"io.k8s.apimachinery.pkg.runtime.RawExtension":    "object",
	"io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1":   "object",
	"io.k8s.apimachinery.pkg.apis.meta.v1.Patch":      "object",
}

// shapeOf says what a schema is, in the words of the table.
func shapeOf(d *document, p *property) (string, error) {
	if p.Ref != "" {
		name := strings.TrimPrefix(p.Ref, "#/definitions/")
		if known, ok := wellKnown[name]; ok {
			return known, nil
		}
		target, ok := d.Definitions[name]
		if !ok {
			return "", fmt.Errorf("%s is not defined", name)
		}
		if target.Properties == nil {
			return shapeOf(d, target)
		}
		if target.Preserve {
			return "object", nil
		}
		return shortName(name), nil
	}
	if p.IntOrString || p.Format == "int-or-string" {
		return "int-or-string", nil
	}
	switch p.Type {
	case "":
		return "any", nil
	case "string":
		switch p.Format {
		case "byte":
			return "bytes", nil
		case "date-time":
			return "date-time", nil
		case "":
			return "string", nil
		}
	case "integer":
		switch p.Format {
		case "int32", "int64":
			return p.Format, nil
		case "":
			return "int64", nil
		}
	case "number":
		return "number", nil
	case "boolean":
		return "boolean", nil
	case "array":
		item, err := shapeOf(d, p.Items)
		return "[]" + item, err
	case "object":
		if p.Additional != nil {
			value, err := shapeOf(d, p.Additional)
			return "{}" + value, err
		}
		if p.Properties == nil || p.Preserve {
			return "object", nil
		}
	}
	return "", fmt.Errorf("type %q with format %q is new", p.Type, p.Format)
}

// The description of a field says so when it is deprecated, in a sentence or a paragraph that
// begins with the word; elsewhere the word speaks of a value, or of something else.
var deprecated = regexp.MustCompile(
	`(^|[.\n]\s*)(Deprecated[:.]|DEPRECATED\b|Deprecated in |This field is deprecated\b)`)

func (t *table) addSpec(minor int, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	served, err := servedKinds(&d)
	if err != nil {
		return err
	}

	var reach func(name string) error
	seen := map[string]bool{}
	var reachShape func(p *property) error
	reachShape = func(p *property) error {
		switch {
		case p.Ref != "":
			return reach(strings.TrimPrefix(p.Ref, "#/definitions/"))
		case p.Items != nil:
			return reachShape(p.Items)
		case p.Additional != nil:
			return reachShape(p.Additional)
		}
		return nil
	}
	reach = func(name string) error {
		definition := d.Definitions[name]
		if seen[name] || definition == nil || definition.Properties == nil || wellKnown[name] != "" {
			return nil
		}
		seen[name] = true
		info := t.types[shortName(name)]
		if info == nil {
			info = &typeInfo{minors{}, map[string][]*fieldVariant{}}
			t.types[shortName(name)] = info
		}
		if info.in[minor] {
			return fmt.Errorf("two types are called %s", shortName(name))
		}
		info.in[minor] = true
		for fieldName, p := range definition.Properties {
			shape, err := shapeOf(&d, p)
			if err != nil {
				return fmt.Errorf("%s.%s: %w", name, fieldName, err)
			}
			v := info.variant(fieldName, shape)
			v.in[minor] = true
			if slices.Contains(definition.Required, fieldName) {
				v.required[minor] = true
			}
			if deprecated.MatchString(p.Description) {
				v.deprecated[minor] = true
			}
			// Of what only guides merging, the newest release has the say.
			v.keys, v.merge, v.set = p.ListKeys, p.MergeKey, p.ListType == "set"
			if err := reachShape(p); err != nil {
				return err
			}
		}
		return nil
	}

	for name, definition := range d.Definitions {
		for _, kind := range definition.Kinds {
			at, ok := served[kind]
			if !ok {
				// A list is served where its items are.
				item := gvk{kind.Group, kind.Version, strings.TrimSuffix(kind.Kind, "List")}
				if _, itemOk := served[item]; item == kind || !itemOk {
					continue
				}
				at = kindInfo{plural: "-", scope: "list"}
			}
			info := t.kinds[kind]
			if info == nil {
				info = &kindInfo{in: minors{}}
				t.kinds[kind] = info
			}
			info.in[minor] = true
			info.typeName, info.plural, info.scope = shortName(name), at.plural, at.scope
			if err := reach(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (info *typeInfo) variant(field, shape string) *fieldVariant {
	for _, v := range info.fields[field] {
		if v.shape == shape {
			return v
		}
	}
	v := &fieldVariant{
		shape: shape, in: minors{}, required: minors{}, deprecated: minors{}, enum: map[string]minors{}}
	info.fields[field] = append(info.fields[field], v)
	return v
}

// servedKinds reads from the paths which kinds can be written or read, under which plural, and
// whether in a namespace.
func servedKinds(d *document) (map[gvk]kindInfo, error) {
	served := map[gvk]kindInfo{}
	for path, methods := range d.Paths {
		parts := strings.Split(strings.Trim(path, "/"), "/")
		if len(parts) > 2 && slices.Contains(parts, "watch") {
			continue
		}
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			if op.Kind == nil || op.Action == "connect" {
				continue
			}
			// api/v1/… or apis/group/version/…, then perhaps namespaces/{namespace}, then the
			// plural, {name}, and a subresource.
			rest := parts[2:]
			if parts[0] == "apis" {
				rest = parts[3:]
			}
			scope := "cluster"
			if len(rest) > 2 && rest[0] == "namespaces" && rest[1] == "{namespace}" {
				scope, rest = "namespaced", rest[2:]
			}
			if len(rest) == 0 {
				continue
			}
			plural := rest[0]
			if len(rest) > 2 {
				plural += "/" + rest[len(rest)-1]
			}
			old, ok := served[*op.Kind]
			// A list of all namespaces has the same kind on a path without one, and an object is
			// also seen through subresources: the plainest path in a namespace has the say.
			isSub, oldIsSub := len(rest) > 2, strings.Contains(old.plural, "/")
			better := !ok || (oldIsSub && !isSub) ||
				(oldIsSub == isSub && old.scope == "cluster" && scope == "namespaced") ||
				(oldIsSub && isSub && old.scope == scope && plural < old.plural)
			if better {
				served[*op.Kind] = kindInfo{plural: plural, scope: scope}
			}
		}
	}
	return served, nil
}

// addEnums gives the string fields whose Go type is a closed enumeration its values.
func (t *table) addEnums(e *enums) {
	for typeName, fields := range e.fields {
		info := t.types[typeName]
		if info == nil {
			continue
		}
		for field, use := range fields {
			for _, v := range info.fields[field] {
				if base := strings.TrimPrefix(strings.TrimPrefix(v.shape, "[]"), "{}"); base != "string" {
					continue
				}
				for minor, values := range e.valuesOf(use) {
					if !v.in[minor] {
						continue
					}
					for value := range values {
						if v.enum[value] == nil {
							v.enum[value] = minors{}
						}
						v.enum[value][minor] = true
					}
				}
			}
		}
	}
}

// span writes which of the minors in `all` are in `some`: nothing for every one, else "@from-to"
// without the end that `all` shares. A hole is bridged: it is a slip of one release.
func span(some, all minors) string {
	from, to := bounds(some)
	allFrom, allTo := bounds(all)
	if from == allFrom && to == allTo {
		return ""
	}
	text := "@"
	if from != allFrom {
		text += fmt.Sprint(from)
	}
	text += "-"
	if to != allTo {
		text += fmt.Sprint(to)
	}
	return text
}

func bounds(m minors) (from, to int) {
	for minor := range m {
		if from == 0 || minor < from {
			from = minor
		}
		to = max(to, minor)
	}
	return from, to
}

func (t *table) all() minors {
	m := minors{}
	for _, r := range t.releases {
		m[r.minor] = true
	}
	return m
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (t *table) sortedKinds() []gvk {
	kinds := make([]gvk, 0, len(t.kinds))
	for k := range t.kinds {
		kinds = append(kinds, k)
	}
	sort.Slice(kinds, func(i, j int) bool {
		a, b := kinds[i], kinds[j]
		if a.apiVersion() != b.apiVersion() {
			return a.apiVersion() < b.apiVersion()
		}
		return a.Kind < b.Kind
	})
	return kinds
}

func (t *table) write(w *bufio.Writer) {
	var names []string
	for _, r := range t.releases {
		names = append(names, fmt.Sprintf("1.%d.%s", r.minor, r.patch))
	}
	fmt.Fprintf(w, "# Generated by tools/schemas/generate.sh; see README.md. From Kubernetes %s.\n",
		strings.Join(names, ", "))
	fmt.Fprintf(w, "minors %d %d\n", t.first(), t.last())
	all := t.all()
	for _, k := range t.sortedKinds() {
		info := t.kinds[k]
		fmt.Fprintf(w, "kind %s %s %s %s %s%s\n", k.apiVersion(), k.Kind, info.typeName, info.scope,
			info.plural, prefixed(" ", span(info.in, all)))
	}
	for _, name := range sortedKeys(t.types) {
		info := t.types[name]
		fmt.Fprintf(w, "type %s%s\n", name, prefixed(" ", span(info.in, all)))
		for _, field := range sortedKeys(info.fields) {
			variants := info.fields[field]
			sort.Slice(variants, func(i, j int) bool {
				a, _ := bounds(variants[i].in)
				b, _ := bounds(variants[j].in)
				return a < b
			})
			for _, v := range variants {
				fmt.Fprintf(w, " %s %s%s", field, v.shape, prefixed(" ", span(v.in, info.in)))
				if len(v.required) > 0 {
					fmt.Fprintf(w, " required%s", span(v.required, v.in))
				}
				if len(v.deprecated) > 0 {
					fmt.Fprintf(w, " deprecated%s", span(v.deprecated, v.in))
				}
				if len(v.keys) > 0 {
					fmt.Fprintf(w, " keys=%s", strings.Join(v.keys, ","))
				}
				if v.merge != "" && !slices.Equal(v.keys, []string{v.merge}) {
					fmt.Fprintf(w, " merge=%s", v.merge)
				}
				if v.set {
					fmt.Fprint(w, " set")
				}
				if len(v.enum) > 0 {
					var values []string
					for _, value := range sortedKeys(v.enum) {
						values = append(values, value+span(v.enum[value], v.in))
					}
					fmt.Fprintf(w, " enum=%s", strings.Join(values, "|"))
				}
				fmt.Fprintln(w)
			}
		}
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
