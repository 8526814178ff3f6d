#!/usr/bin/env python3
"""generate.py OUT: the inputs and data of the benchmark, the same each time, and OUT/cases.json, which says what each case
evaluates: [{"name", "dialect", "modules": [file], "query", "input": file or null, "data": file or null}]."""

import base64
import hashlib
import hmac
import json
import os
import random
import sys

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.abspath(sys.argv[1])
os.makedirs(out, exist_ok=True)
rng = random.Random(20261122)
cases = []


def write(name, value):
    path = os.path.join(out, name)
    with open(path, "w") as file:
        json.dump(value, file, separators=(",", ":"))
    return path


def case(name, query, input=None, data=None, dialect="v1", policy=None, modules=None):
    if modules is None:
        modules = [os.path.join(here, "policies", (policy or name) + ".rego")]
    cases.append({
        "name": name, "dialect": dialect, "modules": modules, "query": query,
        "input": None if input is None else write(name + ".input.json", input),
        "data": None if data is None else write(name + ".data.json", data),
    })


# --- Kubernetes objects --------------------------------------------------------------------------

def container(i):
    return {
        "name": f"c{i}",
        "image": rng.choice(["registry.example/shop/web:1.4", "docker.io/library/nginx", "quay.io/team/api:2.0.1", "registry.example/base:latest"]),
        "args": ["--serve", f"--port={8000 + i}"],
        "env": [{"name": rng.choice(["HOME", "DB_PASSWORD", "API_TOKEN", "LANG", "MODE"]) + str(k), "value": "v" * rng.randint(0, 20)} for k in range(4)],
        "ports": [{"containerPort": rng.choice([80, 443, 8080, 9090])}],
        "resources": {
            "limits": {"cpu": rng.choice(["500m", "2", "1.5", 4]), "memory": rng.choice(["512Mi", "2Gi", "1G", "800M"])},
            "requests": {"cpu": rng.choice(["100m", "250m", "1"]), "memory": rng.choice(["256Mi", "128Mi", "1Gi"])},
        },
        "securityContext": {
            "privileged": rng.random() < 0.2, "runAsNonRoot": rng.random() < 0.6,
            "capabilities": {"add": rng.sample(["NET_ADMIN", "SYS_TIME", "CHOWN", "NET_BIND_SERVICE"], 2), "drop": rng.sample(["ALL", "MKNOD", "NET_RAW", "SETUID"], 2)},
        },
        "volumeMounts": [{"name": f"v{k}", "mountPath": f"/mnt/{k}", "readOnly": rng.random() < 0.5} for k in range(3)],
    }


def pod(i, containers=3):
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": f"pod-{i}", "namespace": f"ns-{i % 17}", "uid": f"{i:08d}-aaaa-bbbb-cccc-dddddddddddd",
            "labels": {"app": f"app-{i % 23}", "tier": rng.choice(["web", "db", "cache"]), "owner": rng.choice(["alice.corp.example", "bob", "team-x"])},
            "annotations": {f"example.org/note-{k}": "x" * 30 for k in range(4)},
        },
        "spec": {
            "nodeName": f"node-{i % 9}", "serviceAccountName": "default",
            "containers": [container(k) for k in range(containers)],
            "initContainers": [container(9)],
            "volumes": [
                {"name": "v0", "hostPath": {"path": rng.choice(["/var/run/docker.sock", "/var/log/pods", "/etc/ssl"])}},
                {"name": "v1", "emptyDir": {}}, {"name": "v2", "hostPath": {"path": "/var/lib/data/a"}},
            ],
        },
        "status": {"phase": "Running", "podIP": f"10.0.{i % 250}.{i % 200}"},
    }


def review(object, parameters, group="", kind="Pod"):
    return {
        "review": {
            "kind": {"group": group, "version": "v1", "kind": kind}, "operation": "CREATE", "name": object["metadata"]["name"],
            "namespace": object["metadata"]["namespace"], "userInfo": {"username": "alice", "groups": ["dev", "system:authenticated"]}, "object": object,
        },
        "parameters": parameters,
    }


# --- The cases -----------------------------------------------------------------------------------

case("trivial", "input.x == 1", {"x": 1}, modules=[])

roles = {f"role-{i}": [{"action": a, "resource": f"thing-{i}-{k}"} for k in range(3) for a in ("read", "write")] for i in range(10)}
bindings = {f"user-{i}": [f"role-{(i + k) % 10}" for k in range(2)] for i in range(20)} | {"root": ["admin"]}
for name, request in {"rbac_allow": {"user": "user-3", "action": "write", "resource": "thing-4-1"}, "rbac_deny": {"user": "user-3", "action": "delete", "resource": "thing-4-1"}}.items():
    case(name, "data.rbac.allow", request, {"grants": roles, "bindings": bindings}, policy="rbac")

a_pod = pod(1)
case("allowed_repos", "data.allowedrepos.violation", review(a_pod, {"repos": ["registry.example/", "quay.io/team/"]}), {}, "v0")
case("required_labels", "data.requiredlabels.violation",
     review(a_pod, {"labels": [{"key": "owner", "allowedRegex": "^[a-z]+\\.corp\\.example$"}, {"key": "cost-centre"}, {"key": "app", "allowedRegex": "^app-"}]}), {}, "v0")
case("container_limits", "data.containerlimits.violation", review(a_pod, {"cpu": "1", "memory": "1Gi"}), {}, "v0")
case("container_ratios", "data.containerratios.violation", review(a_pod, {"ratio": "2", "cpuRatio": "4"}), {}, "v0")
case("host_paths", "data.hostpaths.violation", review(a_pod, {"allowedHostPaths": [{"pathPrefix": "/var/log", "readOnly": True}, {"pathPrefix": "/etc"}]}), {}, "v0")
case("capabilities", "data.capabilities.violation", review(a_pod, {"allowedCapabilities": ["CHOWN", "net_bind_service"], "requiredDropCapabilities": ["MKNOD", "NET_RAW"]}), {}, "v0")


def ingress(i):
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": f"ingress-{i}", "namespace": f"ns-{i % 100}"},
        "spec": {"rules": [{"host": f"host-{i}-{k}.example.org", "http": {"paths": [{"path": "/", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}} for k in range(2)]},
    }


inventory = {}
for i in range(10000):
    one = ingress(i)
    inventory.setdefault(one["metadata"]["namespace"], {}).setdefault("networking.k8s.io/v1", {}).setdefault("Ingress", {})[one["metadata"]["name"]] = one
mine = ingress(77)
mine["metadata"]["name"] = "new"
case("unique_ingress_host", "data.uniqueingresshost.violation", review(mine, {}, "networking.k8s.io", "Ingress"), {"inventory": {"namespace": inventory}}, "v0")

pods = [pod(i) for i in range(100)]
case("posture", "data.posture.deny", {"pods": pods})
case("partials", "data.partials.result", {"pods": pods, "teams": {f"ns-{i}": f"team-{i % 4}" for i in range(17)}})
case("walk", "data.walking", {"pods": pods[:5]})

lines = []
for i in range(100):
    path = rng.choice(["/index.html", "/shop/item?id=7", "/..%2f..%2fetc/passwd", "/q?s=%3Cscript%3E", "/login", "/a/b/c?x=union%20select"])
    lines.append(f'10.0.0.{i} - - [22/Nov/2026:10:00:{i % 60:02d} +0000] "{rng.choice(["GET", "POST"])} {path} HTTP/1.1" {rng.choice([200, 404, 403, 500])} {rng.randint(1, 9999)} '
                 f'"{rng.choice(["Mozilla/5.0 Firefox/120.0", "curl/8.1.2", "Go-http-client/2.0"])}"')
case("text", "data.texts", {"lines": lines})

findings = [{"id": f"F-{i}", "severity": rng.choice(["low", "medium", "high", "critical"]), "image": f"image-{i % 20}", "score": rng.randint(0, 100) / 10,
             "exploited": rng.random() < 0.1, "exposed": rng.random() < 0.3} for i in range(200)]
case("group_by", "data.groupby", {"findings": findings})
case("functions", "data.functions.decision", {"findings": findings[:40], "stage": "prod"})

rules = [{"protocol": rng.choice(["tcp", "udp"]), "from": 1000 * (i % 5), "to": 1000 * (i % 5) + 999, "source": f"10.{i}.0.0/16", "destination": f"192.168.{i}.0/24"} for i in range(40)]
flows = [{"id": i, "protocol": "tcp", "port": 1000 * (i * 3 % 5) + 80, "source": f"10.{i * 3}.1.{i}", "destination": f"192.168.{i * 3}.7"} for i in range(30)]
case("network", "data.network.denied", {"flows": flows}, {"rules": rules})

requests = [{"id": f"r{i}", "tenant": f"t{i % 5}", "items": [{"kind": rng.choice(["cpu", "disk", "gpu"]), "quantity": rng.randint(1, 12)} for _ in range(5)]} for i in range(20)]
case("with_every", "data.withevery.decisions", {"requests": requests}, {"limits": {"cpu": 10, "disk": 12, "gpu": 8}, "kinds": {f"t{i}": ["cpu", "disk", "gpu"][: 1 + i % 3] for i in range(5)}})


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


signed = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + b64(json.dumps({"iss": "https://issuer.example", "exp": 2000000000, "scope": "get:things post:things get:users"}).encode())
token = signed + "." + b64(hmac.new(b"a secret of thirty-two bytes or so", signed.encode(), hashlib.sha256).digest())
case("jwt", "data.tokens.allow", {"token": token, "method": "get", "resource": "users"})

# A bundle of 1,000 rules in 100 files: one decision of many alternatives, and one set that all of them add to.
modules = []
for m in range(100):
    text = "package app.authz\n\nimport rego.v1\n\n"
    for r in range(5):
        i = m * 5 + r
        text += (f'allow if {{\n\tinput.method == "{["GET", "POST", "PUT", "DELETE"][i % 4]}"\n\tinput.path == ["api", "v1", "resource-{i}"]\n'
                 f'\t"role-{i % 50}" in input.roles\n}}\n\n')
        text += (f'deny contains "policy {i}" if {{\n\tsome container in input.pod.spec.containers\n\tcontainer.name == "c{i % 7}"\n'
                 f'\tendswith(container.image, "{"" if i % 50 == 0 else f"-{i}:latest"}")\n}}\n\n')
    path = os.path.join(out, f"bundle-{m}.rego")
    with open(path, "w") as file:
        file.write(text)
    modules.append(path)
bundle_input = {"method": "GET", "path": ["api", "v1", "resource-444"], "roles": ["role-1", "role-44"], "pod": a_pod}
case("bundle_1000_allow", "data.app.authz.allow", bundle_input, {}, modules=modules)
case("bundle_1000_deny", "data.app.authz.deny", bundle_input, {}, modules=modules)

users = {f"user-{i:06d}": {"name": f"User {i}", "mail": f"user{i}@example.org", "active": i % 7 != 0, "teams": [f"team-{(i * 7 + k) % 2000}" for k in range(4)],
                           "note": "x" * 60} for i in range(96500)}
teams = {f"team-{i}": {"grants": [f"project-{i}:*:read", f"project-{i + 1}:**"], "lead": f"user-{i:06d}"} for i in range(2000)}
case("data_20mb", "data.entitlements.allow", {"user": "user-000123", "resource": "project-864:vm:delete"}, {"users": users, "teams": teams})

with open(os.path.join(out, "cases.json"), "w") as file:
    json.dump(cases, file, indent=1)
