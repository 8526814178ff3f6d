// The shapes of the API. To be replaced by what openapi-typescript makes of the server's document
// (`npm run types`): nothing but this file speaks of them.

export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info' | 'unknown';
export const severities: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info', 'unknown'];

export interface Page<T> {
  items: T[];
  next?: string;
  total?: number;
}
export interface Groups {
  items: { values: string[]; count: number }[];
}
export interface Asset {
  cluster: string;
  group: string;
  version: string;
  kind: string;
  namespace: string;
  name: string;
}

export interface Session {
  authenticated: boolean;
  user?: { id: string; name: string; kind: string };
  roles?: string[];
  permissions?: string[];
  scopes?: { clusters?: string[]; namespaces?: string[] }[];
  csrfToken?: string;
  expires?: string;
  mustChangePassword?: boolean;
}
export interface SessionMethod {
  method: 'password' | 'ldap' | 'kubernetes' | 'oidc';
  provider?: string;
  name?: string;
  clusters?: { id: string; name: string }[];
}

export interface Cluster {
  id: string;
  name: string;
  server: string;
  version?: string;
  state: 'connecting' | 'ready' | 'away' | 'denied';
  stateReason?: string;
  provider?: string;
  nodes?: number;
  addedAt?: string;
  lastSeen?: string;
  labels?: Record<string, string>;
  unreadable?: { resource: string; error: string }[];
  counts?: Record<string, number>;
  local?: boolean;
}

export interface AssetRecord {
  key?: string;
  asset: Asset;
  uid?: string;
  labels?: string[];
  owner?: { kind: string; name: string };
  workload?: string;
  node?: string;
  serviceAccount?: string;
  images?: { name?: string; reference: string; digest?: string }[];
  phase?: string;
  replicas?: number;
  ready?: number;
  createdAt?: string;
  firstSeen?: string;
  lastSeen?: string;
  gone?: boolean;
  summary?: Record<string, unknown>;
}
export type Related = AssetRecord | { key?: string; kind?: string; namespace?: string; name: string };
export type Relations = Record<string, unknown>;

export interface Finding {
  id: string;
  check: string;
  category: string;
  severity: Severity;
  status: 'open' | 'excepted' | 'closed';
  state: 'fail' | 'error';
  asset: Asset;
  path?: string;
  value?: string;
  container?: string;
  args?: unknown;
  labels?: string[];
  exception?: string;
  firstSeen: string;
  lastSeen: string;
  closedAt?: string;
  reopened?: number;
  fixable?: boolean;
  controls?: string[];
  title: string;
  message: string;
  remedy?: string;
}
export interface FindingDetail extends Finding {
  description?: string;
  why?: string;
  evidence?: { path?: string; value?: string; container?: string }[];
  history?: { at: string; op: string; by?: string; text?: string }[];
  fix?: { patch?: string; diff?: string };
  mitre?: string[];
}

export interface CheckInfo {
  id: string;
  title: string;
  category: string;
  severity: Severity;
  description?: string;
  why?: string;
  remedy?: string;
  passed?: number;
  failed?: number;
  errors?: number;
  excused?: number;
  fixable?: boolean;
  controls?: string[];
}
export interface Framework {
  id: string;
  title: string;
  version?: string;
  passed?: number;
  failed?: number;
  notChecked?: number;
  controls?: Control[];
}
export interface Control {
  id: string;
  title: string;
  passed?: number;
  failed?: number;
  errors?: number;
  state?: string;
  checks?: string[];
}
export interface InspectionSummary {
  cluster: string;
  name?: string;
  score: number;
  passed: number;
  failed: number;
  errors: number;
  excused: number;
  bySeverity?: Partial<Record<Severity, number>>;
  byCategory?: Record<string, number>;
  byNamespace?: Record<string, number>;
  lastRun?: string;
}
export interface WorkloadCounts {
  asset: Asset;
  passed?: number;
  failed?: number;
  errors?: number;
  excused?: number;
  bySeverity?: Partial<Record<Severity, number>>;
  worst?: Severity;
}
export interface Run {
  id: string;
  cluster?: string;
  state: string;
  startedAt: string;
  finishedAt?: string;
  trigger?: string;
  by?: string;
  objects?: number;
  opened?: number;
  closed?: number;
  score?: number;
  error?: string;
}
export interface Schedule {
  id: string;
  name: string;
  feature: string;
  cron: string;
  timeZone?: string;
  cluster?: string;
  enabled: boolean;
  lastRun?: string;
  nextRun?: string;
  lastResult?: string;
}
export interface TrendPoint {
  date: string;
  score: number;
  open: number;
  bySeverity?: Partial<Record<Severity, number>>;
  opened?: number;
  closed?: number;
}

export interface Exception {
  id: string;
  check: string;
  cluster?: string;
  namespace?: string;
  kind?: string;
  name?: string;
  labels?: string[];
  image?: string;
  reason: string;
  requestedBy: string;
  requestedAt: string;
  state: 'requested' | 'approved' | 'refused' | 'expired' | 'withdrawn';
  decidedBy?: string;
  decidedAt?: string;
  comment?: string;
  expires?: string;
  covers?: number;
}

export interface EventRecord {
  id: string;
  time: string;
  received?: string;
  kind: string;
  cluster?: string;
  severity: Severity;
  verb?: string;
  outcome?: string;
  user?: string;
  sourceIp?: string;
  userAgent?: string;
  resource?: string;
  target?: Partial<Asset>;
  node?: string;
  pod?: string;
  image?: string;
  process?: string;
  rule?: string;
  message: string;
  messageId?: string;
  body?: unknown;
}
export interface Histogram {
  items: { start: string; count: number }[];
  stepSeconds: number;
}
export interface Top {
  items: { value: string; count: number }[];
}
export interface EventField {
  name: string;
  type?: string;
  aliases?: string[];
  description?: string;
}

export interface Alert {
  id: string;
  rule: string;
  group?: string;
  severity: Severity;
  state: 'open' | 'acknowledged' | 'resolved';
  target?: Partial<Asset>;
  user?: string;
  sourceIp?: string;
  node?: string;
  pod?: string;
  image?: string;
  count: number;
  firstSeen: string;
  lastSeen: string;
  events?: string[];
  assignee?: string;
  comments?: { by: string; at: string; text: string }[];
  resolution?: string;
  mitre?: string[];
  title: string;
  message: string;
  description?: string;
  remedy?: string;
}
export interface Rule {
  id: string;
  title: string;
  description?: string;
  severity: Severity;
  enabled: boolean;
  source?: string;
  kinds?: string[];
  mitre?: string[];
  alerts?: number;
}

export interface User {
  name: string;
  displayName?: string;
  email?: string;
  provider?: string;
  disabled?: boolean;
  createdAt?: string;
  lastLogin?: string;
  mustChangePassword?: boolean;
  roles?: string[];
}
export interface Role {
  name: string;
  title?: string;
  description?: string;
  permissions: string[];
  builtin?: boolean;
}
export interface Scope {
  clusters?: string[];
  namespaces?: string[];
  labels?: Record<string, string>;
}
export interface Grant {
  id: string;
  subject: string;
  role: string;
  scope?: Scope;
  createdAt?: string;
  createdBy?: string;
}
export interface Token {
  id: string;
  name: string;
  owner?: string;
  permissions?: string[];
  role?: string;
  createdAt?: string;
  expires?: string;
  lastUsed?: string;
  secret?: string; // only in the answer to its creation
}
export interface Provider {
  id: string;
  kind: 'oidc' | 'ldap' | 'kubernetes';
  name: string;
  enabled?: boolean;
  issuer?: string;
  clientId?: string;
  url?: string;
  baseDn?: string;
  bindDn?: string;
  userFilter?: string;
  groupFilter?: string;
  groupsClaim?: string;
  cluster?: string;
}

export interface Agent {
  id: string;
  cluster: string;
  node: string;
  version?: string;
  state: string;
  lastSeen?: string;
  certificateExpires?: string;
  spooled?: number;
  dropped?: number;
}
export interface SystemInfo {
  version: string;
  uptime: number;
  stores?: Record<string, { bytes?: number; records?: Record<string, number>; events?: number; oldest?: string }>;
  queues?: { name: string; queued: number; dropped: number }[];
  clusters?: number;
  agents?: number;
  listeners?: { name: string; address: string; tls?: boolean; certificateExpires?: string }[];
  memory?: { rss?: number } | number;
  sinks?: { name: string; state?: string; sent?: number; failed?: number; dropped?: number; lastError?: string }[];
}
export type Settings = Record<string, unknown>;

export interface Overview {
  score: number;
  trend?: TrendPoint[];
  bySeverity: Partial<Record<Severity, number>>;
  topRisks: Finding[];
  topAlerts: Alert[];
  clusters: Cluster[];
  coverage: { what: string; covered: number; total: number; why?: string }[];
  counts?: Record<string, number>;
}
