#!/usr/bin/env python3
"""generate.py policies OUT | objects N OUT | suites OUT: input for run.sh.

Forty-nine ConstraintTemplates in the families that clusters use (labels, registries, resources, security
contexts, host access, probes, ingress …), written for this benchmark, each with a constraint; varied
Deployments; and a suite for each template."""

import json
import os
import random
import sys

PODS = [{"apiGroups": [""], "kinds": ["Pod"]}]
WORKLOADS = [{"apiGroups": ["apps"], "kinds": ["Deployment"]}, {"apiGroups": [""], "kinds": ["Pod"]}]

CONTAINERS = """
spec = s { s := input.review.object.spec.template.spec }
spec = s { not input.review.object.spec.template; s := input.review.object.spec }
containers[c] { c := spec.containers[_] }
containers[c] { c := spec.initContainers[_] }
"""


def each(condition, message, more=""):
    return CONTAINERS + more + f"""
violation[{{"msg": msg, "details": {{"container": c.name}}}}] {{
  c := containers[_]
  {condition}
  msg := sprintf("{message}", [c.name])
}}
"""


def policies():
    out = []

    def add(kind, rego, parameters=None, schema=None, match=WORKLOADS, bad=None):
        out.append((kind, rego, parameters or {}, schema or {}, match, bad))

    texts = {"type": "array", "items": {"type": "string"}}
    text = {"type": "string"}
    number = {"type": "integer"}
    for i, labels in enumerate((["app"], ["app", "team"], ["owner"], ["tier", "team"], ["app", "owner"])):
        add(f"BenchRequiredLabels{i}", """
violation[{"msg": msg, "details": {"missing": missing}}] {
  provided := {l | input.review.object.metadata.labels[l]}
  required := {l | l := input.parameters.labels[_]}
  missing := required - provided
  count(missing) > 0
  msg := sprintf("labels are missing: %v", [missing])
}
""", {"labels": labels}, {"labels": texts})
    for i, pattern in enumerate(("^[a-z0-9-]+$", "^(web|api|worker)-", "^.{1,40}$", "^[^.]+$")):
        add(f"BenchNamePattern{i}", """
violation[{"msg": msg}] {
  not regex.match(input.parameters.pattern, input.review.object.metadata.name)
  msg := sprintf("the name %v does not match %v", [input.review.object.metadata.name, input.parameters.pattern])
}
""", {"pattern": pattern}, {"pattern": text})
    for i, repos in enumerate((["registry.example.com/"], ["ghcr.io/", "quay.io/"], ["docker.io/library/"],
                               ["registry.example.com/", "ghcr.io/", "quay.io/", "docker.io/"])):
        add(f"BenchAllowedRepos{i}", each(
            "ok := [good | repo := input.parameters.repos[_]; good := startswith(c.image, repo)]\n  not any_true(ok)",
            "container %v comes from a registry that is not allowed",
            "any_true(xs) { xs[_] == true }\n"), {"repos": repos}, {"repos": texts})
    for i, tags in enumerate((["latest"], ["latest", "dev", "test"], ["master", "main"])):
        add(f"BenchDisallowedTags{i}", each(
            'tag := input.parameters.tags[_]\n  endswith(c.image, sprintf(":%v", [tag]))',
            "container %v has a tag that is not allowed"), {"tags": tags}, {"tags": texts})
    add("BenchImageDigest", each('not contains(c.image, "@sha256:")', "container %v is not pinned by digest"))
    canonical = """
to_bytes(q) = n { is_number(q); n := q }
to_bytes(q) = n { not is_number(q); endswith(q, "Mi"); n := to_number(replace(q, "Mi", "")) * 1048576 }
to_bytes(q) = n { not is_number(q); endswith(q, "Gi"); n := to_number(replace(q, "Gi", "")) * 1073741824 }
to_milli(q) = n { is_number(q); n := q * 1000 }
to_milli(q) = n { not is_number(q); endswith(q, "m"); n := to_number(replace(q, "m", "")) }
to_milli(q) = n { not is_number(q); not endswith(q, "m"); n := to_number(q) * 1000 }
"""
    for i, limit in enumerate(("512Mi", "1Gi", "4Gi")):
        add(f"BenchMemoryLimit{i}", each(
            "to_bytes(c.resources.limits.memory) > to_bytes(input.parameters.max)",
            "container %v may use too much memory", canonical), {"max": limit}, {"max": text})
    for i, limit in enumerate(("500m", "2", "8")):
        add(f"BenchCpuLimit{i}", each(
            "to_milli(c.resources.limits.cpu) > to_milli(input.parameters.max)",
            "container %v may use too much CPU", canonical), {"max": limit}, {"max": text})
    for i, ratio in enumerate((2, 4)):
        add(f"BenchMemoryRatio{i}", each(
            "to_bytes(c.resources.limits.memory) > to_bytes(c.resources.requests.memory) * input.parameters.ratio",
            "container %v has a memory limit far above its request", canonical), {"ratio": ratio}, {"ratio": number})
    for what in ("limits", "requests"):
        for resource in ("cpu", "memory"):
            add(f"BenchHas{what.capitalize()}{resource.capitalize()}",
                each(f"not c.resources.{what}.{resource}", f"container %v has no {resource} in its {what}"))
    for name, condition, message in (
            ("Privileged", "c.securityContext.privileged", "container %v is privileged"),
            ("AllowEscalation", "not c.securityContext.allowPrivilegeEscalation == false", "container %v may gain privileges"),
            ("ReadOnlyRoot", "not c.securityContext.readOnlyRootFilesystem == true", "container %v can write its root"),
            ("RunAsNonRoot", "not c.securityContext.runAsNonRoot == true", "container %v may run as root"),
            ("DropAll", 'not drops_all(c)', "container %v keeps capabilities"),
            ("Liveness", "not c.livenessProbe", "container %v has no liveness probe"),
            ("Readiness", "not c.readinessProbe", "container %v has no readiness probe"),
            ("PullAlways", 'not c.imagePullPolicy == "Always"', "container %v is not pulled each time"),
            ("HostPort", "c.ports[_].hostPort > 0", "container %v takes a port of the host"),
            ("PrivilegedPort", "c.ports[_].containerPort < 1024", "container %v listens on a privileged port"),
            ("EnvSecrets", 'e := c.env[_]; contains(lower(e.name), "password"); e.value', "container %v has a password in its environment")):
        more = 'drops_all(c) { c.securityContext.capabilities.drop[_] == "ALL" }\n' if name == "DropAll" else ""
        add(f"Bench{name}", each(condition, message, more))
    for name, field in (("HostNetwork", "hostNetwork"), ("HostPid", "hostPID"), ("HostIpc", "hostIPC"),
                        ("AutomountToken", "automountServiceAccountToken")):
        add(f"Bench{name}", CONTAINERS + f"""
violation[{{"msg": msg}}] {{
  spec.{field} == true
  msg := sprintf("%v sets {field}", [input.review.object.metadata.name])
}}
""")
    add("BenchHostPath", CONTAINERS + """
violation[{"msg": msg}] {
  v := spec.volumes[_]
  path := v.hostPath.path
  allowed := [p | p := input.parameters.paths[_]; startswith(path, p)]
  count(allowed) == 0
  msg := sprintf("volume %v shows the path %v of the host", [v.name, path])
}
""", {"paths": ["/var/log", "/etc/ssl"]}, {"paths": texts})
    add("BenchReplicas", """
violation[{"msg": msg}] {
  input.review.object.spec.replicas < input.parameters.min
  msg := sprintf("%v replicas are too few", [input.review.object.spec.replicas])
}
""", {"min": 2}, {"min": number})
    add("BenchServiceAccount", CONTAINERS + """
violation[{"msg": msg}] {
  not spec.serviceAccountName
  msg := "the default service account is used"
}
""")
    add("BenchSeccomp", CONTAINERS + """
violation[{"msg": msg}] {
  not spec.securityContext.seccompProfile.type == "RuntimeDefault"
  msg := "the pod has no seccomp profile"
}
""")
    add("BenchAnnotations", """
violation[{"msg": msg}] {
  some key
  value := input.review.object.metadata.annotations[key]
  startswith(key, input.parameters.prefix)
  not regex.match("^[a-z0-9.-]+$", value)
  msg := sprintf("the annotation %v has an odd value", [key])
}
""", {"prefix": "example.com/"}, {"prefix": text})
    return out


def template(kind, rego, schema):
    return {"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": kind.lower()},
            "spec": {"crd": {"spec": {"names": {"kind": kind}, "validation": {"openAPIV3Schema": {
                "type": "object", "properties": schema}}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": f"package {kind.lower()}\n{rego}"}]}}


def constraint(kind, parameters, match):
    return {"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": kind.lower()},
            "spec": {"match": {"kinds": match, "excludedNamespaces": ["kube-*"]}, "parameters": parameters}}


def deployment(i, rng):
    def container(name):
        c = {"name": name, "image": rng.choice(["registry.example.com/", "ghcr.io/", "docker.io/library/", "example.org/"])
             + rng.choice(["web", "api", "worker"]) + rng.choice([":1.2.3", ":latest", "@sha256:" + "a" * 64]),
             "ports": [{"containerPort": rng.choice([80, 443, 8080])}]}
        if rng.random() < .8:
            c["resources"] = {"limits": {"cpu": rng.choice(["250m", "1", 2]), "memory": rng.choice(["256Mi", "2Gi"])},
                              "requests": {"cpu": "100m", "memory": rng.choice(["128Mi", "512Mi"])}}
        if rng.random() < .7:
            c["securityContext"] = {"allowPrivilegeEscalation": rng.random() < .3, "readOnlyRootFilesystem": rng.random() < .5,
                                    "runAsNonRoot": rng.random() < .6, "privileged": rng.random() < .05,
                                    "capabilities": {"drop": rng.choice([["ALL"], ["NET_RAW"]])}}
        if rng.random() < .6:
            c["livenessProbe"] = c["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
        c["env"] = [{"name": n, "value": f"v{rng.randrange(100)}"}
                    for n in rng.sample(["LOG_LEVEL", "REGION", "DB_HOST", "DB_PASSWORD", "CACHE"], 3)]
        return c

    labels = {k: f"{k}-{rng.randrange(50)}" for k in rng.sample(["app", "team", "owner", "tier"], rng.randrange(1, 5))}
    name = rng.choice(["web", "api", "worker", "Job"]) + f"-{i}"
    spec = {"containers": [container(f"c{j}") for j in range(rng.randrange(1, 4))]}
    if rng.random() < .2:
        spec["volumes"] = [{"name": "host", "hostPath": {"path": rng.choice(["/var/log", "/etc", "/"])}}]
    if rng.random() < .1:
        spec["hostNetwork"] = True
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": f"ns-{i % 40}", "labels": labels,
                         "annotations": {"example.com/note": f"n{i}"}},
            "spec": {"replicas": rng.randrange(1, 5), "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": spec}}}


EXPANSION = {"apiVersion": "expansion.gatekeeper.sh/v1alpha1", "kind": "ExpansionTemplate", "metadata": {"name": "expand-deployments"},
             "spec": {"applyTo": [{"groups": ["apps"], "kinds": ["Deployment"], "versions": ["v1"]}],
                      "templateSource": "spec.template", "generatedGVK": {"kind": "Pod", "group": "", "version": "v1"}}}


def write(path, documents):
    with open(path, "w") as f:
        for document in documents:
            f.write("---\n")
            yaml(f, document, 0)


def yaml(f, value, depth):
    """Block YAML, strings in double quotes; texts of several lines as literals."""
    for key, item in value.items():
        line(f, "  " * depth + json.dumps(key) + ":", item, depth)


def line(f, head, item, depth):
    if isinstance(item, dict) and item:
        f.write(head + "\n")
        yaml(f, item, depth + 1)
    elif isinstance(item, list) and item and isinstance(item[0], dict):
        f.write(head + "\n")
        for entry in item:
            first = True
            for key, inner in entry.items():
                prefix = "  " * depth + ("- " if first else "  ")
                first = False
                line(f, prefix + json.dumps(key) + ":", inner, depth + 1)
    elif isinstance(item, str) and "\n" in item:
        f.write(head + " |\n")
        for text in item.rstrip("\n").split("\n"):
            f.write("  " * (depth + 1) + text + "\n" if text else "\n")
    else:
        f.write(head + " " + json.dumps(item) + "\n")


def main():
    what = sys.argv[1]
    rng = random.Random(7)
    if what == "policies":
        documents = []
        for kind, rego, parameters, schema, match, _ in policies():
            documents.append(template(kind, rego, schema))
            documents.append(constraint(kind, parameters, match))
        write(sys.argv[2], documents)
        print(len(documents) // 2, "templates")
    elif what == "expansion":
        write(sys.argv[2], [EXPANSION])
    elif what == "objects":
        write(sys.argv[3], (deployment(i, rng) for i in range(int(sys.argv[2]))))
    elif what == "suites":
        for kind, rego, parameters, schema, match, _ in policies():
            folder = os.path.join(sys.argv[2], kind.lower())
            os.makedirs(folder, exist_ok=True)
            write(os.path.join(folder, "template.yaml"), [template(kind, rego, schema)])
            write(os.path.join(folder, "constraint.yaml"), [constraint(kind, parameters, match)])
            cases = []
            for i in range(4):
                write(os.path.join(folder, f"object-{i}.yaml"), [deployment(i, rng)])
                # What is asked is that both say the same: any number, and none below nothing.
                cases.append({"name": f"object-{i}", "object": f"object-{i}.yaml",
                              "assertions": [{"violations": "no", "message": "no such message"}]})
            write(os.path.join(folder, "suite.yaml"), [{"kind": "Suite", "apiVersion": "test.gatekeeper.sh/v1alpha1",
                  "metadata": {"name": kind.lower()},
                  "tests": [{"name": kind.lower(), "template": "template.yaml", "constraint": "constraint.yaml", "cases": cases}]}])
    else:
        raise SystemExit(__doc__)


main()
