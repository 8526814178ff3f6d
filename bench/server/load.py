"""Fills an API server, and drives a Bulwark server beside it; see run.sh."""

import argparse
import base64
import http.client
import json
import os
import random
import ssl
import statistics
import tempfile
import threading
import time
import urllib.parse

import yaml

WORDS = "deploy scale restart login token secret config ingress timeout 容器 运行 镜像 扫描 策略 审计 告警 网络 节点 重启 失败".split()
NAMESPACES = 50


class Api:
    """One keep-alive connection, made anew where it broke."""

    def __init__(self, url, context, headers):
        self.url = urllib.parse.urlparse(url)
        self.context, self.headers = context, headers
        self.connection = None

    def call(self, method, path, body=None, content_type="application/json"):
        for attempt in range(5):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPSConnection(
                        self.url.hostname, self.url.port, context=self.context, timeout=120)
                headers = dict(self.headers)
                if body is not None:
                    headers["Content-Type"] = content_type
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                if answer.status == 429 or answer.status == 503:
                    time.sleep(float(answer.headers.get("Retry-After", "1")))
                    continue
                return answer.status, text
            except (OSError, http.client.HTTPException):
                self.connection = None
                if attempt == 4:
                    raise
                time.sleep(0.2)
        return 0, b""


def kube(path):
    with open(path) as f:
        config = yaml.safe_load(f)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile("w") as cert, tempfile.NamedTemporaryFile("w") as key:
        cert.write(base64.b64decode(user["client-certificate-data"]).decode())
        key.write(base64.b64decode(user["client-key-data"]).decode())
        cert.flush()
        key.flush()
        context.load_cert_chain(cert.name, key.name)
    return lambda: Api(cluster["server"], context, {})


def pod_spec(i):
    return {
        "containers": [{
            "name": "app", "image": f"registry.example.test/team{i % 40}/app{i % 400}:{i % 7}.{i % 3}",
            "securityContext": {"privileged": i % 97 == 0, "runAsNonRoot": i % 3 == 0},
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            "ports": [{"containerPort": 8080}]}],
        "serviceAccountName": "default"}


def in_parallel(jobs, threads=8):
    jobs = iter(jobs)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                job = next(jobs, None)
            if job is None:
                return
            job()

    pool = [threading.Thread(target=work) for _ in range(threads)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()


def fill(o):
    make = kube(o.kubeconfig)
    local = threading.local()

    def post(path, body):
        if not hasattr(local, "api"):
            local.api = make()
        status, text = local.api.call("POST", path, json.dumps(body))
        if status not in (200, 201, 409):
            raise SystemExit(f"POST {path}: {status} {text[:300]}")

    start = time.time()
    for n in range(NAMESPACES):
        post("/api/v1/namespaces", {"metadata": {"name": f"team-{n}"}})
        post(f"/api/v1/namespaces/team-{n}/serviceaccounts", {"metadata": {"name": "default"}})

    def node(i):
        return lambda: post("/api/v1/nodes", {"metadata": {"name": f"node-{i}"}})

    def workload(i):
        ns, app = f"team-{i % NAMESPACES}", f"app-{i}"
        labels = {"app": app}
        template = {"metadata": {"labels": labels}, "spec": pod_spec(i)}

        def run():
            post(f"/apis/apps/v1/namespaces/{ns}/deployments", {
                "metadata": {"name": app, "labels": labels},
                "spec": {"replicas": 10, "selector": {"matchLabels": labels}, "template": template}})
            post(f"/apis/apps/v1/namespaces/{ns}/replicasets", {
                "metadata": {"name": f"{app}-rs", "labels": labels, "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": app, "uid": f"d-{i}", "controller": True}]},
                "spec": {"replicas": 10, "selector": {"matchLabels": labels}, "template": template}})
        return run

    def pod(i):
        w = i % o.workloads
        ns = f"team-{w % NAMESPACES}"
        spec = pod_spec(w) | {"nodeName": f"node-{i % o.nodes}"}
        return lambda: post(f"/api/v1/namespaces/{ns}/pods", {
            "metadata": {"name": f"app-{w}-rs-{i}", "labels": {"app": f"app-{w}"}, "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"app-{w}-rs", "uid": f"r-{w}", "controller": True}]},
            "spec": spec})

    in_parallel(node(i) for i in range(o.nodes))
    in_parallel(workload(i) for i in range(o.workloads))
    in_parallel(pod(i) for i in range(o.pods))
    print(f"filled: {o.nodes} nodes, {o.workloads} workloads, {o.pods} pods in {time.time() - start:.0f} s", flush=True)


def audit_event(i, now):
    verb = random.choice(["get", "list", "create", "update", "patch", "delete"])
    ns = f"team-{random.randrange(NAMESPACES)}"
    resource = random.choice(["pods", "secrets", "configmaps", "deployments", "services"])
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{i % 1000000:06d}Z"
    return {
        "level": "Metadata", "auditID": f"{os.getpid()}-{i}", "stage": "ResponseComplete", "verb": verb,
        "requestURI": f"/api/v1/namespaces/{ns}/{resource}/x{i % 5000}",
        "user": {"username": f"user-{random.randrange(300)}", "groups": ["system:authenticated"]},
        "sourceIPs": [f"10.1.{i % 200}.{i % 250}"],
        "userAgent": f"kubectl/v1.34 ({' '.join(random.choices(WORDS, k=3))})",
        "objectRef": {"resource": resource, "namespace": ns, "name": f"x{i % 5000}", "apiVersion": "v1"},
        "responseStatus": {"code": 403 if i % 50 == 0 else 200},
        "requestReceivedTimestamp": stamp, "stageTimestamp": stamp}


def p95(values):
    return sorted(values)[max(0, int(len(values) * 0.95) - 1)] if values else float("nan")


def run(o):
    # What the server says when it is up.
    client = os.path.join(o.data, "client.json")
    while not os.path.exists(client):
        time.sleep(0.1)
    with open(client) as f:
        about = json.load(f)
    context = ssl.create_default_context(cadata=about["ca"])
    token = {"Authorization": "Bearer " + about["token"]}
    new = lambda: Api(about["server"], context, token)
    api = new()

    def get(path, by=api):
        status, text = by.call("GET", path)
        if status != 200:
            raise SystemExit(f"GET {path}: {status} {text[:300]}")
        return json.loads(text)

    def rss():
        with open(f"/proc/{o.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024

    # The first full inspection: every workload judged, nothing growing any more.
    last = -1
    while True:
        items = get("/api/v1/inspections")["items"]
        judged = items[0]["judged"] if items else 0
        if judged >= o.workloads and judged == last:
            break
        last = judged
        time.sleep(2)
    findings = get("/api/v1/findings?limit=1&total=true")["total"]
    print(f"first full inspection: {time.time() - o.started:.1f} s, {findings} findings, RSS {rss():.0f} MiB", flush=True)

    cluster = get("/api/v1/clusters")["items"][0]["id"]
    status, text = api.call("POST", "/api/v1/audit-sources", json.dumps({"name": "bench", "cluster": cluster}))
    if status != 201:
        raise SystemExit(f"audit source: {status} {text[:300]}")
    intake = json.loads(text)["path"]
    webhook = next(l["address"] for l in get("/api/v1/system")["listeners"] if l["name"] == "webhooks")
    hook = lambda: Api("https://" + webhook, context, {})
    counter, sent = [0], [0]
    lock = threading.Lock()

    def send(by, n, now):
        with lock:
            base = counter[0]
            counter[0] += n
        body = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1",
                           "items": [audit_event(base + i, now) for i in range(n)]})
        status, text = by.call("POST", intake, body)
        if status != 200:
            raise SystemExit(f"audit: {status} {text[:300]}")
        with lock:
            sent[0] += n

    local = threading.local()

    def batch():
        if not hasattr(local, "hook"):
            local.hook = hook()
        send(local.hook, 2000, time.time() - random.random() * 30 * 86400)

    start = time.time()
    in_parallel((batch for _ in range(o.events // 2000)), threads=2)
    took = max(time.time() - start, 1e-9)
    print(f"stored {sent[0]} events: {sent[0] / took:.0f}/s, RSS {rss():.0f} MiB", flush=True)

    # Load, and somebody who looks.
    stop = time.time() + o.minutes * 60
    changed, seen, failures = [0], [], []
    make = kube(o.kubeconfig)

    def changes():
        by, i = make(), 0
        while time.time() < stop:
            began = time.time()
            for _ in range(max(1, o.changes // 20)):
                w = random.randrange(o.workloads)
                i += 1
                by.call("PATCH", f"/apis/apps/v1/namespaces/team-{w % NAMESPACES}/deployments/app-{w}",
                        json.dumps({"metadata": {"annotations": {"bench": str(i)}}, "spec": {"template": {"spec": {
                            "containers": [{"name": "app", "image": f"registry.example.test/x/app:{i}"}]}}}}),
                        "application/strategic-merge-patch+json")
                changed[0] += 1
            time.sleep(max(0, 1 / 20 - (time.time() - began)))

    def events():
        by = hook()
        while time.time() < stop:
            began = time.time()
            send(by, max(1, o.event_rate // 5), began)
            time.sleep(max(0, 1 / 5 - (time.time() - began)))

    def visible():
        by, mine, n = make(), new(), 0
        while time.time() < stop:
            n += 1
            # A workload turns privileged and back: how long until the finding is there, and is gone.
            value = n % 2 == 1
            by.call("PATCH", "/apis/apps/v1/namespaces/team-1/deployments/app-1",
                    json.dumps({"spec": {"template": {"spec": {"containers": [
                        {"name": "app", "securityContext": {"privileged": value}}]}}}}),
                    "application/strategic-merge-patch+json")
            began = time.time()
            query = urllib.parse.quote("check:privileged-container ns:team-1 name:app-1 status:open")
            while time.time() - began < 60:
                if bool(get("/api/v1/findings?q=" + query, mine)["items"]) == value:
                    seen.append(time.time() - began)
                    break
                time.sleep(0.05)
            else:
                failures.append("a change was not seen within a minute")
            time.sleep(1)

    pages = {
        "findings, first page": "/api/v1/findings?q=status:open&sort=-severity&limit=50",
        "findings of a namespace": "/api/v1/findings?q=" + urllib.parse.quote("status:open ns:team-7") + "&limit=50",
        "assets, pods": "/api/v1/assets?q=kind:Pod&limit=50",
        "assets by name": "/api/v1/assets?q=" + urllib.parse.quote("name:app-42*") + "&limit=50",
        "events, newest": "/api/v1/events?limit=50",
        "events of a user": "/api/v1/events?q=" + urllib.parse.quote("kind:audit user:user-7 verb:delete") + "&limit=50",
        "events, 容器": "/api/v1/events?q=" + urllib.parse.quote("容器") + "&limit=50",
        "alerts": "/api/v1/alerts?limit=50",
    }
    times = {name: [] for name in pages}

    def look():
        by = new()
        while time.time() < stop:
            for name, path in pages.items():
                began = time.time()
                get(path, by)
                times[name].append(time.time() - began)

    peak = [0.0]

    def watch():
        while time.time() < stop:
            peak[0] = max(peak[0], rss())
            time.sleep(1)

    before = sent[0]
    pool = [threading.Thread(target=f) for f in (changes, events, visible, look, watch)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    seconds = o.minutes * 60
    print(f"under load: {changed[0] / seconds:.0f} changes/s, {(sent[0] - before) / seconds:.0f} events/s, "
          f"peak RSS {peak[0]:.0f} MiB (aim: under 1024)")
    if seen:
        print(f"a change is visible in the API after {statistics.median(seen) * 1000:.0f} ms (median), "
              f"{p95(seen) * 1000:.0f} ms (p95) (aim: within 2000)")
    for name, values in times.items():
        print(f"  {name:28} p50 {statistics.median(values) * 1000:7.1f} ms   p95 {p95(values) * 1000:7.1f} ms   "
              f"(aim: p95 under 150; {len(values)} asked)")
    for failure in failures[:5]:
        print("FAILED:", failure)


parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["fill", "run"])
parser.add_argument("--kubeconfig", required=True)
parser.add_argument("--data")
parser.add_argument("--pid", type=int)
parser.add_argument("--started", type=float, default=0)
parser.add_argument("--nodes", type=int, default=1000)
parser.add_argument("--pods", type=int, default=50000)
parser.add_argument("--workloads", type=int, default=5000)
parser.add_argument("--events", type=int, default=10_000_000)
parser.add_argument("--changes", type=int, default=200)
parser.add_argument("--event-rate", type=int, default=5000)
parser.add_argument("--minutes", type=float, default=10)
options = parser.parse_args()
{"fill": fill, "run": run}[options.command](options)
