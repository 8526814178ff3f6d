package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// life is what is known of one API: minors of Kubernetes 1, or unknown. What lies beyond the last
// release that is read is a plan.
type life struct {
	introduced, deprecated, removed int
	replacement                     gvk
}

const unknown = -1

type lives struct {
	known map[gvk]*life
}

// What the sources do not say: the APIs that were gone before the first release that is read, and
// those that the API server warns about by other means.
var older = []struct {
	apiVersion, kind                string
	introduced, deprecated, removed int
	replacement                     string
}{
	{"extensions/v1beta1", "DaemonSet", 1, 8, 16, "apps/v1 DaemonSet"},
	{"extensions/v1beta1", "Deployment", 1, 8, 16, "apps/v1 Deployment"},
	{"extensions/v1beta1", "ReplicaSet", 2, 8, 16, "apps/v1 ReplicaSet"},
	{"extensions/v1beta1", "NetworkPolicy", 3, 9, 16, "networking.k8s.io/v1 NetworkPolicy"},
	{"extensions/v1beta1", "PodSecurityPolicy", 2, 11, 16, "policy/v1beta1 PodSecurityPolicy"},
	{"apps/v1beta1", "Deployment", 6, 8, 16, "apps/v1 Deployment"},
	{"apps/v1beta1", "StatefulSet", 5, 8, 16, "apps/v1 StatefulSet"},
	{"apps/v1beta1", "ControllerRevision", 7, 8, 16, "apps/v1 ControllerRevision"},
	{"apps/v1beta2", "DaemonSet", 8, 9, 16, "apps/v1 DaemonSet"},
	{"apps/v1beta2", "Deployment", 8, 9, 16, "apps/v1 Deployment"},
	{"apps/v1beta2", "ReplicaSet", 8, 9, 16, "apps/v1 ReplicaSet"},
	{"apps/v1beta2", "StatefulSet", 8, 9, 16, "apps/v1 StatefulSet"},
	{"apps/v1beta2", "ControllerRevision", 8, 9, 16, "apps/v1 ControllerRevision"},
	{"autoscaling/v2alpha1", "HorizontalPodAutoscaler", 5, 6, 8,
		"autoscaling/v2beta1 HorizontalPodAutoscaler"},
	{"batch/v2alpha1", "CronJob", 5, 8, 21, "batch/v1 CronJob"},
	{"certificates.k8s.io/v1alpha1", "CertificateSigningRequest", 4, 6, 6,
		"certificates.k8s.io/v1beta1 CertificateSigningRequest"},
	{"settings.k8s.io/v1alpha1", "PodPreset", 6, 20, 20, ""},
	{"auditregistration.k8s.io/v1alpha1", "AuditSink", 13, 19, 19, ""},
	{"admissionregistration.k8s.io/v1alpha1", "InitializerConfiguration", 7, 13, 14, ""},
	{"v1", "ComponentStatus", 0, 19, unknown, ""},
	{"v1", "Endpoints", 0, 33, unknown, "discovery.k8s.io/v1 EndpointSlice"},
}

func newLives() *lives {
	l := &lives{map[gvk]*life{}}
	for _, o := range older {
		l.known[parseKind(o.apiVersion+" "+o.kind)] = &life{
			o.introduced, o.deprecated, o.removed, parseKind(o.replacement)}
	}
	return l
}

// parseKind reads "apps/v1 Deployment".
func parseKind(text string) gvk {
	apiVersion, kind, _ := strings.Cut(text, " ")
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group, version = "", apiVersion
	}
	return gvk{group, version, kind}
}

var groupName = regexp.MustCompile(`const GroupName = "([^"]*)"`)

// addSources reads the APILifecycle… functions of one release. A later release knows better.
func (l *lives) addSources(minor int, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "zz_generated.prerelease-lifecycle.go" {
			return err
		}
		folder := filepath.Dir(path)
		group, err := groupOf(folder)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		found := map[gvk]*life{}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || len(f.Body.List) != 1 {
				continue
			}
			receiver, ok := f.Recv.List[0].Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			kind := gvk{group, filepath.Base(folder), receiver.X.(*ast.Ident).Name}
			if found[kind] == nil {
				found[kind] = &life{unknown, unknown, unknown, gvk{}}
			}
			results := f.Body.List[0].(*ast.ReturnStmt).Results
			switch f.Name.Name {
			case "APILifecycleIntroduced":
				found[kind].introduced, err = minorOf(results)
			case "APILifecycleDeprecated":
				found[kind].deprecated, err = minorOf(results)
			case "APILifecycleRemoved":
				found[kind].removed, err = minorOf(results)
			case "APILifecycleReplacement":
				found[kind].replacement, err = kindOf(results)
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", path, f.Name.Name, err)
			}
		}
		for kind, says := range found {
			if old := l.known[kind]; old != nil && says.deprecated == unknown {
				says.deprecated, says.replacement = old.deprecated, old.replacement
			}
			l.known[kind] = says
		}
		return nil
	})
}

func groupOf(folder string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "register.go"))
	if err != nil {
		return "", err
	}
	if match := groupName.FindSubmatch(text); match != nil {
		return string(match[1]), nil
	}
	// The group is declared beside the internal types, one folder up.
	text, err = os.ReadFile(filepath.Join(filepath.Dir(folder), "register.go"))
	if err == nil {
		if match := groupName.FindSubmatch(text); match != nil {
			return string(match[1]), nil
		}
	}
	return "", fmt.Errorf("%s: no GroupName", folder)
}

func minorOf(results []ast.Expr) (int, error) {
	if len(results) == 2 {
		major, ok := results[0].(*ast.BasicLit)
		minor, ok2 := results[1].(*ast.BasicLit)
		if ok && ok2 && major.Value == "1" {
			return strconv.Atoi(minor.Value)
		}
	}
	return 0, fmt.Errorf("not a version of Kubernetes 1")
}

func kindOf(results []ast.Expr) (gvk, error) {
	var kind gvk
	literal, ok := results[0].(*ast.CompositeLit)
	if !ok {
		return kind, fmt.Errorf("not a literal")
	}
	for _, element := range literal.Elts {
		pair := element.(*ast.KeyValueExpr)
		value, err := strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
		if err != nil {
			return kind, err
		}
		switch pair.Key.(*ast.Ident).Name {
		case "Group":
			kind.Group = value
		case "Version":
			kind.Version = value
		case "Kind":
			kind.Kind = value
		}
	}
	return kind, nil
}

// settle brings what the sources say in line with what the releases serve: the paths that a release
// has are facts; what its sources say of the future is a plan, and plans were often put off.
func (l *lives) settle(t *table) {
	for kind, info := range t.kinds {
		if info.scope == "list" {
			continue
		}
		from, to := bounds(info.in)
		entry := l.known[kind]
		if entry == nil {
			entry = &life{unknown, unknown, unknown, gvk{}}
			l.known[kind] = entry
		}
		if entry.introduced == unknown && from > t.first() {
			entry.introduced = from
		}
		switch {
		case strings.Contains(info.plural, "/") && entry.removed > to+1:
			// The document names one version of a subresource's kind, though others are served.
			for minor := to + 1; minor < entry.removed && minor <= t.last(); minor++ {
				info.in[minor] = true
			}
		case to < t.last():
			entry.removed = to + 1
			if entry.deprecated >= entry.removed {
				entry.deprecated = unknown
			}
		case entry.removed <= t.last():
			entry.removed = unknown
		}
	}
	for kind, entry := range l.known {
		listed := t.kinds[kind]
		if (entry.deprecated == unknown && entry.removed == unknown &&
			(listed == nil || entry.introduced == unknown)) || kind.Group == "testapigroup.apimachinery.k8s.io" {
			delete(l.known, kind)
			continue
		}
		// A slip in the sources: an object is not replaced by a list.
		if !strings.HasSuffix(kind.Kind, "List") {
			entry.replacement.Kind = strings.TrimSuffix(entry.replacement.Kind, "List")
		}
		if t.kinds[entry.replacement] == nil {
			entry.replacement = gvk{}
		}
		if entry.replacement.Kind == "" && (entry.deprecated != unknown || entry.removed != unknown) {
			entry.replacement = successor(t, kind)
		}
	}
}

// successor is the stablest later version of the same kind, if there is one.
func successor(t *table, kind gvk) gvk {
	best := kind
	for other := range t.kinds {
		if other.Group == kind.Group && other.Kind == kind.Kind && stabler(other.Version, best.Version) {
			best = other
		}
	}
	if best == kind {
		return gvk{}
	}
	return best
}

var versionName = regexp.MustCompile(`^v(\d+)(?:(alpha|beta)(\d+))?$`)

// stabler orders versions as Kubernetes does: v2, v1, v1beta2, v1beta1, v1alpha1.
func stabler(a, b string) bool {
	x, y := versionName.FindStringSubmatch(a), versionName.FindStringSubmatch(b)
	if x == nil || y == nil {
		return false
	}
	stage := map[string]int{"": 2, "beta": 1, "alpha": 0}
	if stage[x[2]] != stage[y[2]] {
		return stage[x[2]] > stage[y[2]]
	}
	for _, i := range []int{1, 3} {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m > n
		}
	}
	return false
}

func (l *lives) write(w *bufio.Writer) {
	fmt.Fprintln(w, "# Generated by tools/schemas/generate.sh; see README.md. "+
		"apiVersion kind introduced deprecated removed [replacement]")
	kinds := make([]gvk, 0, len(l.known))
	for kind := range l.known {
		// Lists live as long as what they list, and options are no objects.
		if item := strings.TrimSuffix(kind.Kind, "List"); item != kind.Kind {
			if _, ok := l.known[gvk{kind.Group, kind.Version, item}]; ok {
				continue
			}
		}
		if strings.HasSuffix(kind.Kind, "Options") {
			continue
		}
		kinds = append(kinds, kind)
	}
	sort.Slice(kinds, func(i, j int) bool {
		a, b := kinds[i], kinds[j]
		if a.apiVersion() != b.apiVersion() {
			return a.apiVersion() < b.apiVersion()
		}
		return a.Kind < b.Kind
	})
	for _, kind := range kinds {
		entry := l.known[kind]
		fmt.Fprintf(w, "%s %s %s %s %s", kind.apiVersion(), kind.Kind, minorText(entry.introduced),
			minorText(entry.deprecated), minorText(entry.removed))
		if entry.replacement.Kind != "" {
			fmt.Fprintf(w, " %s %s", entry.replacement.apiVersion(), entry.replacement.Kind)
		}
		fmt.Fprintln(w)
	}
}

func minorText(minor int) string {
	if minor == unknown {
		return "-"
	}
	return fmt.Sprintf("1.%d", minor)
}
