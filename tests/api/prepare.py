"""What Schemathesis needs of a server that just started: things to speak of, and where they are.

prepare.py prepare WORK PID   waits for the server, makes one thing of each kind, writes WORK/url and
                              the configurations WORK/all.toml and WORK/last.toml
prepare.py check WORK PID     whether the token still works and the server is still ready
"""

import datetime
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "ignored_auth",
    # hooks.py
    "whole_records_fit_their_schema",
    "json_is_utf8",
]
# Off everywhere, and why.
NOT_CHECKED = {
    "response_schema_conformance": "whole_records_fit_their_schema does that, but for ?fields=",
    "positive_data_acceptance": "queries, fields to sort by, cursors, cron lines and kubeconfigs are"
    " languages: what JSON Schema lets pass may rightly be refused",
    "use_after_free": "deleting twice is the same answer as deleting what never was",
}
# Operations that are not driven at all, and why.
EXCLUDED = {
    "stream": "an answer without end; api_test and the console's tests read it",
}
# Operations of a pass of their own, after the others, and why.
LAST = {
    "deleteToken": "may delete the token that the run holds",
    "logOut": "ends the session that the run is",
    "removeCluster": "takes every asset and finding with it",
    "backUp": "each call writes a copy of the stores",
}

# What the parameters of lists may be, beside noise, which never gets past their parsers.
WORDS = {
    "q": [
        "kind:Pod",
        "severity:critical,high -ns:kube-system",
        "since:24h",
        'name:web* or "exec"',
        "(state:open or status:open) and not cluster:none",
        "容器",
        "severity>=high",
    ],
    "by": ["severity", "kind", "cluster,ns", "name", "state", "check,severity", "user"],
    "sort": ["name", "-severity,name", "cluster", "-last", "kind,ns,name"],
    "fields": ["id", "asset.name,asset.namespace", "name,state", "severity,args"],
    "field": ["user", "verb", "kind", "resource", "sourceIp"],
    "since": ["24h", "7d", "2026-01-01T00:00:00Z"],
    "until": ["1m", "2100-01-01T00:00:00Z"],
}


class Server:
    def __init__(self, work, pid):
        self.work, self.pid = work, int(pid)
        client = self.wait("a token", self.client)
        self.url, self.token = client["server"], client["token"]
        self.tls = ssl.create_default_context(cadata=client["ca"])
        self.wait("readiness", lambda: self.get("/readyz", raw=True))

    def wait(self, what, ready):
        deadline = time.monotonic() + 60
        while True:
            try:
                value = ready()
                if value:
                    return value
            except (OSError, ValueError):
                pass
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                sys.exit("the server ended:\n" + open(self.work + "/log").read())
            if time.monotonic() > deadline:
                sys.exit("waited in vain for " + what)
            time.sleep(0.1)

    def client(self):
        with open(self.work + "/data/client.json") as file:
            return json.load(file)

    def get(self, path, raw=False):
        return self.send("GET", path, raw=raw)

    def send(self, method, path, body=None, raw=False):
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.token, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, context=self.tls) as answer:
            text = answer.read()
        return text if raw else json.loads(text)

    def make(self, path, body):
        try:
            return self.send("POST", path, body)
        except urllib.error.HTTPError as error:
            sys.exit(f"POST {path}: {error.code} {error.read().decode()}")

    def keys(self, path, field="id", count=5):
        return [item[field] for item in self.get(path)["items"][:count]]


def raise_alert(server, cluster):
    """One audit event as an API server sends it, that a built-in rule speaks of."""
    source = server.make("/api/v1/audit-sources", {"cluster": cluster, "name": "api-test"})
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    batch = {
        "kind": "EventList",
        "apiVersion": "audit.k8s.io/v1",
        "items": [
            {
                "level": "Metadata",
                "auditID": "6f1a3f4e-0000-4000-8000-000000000001",
                "stage": "ResponseComplete",
                "requestURI": "/api/v1/namespaces/default/pods/web-1/exec?command=sh",
                "verb": "create",
                "user": {"username": "mallory"},
                "sourceIPs": ["192.0.2.7"],
                "objectRef": {
                    "resource": "pods",
                    "namespace": "default",
                    "name": "web-1",
                    "apiVersion": "v1",
                    "subresource": "exec",
                },
                "responseStatus": {"code": 101},
                "requestReceivedTimestamp": now,
                "stageTimestamp": now,
            }
        ],
    }
    with open(server.work + "/log") as file:
        webhooks = re.search(r"^Webhooks +(\S+)$", file.read(), re.MULTILINE)[1]
    request = urllib.request.Request(
        webhooks + source["path"],
        data=json.dumps(batch).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, context=server.tls).read()
    server.wait("an alert", lambda: server.keys("/api/v1/alerts"))
    return source["id"]


def toml(value):
    return json.dumps(value)  # strings and lists of strings: the same in both


def prepare(server):
    known = dict(WORDS)  # name of a dictionary → values
    server.make("/api/v1/users", {"name": "probe", "password": "a long pass phrase of 2026"})
    known["users"] = ["probe", "admin"]
    known["changed-users"] = ["probe"]
    server.make("/api/v1/roles", {"name": "probe", "permissions": ["findings.read"]})
    known["roles"] = ["probe", "admin", "auditor"]
    grant = server.make("/api/v1/grants", {"subject": "user:probe", "role": "auditor"})
    known["grants"] = [grant["id"]]
    known["sinks"] = [
        server.make("/api/v1/sinks", {"type": "file", "name": "probe", "path": "probe.jsonl"})["id"]
    ]
    provider = {
        "name": "probe",
        "kind": "ldap",
        "ldap": {"url": "ldaps://ldap.example.com", "userBase": "dc=example,dc=com"},
    }
    server.make("/api/v1/providers", provider)
    known["providers"] = ["probe"]
    exception = server.make("/api/v1/exceptions", {"check": "pod.*", "reason": "to be tested"})
    known["exceptions"] = [exception["id"]]
    known["rules"] = server.keys("/api/v1/rules")
    known["checks"] = server.keys("/api/v1/checks")
    known["frameworks"] = server.keys("/api/v1/frameworks")
    if os.environ.get("KUBECONFIG"):
        server.wait(
            "the cluster", lambda: "ready" in server.keys("/api/v1/clusters", field="state")
        )
        server.wait("findings", lambda: server.keys("/api/v1/findings"))
        known["clusters"] = server.keys("/api/v1/clusters")
        cluster = known["clusters"][0]
        schedule = {"name": "probe", "feature": "posture", "cron": "0 3 * * *", "cluster": cluster}
        known["schedules"] = [server.make("/api/v1/schedules", schedule)["id"]]
        known["audit-sources"] = [raise_alert(server, cluster)]
        known["alerts"] = server.keys("/api/v1/alerts")
        known["findings"] = server.keys("/api/v1/findings?q=fixable:true")
        known["events"] = server.keys("/api/v1/events")
        known["assets"] = server.keys("/api/v1/assets?q=kind:Pod", "key")
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=7)
        suppression = {"reason": "to be tested", "expires": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}
        server.make(f"/api/v1/alerts/{known['alerts'][0]}/except", suppression)
        known["suppressions"] = server.keys("/api/v1/suppressions")
        known["runs"] = [server.make("/api/v1/inspections/run", {"cluster": cluster})["id"]]

    def dictionary(path, operation):
        head = path.removeprefix("/api/v1/").split("/")
        if head[0].startswith("asset-"):
            return "assets"
        if head[0] == "inspections":
            return ""  # keys with slashes in a path that does not say so: none would be generated
        if head[:2] == ["session", "oidc"]:
            return "providers"
        if head[0] == "users" and operation != "getUser":
            return "changed-users"
        return head[0]

    lines = [
        "continue-on-failure = true",
        "[checks]",
        "enabled = false",
        *(f"{name}.enabled = true" for name in CHECKS),
        # A line of 64 KiB of q= is refused before it is read (431), a body that is too long (413),
        # a revision that is none (412), an address that is none (414): all of them rejections.
        "[checks.negative_data_rejection]",
        "enabled = true",
        'expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "414",'
        ' "415", "422", "428", "429", "431"]',
        "[headers]",
        f"Authorization = {toml('Bearer ' + server.token)}",
        "[phases.stateful]",
        "max-steps = 4",
    ]
    for name, keys in known.items():
        lines += [f"[dictionaries.{toml(name)}]", f"values = {toml(keys)}"]
    document = server.get("/api/v1/openapi.json")
    operations = {"all": [], "last": []}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            identity = operation["operationId"]
            if identity in EXCLUDED:
                continue
            operations["last" if identity in LAST else "all"].append(identity)
            bound = {}
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    bound[parameter["name"]] = dictionary(path, identity)
                elif parameter["name"] == "cluster":
                    bound["cluster"] = "clusters"
                elif parameter["name"] in WORDS:
                    bound[parameter["name"]] = parameter["name"]
            bound = {name: given for name, given in bound.items() if given in known}
            if bound:
                lines += ["[[operations]]", f"include-operation-id = {toml(identity)}"]
                lines += ["[operations.parameters]"]
                lines += [
                    f"{toml(name)} = {{ dictionary = {toml(given)}, probability = 0.7 }}"
                    for name, given in bound.items()
                ]
    for gone in (EXCLUDED | LAST).keys() - {
        o["operationId"] for methods in document["paths"].values() for o in methods.values()
    }:
        sys.exit(f"prepare.py speaks of {gone}, which the API no longer has")
    for name, wanted in operations.items():
        others = sorted(EXCLUDED | {i: "" for ids in operations.values() for i in ids})
        off = [i for i in others if i not in wanted]
        more = ["[[operations]]", f"include-operation-id = {toml(off)}", "enabled = false"]
        with open(f"{server.work}/{name}.toml", "w") as file:
            file.write("\n".join(lines + more) + "\n")
    with open(server.work + "/url", "w") as file:
        file.write(server.url)
    for name, why in (EXCLUDED | NOT_CHECKED).items():
        print(f"not driven: {name}: {why}")


def check(server):
    if not server.get("/api/v1/session")["authenticated"]:
        sys.exit("the token no longer works")
    reached = set()
    for line in server.get("/metrics", raw=True).decode().splitlines():
        found = re.match(r'bulwark_api_requests_total\{route="(\w+)",status="[23]xx"\} (\d+)', line)
        if found and found[2] != "0":
            reached.add(found[1])
    document = server.get("/api/v1/openapi.json")
    every = {o["operationId"] for methods in document["paths"].values() for o in methods.values()}
    never = sorted(every - reached - EXCLUDED.keys() - LAST.keys())
    print(f"{len(reached)} of {len(every)} operations succeeded at least once; never: {never}")


if __name__ == "__main__":
    what, work, pid = sys.argv[1:]
    {"prepare": prepare, "check": check}[what](Server(work, pid))
