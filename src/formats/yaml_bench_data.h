#pragma once

// Deployments as people write them, for the benchmarks of JSON and YAML.

#include <string>

#include "formats/yaml.h"

namespace bulwark {

inline std::string Deployments(size_t bytes) {
  std::string out;
  for (int i = 0; out.size() < bytes; ++i) {
    std::string n = std::to_string(i);
    out += "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-" + n +
           "\n  namespace: team-" + std::to_string(i % 17) +
           "\n  labels:\n    app.kubernetes.io/name: web\n    app.kubernetes.io/instance: web-" +
           n + "\n  annotations:\n    description: \"A web server, number " + n +
           "\"\nspec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app: web-" + n +
           "\n  template:\n    metadata:\n      labels:\n        app: web-" + n +
           "\n    spec:\n      serviceAccountName: web\n      automountServiceAccountToken: false\n"
           "      securityContext:\n        runAsNonRoot: true\n        runAsUser: 10001\n"
           "        seccompProfile:\n          type: RuntimeDefault\n      containers:\n"
           "      - name: web\n        image: registry.example.com/team/web:1." +
           n +
           "\n        args: [\"--port\", \"8080\", --verbose]\n        ports:\n"
           "        - name: http\n          containerPort: 8080\n          protocol: TCP\n"
           "        env:\n        - name: LOG_LEVEL\n          value: info\n"
           "        - name: DB_PASSWORD\n          valueFrom:\n            secretKeyRef:\n"
           "              name: web-db\n              key: password\n"
           "        resources:\n          requests: {cpu: 100m, memory: 128Mi}\n"
           "          limits:\n            cpu: \"1\"\n            memory: 512Mi\n"
           "        securityContext:\n          allowPrivilegeEscalation: false\n"
           "          readOnlyRootFilesystem: true\n          capabilities:\n"
           "            drop: [ALL]\n        readinessProbe:\n          httpGet:\n"
           "            path: /healthz\n            port: http\n          periodSeconds: 5\n"
           "        volumeMounts:\n        - name: config\n          mountPath: /etc/web\n"
           "      volumes:\n      - name: config\n        configMap:\n          name: web-" +
           n + "\n";
  }
  return out;
}

}  // namespace bulwark
