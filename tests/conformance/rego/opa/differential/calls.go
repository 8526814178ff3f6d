package main

import (
	"slices"
	"sort"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// Built-ins that are not called: their answers differ from run to run, they reach out, or their subject is the program itself.
var excluded = map[string]bool{
	"http.send": true, "net.lookup_ip_addr": true, "opa.runtime": true, "print": true, "trace": true, "walk": true,
	"rego.metadata.chain": true, "rego.metadata.rule": true, "providers.aws.sign_req": true, "time.now_ns": true,
	"io.jwt.encode_sign": true, "io.jwt.encode_sign_raw": true, "rand.intn": true, "uuid.rfc4122": true,
	"assign": true, "eq": true,
	// Members of sets and objects in infix form are written elsewhere.
	"internal.member_2": true, "internal.member_3": true, "internal.print": true, "internal.template_string": true,
	"internal.test_case": true,
}

const token = `"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJidWx3YXJrIiwic3ViIjoiYWxpY2UiLCJleHAiOjIwMDAwMDAwMDB9.6Tn1D1B7xg0-8gDsnBN7Fb0gXOT2s5Yh5K1dN2yBz2M"`

// What the arguments of a built-in are taken from, by its name or by how its name begins: a list for each argument.
var pools = map[string][][]string{
	"net.":                             {{`"10.0.0.0/8"`, `"192.168.1.0/24"`, `"fd00::/8"`, `"10.1.2.3"`, `"::1"`, `"300.1.1.1"`}, {`"10.1.0.0/16"`, `"192.168.1.77"`, `"fd00::1"`, `"x"`, `"0.0.0.0/0"`}},
	"net.cidr_merge":                   {{`["10.0.0.0/9", "10.128.0.0/9", "1.1.1.1"]`, `{"192.168.0.0/24", "192.168.1.0/24"}`, `["fd00::/9", "fd80::/9"]`, `["x"]`, `[]`}},
	"net.cidr_expand":                  {{`"10.0.0.0/30"`, `"192.168.1.7/31"`, `"fd00::/127"`, `"10.0.0.1"`}},
	"net.cidr_contains_matches":        {{`["10.0.0.0/8", "192.168.0.0/16"]`, `{"a": "10.0.0.0/8"}`, `"1.0.0.0/8"`}, {`{"10.1.1.1", "1.2.3.4"}`, `["192.168.3.0/24", "x"]`, `"1.1.1.1"`}},
	"regex.":                           {{`"a+"`, `"^[a-z]+$"`, `"(\\w+):(\\d+)"`, `"b|c"`, `"("`, `"\\s"`, `"(?i)HELLO"`, `"x*"`}, {`"aabbc"`, `"foo:12, bar:3"`, `"Hello World"`, `""`, `"éà b"`}, {`"aab"`, `"[$1]"`, `"-"`, `2`, `-1`}},
	"regex.find_n":                     {{`"a+"`, `"\\w+"`, `"["`}, {`"aa b aaa"`, `"foo bar"`}, {`-1`, `0`, `1`, `2`}},
	"regex.find_all_string_submatch_n": {{`"a(x*)b"`, `"(\\w)(\\w)?"`}, {`"-ab-axb-axxb-"`, `"foo bar"`}, {`-1`, `0`, `1`, `2`}},
	"regex.replace":                    {{`"aabbc a"`, `"foo:12"`, `"éa"`}, {`"a+"`, `"(\\w+):(\\d+)"`, `"x*"`, `"("`}, {`"x"`, `"$2-$1"`, `"${1}y"`, `""`}},
	"regex.template_match":             {{`"urn:foo:{.*}"`, `"a{b+}c"`, `"{"`}, {`"urn:foo:bar"`, `"abbc"`}, {`"{"`}, {`"}"`}},
	"regex.globs_match":                {{`"a.a."`, `"[a-z]+"`, `"b*"`, `"[0-9]"`}, {`".b.b"`, `"[0-9]*"`, `"bb"`, `"x"`}},
	"glob.match":                       {{`"*.github.com"`, `"*:*"`, `"a?c"`, `"{a,b}*"`, `"[a-c]x"`, `"**.b"`, `"[!a]*"`, `"["`}, {`["."]`, `[]`, `null`, `[":"]`, `["/", "."]`}, {`"api.github.com"`, `"a:b"`, `"abc"`, `"bx"`, `"a.a.b"`, `""`}},
	"glob.quote_meta":                  {{`"*.a"`, `"{x}[y]"`, `""`}},
	"semver.":                          {{`"1.2.3"`, `"1.2.3-alpha.1"`, `"v1.0.0"`, `"10.0.0+build"`, `"1.2"`}, {`"1.2.3"`, `"1.2.3-beta"`, `"2.0.0"`, `"x"`}},
	"units.":                           {{`"10Mi"`, `"1.5K"`, `"100"`, `"0.5Gi"`, `"200m"`, `"1e3"`, `"10 MB"`, `"x"`, `""`, `"3Ti"`, `"7kib"`}},
	"time.":                            {{`1700000000000000000`, `[1700000000000000000, "Europe/Berlin"]`, `0`, `-1`, `"2024-02-29T12:34:56Z"`, `[951782400000000000, "America/New_York"]`}, {`1600000000000000000`, `[1, "UTC"]`, `1`, `2`}, {`1`, `-2`, `13`}, {`1`, `40`}},
	"time.parse_ns":                    {{`"2006-01-02"`, `"2006-01-02T15:04:05Z07:00"`, `"Jan _2 15:04 2006 MST"`}, {`"2024-02-29"`, `"2024-02-29T12:34:56+01:00"`, `"x"`}},
	"time.parse_rfc3339_ns":            {{`"2024-02-29T12:34:56Z"`, `"2024-02-29T12:34:56.789+02:00"`, `"2024-02-30T00:00:00Z"`, `""`}},
	"time.parse_duration_ns":           {{`"1h2m3s"`, `"1.5ms"`, `"-2h"`, `"10"`, `"5d"`}},
	"time.format":                      {{`1700000000000000000`, `[1700000000123456789, "Asia/Tokyo"]`, `[1700000000000000000, "UTC", "RFC1123Z"]`, `[0, "", "Mon Jan 2 2006"]`, `"x"`}},
	"time.add_date":                    {{`1700000000000000000`, `[951782400000000000, "America/New_York"]`}, {`0`, `1`, `-4`}, {`0`, `-13`, `2`}, {`0`, `31`, `-1`}},
	"json.unmarshal":                   {{`"{\"a\": [1, 2.0, null]}"`, `"[]"`, `"1"`, `"{"`, `"\"x\""`, `""`, `"[1e2]"`}},
	"json.is_valid":                    {{`"{\"a\": 1}"`, `"{"`, `"1 2"`, `""`}},
	"json.patch":                       {{`{"a": {"b": 1}, "c": [1, 2]}`, `{"a": [1, {"b": 2}]}`}, {`[{"op": "add", "path": "/a/x", "value": 5}]`, `[{"op": "remove", "path": "c/0"}]`, `[{"op": "replace", "path": ["a"], "value": null}, {"op": "test", "path": "/a", "value": null}]`, `[{"op": "copy", "from": "/a", "path": "/d"}]`, `[{"op": "move", "from": "/a", "path": "/c/-"}]`}},
	"json.filter":                      {{`{"a": {"b": 1, "c": 2}, "d": [1, {"e": 3}]}`, `{"a": [1, 2]}`}, {`["a/b"]`, `["d/1", "x"]`, `[["a", "c"]]`, `{"a"}`, `[]`, `["d/1/e"]`}},
	"json.remove":                      {{`{"a": {"b": 1, "c": 2}, "d": [1, {"e": 3}]}`, `{"a": [1, 2]}`}, {`["a/b"]`, `["d/1", "x"]`, `[["a", "c"]]`, `{"a"}`, `[]`, `["d/0", "d/1/e"]`}},
	"json.match_schema":                {{`{"a": 1}`, `{"a": "x", "b": [1]}`, `"{\"a\": 2}"`, `[1]`}, {`{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}`, `{"type": "array", "items": {"type": "string"}}`, `"{\"type\": \"object\"}"`}},
	"json.verify_schema":               {{`{"type": "object"}`, `{"type": 1}`, `"{"`, `{"properties": {"a": {"type": "x"}}}`}},
	"yaml.":                            {{`"a: 1\nb: [x, y]"`, `"- 1\n- two"`, `"a: [b"`, `"x"`, `"a: yes\nb: 010\nc: ~"`}},
	"base64.":                          {{`"aGVsbG8="`, `"hello"`, `"éà"`, `"aGVsbG8"`, `""`, `"-_8="`}},
	"base64url.":                       {{`"aGVsbG8="`, `"hello"`, `"_-8"`, `"aGVsbG8"`, `""`}},
	"hex.":                             {{`"deadbeef"`, `"hello"`, `"abc"`, `"zz"`, `""`}},
	"urlquery.":                        {{`"a=1&b=2%20c"`, `"x y+z"`, `"%zz"`, `""`, `{"a": "1", "b": ["x", "y"]}`, `{"k": {"s", "t"}}`}},
	"urlquery.encode_object":           {{`{"a": "1", "b": ["x", "y"]}`, `{"k": {"s", "t"}}`, `{}`, `{"é b": "&=?"}`}},
	"uri.":                             {{`"https://user@host.example:8080/a/b?q=1#f"`, `"mailto:x@y"`, `"::"`, `"/p/../q"`, `""`}},
	"crypto.":                          {{`"hello"`, `""`, `"é"`}, {`"key"`, `"k2"`}},
	"crypto.x509.":                     {{`"x"`, `""`, `"aGVsbG8="`}},
	"crypto.parse_private_keys":        {{`"x"`, `""`}},
	"io.jwt.":                          {{token, `"a.b.c"`, `""`, `"x"`}, {`"secret"`, `"x"`}},
	"io.jwt.decode_verify":             {{token, `"a.b.c"`}, {`{"secret": "secret"}`, `{"secret": "x", "alg": "HS256"}`, `{"cert": "x"}`}},
	"graphql.":                         {{`"query { a { b(x: 1) } }"`, `"{ a }"`, `"type Query { a: A }\ntype A { b: Int }"`, `"{"`}, {`"type Query { a: A }\ntype A { b(x: Int): Int }"`, `"type Query { a: Int }"`, `"x"`}},
	"graph.reachable":                  {{`{"a": ["b"], "b": {"c"}, "c": []}`, `{"a": null, "b": ["a", "b"]}`, `{}`}, {`["a"]`, `{"b", "x"}`, `[]`}},
	"graph.reachable_paths":            {{`{"a": ["b", "c"], "b": {"c"}, "c": []}`, `{"a": ["a"]}`}, {`["a"]`, `{"b", "x"}`}},
	"numbers.range":                    {{`1`, `5`, `-2`, `1.5`}, {`3`, `-1`, `1`}},
	"numbers.range_step":               {{`1`, `10`}, {`10`, `-3`, `1`}, {`1`, `2`, `3`, `0`}},
	"bits.":                            {{`1`, `6`, `-3`, `255`, `1.5`}, {`1`, `3`, `8`, `0`}},
	"format_int":                       {{`10`, `255`, `-7`, `3.7`}, {`2`, `8`, `10`, `16`, `7`}},
	"substring":                        {{`"hello"`, `"éàü"`, `""`}, {`0`, `1`, `3`, `-1`, `9`}, {`-1`, `0`, `2`, `10`}},
	"array.slice":                      {{`[1, 2, 3, 4]`, `[]`}, {`0`, `1`, `-1`, `3`}, {`2`, `4`, `9`, `0`}},
	"indexof":                          {{`"hello"`, `"éàü"`}, {`"l"`, `"à"`, `""`, `"z"`}},
	"indexof_n":                        {{`"hello"`, `"aaa"`}, {`"l"`, `"aa"`, `""`, `"z"`}},
	"split":                            {{`"a.b.c"`, `"éà"`, `""`}, {`"."`, `""`, `"x"`}},
	"replace":                          {{`"a.b.a"`, `"aaa"`, `""`}, {`"a"`, `""`, `"."`}, {`"x"`, `""`}},
	"strings.replace_n":                {{`{"a": "b", "b": "c"}`, `{"<": "&lt;"}`, `{}`}, {`"aabb <x>"`, `""`}},
	"strings.render_template":          {{`"{{.a}} and {{range .b}}{{.}},{{end}}"`, `"{{.x.y}}"`, `"{{"`}, {`{"a": 1, "b": ["x", "y"]}`, `{"x": {"y": true}, "a": "s"}`}},
	"strings.count":                    {{`"cheese"`, `"éé"`}, {`"e"`, `""`, `"é"`}},
	"to_number":                        {{`"1"`, `"1.50"`, `true`, `null`, `"x"`, `7`, `"1e3"`, `" 1"`, `"0x10"`}},
	"object.subset":                    {{`{"a": {"b": 1, "c": 2}}`, `[1, 2, 3]`, `{1, 2}`}, {`{"a": {"b": 1}}`, `[2, 3]`, `{2}`, `[1, 3]`}},
	"object.get":                       {{`{"a": {"b": 1}}`, `{1: 2}`}, {`"a"`, `["a", "b"]`, `["a", "x"]`, `1`, `[]`}, {`"none"`, `null`}},
	"object.union_n":                   {{`[{"a": 1}, {"b": 2, "a": {"c": 1}}, {"a": {"d": 2}}]`, `[]`}},
	"object.filter":                    {{`{"a": 1, "b": 2}`}, {`["a"]`, `{"b", "c"}`, `{"a": 0}`}},
	"object.remove":                    {{`{"a": 1, "b": 2}`}, {`["a"]`, `{"b", "c"}`, `{"a": 0}`}},
	"rego.parse_module":                {{`"x.rego"`}, {`"package a\np := 1"`, `"package"`}},
	"sprintf":                          {{`"%v %d"`, `"%s"`, `"%08.3f|%x|%o|%b|%c"`, `"%%"`, `"%5s|%-5s|%t"`, `"%[2]v %[1]v"`, `"%+d %e %g %q %T"`}, {`[1, "a"]`, `["x"]`, `[1.5, 255, 8, 5, 65]`, `[]`, `[{"a": [1]}, {1, 2}]`, `[true, null, "y"]`}},
	"round":                            {{`2.5`, `-0.5`, `1.4999`, `7`}}, "ceil": {{`2.1`, `-0.5`, `7`}}, "floor": {{`2.9`, `-0.5`, `7`}}, "abs": {{`-2.5`, `3`, `-9007199254740993`}},
	"cast_": {{`[1]`, `{1}`, `"x"`, `true`, `null`, `1`, `{"a": 1}`}},
}

// What a call may be: a built-in and the kind of its result.
type callable struct {
	builtin *ast.Builtin
	kind    kind
	old     bool // gone from v1
}

var callables = func() (list []callable) {
	for _, b := range ast.Builtins {
		if excluded[b.Name] || b.Infix != "" || b.Nondeterministic || b.Decl.Result() == nil {
			continue
		}
		list = append(list, callable{b, kindOf(b.Decl.Result()), b.IsDeprecated()})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].builtin.Name < list[j].builtin.Name })
	return list
}()

func kindOf(t types.Type) kind {
	if named, ok := t.(*types.NamedType); ok {
		return kindOf(named.Type)
	}
	switch t := t.(type) {
	case types.Number:
		return number
	case types.String:
		return text
	case types.Boolean:
		return boolean
	case *types.Array:
		switch kindOf(t.Dynamic()) {
		case number:
			return numbers
		case text:
			return texts
		}
	case *types.Set:
		switch kindOf(t.Of()) {
		case number:
			return numberSet
		case text:
			return textSet
		}
	case *types.Object:
		return object
	}
	return anything
}

// call writes a call of a built-in that answers with the kind; empty where it finds none.
func (g *generator) call(k kind) string {
	for range 12 {
		c := callables[g.Intn(len(callables))]
		if c.kind != k && k != anything || c.old && g.v1 {
			continue
		}
		pool := pools[c.builtin.Name]
		for prefix := c.builtin.Name; pool == nil && prefix != ""; prefix = prefix[:len(prefix)-1] {
			if strings.HasSuffix(prefix, ".") || strings.HasSuffix(prefix, "_") {
				pool = pools[prefix]
			}
		}
		args := []string{}
		for i, t := range c.builtin.Decl.NamedFuncArgs().Args {
			switch {
			case g.chance(4):
				args = append(args, g.reference(kind(g.Intn(int(kinds)))))
			case i < len(pool) && !g.chance(8):
				arg := pick(g, pool[i])
				if !fits(c.builtin, i, arg) && !g.chance(1) {
					arg = g.argument(t)
				}
				if g.typos && g.chance(30) {
					arg = g.typo(arg)
				}
				args = append(args, arg)
			default:
				args = append(args, g.argument(t))
			}
		}
		return c.builtin.Name + "(" + strings.Join(args, ", ") + ")"
	}
	return ""
}

// typo changes a character of a string literal that has no escapes.
func (g *generator) typo(literal string) string {
	inner := []rune(strings.Trim(literal, `"`))
	if literal[0] != '"' || len(inner)+2 != len([]rune(literal)) || len(inner) == 0 || strings.ContainsAny(string(inner), `\"`) {
		return literal
	}
	at := g.Intn(len(inner))
	other := pick(g, []rune("0129aZ .:-+/*[](){}?_%,é$^|=#&@~<>T"))
	switch g.Intn(4) {
	case 0:
		inner = slices.Delete(inner, at, at+1)
	case 1:
		inner[at] = other
	case 2:
		inner = slices.Insert(inner, at, other)
	default:
		inner = append(inner, inner[at:]...)
	}
	return `"` + string(inner) + `"`
}

var fitting = map[string]bool{}

// fits says whether the type checker takes the literal for an argument.
func fits(b *ast.Builtin, i int, literal string) bool {
	args := make([]string, b.Decl.Arity())
	for j := range args {
		args[j] = "input"
	}
	args[i] = literal
	call := b.Name + "(" + strings.Join(args, ", ") + ")"
	fit, known := fitting[call]
	if !known {
		_, err := ast.NewCompiler().QueryCompiler().Compile(ast.MustParseBody(call))
		fit = err == nil
		fitting[call] = fit
	}
	return fit
}

// argument writes a value of a type of OPA's. Numbers stay small: some built-ins repeat or shift by them.
func (g *generator) argument(t types.Type) string {
	if named, ok := t.(*types.NamedType); ok {
		return g.argument(named.Type)
	}
	switch t := t.(type) {
	case types.Null:
		return "null"
	case types.Number:
		if name, ok := g.known(number); ok && g.chance(30) {
			return name
		}
		return pick(g, []string{"0", "1", "2", "3", "5", "-1", "1.5", "input.n"})
	case types.String:
		return g.expr(text)
	case types.Boolean:
		return g.expr(boolean)
	case *types.Array:
		if t.Len() > 0 {
			items := make([]string, t.Len())
			for i := range items {
				items[i] = g.argument(t.Select(i))
			}
			return "[" + strings.Join(items, ", ") + "]"
		}
		if k := kindOf(t); k != anything {
			return g.expr(k)
		}
		return "[" + g.argument(t.Dynamic()) + ", " + g.argument(t.Dynamic()) + "]"
	case *types.Set:
		if k := kindOf(t); k != anything {
			return g.expr(k)
		}
		return "{" + g.argument(t.Of()) + ", " + g.argument(t.Of()) + "}"
	case *types.Object:
		if len(t.StaticProperties()) == 0 {
			return g.expr(counts)
		}
		members := []string{}
		for _, p := range t.StaticProperties() {
			members = append(members, ast.MustInterfaceToValue(p.Key).String()+": "+g.argument(p.Value))
		}
		return "{" + strings.Join(members, ", ") + "}"
	case types.Any:
		if len(t) > 0 {
			return g.argument(t[g.Intn(len(t))])
		}
	}
	return g.expr(anything)
}
