package main

import (
	"fmt"
	"math/rand"
	"strconv"
	"strings"
)

// A Case is one policy with a query, an input and data, in a form that can be made smaller: a module is a list of rules, a rule
// a head with lists of statements.
type Case struct {
	Seed    int64
	Dialect string // "v0" or "v1"
	Strict  bool   // errors of built-ins end the query
	Syntax  bool   // only parsed
	Query   string
	Input   map[string]any
	Data    map[string]any
	Modules []*Module
}

type Module struct {
	Header []string
	Rules  []*Rule
}

// A Rule is a chain of branches: `head if { body } else := value if { body }`.
type Rule struct {
	Branches []Branch
}

type Branch struct {
	Head string // without ` if` and the body
	Body []string
}

func (m *Module) Text(dialect string) string {
	var b strings.Builder
	for _, line := range m.Header {
		b.WriteString(line + "\n")
	}
	for _, rule := range m.Rules {
		b.WriteByte('\n')
		for i, branch := range rule.Branches {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(branch.Head)
			if len(branch.Body) > 0 {
				if dialect == "v1" {
					b.WriteString(" if")
				}
				b.WriteString(" {\n")
				for _, statement := range branch.Body {
					b.WriteString("\t" + statement + "\n")
				}
				b.WriteString("}")
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// kind is what the generator knows of a value: enough for most of what it writes to mean something.
type kind int

const (
	number kind = iota
	text
	boolean
	numbers // array of numbers
	texts   // array of strings
	numberSet
	textSet
	counts // object: string -> number
	users  // array of objects, see inputUser
	object // an object of unknown members
	anything
	kinds
)

func (k kind) element() kind {
	switch k {
	case numbers, numberSet, counts:
		return number
	case texts, textSet:
		return text
	case users:
		return object
	}
	return anything
}

func (k kind) collection() bool { return k >= numbers && k <= object }

type named struct {
	name string
	kind kind
}

type function struct {
	name   string
	args   []kind
	result kind
}

// A generator writes one case. What it writes depends on its seed alone.
type generator struct {
	*rand.Rand
	v1, v2    bool
	lib       bool       // the module can refer to data.lib
	typos     bool       // strings of calls are varied
	globals   []named    // references to rules that can be read as values
	functions []function // of this module and others
	locals    []named
	next      int
	deep      int // expressions around the one that is written
	nested    int // bodies around
}

// Generate makes the case of a seed.
func Generate(seed int64) *Case {
	c, _ := generate(seed)
	return c
}

// GenerateSyntax makes a case whose text is broken somewhere, and only parsed.
func GenerateSyntax(seed int64) *Case {
	c, g := generate(seed)
	c.Syntax = true
	for _, m := range c.Modules {
		g.spoil(m)
	}
	return c
}

// GenerateCall makes a case that is one call of a built-in.
func GenerateCall(seed int64) *Case {
	g := &generator{Rand: rand.New(rand.NewSource(seed))}
	c := &Case{Seed: seed, Dialect: "v1", Strict: g.chance(70), Query: "data.test.p = x"}
	if g.chance(15) {
		c.Dialect = "v0"
	}
	g.v1 = c.Dialect == "v1"
	c.Input = g.document(95)
	c.Data = map[string]any{"base": g.document(95)}
	g.deep = 3 // simple arguments
	g.typos = true
	call := ""
	for call == "" {
		call = g.call(anything)
	}
	c.Modules = []*Module{{Header: []string{"package test"}, Rules: []*Rule{{[]Branch{{Head: "p := " + call}}}}}}
	return c
}

func generate(seed int64) (*Case, *generator) {
	g := &generator{Rand: rand.New(rand.NewSource(seed))}
	c := &Case{Seed: seed, Dialect: "v1", Strict: g.chance(25)}
	if g.chance(20) {
		c.Dialect = "v0"
	}
	g.v1 = c.Dialect == "v1"
	g.v2 = g.v1 && g.chance(20)
	c.Input = g.document(90)
	c.Data = map[string]any{"base": g.document(95)}
	if g.chance(30) {
		c.Modules = append(c.Modules, g.module("lib", 1+g.Intn(3)))
		g.lib = true
		for i := range g.globals {
			g.globals[i].name = "data.lib." + g.globals[i].name
		}
		for i := range g.functions {
			g.functions[i].name = "data.lib." + g.functions[i].name
		}
	}
	main := g.module("test", 1+g.Intn(6))
	if len(c.Modules) > 0 && g.chance(60) {
		alias := ""
		if g.chance(30) {
			alias = " as lib2"
			for i := range main.Rules {
				main.Rules[i].replace("data.lib.", "lib2.")
			}
		} else {
			for i := range main.Rules {
				main.Rules[i].replace("data.lib.", "lib.")
			}
		}
		main.Header = append(main.Header, "import data.lib"+alias)
	}
	c.Modules = append(c.Modules, main)
	c.Query = g.query(main)
	if g.chance(4) {
		g.spoil(main)
	}
	return c, g
}

// spoil breaks a line, mostly its syntax: what the parser says is an answer, too.
func (g *generator) spoil(m *Module) {
	branches := pick(g, m.Rules).Branches
	branch := &branches[g.Intn(len(branches))]
	line := &branch.Head
	if len(branch.Body) > 0 && g.chance(80) {
		line = &branch.Body[g.Intn(len(branch.Body))]
	}
	words := strings.SplitAfter(*line, " ")
	at := g.Intn(len(words))
	switch g.Intn(3) {
	case 0:
		words[at] = ""
	case 1:
		words[at] += pick(g, []string{"{ ", "} ", "[ ", "] ", "( ", ") ", ", ", "; ", ":= ", "= ", ". ", "some ", "not ", "in ", "every ", "with ", "as ", "| ", "\"", "` ", "else ", "1 ", "x9 ", "0x ", "# "})
	default:
		if word := []rune(words[at]); len(word) > 1 {
			cut := g.Intn(len(word) - 1)
			words[at] = string(word[:cut]) + string(word[cut+1:])
		}
	}
	*line = strings.Join(words, "")
}

func (r *Rule) replace(old, new string) {
	for i := range r.Branches {
		r.Branches[i].Head = strings.ReplaceAll(r.Branches[i].Head, old, new)
		for j := range r.Branches[i].Body {
			r.Branches[i].Body[j] = strings.ReplaceAll(r.Branches[i].Body[j], old, new)
		}
	}
}

func (g *generator) query(m *Module) string {
	if len(g.globals) > 0 && !g.chance(25) {
		rule := g.globals[g.Intn(len(g.globals))]
		name := rule.name
		if !strings.HasPrefix(name, "data.") {
			name = "data.test." + name
		}
		switch {
		case rule.kind.collection() && g.chance(25):
			return name + "[k] = v"
		case g.chance(10):
			return name + " = x; data.test = y"
		case g.chance(5):
			return "not " + name
		case g.chance(5):
			return name + " = x with input." + g.field(anything) + " as " + g.literal(anything)
		}
		return name + " = x"
	}
	return "data.test = x"
}

func (g *generator) chance(percent int) bool { return g.Intn(100) < percent }

func pick[T any](g *generator, list []T) T { return list[g.Intn(len(list))] }

func (g *generator) fresh(prefix string) string {
	g.next++
	return prefix + strconv.Itoa(g.next)
}

// --- documents -----------------------------------------------------------------------------------

var fields = []named{
	{"n", number}, {"m", number}, {"s", text}, {"t", text}, {"b", boolean}, {"nums", numbers}, {"strs", texts},
	{"counts", counts}, {"users", users}, {"nested", object},
}

var (
	someNumbers = []any{0, 1, 2, 3, 4, 5, 7, 10, 12, 100, -1, -3, 0.5, 1.5, 2.25, -2.75}
	someTexts   = []any{"", "a", "b", "c", "alice", "bob", "admin", "a.b", "a/b", "Hello World", "x-1", "éà", "10", "foo:bar", "nginx:1.2"}
)

// document is an input of the shape that the generator's references expect; each field is there with so many percent.
func (g *generator) document(percent int) map[string]any {
	d := map[string]any{}
	for _, f := range fields {
		if g.chance(percent) {
			d[f.name] = g.value(f.kind)
		}
	}
	return d
}

func (g *generator) value(k kind) any {
	several := func(k kind) []any {
		list := make([]any, g.Intn(5))
		for i := range list {
			list[i] = g.value(k)
		}
		return list
	}
	switch k {
	case number:
		return pick(g, someNumbers)
	case text:
		return pick(g, someTexts)
	case boolean:
		return g.chance(60)
	case numbers, numberSet:
		return several(number)
	case texts, textSet:
		return several(text)
	case counts:
		o := map[string]any{}
		for range g.Intn(4) {
			o[pick(g, []string{"a", "b", "c", "d e", "alice"})] = g.value(number)
		}
		return o
	case users:
		list := make([]any, g.Intn(4))
		for i := range list {
			list[i] = map[string]any{"name": g.value(text), "age": g.value(number), "admin": g.value(boolean), "roles": g.value(texts)}
		}
		return list
	case object:
		return map[string]any{"a": map[string]any{"b": g.value(numbers), "c": g.value(text)}, "d": g.value(counts), "e": nil}
	}
	return g.value(pick(g, []kind{number, text, boolean, numbers, texts, counts, object}))
}

// field is a path below input whose value has the kind, in most inputs.
func (g *generator) field(k kind) string {
	for range 8 {
		f := pick(g, fields)
		if f.kind == k || k == anything {
			return f.name
		}
	}
	switch k {
	case number:
		return pick(g, []string{"n", "m", "counts.a", "users[0].age", "nums[1]"})
	case text:
		return pick(g, []string{"s", "t", "users[0].name", "strs[0]", "nested.a.c"})
	case boolean:
		return pick(g, []string{"b", "users[0].admin"})
	case numbers, numberSet:
		return pick(g, []string{"nums", "nested.a.b"})
	case texts, textSet:
		return pick(g, []string{"strs", "users[0].roles"})
	case counts:
		return pick(g, []string{"counts", "nested.d"})
	case users:
		return "users"
	case object:
		return pick(g, []string{"nested", "nested.a", "users[0]"})
	}
	return pick(g, fields).name
}

// --- rules ---------------------------------------------------------------------------------------

func (g *generator) module(name string, rules int) *Module {
	m := &Module{Header: []string{"package " + name}}
	if g.v2 {
		m.Header = append(m.Header, "import rego.v2")
	} else if !g.v1 {
		m.Header = append(m.Header, "import future.keywords.in", "import future.keywords.every")
		// Without `if` and `contains`: the old syntax of heads.
	} else if g.chance(5) {
		m.Header = append(m.Header, "import rego.v1")
	}
	for range rules {
		m.Rules = append(m.Rules, g.rule()...)
	}
	return m
}

func (g *generator) assign() string {
	if g.v1 || g.chance(50) {
		return " := "
	}
	return " = "
}

func (g *generator) rule() []*Rule {
	g.locals, g.next, g.deep, g.nested = nil, 0, 0, 0
	id := strconv.Itoa(len(g.globals) + len(g.functions))
	k := kind(g.Intn(int(kinds)))
	one := func(branches ...Branch) []*Rule { return []*Rule{{branches}} }
	if g.chance(10) {
		return g.choices("r" + id)
	}
	switch n := g.Intn(100); {
	case n < 30: // complete, perhaps with default and else
		name := "r" + id
		var rules []*Rule
		if g.chance(35) {
			rules = append(rules, &Rule{[]Branch{{Head: "default " + name + " := " + g.literal(k)}}})
		}
		clauses := 1
		if g.chance(20) {
			clauses = 2
		}
		constant := g.literal(k)
		for range clauses {
			branch := g.branch(name, g.assign(), k)
			if clauses > 1 && g.chance(70) { // no conflict
				branch.Head = name + " := " + constant
			}
			rule := &Rule{[]Branch{branch}}
			for g.chance(30) {
				rule.Branches = append(rule.Branches, g.branch("else", " := ", k))
			}
			rules = append(rules, rule)
		}
		g.globals = append(g.globals, named{name, k})
		return rules
	case n < 40: // true or undefined
		name := "r" + id
		g.locals = nil
		body := g.body(1 + g.Intn(4))
		g.globals = append(g.globals, named{name, boolean})
		return one(Branch{name, body})
	case n < 58: // partial set
		name := "s" + id
		element := pick(g, []kind{number, text, anything})
		var rules []*Rule
		for {
			g.locals = nil
			body := g.body(1 + g.Intn(3))
			value := g.expr(element)
			head := name + " contains " + value
			if !g.v1 {
				head = name + "[" + g.local(element, &body) + "]"
			}
			rules = append(rules, &Rule{[]Branch{{head, body}}})
			if !g.chance(30) {
				break
			}
		}
		set := anything
		switch element {
		case number:
			set = numberSet
		case text:
			set = textSet
		}
		g.globals = append(g.globals, named{name, set})
		return rules
	case n < 73: // partial object, references in heads
		name := "o" + id
		var rules []*Rule
		form := g.Intn(6)
		for {
			g.locals = nil
			body := g.body(1 + g.Intn(3))
			key := g.local(text, &body)
			value := g.expr(number)
			head := name + "[" + key + "]" + g.assign() + value
			if g.v1 {
				switch form {
				case 0:
					head = name + ".x[" + key + "] := " + value
				case 1:
					head = name + "[" + key + "].y contains " + value
				case 2:
					head = name + "[" + key + "].z[" + g.local(text, &body) + "] := " + value
				case 3:
					head = name + "." + pick(g, []string{"p", "q"}) + " := " + value
				}
			}
			rules = append(rules, &Rule{[]Branch{{head, body}}})
			if !g.chance(30) {
				break
			}
		}
		g.globals = append(g.globals, named{name, counts})
		return rules
	case n < 95: // function
		f := function{name: "f" + id, result: k}
		for range 1 + g.Intn(3) {
			f.args = append(f.args, kind(g.Intn(int(anything))))
		}
		var rules []*Rule
		if g.v1 && g.chance(10) {
			args := make([]string, len(f.args))
			for i := range args {
				args[i] = "_"
			}
			rules = append(rules, &Rule{[]Branch{{Head: "default " + f.name + "(" + strings.Join(args, ", ") + ") := " + g.literal(k)}}})
		}
		clauses := 1
		if g.chance(25) {
			clauses = 2
		}
		for i := range clauses {
			g.locals, g.next = nil, 0
			args := make([]string, len(f.args))
			for i, kind := range f.args {
				switch {
				case kind == numbers && g.chance(15):
					a, b := g.fresh("x"), g.fresh("x")
					g.locals = append(g.locals, named{a, number}, named{b, number})
					args[i] = "[" + a + ", " + b + "]"
				case g.chance(8):
					args[i] = g.literal(kind)
				default:
					args[i] = g.fresh("x")
					g.locals = append(g.locals, named{args[i], kind})
				}
			}
			locals := append([]named{}, g.locals...)
			rule := &Rule{[]Branch{g.branchWith(f.name+"("+strings.Join(args, ", ")+")", g.assign(), k)}}
			for g.chance(25) {
				g.locals = append([]named{}, locals...)
				rule.Branches = append(rule.Branches, g.branchWith("else", " := ", k))
			}
			if i > 0 && g.chance(70) { // no conflict: only where the argument says so
				rule.Branches[0].Body = append([]string{"false"}, rule.Branches[0].Body...)
			}
			rules = append(rules, rule)
		}
		g.functions = append(g.functions, f)
		return rules
	default: // a constant
		name := "r" + id
		value := g.expr(k)
		if g.chance(2) {
			value = name
		}
		g.globals = append(g.globals, named{name, k})
		return one(Branch{Head: name + g.assign() + value})
	}
}

func (g *generator) branch(head, assign string, k kind) Branch {
	g.locals = nil
	return g.branchWith(head, assign, k)
}

func (g *generator) branchWith(head, assign string, k kind) Branch {
	body := g.body(1 + g.Intn(4))
	return Branch{head + assign + g.expr(k), body}
}

// local is a variable of the kind, declared at the end of the body where there is none.
func (g *generator) local(k kind, body *[]string) string {
	if name, ok := g.known(k); ok && g.chance(70) {
		return name
	}
	value := g.expr(k)
	name := g.fresh("x")
	*body = append(*body, name+" := "+value)
	g.locals = append(g.locals, named{name, k})
	return name
}

func (g *generator) known(k kind) (string, bool) {
	var fit []string
	for _, l := range g.locals {
		if l.kind == k || k == anything {
			fit = append(fit, l.name)
		}
	}
	if len(fit) == 0 {
		return "", false
	}
	return pick(g, fit), true
}

// --- bodies --------------------------------------------------------------------------------------

func (g *generator) body(statements int) []string {
	var body []string
	for range statements {
		body = append(body, g.statement())
	}
	return body
}

// inner writes a body of its own scope, on one line.
func (g *generator) inner(statements int) string {
	locals := g.locals
	g.locals = append([]named{}, locals...)
	g.nested++
	body := g.body(statements)
	g.nested--
	g.locals = locals
	return strings.Join(body, "; ")
}

func (g *generator) declare(k kind) string {
	name := g.fresh("x")
	g.locals = append(g.locals, named{name, k})
	return name
}

func (g *generator) statement() string {
	if g.nested > 2 {
		return g.condition()
	}
	if g.chance(12) {
		if s := g.search(); s != "" {
			return s
		}
	}
	switch n := g.Intn(100); {
	case n < 18:
		k := kind(g.Intn(int(kinds)))
		value := g.expr(k)
		return g.declare(k) + " := " + value
	case n < 24:
		k := kind(g.Intn(int(kinds)))
		value := g.expr(k)
		return g.declare(k) + " = " + value
	case n < 36:
		k := pick(g, []kind{numbers, texts, numberSet, textSet, counts, users})
		collection := g.expr(k)
		if g.chance(35) {
			key := number
			if k == counts {
				key = text
			} else if k == numberSet || k == textSet {
				key = k.element()
			}
			return "some " + g.declare(key) + ", " + g.declare(k.element()) + " in " + collection
		}
		return "some " + g.declare(k.element()) + " in " + collection
	case n < 46: // a reference with keys that are not bound
		k := pick(g, []kind{numbers, texts, counts, users})
		ref := g.reference(k)
		switch g.Intn(4) {
		case 0:
			return g.declare(k.element()) + " := " + ref + "[_]"
		case 1:
			key := number
			if k == counts {
				key = text
			}
			index := g.fresh("i")
			s := g.fresh("x") + " = " + ref + "[" + index + "]"
			g.locals = append(g.locals, named{index, key})
			return s
		case 2:
			return ref + "[_] == " + g.expr(k.element())
		}
		if k == users {
			switch g.Intn(4) {
			case 0:
				return ref + "[_].name == " + g.expr(text)
			case 1:
				return ref + "[_].roles[_] == " + g.expr(text)
			case 2:
				return g.declare(number) + " := " + ref + "[_].age"
			}
			return g.declare(text) + " = " + ref + "[_].roles[_]"
		}
		return ref + "[" + g.expr(number) + "]"
	case n < 52: // unification of structures
		switch g.Intn(3) {
		case 0:
			a, b := g.expr(number), g.expr(text)
			return "[" + g.declare(number) + ", " + g.declare(text) + "] = [" + a + ", " + b + "]"
		case 1:
			a, b := g.expr(number), g.expr(number)
			return `{"a": ` + g.declare(number) + `, "b": 1} = {"a": ` + a + `, "b": ` + b + "}"
		}
		a := g.reference(numbers)
		return "[" + g.declare(number) + ", _] = " + a
	case n < 58:
		k := pick(g, []kind{numbers, texts, numberSet, textSet, counts, users})
		collection := g.expr(k)
		locals := g.locals
		g.locals = append([]named{}, locals...)
		var head, use string
		if !g.chance(25) {
			element := g.declare(k.element())
			head, use = "every "+element+" in ", element
		} else {
			key := number
			if k == counts {
				key = text
			} else if !(k == numbers || k == texts || k == users) {
				key = k.element()
			}
			index, element := g.declare(key), g.declare(k.element())
			head, use = "every "+index+", "+element+" in ", index+" != "+element
		}
		s := head + collection + " { " + g.inner(1+g.Intn(2)) + " }"
		if !g.chance(1) { // what is declared must be used
			s = strings.TrimSuffix(s, " }") + "; " + use + " }"
		}
		g.locals = locals
		return s
	case n < 66:
		if g.v2 && g.chance(40) {
			return "not { " + g.inner(1+g.Intn(2)) + " }"
		}
		if condition := g.condition(); condition != "true" { // alone in a comprehension, OPA takes it for `true`
			return "not " + condition
		}
		return "input.b"
	case n < 72:
		return g.condition() + g.with()
	case n < 74:
		value := g.fresh("v")
		path := g.fresh("p")
		s := "walk(" + g.reference(pick(g, []kind{object, users, counts})) + ", [" + path + ", " + value + "])"
		g.locals = append(g.locals, named{value, anything})
		return s
	case n < 80 && g.v2:
		s := g.condition() + pick(g, []string{" and ", " or "}) + g.condition()
		if g.chance(30) {
			s += pick(g, []string{" and ", " or "}) + "{ " + g.inner(1) + " }"
		}
		return s
	}
	return g.condition()
}

// search looks for bindings: in sets and objects of rules, in several places at once, in a package.
func (g *generator) search() string {
	switch g.Intn(7) {
	case 0: // members of a set or entries of an object that a rule makes
		for range 4 {
			if len(g.globals) == 0 {
				return ""
			}
			rule := pick(g, g.globals)
			switch rule.kind {
			case numberSet, textSet:
				if g.chance(40) {
					return rule.name + "[" + g.expr(rule.kind.element()) + "]"
				}
				return rule.name + "[" + g.declare(rule.kind.element()) + "]"
			case counts:
				if g.chance(30) {
					return rule.name + "[" + g.declare(text) + "] > " + g.literal(number)
				}
				return g.declare(number) + " := " + rule.name + "[" + g.declare(text) + "]"
			}
		}
		return ""
	case 1:
		return "some " + g.declare(number) + "; input.users[" + g.locals[len(g.locals)-1].name + "].name == " + g.literal(text)
	case 2:
		i, j := g.fresh("i"), g.fresh("i")
		g.locals = append(g.locals, named{i, number}, named{j, number})
		return "input.users[" + i + "].roles[" + j + "] == data.base.strs[" + pick(g, []string{i, j, "_"}) + "]"
	case 3:
		return g.declare(anything) + " = data.base[" + g.declare(text) + "]"
	case 4:
		if !g.lib {
			return ""
		}
		key := g.declare(text)
		return g.declare(anything) + " = data.lib[" + key + "]"
	case 5:
		a := g.reference(numbers)
		return "[" + g.declare(number) + ", " + g.declare(number) + "] := [" + a + "[0], " + a + "[1]]"
	}
	value := g.expr(number)
	return `{"k": ` + g.declare(number) + `, "l": [` + g.declare(text) + `]} := {"k": ` + value + `, "l": [` + g.literal(text) + "]}"
}

// choices are clauses that a rule index tells apart.
func (g *generator) choices(name string) []*Rule {
	var rules []*Rule
	form := g.Intn(3)
	outcome := []kind{boolean, number, numberSet}[form]
	for i := range 2 + g.Intn(4) {
		g.locals = nil
		var body []string
		for range 1 + g.Intn(2) {
			body = append(body, pick(g, []string{
				"input.s == " + g.literal(text), "input.n == " + g.literal(number), "input.b", "input.t == input.s",
				g.literal(text) + " in input.strs", "input.s in {" + g.literal(text) + ", input.t}",
				`glob.match("` + pick(g, []string{"*", "a*", "*:*", "al?ce", "{a,b}"}) + `", [":"], input.s)`,
				"input.users[0].roles[_] == " + g.literal(text), "input.counts.a = " + g.literal(number), "not input.b",
				"startswith(input.s, " + g.literal(text) + ")", "input.nums == " + g.literal(numbers),
			}))
		}
		if g.chance(20) {
			body = append(body, g.statement())
		}
		head := name
		switch form {
		case 1:
			head = name + g.assign() + strconv.Itoa(i%2)
		case 2:
			head = name + " contains " + g.literal(number)
			if !g.v1 {
				head = name + "[" + g.literal(number) + "]"
			}
		}
		rule := &Rule{[]Branch{{head, body}}}
		if form == 1 && g.chance(25) {
			rule.Branches = append(rule.Branches, Branch{"else := 7", []string{"input.t == " + g.literal(text)}})
		}
		rules = append(rules, rule)
	}
	if form == 1 && g.chance(50) {
		rules = append(rules, &Rule{[]Branch{{Head: "default " + name + " := 9"}}})
	}
	g.globals = append(g.globals, named{name, outcome})
	return rules
}

func (g *generator) with() string {
	target := "input." + g.field(pick(g, []kind{number, text, numbers, counts}))
	if strings.Contains(target, "[") {
		target = "input.n"
	}
	switch g.Intn(6) {
	case 0:
		target = "data.base." + pick(g, fields).name
	case 1:
		return " with input as {" + `"n": ` + g.literal(number) + `, "nums": ` + g.literal(numbers) + "}"
	case 2:
		return " with " + pick(g, []string{"count", "upper", "startswith", "sum"}) + " as " + g.literal(anything)
	case 3:
		if len(g.globals) > 0 {
			rule := pick(g, g.globals)
			name := rule.name
			if !strings.HasPrefix(name, "data.") {
				name = "data.test." + name
			}
			return " with " + name + " as " + g.literal(rule.kind)
		}
	case 4:
		if len(g.functions) > 0 {
			f := pick(g, g.functions)
			name := f.name
			return " with " + name + " as " + g.literal(f.result)
		}
	}
	s := " with " + target + " as " + g.literal(anything)
	if g.chance(20) {
		s += " with input.s as " + g.expr(text)
	}
	return s
}

func (g *generator) condition() string {
	switch n := g.Intn(100); {
	case n < 30:
		k := pick(g, []kind{number, text, number, text, numbers, textSet, anything})
		return g.expr(k) + pick(g, []string{" == ", " != ", " < ", " <= ", " > ", " >= "}) + g.expr(k)
	case n < 45:
		k := pick(g, []kind{numbers, texts, numberSet, textSet, counts})
		return g.expr(k.element()) + " in " + g.expr(k)
	case n < 50:
		return g.expr(text) + ", " + g.expr(number) + " in " + g.expr(counts)
	case n < 60:
		return g.reference(anything)
	case n < 65:
		return "true"
	}
	return g.expr(boolean)
}

// --- expressions ---------------------------------------------------------------------------------

// reference is a path into input, data or a rule.
func (g *generator) reference(k kind) string {
	if g.chance(30) {
		for range 4 {
			if len(g.globals) == 0 {
				break
			}
			if rule := pick(g, g.globals); rule.kind == k {
				return rule.name
			}
		}
	}
	if g.chance(25) {
		return "data.base." + g.field(k)
	}
	return "input." + g.field(k)
}

func (g *generator) expr(k kind) string {
	g.deep++
	defer func() { g.deep-- }()
	if k == anything && g.chance(70) {
		k = kind(g.Intn(int(anything)))
	}
	if g.chance(2) { // of another kind, seen only when it runs
		return g.reference(kind(g.Intn(int(kinds))))
	}
	if name, ok := g.known(k); ok && g.chance(40) {
		return name
	}
	switch n := g.Intn(100); {
	case g.deep > 3 || n < 15:
		if g.chance(50) {
			return g.literal(k)
		}
		return g.sourced(k)
	case n < 35:
		return g.sourced(k)
	case n < 45:
		for range 4 {
			if len(g.functions) == 0 {
				break
			}
			if f := pick(g, g.functions); f.result == k || k == anything {
				args := make([]string, len(f.args))
				for i, kind := range f.args {
					args[i] = g.expr(kind)
				}
				return f.name + "(" + strings.Join(args, ", ") + ")"
			}
		}
	case n < 75:
		if call := g.call(k); call != "" {
			return call
		}
	}
	return g.operation(k)
}

// sourced is a value that is read from somewhere; sets have to be made.
func (g *generator) sourced(k kind) string {
	ref := g.reference(k)
	if (k == numberSet || k == textSet) && (strings.HasPrefix(ref, "input.") || strings.HasPrefix(ref, "data.base.")) {
		x := g.fresh("c")
		return "{" + x + " | " + x + " := " + ref + "[_]}"
	}
	return ref
}

func (g *generator) operation(k kind) string {
	switch k {
	case number:
		switch g.Intn(6) {
		case 0:
			return "count(" + g.expr(pick(g, []kind{numbers, texts, numberSet, counts, text})) + ")"
		case 1:
			return pick(g, []string{"sum", "max", "min", "product"}) + "(" + g.expr(pick(g, []kind{numbers, numberSet})) + ")"
		case 2:
			return "object.get(" + g.expr(counts) + ", " + g.expr(text) + ", " + g.expr(number) + ")"
		}
		return "(" + g.expr(number) + pick(g, []string{" + ", " - ", " * ", " / ", " % "}) + g.expr(number) + ")"
	case text:
		switch g.Intn(4) {
		case 0:
			return "sprintf(" + strconv.Quote(pick(g, []string{"%v", "%d-%v", "%s", "<%v|%v>", "%5.2f", "%q %v", "%x", "%05d"})) + ", [" + g.expr(anything) + ", " + g.expr(anything) + "])"
		case 1:
			if g.v1 {
				return `$"` + pick(g, []string{"", "a ", "é"}) + "{" + g.expr(anything) + "} b {" + g.expr(anything) + `}"`
			}
		case 2:
			return "concat(" + g.literal(text) + ", " + g.expr(pick(g, []kind{texts, textSet})) + ")"
		}
		return pick(g, []string{"upper", "lower", "trim_space"}) + "(" + g.expr(text) + ")"
	case boolean:
		switch g.Intn(3) {
		case 0:
			return pick(g, []string{"startswith", "endswith", "contains"}) + "(" + g.expr(text) + ", " + g.expr(text) + ")"
		case 1:
			return pick(g, []string{"is_number", "is_string", "is_object", "is_set", "is_array", "is_null", "is_boolean"}) + "(" + g.expr(anything) + ")"
		}
		return "(" + g.expr(number) + pick(g, []string{" == ", " != ", " < ", " >= "}) + g.expr(number) + ")"
	case numbers, texts:
		switch g.Intn(4) {
		case 0:
			return "[" + g.expr(k.element()) + ", " + g.expr(k.element()) + "]"
		case 1:
			return "array.concat(" + g.expr(k) + ", " + g.expr(k) + ")"
		case 2:
			return "sort(" + g.expr(k) + ")"
		}
		return g.comprehension("[", "", k.element(), "]")
	case numberSet, textSet:
		switch g.Intn(3) {
		case 0:
			return "{" + g.expr(k.element()) + ", " + g.expr(k.element()) + "}"
		case 1:
			return "(" + g.expr(k) + pick(g, []string{" & ", " | ", " - "}) + g.expr(k) + ")"
		}
		return g.comprehension("{", "", k.element(), "}")
	case counts:
		switch g.Intn(3) {
		case 0:
			return "{" + g.expr(text) + ": " + g.expr(number) + "}"
		case 1:
			return "object.union(" + g.expr(counts) + ", " + g.expr(counts) + ")"
		}
		return g.comprehension("{", "key", number, "}")
	}
	return g.sourced(k)
}

func (g *generator) comprehension(open, key string, element kind, shut string) string {
	locals := g.locals
	g.locals = append([]named{}, locals...)
	g.nested++
	body := g.body(1 + g.Intn(2))
	value := g.expr(element)
	if key != "" {
		value = g.expr(text) + ": " + value
	}
	g.nested--
	g.locals = locals
	return open + value + " | " + strings.Join(body, "; ") + shut
}

func (g *generator) literal(k kind) string {
	list := func(k kind, open, shut string) string {
		items := make([]string, g.Intn(4))
		for i := range items {
			items[i] = g.literal(k)
		}
		return open + strings.Join(items, ", ") + shut
	}
	switch k {
	case number:
		if g.chance(4) {
			return pick(g, []string{"1.0", "1e3", "9007199254740993", "12345678901234567890", "0.1", "1e-7", "123456789.125", "1e400"})
		}
		return fmt.Sprint(pick(g, someNumbers))
	case text:
		s := pick(g, someTexts).(string)
		if g.chance(10) {
			return "`" + s + "`"
		}
		return strconv.Quote(s)
	case boolean:
		return pick(g, []string{"true", "false"})
	case numbers:
		return list(number, "[", "]")
	case texts:
		return list(text, "[", "]")
	case numberSet, textSet:
		if s := list(k.element(), "{", "}"); s != "{}" {
			return s
		}
		return "set()"
	case counts:
		if g.chance(20) {
			return "{}"
		}
		return "{" + g.literal(text) + ": " + g.literal(number) + `, "a": ` + g.literal(number) + "}"
	case users:
		return `[{"name": ` + g.literal(text) + `, "age": ` + g.literal(number) + `, "admin": true, "roles": ` + g.literal(texts) + "}]"
	case object:
		return pick(g, []string{`{"a": {"b": [1, 2], "c": "x"}, "d": {"a": 1}}`, `{1: "one", [2]: {3}}`, `{"a": null}`})
	}
	if g.chance(15) {
		return "null"
	}
	return g.literal(kind(g.Intn(int(anything))))
}
