package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The modules that hold the Go types of the APIs. What one of them says is a supplement: where it
// cannot be had for a release, other releases say the same.
var sourceModules = []string{
	"k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator"}

// fetch returns a release's OpenAPI document and the folders of its API sources, downloading what
// is not in `work` yet. The modules are large; only what is needed of each is kept.
func fetch(work string, r release) (spec string, sources []string, err error) {
	base := filepath.Join(work, fmt.Sprintf("1.%d.%s", r.minor, r.patch))
	spec = filepath.Join(base, "swagger.json")
	if _, err := os.Stat(spec); err != nil {
		version := fmt.Sprintf("v1.%d.%s", r.minor, r.patch)
		err := withModule(work, "k8s.io/kubernetes", version, func(dir string) error {
			return copyFile(filepath.Join(dir, "api/openapi-spec/swagger.json"), spec)
		})
		if err != nil {
			return "", nil, err
		}
	}
	for _, module := range sourceModules {
		dir := filepath.Join(base, filepath.Base(module))
		if _, err := os.Stat(dir); err != nil {
			version := fmt.Sprintf("v0.%d.%s", r.minor, r.patch)
			err := withModule(work, module, version, func(from string) error {
				return copyAPISources(from, dir)
			})
			if err != nil && module == "k8s.io/api" {
				return "", nil, err
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "  without", module, version+":", err)
				continue
			}
		}
		sources = append(sources, dir)
	}
	return spec, sources, nil
}

// withModule downloads a module into a cache of its own, and removes it when `use` is done.
func withModule(work, module, version string, use func(dir string) error) error {
	cache, err := os.MkdirTemp(work, "modcache")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	cmd := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir = cache
	cmd.Env = append(os.Environ(), "GOMODCACHE="+cache, "GOFLAGS=-modcacherw")
	output, runErr := cmd.Output()
	var info struct{ Dir, Error string }
	if err := json.Unmarshal(output, &info); err != nil {
		return fmt.Errorf("downloading %s@%s: %w", module, version, runErr)
	}
	if info.Error != "" || runErr != nil {
		return fmt.Errorf("downloading %s@%s: %s", module, version, firstLine(info.Error))
	}
	return use(info.Dir)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// copyAPISources keeps register.go, the types and the lifecycle functions of each API version.
func copyAPISources(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := entry.Name()
		keep := name == "register.go" || name == "zz_generated.prerelease-lifecycle.go" ||
			(strings.HasPrefix(name, "types") && strings.HasSuffix(name, ".go") &&
				!strings.Contains(name, "swagger_doc"))
		if !keep {
			return nil
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, relative))
	})
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
