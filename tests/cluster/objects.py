#!/usr/bin/env python3
"""Writes about 200 varied Kubernetes objects as one YAML stream: a small company's cluster.

Six namespaces, objects of nearly every kind, careful and careless workloads side by side: the
material for tests of whatever reads a cluster. The same text each time. It applies to a new API
server without an error; the definitions (CRDs) must be established before the objects that use
them, so `cluster seed` applies the stream in two parts:

    objects.py --part definitions | kubectl apply -f -
    kubectl wait --for=condition=Established crd --all
    objects.py --part objects | kubectl apply -f -
"""

import argparse
import base64
import json
import re
import sys

BUSYBOX = "bulwark.test/busybox:1"

NAMESPACES = {  # name -> what Pod Security admission does there
    "shop": {"enforce": "baseline", "warn": "restricted"},
    "payments": {"enforce": "restricted", "audit": "restricted"},
    "platform": {"enforce": "privileged"},
    "data": {"warn": "baseline"},
    "batch": {"audit": "restricted"},
    "legacy": {},  # nobody has labelled it
}


def obj(api, kind, name, namespace=None, labels=None, annotations=None, **rest):
    metadata = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def b64(text):
    return base64.b64encode(text.encode()).decode()


# --- Pods -------------------------------------------------------------------------------------

def container(name, image, **fields):
    return {"name": name, "image": image, **fields}


def limited(c, cpu="250m", memory="128Mi"):
    c["resources"] = {"requests": {"cpu": "50m", "memory": "32Mi"},
                      "limits": {"cpu": cpu, "memory": memory}}
    return c


def probed(c, port):
    c["ports"] = [{"name": "http", "containerPort": port}]
    c["livenessProbe"] = {"httpGet": {"path": "/healthz", "port": "http"}}
    c["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5}
    return c


def hardened(c):
    """What the restricted profile asks of a container, and a read-only root besides."""
    c["securityContext"] = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
                            "seccompProfile": {"type": "RuntimeDefault"}}
    return limited(c)


def pod_spec(*containers, **fields):
    return {"containers": list(containers), **fields}


def careful(app, image, port, **fields):
    spec = pod_spec(probed(hardened(container(app, image)), port),
                    serviceAccountName=app, automountServiceAccountToken=False,
                    securityContext={"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001})
    spec["containers"][0]["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    spec["volumes"] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    return {**spec, **fields}


def careless(app, image):
    """As found in many a first deployment: no limits, no probes, root, the default account."""
    return pod_spec(container(app, image))


def template(app, spec, **labels):
    return {"metadata": {"labels": {"app": app, **labels}}, "spec": spec}


def deployment(namespace, app, spec, replicas=2, annotations=None, **labels):
    return obj("apps/v1", "Deployment", app, namespace, {"app": app, **labels}, annotations,
               spec={"replicas": replicas, "selector": {"matchLabels": {"app": app}},
                     "template": template(app, spec, **labels)})


def daemonset(namespace, app, spec):
    return obj("apps/v1", "DaemonSet", app, namespace, {"app": app},
               spec={"selector": {"matchLabels": {"app": app}}, "template": template(app, spec)})


def statefulset(namespace, app, spec, replicas=3, size="1Gi"):
    return obj("apps/v1", "StatefulSet", app, namespace, {"app": app}, spec={
        "replicas": replicas, "serviceName": app, "selector": {"matchLabels": {"app": app}},
        "template": template(app, spec),
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": size}}}}]})


def job(namespace, name, spec, **fields):
    return obj("batch/v1", "Job", name, namespace, {"job": name},
               spec={**fields, "template": template(name, {**spec, "restartPolicy": "Never"})})


def cronjob(namespace, name, schedule, spec, **fields):
    return obj("batch/v1", "CronJob", name, namespace, {"job": name}, spec={
        "schedule": schedule, "concurrencyPolicy": "Forbid", **fields,
        "jobTemplate": {"spec": {"backoffLimit": 2, "template": template(
            name, {**spec, "restartPolicy": "OnFailure"})}}})


def pod(namespace, name, spec, annotations=None, **labels):
    # A service account made by this stream, as nobody may be there to make the default one.
    return obj("v1", "Pod", name, namespace, {"app": name, **labels}, annotations,
               spec={"serviceAccountName": "app", **spec})


def host_path(name, path, read_only=False):
    return ({"name": name, "hostPath": {"path": path}},
            {"name": name, "mountPath": "/host" + path, "readOnly": read_only})


def workloads():
    # shop: a web shop, mostly well kept
    for app, port, labels in (("storefront", 8080, {"tier": "web"}), ("catalog", 8081, {}),
                              ("cart", 8082, {}), ("search", 8083, {}), ("reviews", 8084, {})):
        yield deployment("shop", app, careful(app, f"registry.example.test/shop/{app}:2.4.1", port),
                         replicas=3, **labels)
    mesh = careful("checkout", "registry.example.test/shop/checkout:1.9.0", 8085)
    mesh["initContainers"] = [
        hardened(container("migrate", "registry.example.test/shop/migrate:1.9.0", args=["up"])),
        {**hardened(container("proxy", "registry.example.test/mesh/proxy:3.1.0")),
         "restartPolicy": "Always"}]
    yield deployment("shop", "checkout", mesh, annotations={"example.test/owner": "team-checkout"})
    pinned = careful("images", "registry.example.test/shop/images@sha256:" + "4a" * 32, 8086)
    pinned["affinity"] = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname",
                                            "labelSelector": {"matchLabels": {"app": "images"}}}}]}}
    yield deployment("shop", "images", pinned)
    yield deployment("shop", "banner", careless("banner", "nginx:latest"), replicas=1)
    yield deployment("shop", "old-frontend", careless("old-frontend", "nginx"), replicas=0)

    # payments: everything restricted
    for app, port in (("gateway", 8443), ("ledger", 8090), ("fraud", 8091), ("refunds", 8092)):
        yield deployment("payments", app, careful(
            app, f"registry.example.test/payments/{app}:5.0.{port % 7}", port,
            priorityClassName="business-critical"))
    sandboxed = careful("card-vault", "registry.example.test/payments/card-vault:5.1.0", 8093,
                        runtimeClassName="gvisor")
    sandboxed["volumes"] += [
        {"name": "keys", "secret": {"secretName": "vault-keys", "defaultMode": 0o400}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {
            "path": "token", "audience": "vault", "expirationSeconds": 600}}]}}]
    sandboxed["containers"][0]["volumeMounts"] += [
        {"name": "keys", "mountPath": "/keys", "readOnly": True},
        {"name": "token", "mountPath": "/var/run/vault"}]
    yield deployment("payments", "card-vault", sandboxed)

    # platform: what needs the node, each with its own excess
    logs, logs_mount = host_path("logs", "/var/log", read_only=True)
    yield daemonset("platform", "log-shipper", pod_spec(
        limited(container("shipper", "registry.example.test/platform/log-shipper:0.8.2",
                          volumeMounts=[logs_mount])),
        serviceAccountName="log-shipper", volumes=[logs],
        tolerations=[{"operator": "Exists", "effect": "NoSchedule"}]))
    root, root_mount = host_path("root", "/")
    yield daemonset("platform", "node-agent", pod_spec(
        container("agent", "registry.example.test/platform/node-agent:1.2.0",
                  securityContext={"privileged": True}, volumeMounts=[root_mount]),
        hostPID=True, hostNetwork=True, hostIPC=True, volumes=[root],
        serviceAccountName="node-agent", priorityClassName="system-node-critical"))
    yield daemonset("platform", "network", pod_spec(
        container("cni", "registry.example.test/platform/network:3.27.0",
                  ports=[{"containerPort": 9099, "hostPort": 9099}],
                  securityContext={"capabilities": {"add": ["NET_ADMIN", "NET_RAW", "SYS_MODULE"]}}),
        hostNetwork=True, serviceAccountName="network"))
    sock, sock_mount = host_path("socket", "/run/containerd/containerd.sock")
    yield deployment("platform", "image-builder", pod_spec(
        limited(container("builder", "registry.example.test/platform/builder:2.0.0",
                          volumeMounts=[sock_mount]), memory="2Gi"), volumes=[sock],
        serviceAccountName="builder"), replicas=1)
    yield deployment("platform", "metrics", careful(
        "metrics", "registry.example.test/platform/metrics:2.53.0", 9090))
    yield deployment("platform", "dashboard", careful(
        "dashboard", "registry.example.test/platform/dashboard:2.7.0", 9443,
        automountServiceAccountToken=True))
    yield deployment("platform", "operator", pod_spec(
        limited(container("manager", "registry.example.test/platform/operator:0.3.0",
                          securityContext={"runAsUser": 0, "allowPrivilegeEscalation": True})),
        serviceAccountName="operator"), replicas=1)

    # data: stateful
    for app, image, port in (("postgres", "postgres:16.3", 5432), ("redis", "redis:7.2.5", 6379),
                             ("kafka", "registry.example.test/data/kafka:3.7.0", 9092),
                             ("opensearch", "registry.example.test/data/opensearch:2.15.0", 9200)):
        c = limited(container(app, image, ports=[{"containerPort": port}],
                              volumeMounts=[{"name": "data", "mountPath": "/data"}]), memory="1Gi")
        if app == "postgres":
            c["env"] = [{"name": "POSTGRES_PASSWORD", "valueFrom": {
                "secretKeyRef": {"name": "postgres", "key": "password"}}}]
        if app == "redis":
            c["command"] = ["redis-server", "--requirepass", "correct-horse-battery-staple"]
        fields = {"serviceAccountName": app, "securityContext": {"fsGroup": 999}}
        if app == "opensearch":
            fields["initContainers"] = [container(
                "sysctl", "registry.example.test/data/sysctl:1", command=["sysctl", "-w", "vm.max_map_count=262144"],
                securityContext={"privileged": True, "runAsUser": 0})]
        yield statefulset("data", app, pod_spec(c, **fields))
    yield deployment("data", "admin-console", pod_spec(container(
        "console", "registry.example.test/data/console:latest", imagePullPolicy="Always",
        env=[{"name": "DB_PASSWORD", "value": "hunter2hunter2"},
             {"name": "DB_HOST", "value": "postgres.data.svc"}])), replicas=1)

    # batch
    for name, schedule in (("backup", "0 2 * * *"), ("report", "30 6 * * 1"),
                           ("cleanup", "*/15 * * * *"), ("sync", "@hourly")):
        yield cronjob("batch", name, schedule, pod_spec(
            hardened(container(name, f"registry.example.test/batch/{name}:1.0.0")),
            serviceAccountName="app", securityContext={"runAsUser": 1000}))
    yield cronjob("batch", "etcd-defrag", "0 4 * * 0", pod_spec(
        container("defrag", "registry.example.test/batch/etcdctl:3.6.4"), hostNetwork=True,
        nodeSelector={"node-role.kubernetes.io/control-plane": ""}), suspend=True, timeZone="Etc/UTC")
    yield job("batch", "import-2024", pod_spec(limited(container("import", BUSYBOX, command=[
        "sh", "-c", "echo imported"]))), backoffLimit=1, ttlSecondsAfterFinished=86400)
    yield job("batch", "reindex", pod_spec(limited(container("reindex", BUSYBOX, command=[
        "true"]))), completions=4, parallelism=2, completionMode="Indexed")
    yield job("batch", "train-model", pod_spec(container(
        "train", "registry.example.test/batch/train:0.1", resources={
            "limits": {"cpu": "2", "memory": "4Gi", "example.test/gpu": "1"}})), suspend=True)

    # legacy: kinds that nobody should use, and what comes with them
    yield obj("v1", "ReplicationController", "billing", "legacy", {"app": "billing"}, spec={
        "replicas": 1, "selector": {"app": "billing"},
        "template": template("billing", careless("billing", "registry.example.test/legacy/billing:7"))})
    yield obj("apps/v1", "ReplicaSet", "intranet", "legacy", {"app": "intranet"}, spec={
        "replicas": 1, "selector": {"matchLabels": {"app": "intranet"}},
        "template": template("intranet", careless("intranet", "httpd:2.4"))})
    yield obj("v1", "PodTemplate", "spare", "legacy",
              template=template("spare", careless("spare", BUSYBOX)))
    windows = pod_spec(container("iis", "registry.example.test/legacy/iis:2022", securityContext={
        "windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}),
        hostNetwork=True, os={"name": "windows"}, nodeSelector={"kubernetes.io/os": "windows"})
    yield deployment("legacy", "iis", windows, replicas=1)


def bare_pods():
    docker, docker_mount = host_path("docker", "/var/run/docker.sock")
    yield pod("legacy", "toolbox", pod_spec(container(
        "toolbox", "ubuntu:18.04", command=["sleep", "infinity"], stdin=True, tty=True,
        securityContext={"privileged": True}, volumeMounts=[docker_mount]),
        volumes=[docker], hostPID=True))
    for name, context in (
            ("unconfined", {"seccompProfile": {"type": "Unconfined"}}),
            ("apparmor-off", {"appArmorProfile": {"type": "Unconfined"}}),
            ("sys-admin", {"capabilities": {"add": ["SYS_ADMIN"]}}),
            ("all-caps", {"capabilities": {"add": ["ALL"]}}),
            ("proc-root", {"runAsUser": 0, "runAsNonRoot": False}),
            ("selinux", {"seLinuxOptions": {"type": "spc_t"}})):
        yield pod("legacy", name, pod_spec(container(
            "main", BUSYBOX, command=["sleep", "3600"], securityContext=context)))
    yield pod("legacy", "sysctls", pod_spec(container("main", BUSYBOX), securityContext={
        "sysctls": [{"name": "net.core.somaxconn", "value": "4096"},
                    {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}))
    yield pod("legacy", "old-annotations", pod_spec(container("main", BUSYBOX)), {
        "container.apparmor.security.beta.kubernetes.io/main": "runtime/default",
        "example.test/note": "line one\nline two: \"quoted\"\n"})
    yield pod("legacy", "three-in-one", pod_spec(
        container("web", "nginx:1.25.3"), container("php", "php:7.4-fpm"),
        container("cron", BUSYBOX, command=["crond", "-f"]), shareProcessNamespace=True))
    yield pod("legacy", "host-ports", pod_spec(container("main", BUSYBOX, ports=[
        {"containerPort": 22, "hostPort": 2222}, {"containerPort": 53, "protocol": "UDP"}])))
    yield pod("legacy", "user-namespace", pod_spec(container("main", BUSYBOX), hostUsers=False))
    yield pod("shop", "debug", pod_spec(limited(container("debug", BUSYBOX, command=[
        "sleep", "3600"]))), **{"debug": "true"})
    yield pod("payments", "smoke-test", pod_spec(
        hardened(container("smoke", BUSYBOX, command=["true"])), restartPolicy="Never",
        securityContext={"runAsUser": 10001, "runAsNonRoot": True}))
    yield pod("data", "psql", pod_spec(container("psql", "postgres:16.3", command=["sleep", "1d"],
                                                 envFrom=[{"secretRef": {"name": "postgres"}}])))
    yield pod("batch", "one-off", pod_spec(limited(container("main", BUSYBOX))),
              **{"sidecar.example.test/inject": "no", "version": "1.10"})


# --- The network ------------------------------------------------------------------------------

def service(namespace, name, port, target=None, **spec):
    return obj("v1", "Service", name, namespace, {"app": name}, spec={
        "selector": {"app": name}, "ports": [{"name": "main", "port": port,
                                              "targetPort": target or port}], **spec})


def ingress(namespace, name, hosts, backend, port, tls=True, annotations=None):
    path = {"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": backend, "port": {"number": port}}}}
    spec = {"ingressClassName": "edge",
            "rules": [{"host": host, "http": {"paths": [path]}} for host in hosts]}
    if tls:
        spec["tls"] = [{"hosts": hosts, "secretName": f"{name}-tls"}]
    return obj("networking.k8s.io/v1", "Ingress", name, namespace, None, annotations, spec=spec)


def network_policy(namespace, name, selector, **spec):
    return obj("networking.k8s.io/v1", "NetworkPolicy", name, namespace,
               spec={"podSelector": selector, **spec})


def network():
    for namespace, apps in {"shop": ["storefront", "catalog", "cart", "search", "reviews",
                                     "checkout", "images"],
                            "payments": ["gateway", "ledger", "fraud", "refunds", "card-vault"],
                            "platform": ["metrics", "dashboard"]}.items():
        for app in apps:
            yield service(namespace, app, 80, "http")
    for app, port in (("postgres", 5432), ("redis", 6379), ("kafka", 9092), ("opensearch", 9200)):
        yield service("data", app, port, clusterIP="None")
    yield service("data", "admin-console", 8080, type="NodePort")
    yield service("legacy", "toolbox", 22, type="LoadBalancer",
                  loadBalancerSourceRanges=["0.0.0.0/0"])
    yield service("legacy", "intranet", 80, type="LoadBalancer", externalTrafficPolicy="Local")
    yield service("legacy", "pinned", 8080, externalIPs=["203.0.113.7"])
    yield obj("v1", "Service", "mail", "legacy", spec={
        "type": "ExternalName", "externalName": "mail.example.test"})
    yield obj("discovery.k8s.io/v1", "EndpointSlice", "mainframe-1", "legacy",
              {"kubernetes.io/service-name": "mainframe"}, addressType="IPv4",
              ports=[{"name": "tn3270", "port": 992, "protocol": "TCP"}],
              endpoints=[{"addresses": ["198.51.100.10"], "conditions": {"ready": True}}])

    yield obj("networking.k8s.io/v1", "IngressClass", "edge",
              spec={"controller": "example.test/ingress"})
    yield ingress("shop", "storefront", ["shop.example.test", "www.example.test"], "storefront", 80)
    yield ingress("shop", "images", ["*.img.example.test"], "images", 80)
    yield ingress("payments", "gateway", ["pay.example.test"], "gateway", 80, annotations={
        "example.test/force-ssl-redirect": "true"})
    yield ingress("data", "console", ["db.example.test"], "admin-console", 8080, tls=False)
    yield ingress("platform", "dashboard", ["k8s.example.test"], "dashboard", 80, tls=False,
                  annotations={"nginx.ingress.kubernetes.io/configuration-snippet":
                               "proxy_set_header X-Auth $remote_user;\n"})

    for namespace in ("shop", "payments", "data"):
        yield network_policy(namespace, "default-deny", {}, policyTypes=["Ingress", "Egress"])
        yield network_policy(namespace, "allow-dns", {}, policyTypes=["Egress"], egress=[
            {"to": [{"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": "kube-system"}}}],
             "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}])
    yield network_policy("shop", "web-in", {"matchLabels": {"tier": "web"}},
                         policyTypes=["Ingress"], ingress=[{"ports": [{"port": "http"}]}])
    yield network_policy("payments", "from-shop", {"matchLabels": {"app": "gateway"}},
                         policyTypes=["Ingress"], ingress=[{"from": [
                             {"namespaceSelector": {"matchLabels": {
                                 "kubernetes.io/metadata.name": "shop"}},
                              "podSelector": {"matchExpressions": [
                                  {"key": "app", "operator": "In", "values": ["checkout", "cart"]}]}}]}])
    yield network_policy("data", "clients", {"matchExpressions": [
        {"key": "app", "operator": "Exists"}]}, policyTypes=["Ingress"], ingress=[
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}}],
             "ports": [{"port": 5432, "endPort": 5440}]}])
    yield network_policy("legacy", "allow-all", {}, policyTypes=["Ingress", "Egress"],
                         ingress=[{}], egress=[{}])


# --- Access -----------------------------------------------------------------------------------

RBAC = "rbac.authorization.k8s.io"


def role(name, *rules, namespace=None, **rest):
    listed = [{"apiGroups": groups.split(","), "resources": resources.split(","),
               "verbs": verbs.split(",")} for groups, resources, verbs in rules]
    return obj(RBAC + "/v1", "Role" if namespace else "ClusterRole", name, namespace,
               rest.pop("labels", None), rules=listed, **rest)


def binding(name, role_kind, role_name, *subjects, namespace=None):
    def subject(text):  # "user:x", "group:x", or "namespace/service-account"
        kind, colon, rest = text.partition(":")
        if colon:
            return {"apiGroup": RBAC, "kind": kind.capitalize(), "name": rest}
        where, _, account = text.partition("/")
        return {"kind": "ServiceAccount", "namespace": where, "name": account}
    return obj(RBAC + "/v1", "RoleBinding" if namespace else "ClusterRoleBinding", name, namespace,
               roleRef={"apiGroup": RBAC, "kind": role_kind, "name": role_name},
               subjects=[subject(s) for s in subjects])


def accounts():
    used = {namespace: {"app"} for namespace in NAMESPACES}
    for workload in workloads():
        spec = workload.get("spec", workload)
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        name = spec.get("template", {}).get("spec", {}).get("serviceAccountName")
        if name:
            used[workload["metadata"]["namespace"]].add(name)
    for namespace, names in used.items():
        for name in sorted(names):
            rest = {"automountServiceAccountToken": False} if namespace == "payments" else {}
            if name == "app":
                rest["imagePullSecrets"] = [{"name": "pull"}]
            yield obj("v1", "ServiceAccount", name, namespace, **rest)


def access():
    yield role("everything", ("*", "*", "*"))
    yield role("secret-reader", ("", "secrets", "get,list,watch"))
    yield role("pod-shell", ("", "pods/exec,pods/attach,pods/portforward", "create,get"))
    yield role("node-proxy", ("", "nodes/proxy", "get,create"))
    yield role("role-editor", (RBAC, "clusterroles,clusterrolebindings", "*"),
               (RBAC, "clusterroles", "bind,escalate"))
    yield role("impersonator", ("", "users,groups,serviceaccounts", "impersonate"))
    yield role("token-maker", ("", "serviceaccounts/token", "create"))
    yield role("csr-approver", ("certificates.k8s.io", "certificatesigningrequests/approval", "update"),
               ("certificates.k8s.io", "signers", "approve"))
    yield role("webhook-editor", ("admissionregistration.k8s.io",
               "mutatingwebhookconfigurations,validatingwebhookconfigurations", "create,update,patch"))
    yield role("volume-maker", ("", "persistentvolumes", "create"))
    yield role("viewer", ("", "pods,services,configmaps,namespaces", "get,list,watch"),
               ("apps", "deployments,statefulsets,daemonsets", "get,list,watch"))
    yield role("rollouts-view", ("apps.example.test", "rollouts", "get,list,watch"),
               labels={"rbac.authorization.k8s.io/aggregate-to-view": "true"})
    aggregated = role("monitoring", aggregationRule={"clusterRoleSelectors": [
        {"matchLabels": {"example.test/aggregate-to-monitoring": "true"}}]})
    yield aggregated
    yield role("monitoring-nodes", ("", "nodes/metrics,nodes/stats", "get"),
               labels={"example.test/aggregate-to-monitoring": "true"})
    scrape = role("scrape", labels={"example.test/aggregate-to-monitoring": "true"})
    scrape["rules"] = [{"nonResourceURLs": ["/metrics", "/healthz/*"], "verbs": ["get"]}]
    yield scrape

    yield binding("operator-everything", "ClusterRole", "everything", "platform/operator")
    yield binding("dashboard-admin", "ClusterRole", "cluster-admin", "platform/dashboard")
    yield binding("legacy-default-admin", "ClusterRole", "cluster-admin", "legacy/default")
    yield binding("oncall", "ClusterRole", "pod-shell", "group:oncall", "user:alice@example.test")
    yield binding("everyone-views", "ClusterRole", "viewer", "group:system:authenticated")
    yield binding("anonymous-scrape", "ClusterRole", "scrape", "user:system:anonymous",
                  "group:system:unauthenticated")
    yield binding("monitoring", "ClusterRole", "monitoring", "platform/metrics")
    yield binding("builder-tokens", "ClusterRole", "token-maker", "platform/builder")
    yield binding("agent-nodes", "ClusterRole", "node-proxy", "platform/node-agent")
    yield binding("dangling", "ClusterRole", "no-such-role", "user:bob@example.test")

    for namespace in ("shop", "payments", "data"):
        yield role("deployer", ("apps", "deployments", "get,list,patch,update"),
                   ("", "pods,pods/log", "get,list"), namespace=namespace)
        yield binding("deployer", "Role", "deployer", f"group:team-{namespace}", namespace=namespace)
    one = role("one-secret", namespace="payments")
    one["rules"] = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["vault-keys"],
                     "verbs": ["get"]}]
    yield one
    yield binding("one-secret", "Role", "one-secret", "payments/card-vault", namespace="payments")
    yield binding("data-secrets", "ClusterRole", "secret-reader", "data/app", namespace="data")
    yield binding("contractors", "ClusterRole", "edit", "group:contractors", namespace="legacy")


# --- Configuration, policy, storage -----------------------------------------------------------

def configuration():
    for namespace in NAMESPACES:
        yield obj("v1", "ConfigMap", "settings", namespace, data={
            "environment": "production", "log-level": "info", "replicas": "3", "debug": "no"})
        yield obj("v1", "Secret", "pull", namespace, type="kubernetes.io/dockerconfigjson", data={
            ".dockerconfigjson": b64(json.dumps({"auths": {"registry.example.test": {
                "auth": b64("puller:not-a-real-password")}}}))})
    yield obj("v1", "ConfigMap", "nginx", "shop", data={
        "nginx.conf": "server {\n  listen 8080;\n  location / {\n    root /srv;\n  }\n}\n"})
    yield obj("v1", "ConfigMap", "deploy-env", "legacy", data={  # credentials where they must not be
        ".env": "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n"
                "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"})
    yield obj("v1", "ConfigMap", "logo", "shop", immutable=True, binaryData={
        "logo.png": "iVBORw0KGgo="})
    yield obj("v1", "Secret", "postgres", "data", type="Opaque",
              stringData={"username": "app", "password": "s3cret-but-not-really"})
    yield obj("v1", "Secret", "vault-keys", "payments", type="Opaque", immutable=True,
              data={"kek": b64("0123456789abcdef0123456789abcdef")})
    yield obj("v1", "Secret", "git", "platform", type="kubernetes.io/basic-auth",
              stringData={"username": "ci", "password": "not-a-real-token"})
    yield obj("v1", "Secret", "deploy-key", "platform", type="kubernetes.io/ssh-auth",
              stringData={"ssh-privatekey": "not a real key\n"})
    for namespace, name in (("shop", "storefront-tls"), ("payments", "gateway-tls")):
        yield obj("v1", "Secret", name, namespace, type="kubernetes.io/tls",
                  stringData={"tls.crt": "not a certificate\n", "tls.key": "not a key\n"})
    yield obj("v1", "Secret", "app-token", "legacy", None,
              {"kubernetes.io/service-account.name": "app"},
              type="kubernetes.io/service-account-token")


def policy():
    for app in ("storefront", "catalog", "cart", "checkout"):
        yield obj("policy/v1", "PodDisruptionBudget", app, "shop", spec={
            "minAvailable": 1, "selector": {"matchLabels": {"app": app}}})
    yield obj("policy/v1", "PodDisruptionBudget", "postgres", "data", spec={
        "maxUnavailable": "33%", "selector": {"matchLabels": {"app": "postgres"}}})
    for app in ("storefront", "search"):
        yield obj("autoscaling/v2", "HorizontalPodAutoscaler", app, "shop", spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app},
            "minReplicas": 2, "maxReplicas": 10, "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]})
    yield obj("v1", "LimitRange", "defaults", "batch", spec={"limits": [
        {"type": "Container", "default": {"cpu": "500m", "memory": "256Mi"},
         "defaultRequest": {"cpu": "50m", "memory": "64Mi"}}]})
    yield obj("v1", "LimitRange", "bounds", "shop", spec={"limits": [
        {"type": "Container", "max": {"cpu": "4", "memory": "8Gi"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "50Gi"}}]})

    # Webhooks that point nowhere, in namespaces that there are none of, and ignored if they fail:
    # to be read, not to be called.
    nowhere = {"matchLabels": {"example.test/no-such-namespace": "true"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["pods"]}
    for kind, name, client in (
            ("ValidatingWebhookConfiguration", "policy.example.test",
             {"service": {"name": "policy", "namespace": "platform", "path": "/validate"}}),
            ("ValidatingWebhookConfiguration", "remote.example.test",
             {"url": "https://policy.example.test/validate"}),
            ("MutatingWebhookConfiguration", "inject.example.test",
             {"service": {"name": "injector", "namespace": "platform", "path": "/mutate"}})):
        yield obj("admissionregistration.k8s.io/v1", kind, name, webhooks=[{
            "name": name, "clientConfig": client, "rules": [rule], "namespaceSelector": nowhere,
            "failurePolicy": "Ignore", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"]}])
    yield obj("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "no-latest", spec={
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["deployments"]}]},
        "validations": [{"expression": "object.spec.template.spec.containers.all(c, "
                                       "!c.image.endsWith(':latest'))",
                         "message": "the tag latest is not allowed"}]})
    yield obj("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "no-latest",
              spec={"policyName": "no-latest", "validationActions": ["Audit"]})


def storage():
    yield obj("storage.k8s.io/v1", "StorageClass", "fast", provisioner="disk.example.test",
              parameters={"type": "ssd", "encrypted": "true"}, reclaimPolicy="Delete",
              volumeBindingMode="WaitForFirstConsumer", allowVolumeExpansion=True)
    yield obj("storage.k8s.io/v1", "StorageClass", "local", None, None,
              {"storageclass.kubernetes.io/is-default-class": "true"},
              provisioner="kubernetes.io/no-provisioner")
    yield obj("storage.k8s.io/v1", "CSIDriver", "disk.example.test",
              spec={"attachRequired": True, "podInfoOnMount": False})
    for name, source in (
            ("archive", {"nfs": {"server": "nfs.example.test", "path": "/archive"}}),
            ("scratch", {"hostPath": {"path": "/srv/scratch", "type": "DirectoryOrCreate"}}),
            ("disk-1", {"csi": {"driver": "disk.example.test", "volumeHandle": "vol-1"}})):
        yield obj("v1", "PersistentVolume", name, spec={
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "", **source})
    for namespace, name, volume in (("batch", "archive", "archive"), ("legacy", "scratch", "scratch")):
        yield obj("v1", "PersistentVolumeClaim", name, namespace, spec={
            "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": volume,
            "resources": {"requests": {"storage": "5Gi"}}})


def cluster_wide():
    yield obj("scheduling.k8s.io/v1", "PriorityClass", "business-critical", value=100000,
              globalDefault=False, description="What earns the money.")
    yield obj("scheduling.k8s.io/v1", "PriorityClass", "batch", value=-10,
              preemptionPolicy="Never")
    yield obj("node.k8s.io/v1", "RuntimeClass", "gvisor", handler="runsc",
              overhead={"podFixed": {"memory": "64Mi"}})
    yield obj("node.k8s.io/v1", "RuntimeClass", "kata", handler="kata",
              scheduling={"nodeSelector": {"example.test/kata": "true"}})
    yield obj("coordination.k8s.io/v1", "Lease", "operator", "platform",
              spec={"holderIdentity": "operator-0", "leaseDurationSeconds": 15})


def quotas():
    # Last: until a controller has counted, a namespace with a quota takes no new object of its kinds.
    yield obj("v1", "ResourceQuota", "compute", "batch", spec={"hard": {
        "requests.cpu": "20", "requests.memory": "40Gi", "limits.cpu": "40", "pods": "100"}})
    yield obj("v1", "ResourceQuota", "objects", "data", spec={"hard": {
        "persistentvolumeclaims": "50", "services.loadbalancers": "0", "secrets": "100"}})


# --- Definitions ------------------------------------------------------------------------------

def definition(group, kind, plural, spec_schema, scope="Namespaced", **version):
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", spec={
        "group": group, "scope": scope,
        "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": kind + "List"},
        "versions": [{"name": "v1", "served": True, "storage": True, **version,
                      "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                          "spec": spec_schema, "status": {
                              "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]})


def definitions():
    # A workload kind that no tool knows by name, with an ordinary pod template inside.
    yield definition("apps.example.test", "Rollout", "rollouts", {
        "type": "object", "required": ["template"], "properties": {
            "replicas": {"type": "integer", "minimum": 0},
            "strategy": {"type": "string", "enum": ["Canary", "BlueGreen"]},
            "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
        subresources={"status": {}})
    yield definition("data.example.test", "Database", "databases", {
        "type": "object", "required": ["engine"], "properties": {
            "engine": {"type": "string"}, "version": {"type": "string"},
            "replicas": {"type": "integer"}, "minReplicas": {"type": "integer"}},
        "x-kubernetes-validations": [{
            "rule": "!has(self.minReplicas) || self.minReplicas <= self.replicas",
            "message": "minReplicas is above replicas"}]})
    yield definition("policy.example.test", "Guard", "guards", {
        "type": "object", "x-kubernetes-preserve-unknown-fields": True}, scope="Cluster")


def custom():
    for namespace, name, spec in (
            ("shop", "recommender", careful("app", "registry.example.test/shop/recommender:0.9", 8087)),
            ("legacy", "chat", pod_spec(container("chat", "registry.example.test/legacy/chat:latest",
                                                  securityContext={"privileged": True})))):
        yield obj("apps.example.test/v1", "Rollout", name, namespace, spec={
            "replicas": 2, "strategy": "Canary", "template": template(name, spec)})
    for name, engine in (("orders", "postgres"), ("sessions", "redis"), ("events", "kafka")):
        yield obj("data.example.test/v1", "Database", name, "data",
                  spec={"engine": engine, "version": "16", "replicas": 3, "minReplicas": 1})
    yield obj("policy.example.test/v1", "Guard", "default", spec={"deny": ["privileged"], "level": 1.5})


def objects():
    for name, levels in NAMESPACES.items():
        yield obj("v1", "Namespace", name, None, {
            **{f"pod-security.kubernetes.io/{mode}": level for mode, level in levels.items()},
            "example.test/team": name})
    for part in (cluster_wide, storage, accounts, configuration, policy, access, network, workloads,
                 bare_pods, custom, quotas):
        yield from part()


# --- YAML -------------------------------------------------------------------------------------

# What a YAML 1.1 reader takes for a plain string, whatever it thinks of numbers, dates and "no".
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


def scalar(value):
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value)  # JSON is YAML


def emit(value, indent, out):
    """Writes a non-empty mapping or list, one entry a line, at this indentation."""
    pad = " " * indent
    entries = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in entries:
        lead = pad + ("- " if key is None else scalar(key) + ":")
        if isinstance(item, (dict, list)) and item:
            if key is None:  # the first line of what is inside stands behind the dash
                inner = []
                emit(item, indent + 2, inner)
                out.append(lead + inner[0].lstrip())
                out.extend(inner[1:])
            else:
                out.append(lead)
                emit(item, indent + 2, out)
        elif isinstance(item, str) and key is not None and re.fullmatch(r"(\S.*\n){2,}", item):
            out.append(lead + " |")
            out.extend(pad + "  " + line for line in item.splitlines())
        else:
            out.append(lead + ("" if key is None else " ") + scalar(item))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("all", "definitions", "objects"), default="all")
    part = parser.parse_args().part
    documents = []
    if part != "objects":
        documents += definitions()
    if part != "definitions":
        documents += objects()
    for document in documents:
        out = ["---"]
        emit(document, 0, out)
        print("\n".join(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
