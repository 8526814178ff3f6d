// Command spec turns the CEL specification's conformance tests (cel.dev/expr, tests/simple/testdata) into JSON,
// so that the C++ runner needs no textproto parser.
//
//	go run . OUT_DIR
//
// It writes OUT_DIR/NAME.json (protojson of cel.expr.conformance.test.SimpleTestFile) for each NAME.textproto, and
// OUT_DIR/conformance.protoset, a serialized FileDescriptorSet of the test messages with all their imports.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	proto2pb "cel.dev/expr/conformance/proto2"
	proto3pb "cel.dev/expr/conformance/proto3"
	testpb "cel.dev/expr/conformance/test"
)

// What cel.dev/expr v0.25.3 holds; a different count means that the extraction broke or that the pin moved.
const (
	wantFiles = 31
	wantTests = 2508
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: spec OUT_DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "spec:", err)
		os.Exit(1)
	}
}

func run(outDir string) error {
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return err
	}
	inputs, err := testFiles()
	if err != nil {
		return err
	}
	files, tests := 0, 0
	for _, input := range inputs {
		n, err := convert(input, outDir)
		if err != nil {
			return fmt.Errorf("%s: %w", input, err)
		}
		files++
		tests += n
	}
	if err := writeDescriptors(filepath.Join(outDir, "conformance.protoset")); err != nil {
		return err
	}
	fmt.Printf("spec: %d files, %d tests\n", files, tests)
	if files != wantFiles || tests != wantTests {
		return fmt.Errorf("expected %d files and %d tests", wantFiles, wantTests)
	}
	return nil
}

// testFiles finds the textprotos, which the module ships but no Go package embeds.
func testFiles() ([]string, error) {
	tool := os.Getenv("GO")
	if tool == "" {
		tool = "go"
	}
	dir, err := exec.Command(tool, "list", "-m", "-f", "{{.Dir}}", "cel.dev/expr").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m cel.dev/expr: %w", err)
	}
	return filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "tests/simple/testdata/*.textproto"))
}

func convert(input, outDir string) (tests int, err error) {
	text, err := os.ReadFile(input)
	if err != nil {
		return 0, err
	}
	file := &testpb.SimpleTestFile{}
	if err := prototext.Unmarshal(text, file); err != nil {
		return 0, err
	}
	for _, section := range file.GetSection() {
		tests += len(section.GetTest())
	}
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(file)
	if err != nil {
		return 0, err
	}
	// protojson varies its whitespace on purpose; settle it.
	var tidy bytes.Buffer
	if err := json.Indent(&tidy, raw, "", " "); err != nil {
		return 0, err
	}
	tidy.WriteByte('\n')
	name := strings.TrimSuffix(filepath.Base(input), ".textproto") + ".json"
	return tests, os.WriteFile(filepath.Join(outDir, name), tidy.Bytes(), 0o644)
}

// writeDescriptors writes the test messages' files after their imports, the order that a DescriptorPool wants.
func writeDescriptors(path string) error {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	add(proto2pb.File_cel_expr_conformance_proto2_test_all_types_proto)
	add(proto2pb.File_cel_expr_conformance_proto2_test_all_types_extensions_proto)
	add(proto3pb.File_cel_expr_conformance_proto3_test_all_types_proto)
	// The tests' own format, for a runner that reads it by reflection.
	add(testpb.File_cel_expr_conformance_test_simple_proto)
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
