// The shapes of the API, by the names that the console calls them; schema.ts is made of the server's
// document (`npm run types`), and nothing but this file speaks of it.

import type * as api from './schema';

export type {
  Agent,
  AgentEnrolment,
  Alert,
  AuditSource,
  Cluster,
  Control,
  Exception,
  Finding,
  FindingFix,
  Framework,
  Grant,
  MadeAuditSource,
  MadeToken,
  Overview,
  Permissions,
  Provider,
  Role,
  Rule,
  Run,
  Schedule,
  Scope,
  Session,
  Severity,
  Sink,
  Suppression,
  Tally,
  Token,
  TrendPoint,
  User,
} from './schema';
export type {
  Check as CheckInfo,
  Event as EventRecord,
  EventHistogram as Histogram,
  EventTop as Top,
  Finding as FindingDetail,
  InspectedWorkload as WorkloadCounts,
  Inspection as InspectionSummary,
  InventoryAsset as AssetRecord,
  System as SystemInfo,
} from './schema';

export const severities: readonly api.Severity[] = ['critical', 'high', 'medium', 'low', 'info', 'unknown'];

export interface Page<T> {
  items: T[];
  next?: string;
  total?: number;
}
export interface Groups {
  items: { values: string[]; count: number }[];
}
export type Asset = api.Asset;
export type SessionMethod = api.LogInMethods['items'][number];
export type EventField = api.EventFields['items'][number];
export type Related = api.RelatedAsset;
export type Relations = api.AssetRelations;
export type Settings = Record<string, unknown>;
