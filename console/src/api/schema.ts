// Made by scripts/types.mjs of docs/reference/openapi.json. Do not edit.

export interface Agent {
  id: string;
  // UID of its cluster's kube-system; empty outside of any
  cluster: string;
  node: string;
  state: 'connected' | 'away' | 'revoked';
  version?: string;
  enrolledAt?: string;
  lastSeen?: string;
  certificateExpires?: string;
  // envelopes that wait on the node
  spooled?: number;
  // envelopes that the node had to drop
  dropped?: number;
}

export interface AgentEnrolment {
  // good for one agent; shown this once
  token: string;
  expires: string;
  // PEM of the CA that agents trust
  ca: string;
}

export interface AgentEnrolmentRequest {
  // an id of clusters; none: a machine outside of any
  cluster?: string;
  // the only node that may use it; none: any
  node?: string;
  // in an hour, unless told; at most 30 days
  expires?: string;
}

export interface Alert {
  id: string;
  rule: string;
  // What is alike: the values of the rule's group
  group: string;
  severity: Severity;
  state: 'open' | 'acknowledged' | 'resolved';
  target: Asset;
  user?: string;
  sourceIp?: string;
  node?: string;
  pod?: string;
  image?: string;
  messageId: string;
  args: Record<string, string>;
  count: number;
  firstSeen: string;
  lastSeen: string;
  // The first and the latest
  events: string[];
  assignee?: string;
  resolution?: string;
  resolvedAt?: string;
  reopened: number;
  mitre: string[];
  comments: {
    by: string;
    at: string;
    text: string;
  }[];
  message: string;
  title?: string;
  description?: string;
  remedy?: string;
}

export interface Asset {
  cluster?: string;
  group?: string;
  version?: string;
  kind: string;
  namespace?: string;
  name: string;
}

export interface AssetHistory {
  items: {
    id: string;
    time: string;
    verb: 'created' | 'updated' | 'deleted';
    // The field manager
    userAgent: string;
    messageId: string;
    message: string;
    args: Record<string, string>;
    changes?: {
      path: string;
      before: string;
      after: string;
    }[];
    // Changes beyond those
    more?: number;
  }[];
  next?: string;
}

export interface AssetRelations {
  asset: Asset;
  truncated?: boolean;
  serviceAccount?: RelatedAsset;
  node?: RelatedAsset;
  owners?: RelatedAsset[];
  pods?: RelatedAsset[];
  replicas?: RelatedAsset[];
  workloads?: RelatedAsset[];
  services?: RelatedAsset[];
  ingresses?: RelatedAsset[];
  networkPolicies?: RelatedAsset[];
  images?: RelatedAsset[];
  bindings?: RelatedAsset[];
  roles?: RelatedAsset[];
  serviceAccounts?: RelatedAsset[];
}

export interface AuditSource {
  id: string;
  name: string;
  cluster: string;
  certificateNames: string[];
  createdAt: string;
  createdBy: string;
  events?: number;
  duplicates?: number;
  invalid?: number;
  shortened?: number;
  lastSeen?: string;
}

export interface Backup {
  // On the server
  folder: string;
  bytes: number;
}

export interface Check {
  id: string;
  severity: Severity;
  category: string;
  title: string;
  description: string;
  why: string;
  remedy: string;
  mitre: string[];
  controls: Record<string, string[]>;
  fixable: boolean;
  origin: string;
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}

export interface CheckList {
  items: Check[];
}

export interface Cluster {
  id: string;
  name: string;
  server?: string;
  version?: string;
  state: 'connecting' | 'ready' | 'away' | 'denied';
  stateReason?: string;
  stateReasonId?: string;
  provider?: string;
  nodes?: number;
  addedAt?: string;
  lastSeen?: string;
  syncedAt?: string;
  labels?: string[];
  unreadable?: {
    resource?: string;
    error?: string;
    errorId?: string;
  }[];
  counts?: Record<string, number>;
  local?: boolean;
  insecure?: boolean;
}

export interface ClusterCheck {
  version?: string;
  milliseconds?: number;
  ok?: boolean;
  kinds?: {
    resource?: string;
    kind?: string;
    needed?: boolean;
    list?: boolean;
    watch?: boolean;
    reason?: string;
  }[];
}

export interface ClusterManifest {
  manifest: string;
  commands: string;
}

export interface ClusterPatch {
  name?: string;
  kubeconfig?: string;
  labels?: string[];
}

export interface ConfigChanges {
  changes: {
    op: 'create' | 'update' | 'delete';
    kind: string;
    name: string;
    diff: string;
  }[];
  applied: boolean;
}

export interface ConfigObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
  };
  spec: Record<string, unknown>;
}

export interface ConfigObjects {
  items: ConfigObject[];
}

export interface Control {
  id: string;
  title: string;
  status: 'pass' | 'fail' | 'manual' | 'n/a';
  checks: string[];
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}

export interface Event {
  id: string;
  time: string;
  received: string;
  kind: string;
  cluster?: string;
  severity: Severity;
  verb?: string;
  outcome?: string;
  user?: string;
  sourceIp?: string;
  userAgent?: string;
  resource?: string;
  target?: Asset;
  node?: string;
  pod?: string;
  image?: string;
  process?: string;
  rule?: string;
  messageId?: string;
  args: Record<string, string>;
  // In the language of the request
  message: string;
  // What its source said, as JSON
  body?: unknown;
}

export interface EventFields {
  items: {
    name: string;
    type: 'text' | 'int' | 'real' | 'bool' | 'time' | 'severity';
    aliases: string[];
  }[];
}

export interface EventHistogram {
  items: {
    start: string;
    count: number;
  }[];
  stepSeconds: number;
}

export interface EventPage {
  items: Event[];
  next?: string;
  total?: number;
}

export interface EventTop {
  items: {
    value: string;
    count: number;
  }[];
}

export interface Exception {
  id: string;
  // Glob
  check: string;
  cluster?: string;
  namespace?: string;
  kind?: string;
  name?: string;
  image?: string;
  labels?: Record<string, string>;
  reason: string;
  // As it was asked for: a date (to its end) or a time
  expires?: string;
  expiresAt?: string;
  requestedBy: string;
  requestedAt: string;
  state: 'requested' | 'approved' | 'refused' | 'withdrawn' | 'expired';
  decidedBy?: string;
  decidedAt?: string;
  comment?: string;
  // Findings that it excepts now
  covers?: number;
}

export interface ExceptionRequest {
  // Glob
  check: string;
  // Id or name; glob
  cluster?: string;
  namespace?: string;
  kind?: string;
  name?: string;
  image?: string;
  labels?: Record<string, string>;
  reason: string;
  // A date (to its end) or RFC 3339 time
  expires?: string;
  // At once, by whoever may
  approve?: boolean;
}

export interface Finding {
  id: string;
  check: string;
  category?: string;
  severity: Severity;
  status: 'open' | 'excepted' | 'closed';
  state: 'fail' | 'error';
  asset: Asset;
  // The key of the asset that it counts for
  workload?: string;
  path?: string;
  value?: string;
  container?: string;
  args?: Record<string, string>;
  labels?: string[];
  images?: string[];
  controls?: string[];
  fixable?: boolean;
  exception?: {
    id?: string;
    reason?: string;
    owner?: string;
    expires?: string;
    byOwner?: boolean;
  };
  firstSeen: string;
  lastSeen: string;
  closedAt?: string;
  reopened?: number;
  title: string;
  message: string;
  // With what follows: of one finding, not of lists
  description?: string;
  why?: string;
  remedy?: string;
  mitre?: string[];
}

export interface FindingFix {
  // Unified
  diff: string;
  // The object as YAML
  fixed: string;
  // Findings that it closes
  closes: number;
}

export interface Framework {
  id: string;
  version: string;
  url: string;
  title: string;
  passing: number;
  failing: number;
  notAssessed: number;
  // Of one framework, not of lists
  controls?: Control[];
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}

export interface FrameworkList {
  items: Framework[];
}

export interface Grant {
  id: string;
  subject: string;
  role: string;
  scope?: Scope;
  createdBy?: string;
  createdAt?: string;
}

export interface InspectedWorkload {
  asset: Asset;
  severity: Severity;
  labels: string[];
  images: string[];
  // Whether it runs containers
  workload: boolean;
  updatedAt: string;
  score: number;
  // Failures, by severity
  bySeverity: Record<string, number>;
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}

export interface Inspection {
  cluster: string;
  clusterName: string;
  kubernetes?: string;
  updatedAt: string;
  judged?: number;
  moreNamespaces?: number;
  byCategory?: Record<string, Tally>;
  byNamespace: Record<string, Tally>;
  byCheck?: Record<string, Tally>;
  byControl?: Record<string, Tally>;
  score: number;
  // Failures, by severity
  bySeverity: Record<string, number>;
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}

export interface InspectionList {
  items: Inspection[];
}

export type InspectionReport = Record<string, unknown>;

export interface InventoryAsset {
  key: string;
  asset: Asset;
  uid?: string;
  class?: string;
  labels?: string[];
  owner?: {
    group?: string;
    kind: string;
    name: string;
    uid?: string;
  };
  workload?: string;
  node?: string;
  serviceAccount?: string;
  images?: {
    name?: string;
    reference: string;
    digest?: string;
  }[];
  imageNames?: string[];
  phase?: string;
  replicas?: number;
  ready?: number;
  createdAt?: string;
  firstSeen?: string;
  lastSeen?: string;
  gone?: boolean;
  summary?: Record<string, unknown>;
}

export interface LogIn {
  method: 'password' | 'ldap' | 'kubernetes';
  provider?: string;
  name?: string;
  password?: string;
  token?: string;
}

export interface LogInMethods {
  items: {
    method: 'password' | 'oidc' | 'ldap' | 'kubernetes';
    provider?: string;
    title?: string;
    href?: string;
  }[];
}

export interface MadeAuditSource {
  id: string;
  name: string;
  cluster: string;
  certificateNames: string[];
  createdAt: string;
  createdBy: string;
  events?: number;
  duplicates?: number;
  invalid?: number;
  shortened?: number;
  lastSeen?: string;
  // With its secret, shown this once
  path: string;
  // For --audit-webhook-config-file
  webhookConfig: string;
}

export interface MadeToken {
  token: string;
  record: Token;
}

export interface NewCluster {
  name: string;
  kubeconfig: string;
  labels?: string[];
}

export interface NewGrant {
  subject: string;
  role: string;
  scope?: Scope;
}

export interface NewSchedule {
  name: string;
  feature: string;
  cron: string;
  timeZone?: string;
  cluster?: string;
  enabled?: boolean;
}

export interface NewToken {
  name: string;
  kind?: 'personal' | 'machine';
  expires?: string;
  grants?: {
    role: string;
    scope?: Scope;
  }[];
}

export interface NewUser {
  name: string;
  displayName?: string;
  email?: string;
  password: string;
  mustChangePassword?: boolean;
}

export interface Node {
  id: string;
  cluster: string;
  node: string;
  asset?: Record<string, unknown>;
  os?: string;
  kernel?: string;
  runtime?: string;
  kubelet?: string;
  passed?: number;
  failed: number;
  errors?: number;
  manual?: number;
  // severity of the worst check that fails
  worst?: string;
  failing?: string[];
  reportedAt?: string;
}

export interface NodeReport {
  cluster?: string;
  node?: string;
  reportedAt?: string;
  facts: Record<string, unknown>;
  assessments: {
    check: string;
    status: string;
    severity?: string;
    category?: string;
    title?: string;
    description?: string;
    remedy?: string;
    path?: string;
    value?: string;
    error?: string;
    controls?: string[];
  }[];
}

export interface Overview {
  // Absent where nothing was inspected
  score?: number;
  // Of the last 30 days
  trend: TrendPoint[];
  bySeverity: Record<string, number>;
  topRisks: Finding[];
  topAlerts: Alert[];
  clusters: Cluster[];
  coverage: {
    what: 'clusters' | 'workloads' | 'nodes' | 'audit';
    covered: number;
    total: number;
    why: string;
  }[];
  counts: Record<string, number>;
}

export interface PasswordChange {
  password: string;
  current?: string;
  mustChangePassword?: boolean;
}

export interface Permissions {
  items: {
    id: string;
    title: string;
    titles?: Record<string, string>;
    global?: boolean;
  }[];
  roles: {
    name: string;
    title?: string;
    titles?: Record<string, string>;
    description?: string;
    permissions: string[];
  }[];
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  instance?: string;
  requestId?: string;
  errors?: {
    path?: string;
    message?: string;
  }[];
}

export interface Provider {
  name: string;
  kind: 'oidc' | 'ldap' | 'kubernetes';
  title?: string;
  enabled?: boolean;
  oidc?: {
    issuer?: string;
    clientId?: string;
    clientSecret?: string;
    scopes?: string[];
    groupsClaims?: string[];
    userClaim?: string;
    nameClaim?: string;
    caPem?: string;
    algorithms?: string[];
  };
  ldap?: {
    url?: string;
    caPem?: string;
    bindDn?: string;
    bindPassword?: string;
    userBase?: string;
    userFilter?: string;
    idAttribute?: string;
    nameAttribute?: string;
    emailAttribute?: string;
    groupBase?: string;
    groupFilter?: string;
    groupAttribute?: string;
  };
  kubernetes?: {
    cluster?: string;
    audience?: string;
    group?: string;
    resource?: string;
    verb?: string;
    roles?: string[];
  };
}

export type ProviderPatch = Record<string, unknown>;

export interface RelatedAsset {
  key: string;
  asset: Asset;
  class?: string;
  phase?: string;
  gone?: boolean;
  role?: string;
  roleKind?: string;
}

export interface Role {
  name: string;
  title?: string;
  description?: string;
  builtIn?: boolean;
  permissions: string[];
}

export interface RoleChange {
  title?: string;
  description?: string;
  permissions: string[];
}

export interface Rule {
  id: string;
  title: string;
  description: string;
  remedy: string;
  severity: Severity;
  defaultSeverity: Severity;
  enabled: boolean;
  defaultEnabled: boolean;
  // Kinds of events
  source: string[];
  verbs: string[];
  resources: string[];
  outcomes: string[];
  // CEL
  condition: string;
  group: string[];
  threshold?: {
    count: number;
    within: string;
    distinct?: string;
    share?: {
      of: string;
      over: number;
    };
  };
  firstTime?: {
    of: string[];
    per: string[];
    learn: string;
  };
  silence?: {
    after: string;
  };
  mitre: string[];
  builtIn: boolean;
  counts: {
    evaluated: number;
    matched: number;
    errors: number;
    suppressed: number;
    lastError: string;
  };
}

export interface RuleList {
  items: Rule[];
}

export interface RuleTrial {
  items: {
    group: string;
    cluster: string;
    time: string;
    count: number;
    events: string[];
    message: string;
  }[];
  // How many were looked at
  events: number;
  matches: number;
  errors: number;
  // The first
  error: string;
  // Whether all of the time was looked at
  complete: boolean;
}

export interface Run {
  id: string;
  cluster: string;
  by: string;
  state: 'running' | 'done' | 'failed';
  startedAt: string;
  finishedAt?: string;
  error?: string;
  objects?: number;
  findings?: number;
  // Findings that watching had missed
  drift?: number;
  unread?: {
    what: string;
    error: string;
  }[];
  score?: number;
  // Failures, by severity
  bySeverity?: Record<string, number>;
  passed?: number;
  failed?: number;
  errors?: number;
  excepted?: number;
}

export interface RunStarted {
  id: string;
  cluster: string;
  state: 'running';
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
  lastResult?: {
    ok: boolean;
    text: string;
    error?: string;
    milliseconds: number;
  };
}

export interface SchedulePatch {
  name?: string;
  feature?: string;
  cron?: string;
  timeZone?: string;
  cluster?: string;
  enabled?: boolean;
}

export interface Scope {
  clusters?: string[];
  namespaces?: string[];
  labels?: Record<string, string>;
}

export interface Session {
  authenticated: boolean;
  user?: {
    id?: string;
    name?: string;
    kind?: 'user' | 'token' | 'kubernetes' | 'system';
    login?: string;
    local?: boolean;
  };
  roles?: string[];
  permissions?: string[];
  scopes?: {
    role?: string;
    permissions?: string[];
    scope?: Scope;
  }[];
  csrfToken?: string;
  expires?: string;
  mustChangePassword?: boolean;
}

export interface Settings {
  // Days that events of a kind, and records, are kept; 0: for ever
  retention: Record<string, number>;
  maxEventBytes: number;
  // Checks that objects may except themselves from by annotation; globs
  ownerExceptions: string[];
}

export interface SettingsPatch {
  // Days that events of a kind, and records, are kept; 0: for ever
  retention?: Record<string, number>;
  maxEventBytes?: number;
  // Checks that objects may except themselves from by annotation; globs
  ownerExceptions?: string[];
}

export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info' | 'unknown';

export interface Sink {
  id: string;
  name?: string;
  type: string;
  enabled: boolean;
  kinds?: string[];
  q?: string;
  language?: 'en' | 'zh-CN';
  bodies?: boolean;
  path?: string;
  maxBytes?: number;
  files?: number;
  url?: string;
  format?: 'lines' | 'array';
  headers?: Record<string, string>;
  // Their names
  secretHeaders: string[];
  createdAt: string;
  createdBy: string;
  status: {
    sent: number;
    failures: number;
    dropped: number;
    waiting: number;
    lastSent?: string;
    lastError?: string;
  };
}

export interface Suppression {
  id: string;
  rule: string;
  cluster: string;
  namespace: string;
  // Fields of events, with globs
  match: Record<string, string>;
  reason: string;
  by: string;
  at: string;
  expires: string;
  // Of which it was made
  alert?: string;
  hits: number;
}

export interface System {
  version: string;
  // Seconds
  uptime: number;
  stores: {
    state: {
      bytes: number;
      records: Record<string, number>;
    };
    events: {
      bytes: number;
      events: number;
      oldest?: string;
      newest?: string;
    };
  };
  queues: {
    name: string;
    queued: number;
    dropped: number;
  }[];
  listeners: {
    name: string;
    address: string;
    tls: boolean;
  }[];
  clusters: number;
  agents: number;
  memory: {
    rss: number;
  };
}

export interface Tally {
  score: number;
  // Failures, by severity
  bySeverity: Record<string, number>;
  passed: number;
  failed: number;
  errors: number;
  excepted: number;
}

export interface Token {
  id: string;
  name: string;
  kind: 'personal' | 'machine';
  owner?: string;
  createdBy?: string;
  inherit?: boolean;
  grants?: {
    role: string;
    scope?: Scope;
  }[];
  createdAt?: string;
  expires?: string;
  lastUsed?: string;
  lastAddress?: string;
}

export interface TokenPage {
  items: Token[];
  next?: string;
  total?: number;
}

export interface TrendList {
  items: TrendPoint[];
}

export interface TrendPoint {
  // 2026-01-31
  date: string;
  score: number;
  open: number;
  opened: number;
  closed: number;
  bySeverity: Record<string, number>;
}

export interface User {
  name: string;
  displayName?: string;
  email?: string;
  provider?: string;
  groups?: string[];
  disabled?: boolean;
  mustChangePassword?: boolean;
  createdAt?: string;
  lastLogin?: string;
  passwordChangedAt?: string;
}

export interface UserPatch {
  displayName?: string | null;
  email?: string | null;
  disabled?: boolean;
}
