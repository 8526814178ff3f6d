// Command yamlgolden writes what Kubernetes makes of YAML files: beside x.yaml a file x.json, with one
// line a document, either its JSON or "error: " and Go's message. The documents are divided by
// apimachinery's YAMLReader and converted by sigs.k8s.io/yaml; x.strict.yaml is read with duplicate
// keys as errors.
//
//	cd tools/yamlgolden && go run . ../../src/formats/testdata/yaml/*.yaml
//
// With -stdout, what would be written is printed, after the name of each file.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func convert(text []byte, strict bool) []byte {
	var out bytes.Buffer
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		var json []byte
		if err == nil {
			if strict {
				json, err = yaml.YAMLToJSONStrict(document)
			} else {
				json, err = yaml.YAMLToJSON(document)
			}
		}
		if err != nil {
			fmt.Fprintf(&out, "error: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
			var syntax utilyaml.YAMLSyntaxError
			if errors.As(err, &syntax) {
				return out.Bytes()
			}
			continue
		}
		fmt.Fprintf(&out, "%s\n", json)
	}
}

func main() {
	stdout := flag.Bool("stdout", false, "print instead of writing files")
	flag.Parse()
	for _, path := range flag.Args() {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		golden := convert(text, strings.HasSuffix(path, ".strict.yaml"))
		if *stdout {
			fmt.Printf("== %s\n%s", path, golden)
			continue
		}
		if err := os.WriteFile(strings.TrimSuffix(path, ".yaml")+".json", golden, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
