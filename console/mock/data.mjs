// Invented data for developing the console: long names, Chinese names, 10,000 findings.

let seed = 42;
const random = () => {
  seed = (seed * 1664525 + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const int = (max) => Math.floor(random() * max);
const hex = (n) => Array.from({ length: n }, () => int(16).toString(16)).join('');
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
const day = 86400;

export const clusters = [
  ['0b8d2c1e-5f0a-4f5e-9a51-7d1c3f2e8a01', 'production-eu', 'v1.34.2', 'ready', 'kubeadm', 42],
  ['3a91e7d4-0c44-4c39-8e63-52b8f6a1c902', '生产集群-华东一区', 'v1.33.6', 'ready', 'ACK', 120],
  ['9c17f0a2-b2de-4b76-a1c0-0e6d5b4f7c03', 'staging', 'v1.34.4', 'ready', 'kind', 3],
  ['e52b6d90-771f-4e3a-b8a4-9d3c2a1f0b04', 'edge-factory-with-a-rather-long-name-for-a-cluster-in-osaka', 'v1.31.9', 'away', 'k3s', 9],
].map(([id, name, version, state, provider, nodes], index) => ({
  id, name, version, state, provider, nodes,
  server: `https://10.${index}.0.1:6443`,
  ...(state === 'away' && { stateReason: 'connect to 10.3.0.1:6443: connection timed out' }),
  addedAt: ago(90 * day - index * day), lastSeen: state === 'away' ? ago(3 * 3600) : ago(int(20)),
  labels: [index < 2 ? 'env=prod' : 'env=test', ...(index === 1 ? ['区域=华东'] : [])],
  unreadable: index === 1 ? [{ resource: 'secrets', error: 'secrets is forbidden: User "system:serviceaccount:bulwark:reader" cannot list resource "secrets" in API group "" at the cluster scope' }] : [],
  local: index === 2,
}));

const namespaces = ['kube-system', 'production', 'payments', '支付-核心', 'monitoring', 'data-platform', 'team-a-very-long-namespace-name-for-integration', 'default', 'ingress-nginx', '日志中心'];
const names = ['web', 'api-gateway', 'checkout', '订单服务', 'user-profile-service-with-a-long-descriptive-name', 'redis', 'postgres', 'kafka', 'fluent-bit', 'prometheus', 'grafana', 'cron-cleaner', '库存同步', 'search-indexer', 'nginx'];
const workloadKinds = ['Deployment', 'Deployment', 'Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'];
const groupOf = { Deployment: 'apps', StatefulSet: 'apps', DaemonSet: 'apps', ReplicaSet: 'apps', CronJob: 'batch', Job: 'batch', Ingress: 'networking.k8s.io', NetworkPolicy: 'networking.k8s.io', ClusterRole: 'rbac.authorization.k8s.io', Role: 'rbac.authorization.k8s.io', RoleBinding: 'rbac.authorization.k8s.io', ClusterRoleBinding: 'rbac.authorization.k8s.io' };
const asset = (cluster, kind, namespace, name) => ({ cluster, group: groupOf[kind] ?? '', version: 'v1', kind, namespace, name });
export const keyOf = (a) => [a.cluster, a.group, a.kind, a.namespace, a.name].join('/');

export const assets = [];
const add = (a, more) => {
  const record = { key: keyOf(a), asset: a, uid: hex(32), labels: [], createdAt: ago(int(200) * day), firstSeen: ago(int(60) * day), lastSeen: ago(int(30)), ...more };
  assets.push(record);
  return record;
};
const workloads = [];
for (const cluster of clusters) {
  for (let i = 0; i < Math.min(cluster.nodes, 30); i++) add(asset(cluster.id, 'Node', '', `node-${i + 1}.${cluster.provider.toLowerCase()}.internal`), { phase: i === 4 ? 'NotReady' : 'Ready', summary: { kubelet: cluster.version, runtime: 'containerd://2.0.5', os: 'Debian GNU/Linux 12', kernel: '6.1.0-30-amd64', architecture: 'amd64', roles: i ? 'worker' : 'control-plane' } });
  for (const ns of namespaces) {
    add(asset(cluster.id, 'Namespace', '', ns), { phase: 'Active', labels: [`kubernetes.io/metadata.name=${ns}`] });
    add(asset(cluster.id, 'ServiceAccount', ns, 'default'), {});
    for (let i = 0; i < 6; i++) {
      const kind = pick(workloadKinds);
      const name = `${pick(names)}-${i}`;
      const replicas = 1 + int(6);
      const image = `registry.example.com/team/${name.replace(/[^a-z-]/g, 'x')}:v1.${int(9)}.${int(20)}`;
      const digest = `sha256:${hex(64)}`;
      const w = add(asset(cluster.id, kind, ns, name), { labels: [`app=${name}`, `team=${pick(['a', 'b', '平台'])}`], replicas, ready: Math.max(0, replicas - (int(6) === 0 ? 1 : 0)), serviceAccount: 'default', images: [{ name: 'main', reference: image, digest }] });
      workloads.push(w);
      add({ cluster: cluster.id, group: '', version: '', kind: 'Image', namespace: '', name: digest }, { images: [{ reference: image, digest }], summary: { reference: image, registry: 'registry.example.com', workloads: 1 + int(5) } });
      for (let p = 0; p < replicas; p++) add(asset(cluster.id, 'Pod', ns, `${name}-${hex(9)}-${hex(5)}`), { labels: w.labels, owner: { kind, name }, workload: w.key, node: `node-${1 + int(3)}.${cluster.provider.toLowerCase()}.internal`, phase: int(25) ? 'Running' : 'Pending', serviceAccount: 'default', images: w.images, summary: { restarts: int(4) } });
    }
    add(asset(cluster.id, 'Service', ns, 'web'), { summary: { type: 'ClusterIP', ports: '80/TCP' } });
    add(asset(cluster.id, 'Ingress', ns, 'web'), { summary: { hosts: 'shop.example.com' } });
    if (int(2)) add(asset(cluster.id, 'NetworkPolicy', ns, 'default-deny'), {});
  }
  for (const name of ['cluster-admin', 'view', 'bulwark-reader']) add(asset(cluster.id, 'ClusterRole', '', name), {});
  add(asset(cluster.id, 'ClusterRoleBinding', '', 'cluster-admin'), {});
  cluster.counts = {};
  for (const a of assets) if (a.asset.cluster === cluster.id) cluster.counts[a.asset.kind] = (cluster.counts[a.asset.kind] ?? 0) + 1;
}

export const checks = [
  ['privileged-container', 'high', 'security', 'Privileged container', '特权容器', 'container main runs privileged', '容器 main 以特权模式运行', 'securityContext.privileged', 'true', ['cis-1.12/5.2.2', 'nsa/privileged-containers', 'pss-baseline/privileged-containers']],
  ['privileged-host-pid', 'critical', 'security', "Privileged container that sees the node's processes", '特权容器同时共享宿主机 PID', 'container main is privileged and shares the process IDs of its node', '容器 main 为特权容器且共享宿主机 PID 命名空间', 'hostPID', 'true', ['cis-1.12/5.2.3']],
  ['run-as-root', 'medium', 'security', 'Container may run as root', '容器可能以 root 运行', 'container main neither sets runAsNonRoot nor a user', '容器 main 未设置 runAsNonRoot 或 runAsUser', 'securityContext.runAsNonRoot', '', ['cis-1.12/5.2.7', 'nsa/non-root-containers', 'pss-restricted/run-as-non-root']],
  ['cluster-admin-binding', 'critical', 'access', 'Everybody logged in is cluster-admin', '所有已登录用户均为 cluster-admin', 'ClusterRoleBinding cluster-admin gives cluster-admin to system:authenticated', 'ClusterRoleBinding cluster-admin 将 cluster-admin 授予 system:authenticated', 'subjects[0].name', '"system:authenticated"', ['cis-1.12/5.1.1']],
  ['no-network-policy', 'medium', 'network', 'Namespace without network policies', '命名空间没有网络策略', 'pods of this namespace take traffic from everywhere', '此命名空间的 Pod 接受任意来源的流量', '', '', ['cis-1.12/5.3.2', 'nsa/network-policies']],
  ['image-latest', 'low', 'image', 'Image without a fixed version', '镜像未固定版本', 'container main uses nginx:latest', '容器 main 使用 nginx:latest', 'image', '"nginx:latest"', ['nsa/image-security']],
  ['no-memory-limit', 'low', 'resources', 'No memory limit', '未设置内存上限', 'container main has no memory limit', '容器 main 未设置内存上限', 'resources.limits.memory', '', ['nsa/resource-policies']],
  ['secret-in-env', 'high', 'secrets', 'Secret in an environment variable', '环境变量中包含密钥', 'DATABASE_PASSWORD of container main holds a password', '容器 main 的 DATABASE_PASSWORD 含有密码', 'env[DATABASE_PASSWORD].value', '"hu…***"', ['cis-1.12/5.4.1']],
  ['host-path', 'high', 'security', "Writes to the node's file system", '可写挂载宿主机路径', 'volume docker mounts /var/run/docker.sock of the node', '卷 docker 挂载了宿主机 /var/run/docker.sock', 'volumes[docker].hostPath.path', '"/var/run/docker.sock"', ['nsa/host-paths']],
  ['token-automount', 'low', 'security', 'Service account token mounted without need', '不必要地挂载服务账户令牌', 'the token of service account default is mounted', '挂载了服务账户 default 的令牌', 'automountServiceAccountToken', '', ['cis-1.12/5.1.6']],
].map(([id, severity, category, en, zh, men, mzh, path, value, controls]) => ({ id, severity, category, title: { en, zh }, message: { en: men, zh: mzh }, path, value, controls }));

export const findings = [];
for (let i = 0; i < 10000; i++) {
  const check = checks[Math.min(checks.length - 1, Math.floor(random() ** 0.8 * checks.length))];
  const w = workloads[i % workloads.length];
  const status = int(12) === 0 ? 'excepted' : int(8) === 0 ? 'closed' : 'open';
  const f = { id: hex(32), check: check.id, category: check.category, severity: check.severity, status, state: int(60) ? 'fail' : 'error', asset: w.asset, path: check.path && `spec.template.spec.containers[main].${check.path}`, value: check.value, container: 'main', labels: w.labels, workload: w.key, firstSeen: ago(int(40 * day)), lastSeen: ago(int(3600)), reopened: int(3), fixable: !['no-network-policy', 'image-latest'].includes(check.id), controls: check.controls };
  if (status === 'excepted') f.exception = { id: 'none', reason: 'Reviewed', owner: 'user:carol' };
  if (status === 'closed') f.closedAt = ago(int(day));
  findings.push(f);
}

export const exceptions = [];
for (let i = 0; i < 46; i++) {
  const check = pick(checks);
  const w = pick(workloads);
  const state = pick(['requested', 'requested', 'approved', 'approved', 'refused', 'expired', 'withdrawn']);
  exceptions.push({ id: hex(16), check: check.id, cluster: w.asset.cluster, namespace: w.asset.namespace, ...(int(2) && { kind: w.asset.kind, name: w.asset.name }), reason: pick(['Vendor image that cannot run otherwise; the namespace is isolated by network policy and seccomp.', '节点代理需要宿主机权限，已由安全团队评审。', 'Until the migration of the legacy batch jobs is done']), requestedBy: pick(['user:alice', 'user:bob', 'user:王芳']), requestedAt: ago(int(30 * day)), state, ...(state !== 'requested' && { decidedBy: 'user:carol', decidedAt: ago(int(10 * day)), comment: pick(['Reviewed with the team', '同意，限期整改', '']) }), expires: state === 'expired' ? ago(int(5 * day)) : ago(-int(60 * day)), covers: int(40) });
}

export const rules = [
  ['exec-into-pod', 'high', 'Command run in a container', '在容器中执行命令', 'alice ran /bin/sh in pod production/web-1', 'alice 在 Pod production/web-1 中执行了 /bin/sh', ['T1609']],
  ['secret-new-reader', 'medium', 'Secret read by an account that never did', '首次读取 Secret 的账户', 'system:serviceaccount:production:web read secrets of payments for the first time', 'system:serviceaccount:production:web 首次读取了 payments 的 Secret', ['T1552.007']],
  ['anonymous-success', 'critical', 'Anonymous request succeeded', '匿名请求成功', 'an anonymous client listed pods', '匿名客户端列出了 Pod', ['T1078']],
  ['rbac-escalation', 'critical', 'Rights were escalated', '权限提升', 'mallory bound cluster-admin to herself', 'mallory 将 cluster-admin 绑定给自己', ['T1098']],
  ['oom-kill', 'low', 'Container ran out of memory', '容器内存溢出', 'container main of kafka-0 was killed: out of memory', 'kafka-0 的容器 main 因内存不足被终止', []],
  ['eviction-storm', 'medium', 'Many pods evicted', '大量 Pod 被驱逐', '37 pods were evicted from node-3 in 10 minutes', '10 分钟内 node-3 上有 37 个 Pod 被驱逐', []],
].map(([id, severity, en, zh, men, mzh, mitre]) => ({ id, severity, title: { en, zh }, message: { en: men, zh: mzh }, description: { en: 'The rule looks at audit events of the API server and groups what belongs together.', zh: '该规则分析 API 服务器审计事件，并将相关事件归为一组。' }, mitre, enabled: true, source: ['audit'], alerts: 0 }));

const users = ['alice', 'bob', 'system:serviceaccount:production:web', 'kubernetes-admin', '王芳', 'system:node:node-1', 'system:anonymous'];
export const events = [];
for (let i = 0; i < 6000; i++) {
  const w = pick(workloads);
  const kind = pick(['audit', 'audit', 'audit', 'kubernetes', 'finding', 'asset', 'access']);
  const verb = kind === 'audit' ? pick(['get', 'list', 'create', 'delete', 'patch', 'exec']) : kind === 'kubernetes' ? pick(['BackOff', 'OOMKilling', 'Scheduled', 'FailedMount']) : kind === 'finding' ? pick(['opened', 'closed']) : kind === 'access' ? pick(['post', 'patch']) : 'changed';
  const user = kind === 'audit' || kind === 'access' ? pick(users) : '';
  const when = random() ** 2 * 7 * day;
  events.push({ id: hex(32), time: ago(when), received: ago(when - 1), kind, cluster: w.asset.cluster, severity: pick(['info', 'info', 'info', 'low', 'medium', 'high']), verb, outcome: user ? pick(['allowed', 'allowed', 'denied']) : '', user, sourceIp: user ? `10.0.${int(4)}.${int(250)}` : '', userAgent: user ? 'kubectl/v1.34.2 (linux/amd64)' : '', resource: user ? pick(['pods', 'pods/exec', 'secrets', 'deployments', 'clusterrolebindings']) : '', target: w.asset, node: 'node-1', pod: '', image: '', process: '', rule: '', messageId: `${kind}.${verb}`, args: {}, m: { en: user ? `${user} ${verb} ${w.asset.kind} ${w.asset.namespace}/${w.asset.name}` : `${verb}: ${w.asset.kind} ${w.asset.namespace}/${w.asset.name}`, zh: user ? `${user} 对 ${w.asset.kind} ${w.asset.namespace}/${w.asset.name} 执行了 ${verb}` : `${verb}：${w.asset.kind} ${w.asset.namespace}/${w.asset.name}` }, body: { kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: 'Metadata', auditID: hex(32), stage: 'ResponseComplete', verb, user: { username: user, groups: ['system:authenticated'] }, objectRef: { resource: 'pods', namespace: w.asset.namespace, name: w.asset.name }, sourceIPs: ['10.0.0.4'], responseStatus: { code: 200 } } });
}
events.sort((a, b) => (a.time < b.time ? 1 : -1));

export const alerts = [];
for (let i = 0; i < 180; i++) {
  const rule = pick(rules);
  const w = pick(workloads);
  const state = pick(['open', 'open', 'open', 'acknowledged', 'resolved']);
  const first = int(5 * day);
  rule.alerts++;
  alerts.push({ id: hex(32), rule: rule.id, group: '', severity: rule.severity, state, target: w.asset, user: pick(users), sourceIp: `10.0.3.${int(250)}`, node: 'node-3', pod: '', count: 1 + int(400), firstSeen: ago(first), lastSeen: ago(Math.min(first, int(day))), events: events.slice(i * 5, i * 5 + 6).map((e) => e.id), ...(int(3) === 0 && { assignee: pick(['alice', '王芳']) }), comments: int(3) ? [] : [{ by: 'alice', at: ago(int(3600)), text: 'Looked at the node: this was the on-call engineer debugging. 已确认。' }], mitre: rule.mitre });
}

export const runs = Array.from({ length: 40 }, (_, i) => ({ id: hex(12), cluster: clusters[i % 4].id, state: i === 7 ? 'failed' : 'succeeded', startedAt: ago(i * 6 * 3600 + 300), finishedAt: ago(i * 6 * 3600 + 288), by: i % 3 ? '' : 'user:alice', objects: 1200 + int(300), findings: 900 + int(90), drift: i === 3 ? 2 : 0, score: 60 + int(20), ...(i === 7 && { error: 'connection timed out' }) }));
export const schedules = [
  { id: 's1', name: 'Nightly', feature: 'posture', cron: '0 2 * * *', timeZone: 'Europe/Berlin', cluster: '', enabled: true, lastRun: ago(14400), nextRun: ago(-60000), lastResult: { ok: true, text: '4 clusters, 12 findings opened, 9 closed', milliseconds: 5120 } },
  { id: 's2', name: '华东集群每小时巡检', feature: 'posture', cron: '0 * * * *', timeZone: 'Asia/Shanghai', cluster: clusters[1].id, enabled: false, lastRun: ago(99999), nextRun: '', lastResult: { ok: false, text: 'connection timed out', error: 'kube.away', milliseconds: 30010 } },
];
export const trend = Array.from({ length: 90 }, (_, i) => {
  const n = 89 - i;
  const at = (base, wave) => Math.max(0, Math.round(base + wave * Math.sin(i / 7) - i / 3));
  const by = { critical: at(60, 6), high: at(240, 20), medium: at(420, 25), low: at(560, 30) };
  return { date: ago(n * day).slice(0, 10), score: Math.round(58 + i / 6 + 3 * Math.sin(i / 5)), open: by.critical + by.high + by.medium + by.low, bySeverity: by, opened: 5 + int(30), closed: 8 + int(32) };
});
export const agents = Array.from({ length: 30 }, (_, i) => ({ id: hex(16), cluster: clusters[i % 4].id, node: `node-${i + 1}.internal`, version: '0.1.0', state: i === 5 ? 'away' : 'connected', lastSeen: ago(i === 5 ? 9000 : int(20)), certificateExpires: ago(-int(86400)), spooled: i === 5 ? 1204 : 0, dropped: i === 5 ? 3 : 0 }));
