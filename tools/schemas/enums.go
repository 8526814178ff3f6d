package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// enums collects from the Go sources which fields are of a closed enumeration (a string type marked
// +enum) and which constants of it each release has. The OpenAPI document does not say.
type enums struct {
	closed map[string]bool                    // "core.v1.PullPolicy" is marked in some release
	values map[string]map[int]map[string]bool // its constants, by minor
	fields map[string]map[string]string       // struct → JSON name → type of the field
	opaque map[string]map[int]bool            // has a constant that is no literal
}

// The enumerations that are closed although nothing marks them.
var unmarked = []string{"meta.v1.LabelSelectorOperator", "core.v1.ContainerRestartPolicy"}

func newEnums() *enums {
	closed := map[string]bool{}
	for _, name := range unmarked {
		closed[name] = true
	}
	return &enums{
		closed, map[string]map[int]map[string]bool{}, map[string]map[string]string{},
		map[string]map[int]bool{}}
}

func (e *enums) valuesOf(typeName string) map[int]map[string]bool {
	if !e.closed[typeName] {
		return nil
	}
	known := map[int]map[string]bool{}
	for minor, values := range e.values[typeName] {
		if !e.opaque[typeName][minor] {
			known[minor] = values
		}
	}
	return known
}

func (e *enums) addSources(minor int, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), "types") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		e.addFile(minor, packageName(filepath.ToSlash(filepath.Dir(path))), file)
		return nil
	})
}

// packageName is how the OpenAPI document calls a Go package: its last two folders.
func packageName(path string) string {
	parts := strings.Split(path, "/")
	return strings.Join(parts[max(0, len(parts)-2):], ".")
}

func (e *enums) addFile(minor int, pkg string, file *ast.File) {
	imports := map[string]string{}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = packageName(path)
	}
	var typeOf func(expr ast.Expr) string
	typeOf = func(expr ast.Expr) string {
		switch x := expr.(type) {
		case *ast.Ident:
			return pkg + "." + x.Name
		case *ast.StarExpr:
			return typeOf(x.X)
		case *ast.ArrayType:
			return typeOf(x.Elt)
		case *ast.SelectorExpr:
			if from, ok := x.X.(*ast.Ident); ok {
				return imports[from.Name] + "." + x.Sel.Name
			}
		}
		return ""
	}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			switch x := spec.(type) {
			case *ast.TypeSpec:
				name := pkg + "." + x.Name.Name
				if markedEnum(x.Doc) || (len(group.Specs) == 1 && markedEnum(group.Doc)) {
					e.closed[name] = true
				}
				if object, ok := x.Type.(*ast.StructType); ok {
					e.addStruct(name, object, typeOf)
				}
			case *ast.ValueSpec:
				if group.Tok == token.CONST && x.Type != nil {
					e.addConstants(minor, typeOf(x.Type), x.Values)
				}
			}
		}
	}
}

func markedEnum(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, comment := range doc.List {
		if strings.TrimSpace(strings.TrimPrefix(comment.Text, "//")) == "+enum" {
			return true
		}
	}
	return false
}

func (e *enums) addStruct(name string, object *ast.StructType, typeOf func(ast.Expr) string) {
	for _, field := range object.Fields.List {
		if field.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(field.Tag.Value)
		json, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if used := typeOf(field.Type); json != "" && used != "" {
			if e.fields[name] == nil {
				e.fields[name] = map[string]string{}
			}
			e.fields[name][json] = used
		}
	}
}

func (e *enums) addConstants(minor int, typeName string, literals []ast.Expr) {
	for _, expr := range literals {
		literal, ok := expr.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			if e.opaque[typeName] == nil {
				e.opaque[typeName] = map[int]bool{}
			}
			e.opaque[typeName][minor] = true
			continue
		}
		// The empty string stands for "not given" and is accepted wherever the field is optional.
		value, _ := strconv.Unquote(literal.Value)
		if value == "" {
			continue
		}
		if e.values[typeName] == nil {
			e.values[typeName] = map[int]map[string]bool{}
		}
		if e.values[typeName][minor] == nil {
			e.values[typeName][minor] = map[string]bool{}
		}
		e.values[typeName][minor][value] = true
	}
}
