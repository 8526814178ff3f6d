#!/usr/bin/env python3
"""generate.py COUNT: that many varied Deployments as one YAML stream, the same every time.

They differ in what real ones differ in: containers and init containers, probes, resources, volumes,
security contexts, affinities, environment, ports. About 3 KB each.
"""

import random
import sys

WORDS = ("cart checkout catalog search payment ledger mailer gateway profile session pricing stock "
         "review banner upload thumbnail feed audit export import report metrics tracer cache").split()
REGISTRIES = ("registry.example.com/shop", "ghcr.io/example", "docker.io/bitnami", "quay.io/example", "")
VOLUMES = ("emptyDir: {}", "configMap:\n            name: settings", "secret:\n            secretName: keys",
           "hostPath:\n            path: /var/log", "persistentVolumeClaim:\n            claimName: data")


def probe(r, name, port):
    kind = r.choice(("http", "tcp", "exec"))
    action = {
        "http": f"httpGet:\n              path: /{r.choice(('healthz', 'ready', 'live'))}\n              port: {port}",
        "tcp": f"tcpSocket:\n              port: {port}",
        "exec": "exec:\n              command: [\"/bin/check\", \"--quick\"]",
    }[kind]
    return (f"          {name}:\n            {action}\n            initialDelaySeconds: {r.randint(1, 30)}\n"
            f"            periodSeconds: {r.randint(5, 30)}\n            failureThreshold: {r.randint(2, 6)}\n")


def container(r, index, word, init=False):
    registry = r.choice(REGISTRIES)
    tag = r.choice((":latest", "", f":1.{r.randint(0, 40)}.{r.randint(0, 9)}", f":2.{r.randint(0, 9)}",
                    "@sha256:" + "".join(r.choice("0123456789abcdef") for _ in range(64))))
    name = f"{word}-{'init' if init else 'main'}-{index}"
    image = (registry + "/" if registry else "") + word + tag
    port = r.choice((8080, 3000, 9090, 5432, 6379, 443))
    out = f"        - name: {name}\n          image: {image}\n"
    if r.random() < 0.5:
        out += f"          imagePullPolicy: {r.choice(('Always', 'IfNotPresent'))}\n"
    if r.random() < 0.4:
        out += "          args:\n" + "".join(f"            - --{r.choice(WORDS)}={r.randint(1, 999)}\n" for _ in range(r.randint(1, 6)))
    out += "          env:\n"
    for n in range(r.randint(2, 10)):
        if r.random() < 0.7:
            out += f"            - name: {r.choice(WORDS).upper()}_{n}\n              value: \"{r.choice(WORDS)}-{r.randint(0, 10**6)}\"\n"
        else:
            out += (f"            - name: DB_PASSWORD_{n}\n              valueFrom:\n                secretKeyRef:\n"
                    f"                  name: keys\n                  key: {r.choice(WORDS)}\n")
    if not init:
        out += f"          ports:\n            - name: http\n              containerPort: {port}\n              protocol: TCP\n"
        for name in ("livenessProbe", "readinessProbe"):
            if r.random() < 0.7:
                out += probe(r, name, port)
    if r.random() < 0.8:
        out += "          resources:\n            requests:\n"
        out += f"              cpu: {r.choice(('50m', '100m', '250m', '1'))}\n              memory: {r.choice(('64Mi', '128Mi', '1Gi'))}\n"
        if r.random() < 0.7:
            out += f"            limits:\n              cpu: {r.choice(('500m', '1', '2'))}\n              memory: {r.choice(('256Mi', '512Mi', '2Gi'))}\n"
    if r.random() < 0.7:
        out += "          securityContext:\n"
        out += f"            allowPrivilegeEscalation: {str(r.random() < 0.2).lower()}\n"
        if r.random() < 0.1:
            out += "            privileged: true\n"
        if r.random() < 0.6:
            out += f"            readOnlyRootFilesystem: {str(r.random() < 0.8).lower()}\n"
        if r.random() < 0.5:
            out += f"            runAsNonRoot: true\n            runAsUser: {r.choice((0, 1000, 10001))}\n"
        if r.random() < 0.5:
            out += "            capabilities:\n              drop: [\"ALL\"]\n"
            if r.random() < 0.3:
                out += f"              add: [{r.choice(('NET_BIND_SERVICE', 'NET_ADMIN', 'SYS_PTRACE'))}]\n"
    out += "          volumeMounts:\n            - name: data-0\n              mountPath: /data\n"
    return out


def deployment(i):
    r = random.Random(i)
    word = r.choice(WORDS)
    name = f"{word}-{i}"
    out = (f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: team-{i % 25}\n  labels:\n"
           f"    app.kubernetes.io/name: {name}\n    app.kubernetes.io/part-of: shop\n    tier: {r.choice(('front', 'back'))}\n"
           f"  annotations:\n    example.com/owner: team-{i % 25}\n    example.com/commit: \"{r.getrandbits(160):040x}\"\n"
           f"spec:\n  replicas: {r.randint(1, 5)}\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: {name}\n"
           f"  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {name}\n    spec:\n")
    if r.random() < 0.5:
        out += f"      serviceAccountName: {word}\n"
    if r.random() < 0.3:
        out += "      automountServiceAccountToken: false\n"
    if r.random() < 0.05:
        out += "      hostNetwork: true\n"
    if r.random() < 0.5:
        out += "      securityContext:\n        runAsNonRoot: true\n        seccompProfile:\n          type: RuntimeDefault\n"
    if r.random() < 0.4:
        out += ("      affinity:\n        podAntiAffinity:\n          preferredDuringSchedulingIgnoredDuringExecution:\n"
                "            - weight: 100\n              podAffinityTerm:\n                topologyKey: kubernetes.io/hostname\n"
                f"                labelSelector:\n                  matchLabels:\n                    app.kubernetes.io/name: {name}\n")
    if r.random() < 0.3:
        out += "      initContainers:\n" + container(r, 0, word, init=True)
    out += "      containers:\n"
    for n in range(r.choice((1, 1, 2, 2, 3))):
        out += container(r, n, word)
    out += "      volumes:\n" + "".join(f"        - name: data-{n}\n          {r.choice(VOLUMES)}\n" for n in range(r.randint(1, 3)))
    return out


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        sys.stdout.write(("---\n" if number else "") + deployment(number))
