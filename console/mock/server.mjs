// A server for developing the console without Bulwark's own: invented data, kept in memory. Not
// part of the product. `npm run mock` (port 8788), with `--dist` it serves the built console under
// the content security policy that the real server sends.

import { createServer } from 'node:http';
import { readFileSync, existsSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import * as data from './data.mjs';

const port = Number(process.env.PORT ?? 8788);
const dist = process.argv.includes('--dist') ? resolve(import.meta.dirname, '..', process.env.DIST ?? 'dist') : '';
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const sevOrder = ['unknown', 'info', 'low', 'medium', 'high', 'critical'];
const at = (object, path) => path.split('.').reduce((o, p) => (o == null ? undefined : o[p]), object);

// Column → path.
const assetColumns = { cluster: 'asset.cluster', group: 'asset.group', kind: 'asset.kind', ns: 'asset.namespace', name: 'asset.name', label: 'labels', node: 'node', workload: 'workload', phase: 'phase', serviceaccount: 'serviceAccount', created: 'createdAt', firstseen: 'firstSeen', lastseen: 'lastSeen', image: 'images', gone: 'gone' };
const lists = {
  clusters: { items: data.clusters, columns: { name: 'name', state: 'state', version: 'version', provider: 'provider', lastseen: 'lastSeen' } },
  assets: { items: data.assets, columns: assetColumns },
  findings: { items: data.findings, columns: { ...assetColumns, id: 'id', check: 'check', category: 'category', severity: 'severity', status: 'status', container: 'container', control: 'controls', exception: 'exception.id', fixable: 'fixable', path: 'path', value: 'value', first: 'firstSeen', last: 'lastSeen' } },
  exceptions: { items: data.exceptions, columns: { state: 'state', check: 'check', cluster: 'cluster', ns: 'namespace', by: 'requestedBy', decider: 'decidedBy', kind: 'kind', name: 'name', expires: 'expires', requested: 'requestedAt' } },
  alerts: { items: data.alerts, columns: { rule: 'rule', severity: 'severity', state: 'state', cluster: 'target.cluster', ns: 'target.namespace', kind: 'target.kind', name: 'target.name', user: 'user', assignee: 'assignee', count: 'count', first: 'firstSeen', last: 'lastSeen', ip: 'sourceIp', node: 'node' } },
  events: { items: data.events, columns: { kind: 'kind', verb: 'verb', outcome: 'outcome', severity: 'severity', user: 'user', ip: 'sourceIp', resource: 'resource', cluster: 'cluster', ns: 'target.namespace', name: 'target.name', targetkind: 'target.kind', node: 'node', time: 'time', rule: 'rule', id: 'id' } },
  rules: { items: data.rules, columns: { severity: 'severity', enabled: 'enabled', id: 'id' } },
  runs: { items: data.runs, columns: { cluster: 'cluster', state: 'state', started: 'startedAt' } },
  schedules: { items: data.schedules, columns: { name: 'name', cluster: 'cluster' } },
  agents: { items: data.agents, columns: { cluster: 'cluster', node: 'node', state: 'state', lastseen: 'lastSeen' } },
  users: { items: [{ name: 'admin', roles: ['admin'], createdAt: new Date().toISOString(), lastLogin: new Date().toISOString() }, { name: 'alice', displayName: 'Alice Example', email: 'alice@example.com', roles: ['security'], createdAt: new Date().toISOString() }, { name: '王芳', displayName: '王芳', roles: ['auditor'], provider: 'ldap', disabled: true, createdAt: new Date().toISOString() }], columns: { name: 'name' }, key: 'name' },
  roles: { items: [['admin', ['*']], ['security', ['findings.*', 'exceptions.*', 'alerts.*', 'inspections.*', 'schedules.*', 'rules.*', '*.read']], ['operator', ['clusters.*', 'agents.*', 'schedules.*', 'settings.write']], ['developer', ['clusters.read', 'assets.read', 'findings.read', 'exceptions.request']], ['restricted', ['assets.read', 'findings.read', 'exceptions.read']], ['auditor', ['*.read']]].map(([name, permissions]) => ({ name, title: name[0].toUpperCase() + name.slice(1), description: 'What a role of that kind needs', permissions, builtIn: true })).concat([{ name: '值班工程师', title: '值班工程师', description: '处理告警', permissions: ['alerts.read', 'alerts.triage', 'events.read'], builtIn: false }]), columns: { name: 'name', builtin: 'builtIn', permission: 'permissions' }, key: 'name' },
  grants: { items: [{ id: 'g1', subject: 'user:admin', role: 'admin', scope: {} }, { id: 'g2', subject: 'group:oidc:dev', role: 'developer', scope: { clusters: [data.clusters[0].id], namespaces: ['team-*'] } }], columns: { subject: 'subject', role: 'role' } },
  tokens: { items: [{ id: 't1', name: 'ci-pipeline', kind: 'machine', owner: 'user:admin', grants: [{ role: 'developer' }], createdAt: new Date().toISOString(), expires: new Date(Date.now() + 8e9).toISOString(), lastUsed: new Date().toISOString() }], columns: { name: 'name', kind: 'kind', owner: 'owner', lastused: 'lastUsed', expires: 'expires' } },
  providers: { items: [{ kind: 'oidc', name: 'keycloak', title: 'Keycloak', oidc: { issuer: 'https://login.example.com/realms/main', clientId: 'bulwark' }, enabled: true }, { kind: 'ldap', name: 'ldap', title: '公司目录', ldap: { url: 'ldaps://ldap.example.com', userBase: 'dc=example,dc=com' }, enabled: true }], columns: { name: 'name', kind: 'kind' }, key: 'name' },
  sinks: { items: [{ id: 'k1', name: 'Splunk', type: 'http', url: 'https://splunk.example.com:8088/services/collector', enabled: true, kinds: ['alert', 'finding'], status: { sent: 102334, failures: 0, dropped: 0, waiting: 3, lastSent: new Date().toISOString() } }, { id: 'k2', name: '', type: 'file', path: 'findings-of-the-production-clusters-in-europe.jsonl', enabled: true, status: { sent: 10, failures: 4, dropped: 31, waiting: 900, lastError: 'No space left on device' } }], columns: { name: 'name' } },
  'audit-sources': { items: [{ id: 'a1', name: 'production-eu', cluster: data.clusters[0].id, createdAt: new Date().toISOString(), events: 412345, duplicates: 12, invalid: 0, lastSeen: new Date().toISOString() }], columns: { name: 'name' } },
  suppressions: { items: [{ id: 'x1', rule: 'exec-into-pod', match: { cluster: data.clusters[0].id, ns: 'kube-system', user: 'alice' }, reason: 'On-call debugging, agreed with the platform team', by: 'user:alice', at: new Date().toISOString(), expires: new Date(Date.now() + 9e8).toISOString(), hits: 14 }], columns: { rule: 'rule', cluster: 'match.cluster', ns: 'match.ns' } },
  checks: { items: data.checks, columns: { severity: 'severity', category: 'category', id: 'id', failed: 'failed' } },
};
for (const c of data.checks) {
  c.failed = data.findings.filter((f) => f.check === c.id && f.status === 'open').length;
  c.passed = 1400 - (c.failed % 900);
  c.excepted = data.findings.filter((f) => f.check === c.id && f.status === 'excepted').length;
  c.errors = 2;
}

function matcher(q, columns, now = Date.now()) {
  const age = (v) => (/^\d+[smhd]$/.test(v) ? now - parseInt(v, 10) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[v.at(-1)] : Date.parse(v));
  const tests = [];
  for (const raw of q.match(/-?[\w]+:(?:"(?:[^"\\]|\\.)*"|[^\s",]+)(?:,(?:"(?:[^"\\]|\\.)*"|[^\s",]+))*|"[^"]*"|[^\s]+/g) ?? []) {
    let piece = raw.replace(/[()]/g, '');
    if (!piece || piece === 'or') continue;
    const not = piece.startsWith('-');
    if (not) piece = piece.slice(1);
    const m = /^(\w+):(.*)$/s.exec(piece);
    let test;
    if (m && (m[1] === 'since' || m[1] === 'until')) {
      const limit = age(m[2]);
      test = (r) => (m[1] === 'since' ? Date.parse(r.time ?? r.lastSeen) >= limit : Date.parse(r.time ?? r.lastSeen) < limit);
    } else if (m) {
      if (!columns[m[1]]) throw { status: 400, type: 'urn:bulwark:query.field', title: 'Unknown field', detail: `“${m[1]}” is not a field here; there are ${Object.keys(columns).join(', ')}.` };
      const values = [...m[2].matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)].map((v) => (v[1] ?? v[2]).replace(/\\(.)/g, '$1'));
      const globs = values.map((v) => new RegExp(`^${v.split('*').map((s) => s.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`));
      test = (r) => [at(r, columns[m[1]])].flat().some((x) => globs.some((g) => g.test(String(x ?? ''))));
    } else {
      const word = piece.replace(/"/g, '').toLowerCase();
      test = (r) => (r._text ??= JSON.stringify(r).toLowerCase()).includes(word);
    }
    tests.push(not ? (r) => !test(r) : test);
  }
  return (r) => tests.every((t) => t(r));
}

function sorted(items, sort, columns) {
  const keys = (sort ?? '').split(',').filter(Boolean).map((k) => (k.startsWith('-') ? [columns[k.slice(1)] ?? k.slice(1), -1] : [columns[k] ?? k, 1]));
  if (!keys.length) return items;
  const value = (r, path) => (path === 'severity' ? sevOrder.indexOf(r.severity) : (at(r, path) ?? ''));
  return items.toSorted((a, b) => {
    for (const [path, sign] of keys) {
      const x = value(a, path), y = value(b, path);
      if (x < y) return -sign;
      if (x > y) return sign;
    }
    return 0;
  });
}

const text = (x, lang) => (x && typeof x === 'object' && 'en' in x ? x[lang] : x);
function rendered(name, r, lang) {
  const { _text, ...out } = r;
  if (name === 'findings') {
    const c = data.checks.find((x) => x.id === r.check);
    Object.assign(out, { title: c.title[lang], message: c.message[lang], remedy: lang === 'zh' ? '按需最小化授权，并在 Chart 中修改。' : 'Take the setting away, and give only what the process is shown to need.' });
  }
  if (name === 'alerts') {
    const rule = data.rules.find((x) => x.id === r.rule);
    Object.assign(out, { title: rule.title[lang], message: rule.message[lang], description: rule.description[lang], remedy: lang === 'zh' ? '确认操作人是否获授权；若否，吊销凭证并隔离工作负载。' : 'Ask who did it; if nobody should have, revoke the credential and isolate the workload.' });
  }
  if (name === 'events') {
    out.message = r.m[lang];
    delete out.m;
  }
  if (name === 'rules' || name === 'checks') {
    for (const k of ['title', 'message', 'description']) if (out[k]) out[k] = text(out[k], lang);
    if (name === 'checks') out.controls = r.controls.reduce((m, c) => ({ ...m, [c.split('/')[0]]: [...(m[c.split('/')[0]] ?? []), c.split('/')[1]] }), {});
  }
  return out;
}

const csvField = (v) => {
  let s = v == null ? '' : typeof v === 'object' ? JSON.stringify(v) : String(v);
  if (/^[=+\-@\t\r]/.test(s)) s = `'${s}`;
  return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
};

const tallies = (items, by) => items.reduce((m, f) => ({ ...m, [by(f)]: { passed: 1, failed: (m[by(f)]?.failed ?? 0) + 1, errors: 0, excepted: 0 } }), {});
const sessions = new Map();
const streams = new Set();
const tell = (topic, change) => {
  for (const s of streams) s.write(`event: ${topic}\ndata: ${JSON.stringify(change)}\n\n`);
};
const permissionsOf = { admin: ['*'], auditor: ['clusters.read', 'assets.read', 'findings.read', 'exceptions.read', 'alerts.read', 'events.read', 'inspections.read', 'schedules.read', 'users.read', 'roles.read', 'tokens.read', 'providers.read', 'settings.read', 'audit.read', 'agents.read', 'system.read', 'rules.read'], developer: ['clusters.read', 'assets.read', 'findings.read', 'alerts.read', 'exceptions.read', 'events.read', 'exceptions.request', 'inspections.run'] };

const yamlOf = (a) => `apiVersion: ${a.group ? `${a.group}/` : ''}${a.version || 'v1'}\nkind: ${a.kind}\nmetadata:\n  name: ${a.name}\n${a.namespace ? `  namespace: ${a.namespace}\n` : ''}  labels:\n    app: ${a.name}\nspec:\n  replicas: 3\n  template:\n    spec:\n      # 由平台团队维护\n      containers:\n        - name: main\n          image: "registry.example.com/team/web:v1.2.3"\n          securityContext:\n            privileged: true\n          env:\n            - name: LONG\n              value: "${'x'.repeat(160)}"\n`;

async function handle(request, response) {
  const url = new URL(request.url, 'http://x');
  const path = url.pathname;
  const lang = (url.searchParams.get('lang') ?? request.headers['accept-language'] ?? 'en').startsWith('zh') ? 'zh' : 'en';
  const requestId = Math.random().toString(16).slice(2, 14);
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json', 'x-request-id': requestId, ...headers });
    response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  };
  const problem = (status, title, detail, more) => send(status, { type: 'about:blank', title, status, detail, instance: path, requestId, ...more });
  if (!path.startsWith('/api/')) {
    if (!dist) return problem(404, 'Not found', '');
    const file = join(dist, path);
    const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8' };
    const found = path !== '/' && existsSync(file) && extname(file) ? file : join(dist, 'index.html');
    const bytes = readFileSync(found);
    response.writeHead(200, { 'content-type': types[extname(found)] ?? 'application/octet-stream', 'content-security-policy': csp, 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' });
    return response.end(bytes);
  }
  let raw = '';
  for await (const chunk of request) raw += chunk;
  const body = raw ? JSON.parse(raw) : {};
  const [, , , noun, ...rest] = path.split('/');
  const key = rest.length ? decodeURIComponent(rest[0]) : undefined;
  const cookie = /bw=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
  const session = sessions.get(cookie);
  const write = request.method !== 'GET';

  if (noun === 'session') {
    if (rest[0] === 'methods') return send(200, { items: [{ method: 'password' }, { method: 'ldap', provider: 'ldap', title: lang === 'zh' ? '公司目录' : 'Directory' }, { method: 'kubernetes', provider: 'eu', title: 'production-eu' }, { method: 'oidc', provider: 'keycloak', title: 'Keycloak', href: '/api/v1/session/oidc/keycloak' }] });
    if (request.method === 'POST') {
      if (body.password !== 'mock' && !body.token) return problem(401, lang === 'zh' ? '登录失败' : 'Log-in failed', lang === 'zh' ? '用户名或密码不正确。' : 'The name or the password is wrong.');
      const id = Math.random().toString(16).slice(2);
      sessions.set(id, { name: body.name ?? 'token', csrf: Math.random().toString(16).slice(2), must: body.name === 'first' });
      return send(201, {}, { 'set-cookie': `bw=${id}; Path=/; HttpOnly; SameSite=Lax` });
    }
    if (request.method === 'DELETE') {
      sessions.delete(cookie);
      return send(204);
    }
    if (!session) return send(200, { authenticated: false });
    const role = permissionsOf[session.name] ? session.name : 'admin';
    return send(200, { authenticated: true, user: { id: `user:${session.name}`, name: session.name, login: session.name, local: true, kind: 'user' }, roles: [role], permissions: permissionsOf[role], scopes: [{}], csrfToken: session.csrf, expires: new Date(Date.now() + 8 * 36e5).toISOString(), mustChangePassword: session.must });
  }
  if (!session) return problem(401, 'Log in first', 'The session has ended.');
  if (write && request.headers['x-csrf-token'] !== session.csrf) return problem(403, 'Forbidden', 'The CSRF token is missing or wrong.');

  if (noun === 'stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    streams.add(response);
    request.on('close', () => streams.delete(response));
    return;
  }
  const q = url.searchParams.get('q') ?? '';
  const clusterParam = url.searchParams.get('cluster') ?? '';
  const openOf = (cluster) => data.findings.filter((f) => f.status === 'open' && (!cluster || f.asset.cluster === cluster));
  const bySeverity = (items) => items.reduce((m, f) => ({ ...m, [f.severity]: (m[f.severity] ?? 0) + 1 }), {});

  if (noun === 'overview') {
    const items = openOf(clusterParam);
    return send(200, { score: 71, trend: data.trend.slice(-30), bySeverity: { critical: 41, high: 214, medium: 398, low: 530 }, topRisks: sorted(items, '-severity', lists.findings.columns).slice(0, 6).map((f) => rendered('findings', f, lang)), topAlerts: data.alerts.filter((a) => a.state === 'open').slice(0, 6).map((a) => rendered('alerts', a, lang)), clusters: data.clusters, coverage: [{ what: 'clusters', covered: 3, total: 4, why: lang === 'zh' ? 'edge-factory 已失联 3 小时' : 'edge-factory has been away for 3 hours' }, { what: 'kinds', covered: 27, total: 28, why: lang === 'zh' ? 'Secret 不可读' : 'Secrets may not be read' }, { what: 'workloads', covered: 240, total: 240 }, { what: 'audit', covered: 1, total: 4, why: lang === 'zh' ? '3 个集群未配置审计 Webhook' : '3 clusters send no audit events' }, { what: 'nodes', covered: 30, total: 174, why: lang === 'zh' ? '144 个节点没有代理' : '144 nodes have no agent' }], counts: {} });
  }
  if (noun === 'trends') return send(200, { items: data.trend.slice(-Number(url.searchParams.get('days') ?? 30)) });
  if (noun === 'cluster-manifest') return send(200, `apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: bulwark-reader\n  namespace: bulwark\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: bulwark-reader\nrules:\n  - apiGroups: [""]\n    resources: [pods, nodes]\n    verbs: [get, list, watch]\n# kubectl apply -f this-file\n`, { 'content-type': 'application/yaml' });
  if (noun === 'asset-object') {
    const a = data.assets.find((x) => x.key === decodeURIComponent(rest.join('/')));
    return a ? send(200, yamlOf(a.asset), { 'content-type': 'application/yaml' }) : problem(404, 'Not found', '');
  }
  if (noun === 'asset-history') return send(200, { items: [1, 2, 3].map((n) => ({ id: `h${n}`, time: new Date(Date.now() - n * 4e7).toISOString(), kind: 'asset', verb: n === 3 ? 'created' : 'changed', user: 'alice', severity: 'info', message: lang === 'zh' ? '工作负载已更新' : 'Deployment changed', changes: [{ path: 'spec.replicas', before: `${n}`, after: `${n + 1}` }, { path: 'spec.template.spec.containers[main].image', before: n === 2 ? '' : '"web:v1"', after: '"web:v2"' }] })) });
  if (noun === 'asset-relations') {
    const a = data.assets.find((x) => x.key === decodeURIComponent(rest.join('/')));
    const of = (kind) => data.assets.filter((x) => x.asset.kind === kind && x.asset.cluster === a.asset.cluster && x.asset.namespace === a.asset.namespace).slice(0, 5);
    return send(200, { pods: data.assets.filter((x) => x.workload === a.key), serviceAccount: of('ServiceAccount')[0], roles: data.assets.filter((x) => x.asset.kind === 'ClusterRole').slice(0, 2), services: of('Service'), ingresses: of('Ingress'), networkPolicies: of('NetworkPolicy'), images: data.assets.filter((x) => x.asset.kind === 'Image' && a.images?.some((i) => i.digest === x.asset.name)) });
  }
  if (noun === 'frameworks') {
    const frameworks = [['cis-1.12', 'CIS Kubernetes Benchmark', '1.12'], ['nsa', lang === 'zh' ? 'NSA/CISA Kubernetes 加固指南' : 'NSA/CISA Kubernetes Hardening Guide', '1.2'], ['pss-baseline', lang === 'zh' ? 'Pod 安全标准：基线' : 'Pod Security Standards: Baseline', '1.35']].map(([id, title, version], i) => ({ id, title, version, passing: 30 + i * 4, failing: 8 - i, notAssessed: 60 - i * 20 }));
    if (!key) return send(200, { items: frameworks });
    const f = frameworks.find((x) => x.id === key);
    return send(200, { ...f, controls: data.checks.flatMap((c) => c.controls.filter((x) => x.startsWith(`${key}/`)).map((x) => ({ id: x.split('/')[1], title: c.title[lang], passed: c.passed, failed: c.failed, errors: 0, checks: [c.id], status: c.failed ? 'fail' : 'pass' }))).concat([{ id: '5.7.1', title: lang === 'zh' ? '使用命名空间划分管理边界' : 'Create administrative boundaries between resources using namespaces', status: 'manual', checks: [] }]) });
  }
  if (noun === 'inspections') {
    if (key === 'run') {
      tell('runs', { op: 'put' });
      const run = { id: requestId, cluster: body.cluster ?? '', state: 'running', startedAt: new Date().toISOString(), by: `user:${session.name}` };
      data.runs.unshift(run);
      setTimeout(() => { Object.assign(run, { state: 'succeeded', finishedAt: new Date().toISOString(), objects: 1234, findings: 900, drift: 0, score: 72 }); tell('runs', { op: 'put' }); }, 3000);
      return send(202, run);
    }
    if (key === 'report') return send(200, '<p>report</p>', { 'content-type': 'text/html', 'content-disposition': 'attachment; filename="report.html"' });
    if (key === 'workloads') {
      const match = matcher(q.replace('workload:true', ''), assetColumns);
      const items = data.assets.filter((a) => groupishWorkload(a.asset.kind) && match(a)).map((a) => ({ asset: a.asset, failed: data.findings.filter((f) => f.workload === a.key && f.status === 'open').length, passed: 60, excepted: 1, errors: 0, score: 70, bySeverity: bySeverity(data.findings.filter((f) => f.workload === a.key && f.status === 'open')) })).toSorted((a, b) => b.failed - a.failed);
      const start = Number(url.searchParams.get('cursor') || 0), limit = Number(url.searchParams.get('limit') || 50);
      return send(200, { items: items.slice(start, start + limit), total: items.length, ...(start + limit < items.length && { next: String(start + limit) }) });
    }
    return send(200, { items: data.clusters.filter((c) => !clusterParam || c.id === clusterParam).map((c, i) => ({ cluster: c.id, clusterName: c.name, score: 71 - i * 6, passed: 4200, failed: openOf(c.id).length, errors: 3, excepted: 120, bySeverity: bySeverity(openOf(c.id)), byCategory: tallies(openOf(c.id), (f) => f.category), byNamespace: tallies(openOf(c.id), (f) => f.asset.namespace), updatedAt: new Date(Date.now() - 4e6).toISOString() })) });
  }
  if (noun === 'events' && ['histogram', 'top', 'fields'].includes(key)) {
    if (key === 'fields') return send(200, { items: Object.keys(lists.events.columns).map((name) => ({ name })) });
    const since = Date.parse(url.searchParams.get('since') ?? '') || Date.now() - 864e5;
    const until = Date.parse(url.searchParams.get('until') ?? '') || Date.now();
    const match = matcher(q, lists.events.columns);
    const items = data.events.filter((e) => match(e) && Date.parse(e.time) >= since && Date.parse(e.time) < until);
    if (key === 'top') {
      const counts = new Map();
      for (const e of items) { const v = at(e, lists.events.columns[url.searchParams.get('field')]); if (v) counts.set(v, (counts.get(v) ?? 0) + 1); }
      return send(200, { items: [...counts].map(([value, count]) => ({ value, count })).toSorted((a, b) => b.count - a.count).slice(0, Number(url.searchParams.get('limit') ?? 10)) });
    }
    const buckets = Number(url.searchParams.get('buckets') ?? 60);
    const step = Math.max(1000, Math.ceil((until - since) / buckets / 1000) * 1000);
    const out = Array.from({ length: Math.ceil((until - since) / step) }, (_, i) => ({ start: new Date(since + i * step).toISOString(), count: 0 }));
    for (const e of items) out[Math.min(out.length - 1, Math.floor((Date.parse(e.time) - since) / step))].count++;
    return send(200, { items: out, stepSeconds: step / 1000 });
  }
  if (noun === 'system') {
    if (key === 'backup') return send(200, 'backup', { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment; filename="bulwark.backup"' });
    if (key === 'support') return send(200, 'tar', { 'content-disposition': 'attachment; filename="support.tar.gz"' });
    return send(200, { version: '0.1.0', uptime: 345678, stores: { state: { bytes: 48e6, records: { assets: data.assets.length, findings: data.findings.length } }, events: { bytes: 1.7e9, events: 4123456, oldest: new Date(Date.now() - 30 * 864e5).toISOString() } }, queues: [{ name: 'pipeline', queued: 12, dropped: 0 }, { name: 'rules', queued: 0, dropped: 0 }, { name: 'posture', queued: 3, dropped: 0 }, { name: 'kubernetes-events', queued: 0, dropped: 128 }], clusters: 4, agents: 30, listeners: [{ name: 'api', address: '0.0.0.0:8443', tls: true, certificateExpires: new Date(Date.now() + 6e9).toISOString() }, { name: 'webhooks', address: '0.0.0.0:8444', tls: true }, { name: 'agents', address: '0.0.0.0:8445', tls: true }], memory: { rss: 180e6 } });
  }
  if (noun === 'permissions') return send(200, { items: ['agents', 'alerts', 'assets', 'clusters', 'events', 'exceptions', 'findings', 'users'].flatMap((n) => [{ id: `${n}.read`, title: lang === 'zh' ? `查看${n}` : `See ${n}` }, { id: `${n}.write`, title: lang === 'zh' ? `修改${n}` : `Change ${n}` }]) });
  if (noun === 'settings') {
    if (write) Object.assign(settings, body);
    return send(200, settings, { etag: '"3"' });
  }
  const list = lists[noun];
  if (!list) return problem(404, 'Not found', `There is no ${path}.`);
  const idOf = (r) => r[list.key ?? 'id'] ?? r.key;
  if (request.method === 'GET' && (!key || key === 'groups')) {
    const match = matcher(q, list.columns);
    const ids = url.searchParams.get('ids')?.split(',');
    let items = list.items.filter((item) => (ids ? ids.includes(item.id) : match(item)));
    const since = url.searchParams.get('since'), until = url.searchParams.get('until');
    if (since) items = items.filter((e) => e.time >= new Date(since).toISOString());
    if (until) items = items.filter((e) => e.time < new Date(until).toISOString());
    if (key === 'groups') {
      const by = (url.searchParams.get('by') ?? '').split(',');
      const counts = new Map();
      for (const r of items) {
        const values = by.map((b) => [at(r, list.columns[b])].flat()[0] ?? '');
        const id = JSON.stringify(values);
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      return send(200, { items: [...counts].map(([values, count]) => ({ values: JSON.parse(values), count })).toSorted((a, b) => b.count - a.count).slice(0, Number(url.searchParams.get('limit') ?? 1000)) });
    }
    items = sorted(items, url.searchParams.get('sort'), list.columns);
    if (url.searchParams.get('format') === 'csv') {
      const columns = Object.entries(list.columns);
      return send(200, [columns.map(([c]) => c).join(','), ...items.map((r) => columns.map(([, p]) => csvField(at(r, p))).join(','))].join('\r\n'), { 'content-type': 'text/csv', 'content-disposition': `attachment; filename="${noun}.csv"` });
    }
    const start = Number(url.searchParams.get('cursor') || 0), limit = Number(url.searchParams.get('limit') || 50);
    return send(200, { items: items.slice(start, start + limit).map((r) => rendered(noun, r, lang)), total: items.length, ...(start + limit < items.length && { next: String(start + limit) }) });
  }
  const record = list.items.find((r) => idOf(r) === (noun === 'assets' ? decodeURIComponent(rest.join('/')) : key));
  if (!key && request.method === 'POST') {
    const made = { id: requestId, ...body, createdAt: new Date().toISOString(), ...(noun === 'exceptions' && { state: 'requested', requestedBy: session.name, requestedAt: new Date().toISOString() }), ...(noun === 'clusters' && { state: 'connecting', version: '', kubeconfig: undefined }) };
    list.items.unshift(made);
    tell(noun, { op: 'put', key: made.id });
    return send(201, noun === 'audit-sources' ? { ...made, path: '/audit/secret', webhookConfig: 'apiVersion: v1\nkind: Config\nclusters: []\n' } : noun === 'tokens' ? { token: `bwt_${requestId}${requestId}`, record: made } : made);
  }
  if (noun === 'agents' && key === 'enrolment') return send(201, { token: `bwe_${requestId}`, expires: new Date(Date.now() + 36e5).toISOString(), ca: '-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n' });
  if (noun === 'rules' && key === 'test') return send(200, { events: 1234, matches: 3, errors: 0, items: [{ group: 'x', time: new Date().toISOString(), count: 3, message: 'alice ran a command in web-0' }] });
  if (noun === 'users' && rest[1] === 'password') {
    session.must = false;
    return send(204);
  }
  if (!record) return problem(404, lang === 'zh' ? '未找到' : 'Not found', lang === 'zh' ? '该对象不存在或您无权查看。' : 'It does not exist, or you may not see it.');
  if (request.method === 'DELETE') {
    list.items.splice(list.items.indexOf(record), 1);
    return send(204);
  }
  if (request.method === 'PATCH' || request.method === 'PUT') {
    Object.assign(record, body);
    tell(noun, { op: 'put', key });
    return send(200, record, { etag: '"8"' });
  }
  if (request.method === 'POST') {
    const action = rest[1];
    const now = new Date().toISOString();
    if (noun === 'findings') data.exceptions.unshift({ id: requestId, check: record.check, cluster: record.asset.cluster, namespace: record.asset.namespace, name: record.asset.name, kind: record.asset.kind, reason: body.reason, requestedBy: `user:${session.name}`, requestedAt: now, state: 'requested', expires: body.expires, covers: 1 });
    if (noun === 'clusters') return send(200, { ok: !record.unreadable.length, version: record.version, milliseconds: 12, kinds: ['pods', 'nodes', 'namespaces', 'deployments.apps', 'roles.rbac.authorization.k8s.io'].map((resource) => ({ resource, needed: true, list: true, watch: true })).concat(record.unreadable.map((u) => ({ resource: u.resource, list: false, watch: false, reason: u.error }))) });
    const states = { acknowledge: 'acknowledged', resolve: 'resolved', reopen: 'open', approve: 'approved', refuse: 'refused', withdraw: 'withdrawn' };
    if (states[action]) record.state = states[action];
    if (noun === 'exceptions') Object.assign(record, { decidedBy: `user:${session.name}`, decidedAt: now, comment: body.comment });
    if (action === 'comment') (record.comments ??= []).push({ by: `user:${session.name}`, at: now, text: body.comment });
    if (action === 'assign') record.assignee = body.assignee;
    delete record._text;
    tell(noun, { op: 'put', key });
    return send(200, rendered(noun, record, lang));
  }
  if (rest[1] === 'fix') return send(200, { closes: 3, fixed: yamlOf(record.asset), diff: '--- a/deployment.yaml\n+++ b/deployment.yaml\n@@ -14,7 +14,7 @@\n       containers:\n         - name: main\n           securityContext:\n-            privileged: true\n+            privileged: false\n           image: web:v1\n' });
  const out = rendered(noun, record, lang);
  if (noun === 'findings') Object.assign(out, { description: lang === 'zh' ? '容器的 securityContext 允许超出所需的权限。' : 'The container is given more than it is shown to need.', why: lang === 'zh' ? '攻陷该容器即等于攻陷节点。' : 'Whoever takes the container over has the node.', mitre: ['T1611'] });
  return send(200, out, { etag: '"7"' });
}
const groupishWorkload = (kind) => ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job'].includes(kind);
const settings = { retention: { audit: 30, kubernetes: 14, finding: 365, alert: 365, asset: 90, access: 365, '*': 30 }, maxEventBytes: 20e9, ownerExceptions: ['team-*'] };

createServer((request, response) => {
  handle(request, response).catch((error) => {
    const status = error.status ?? 500;
    if (response.headersSent) return response.destroy();
    response.writeHead(status, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ type: error.type ?? 'about:blank', status, title: error.title ?? 'Internal error', detail: error.detail ?? String(error.stack), requestId: 'mock' }));
  });
}).listen(port, '127.0.0.1', () => console.log(`mock: http://127.0.0.1:${port}`));
// Something always happens.
setInterval(() => {
  for (const topic of ['alerts', 'findings', 'events']) tell(topic, { op: 'put' });
}, 15_000).unref();
