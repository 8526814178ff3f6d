// Command schemas folds the OpenAPI documents of many Kubernetes releases into one table of types
// (kubernetes.txt), and what their sources say of each API's life into another (lifecycle.txt).
// The format of both is described in rules/schemas/README.md.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// release is one Kubernetes release, "1.30.14".
type release struct {
	minor int
	patch string
}

func main() {
	work := flag.String("work", "", "folder for downloads")
	out := flag.String("out", "", "folder to write to")
	list := flag.String("versions", "versions.txt", "the releases to read")
	flag.Parse()
	if *work == "" || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*work, *out, *list); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(work, out, list string) error {
	releases, err := readVersions(list)
	if err != nil {
		return err
	}
	table := newTable(releases)
	lives := newLives()
	enums := newEnums()
	for _, r := range releases {
		fmt.Fprintln(os.Stderr, "reading", "1."+strconv.Itoa(r.minor)+"."+r.patch)
		spec, sources, err := fetch(work, r)
		if err != nil {
			return err
		}
		if err := table.addSpec(r.minor, spec); err != nil {
			return fmt.Errorf("1.%d: %w", r.minor, err)
		}
		for _, dir := range sources {
			if err := lives.addSources(r.minor, dir); err != nil {
				return err
			}
			if err := enums.addSources(r.minor, dir); err != nil {
				return err
			}
		}
	}
	table.addEnums(enums)
	lives.settle(table)
	if err := writeFile(filepath.Join(out, "kubernetes.txt"), table.write); err != nil {
		return err
	}
	return writeFile(filepath.Join(out, "lifecycle.txt"), lives.write)
}

func readVersions(path string) ([]release, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var releases []release
	for _, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, ".")
		if len(parts) != 3 || parts[0] != "1" {
			return nil, fmt.Errorf("%s: %q is no version such as 1.30.14", path, line)
		}
		minor, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		if n := len(releases); n > 0 && releases[n-1].minor+1 != minor {
			return nil, fmt.Errorf("%s: 1.%d does not follow 1.%d", path, minor, releases[n-1].minor)
		}
		releases = append(releases, release{minor, parts[2]})
	}
	if len(releases) == 0 {
		return nil, fmt.Errorf("%s names no release", path)
	}
	return releases, nil
}

func writeFile(path string, write func(*bufio.Writer)) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	write(w)
	if err := w.Flush(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
