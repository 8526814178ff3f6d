// Put into each package whose tests are run (see ../main.go): reads the tests' tables and writes JSON lines.
package PACKAGE

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

var recordMutex sync.Mutex

// record appends one JSON line to the named table's file.
func record(table string, row map[string]any) {
	var line bytes.Buffer
	writeJSON(&line, reflect.ValueOf(row))
	line.WriteByte('\n')
	recordMutex.Lock()
	defer recordMutex.Unlock()
	file, err := os.OpenFile(filepath.Join(os.Getenv("CEL_DUMP_DIR"), table+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Write(line.Bytes()); err != nil {
		panic(err)
	}
}

// rowsOf reads a table of (mostly anonymous) structs with unexported fields: one map a row, field name to value.
func rowsOf(table any) []map[string]any {
	rows := []map[string]any{}
	slice := reflect.ValueOf(table)
	for i := range slice.Len() {
		row := map[string]any{}
		element := slice.Index(i)
		for j := range element.NumField() {
			field := element.Field(j)
			row[element.Type().Field(j).Name] = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Interface()
		}
		rows = append(rows, row)
	}
	return rows
}

func sortedKeys[V any](m map[string]V) []string {
	keys := []string{}
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// writeJSON keeps Go's integers and floats apart: a float always has a point or an exponent, an integer never.
func writeJSON(out *bytes.Buffer, v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		out.WriteString("null")
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			out.WriteString("null")
		} else if raw, ok := v.Interface().(json.RawMessage); ok {
			out.Write(raw)
		} else {
			writeJSON(out, v.Elem())
		}
	case reflect.Bool:
		out.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		out.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		out.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			panic("a float that JSON cannot hold")
		}
		text := strconv.FormatFloat(v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		out.WriteString(text)
	case reflect.String:
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v.String()); err != nil {
			panic(err)
		}
		out.Write(bytes.TrimRight(text.Bytes(), "\n"))
	case reflect.Slice:
		if raw, ok := v.Interface().(json.RawMessage); ok {
			out.Write(raw)
			return
		}
		out.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				out.WriteByte(',')
			}
			writeJSON(out, v.Index(i))
		}
		out.WriteByte(']')
	case reflect.Map:
		keys := map[string]reflect.Value{}
		for _, key := range v.MapKeys() {
			keys[fmt.Sprint(key.Interface())] = key
		}
		out.WriteByte('{')
		for i, name := range sortedKeys(keys) {
			if i > 0 {
				out.WriteByte(',')
			}
			writeJSON(out, reflect.ValueOf(name))
			out.WriteByte(':')
			writeJSON(out, v.MapIndex(keys[name]))
		}
		out.WriteByte('}')
	default:
		panic(fmt.Sprintf("no JSON for %s", v.Type()))
	}
}
