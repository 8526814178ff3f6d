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
  user?: { id: string; name: string; kind: string; login?: string; local?: boolean };
  roles?: string[];
  permissions?: string[];
  scopes?: { role?: string; scope?: Scope; permissions?: string[] }[];
  csrfToken?: string;
  expires?: string;
  mustChangePassword?: boolean;
}
export interface SessionMethod {
  method: 'password' | 'ldap' | 'kubernetes' | 'oidc';
  provider?: string;
  title?: string;
  href?: string;
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
  labels?: string[]; // key=value
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
  exception?: { id?: string; reason?: string; owner?: string; expires?: string; byOwner?: boolean };
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
  mitre?: string[];
}
export interface FindingFix {
  diff: string;
  fixed: string; // the object as YAML
  closes: number; // findings
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
  excepted?: number;
  fixable?: boolean;
  controls?: Record<string, string[]>;
}
export interface Framework {
  id: string;
  title: string;
  version?: string;
  url?: string;
  passing?: number;
  failing?: number;
  notAssessed?: number;
  controls?: Control[];
}
export interface Control {
  id: string;
  title: string;
  passed?: number;
  failed?: number;
  errors?: number;
  status: 'pass' | 'fail' | 'manual' | 'n/a';
  checks?: string[];
}
export interface Tally {
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}
export interface InspectionSummary {
  cluster: string;
  clusterName?: string;
  score: number;
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
  bySeverity?: Partial<Record<Severity, number>>;
  byCategory?: Record<string, Tally>;
  byNamespace?: Record<string, Tally>;
  updatedAt?: string;
}
export interface WorkloadCounts {
  asset: Asset;
  passed?: number;
  failed?: number;
  errors?: number;
  excepted?: number;
  score?: number;
  severity?: Severity; // the worst
  bySeverity?: Partial<Record<Severity, number>>;
}
export interface Run {
  id: string;
  cluster?: string;
  state: string;
  startedAt: string;
  finishedAt?: string;
  by?: string;
  objects?: number;
  findings?: number;
  drift?: number; // what watching had missed
  score?: number;
  unread?: { what: string; error: string }[];
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
  labels?: Record<string, string>;
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
  source?: string[];
  remedy?: string;
  defaultSeverity?: Severity;
  defaultEnabled?: boolean;
  condition?: string;
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
  groups?: string[];
}
export interface Role {
  name: string;
  title?: string;
  description?: string;
  permissions: string[];
  builtIn?: boolean;
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
export interface Permissions {
  items: { id: string; title: string }[];
}
export interface Token {
  id: string;
  name: string;
  kind?: 'personal' | 'machine';
  owner?: string;
  createdBy?: string;
  grants?: { role: string; scope?: Scope }[];
  createdAt?: string;
  expires?: string;
  lastUsed?: string;
}
export interface MadeToken {
  token: string; // shown this once
  record: Token;
}
export interface Provider {
  name: string;
  kind: 'oidc' | 'ldap' | 'kubernetes';
  title?: string;
  enabled?: boolean;
  oidc?: { issuer?: string; clientId?: string; clientSecret?: string; scopes?: string[]; groupsClaims?: string[]; userClaim?: string; caPem?: string };
  ldap?: { url?: string; bindDn?: string; bindPassword?: string; userBase?: string; userFilter?: string; groupBase?: string; groupFilter?: string; caPem?: string };
  kubernetes?: { cluster?: string; audience?: string };
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
export interface AgentEnrolment {
  token: string;
  expires: string;
  ca?: string;
}
export interface SystemInfo {
  version: string;
  uptime: number;
  stores?: Record<string, { bytes?: number; records?: Record<string, number> | { name: string; count: number }[]; events?: number; oldest?: string }>;
  queues?: { name: string; queued: number; dropped: number }[];
  clusters?: number;
  agents?: number;
  listeners?: { name: string; address: string; tls?: boolean; certificateExpires?: string }[];
  memory?: { rss?: number } | number;
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
export interface Suppression {
  id: string;
  rule: string;
  match: Record<string, string>;
  reason: string;
  by?: string;
  at?: string;
  expires?: string;
  hits?: number;
}
export interface Sink {
  id: string;
  name?: string;
  type: string;
  enabled?: boolean;
  kinds?: string[];
  q?: string;
  path?: string;
  url?: string;
  format?: string;
  language?: string;
  status?: { sent?: number; failures?: number; dropped?: number; waiting?: number; lastSent?: string; lastError?: string };
}
export interface AuditSource {
  id: string;
  name?: string;
  cluster: string;
  createdAt?: string;
  events?: number;
  duplicates?: number;
  invalid?: number;
  shortened?: number;
  lastSeen?: string;
}
export interface MadeAuditSource extends AuditSource {
  path: string; // with its secret: shown this once
  webhookConfig?: string;
}
