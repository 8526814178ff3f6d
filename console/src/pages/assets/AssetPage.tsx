// Everything that is known of one asset: findings, events, what it belongs with, how it changed,
// and the object itself.

import { Tabs } from 'antd';
import { Link } from 'react-router';
import { segment } from '../../api/client';
import { useGet, useText } from '../../api/hooks';
import type { Asset, AssetRecord, Cluster, EventRecord, Finding, Page } from '../../api/types';
import { useParam, useScoped } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { and, term } from '../../lib/query';
import { assetKey, AssetLink, Facts, KindMark, Nothing, None, Num, PageHead, Panel, SeverityMark, State, StateWord, Time } from '../../ui/basics';
import { Code } from '../../ui/Code';
import { ProblemAlert } from '../../ui/Problem';
import { ServerTable } from '../../ui/ServerTable';
import { Skeleton } from '../../ui/Skeleton';
import FindingDrawer from '../findings/FindingDrawer';
import { findingFields, useFindingColumns } from '../findings/Findings';
import { atTime } from '../shared';
import { workloadKinds } from './Assets';

// "cluster/group/kind/ns/name", as Asset::Key(); a name may itself have slashes (images).
export function parseKey(key: string): Asset {
  const [cluster = '', group = '', kind = '', namespace = '', ...name] = key.split('/');
  return { cluster, group, version: '', kind, namespace, name: name.join('/') };
}

function findingsOf(asset: Asset, record: AssetRecord | undefined): string {
  const cluster = asset.cluster && term('cluster', asset.cluster);
  if (asset.kind === 'Namespace') return and(cluster, term('ns', asset.name));
  // A pod's findings are its workload's.
  if (asset.kind === 'Pod' && record?.workload) return findingsOf(parseKey(record.workload), undefined);
  return and(cluster, asset.namespace && term('ns', asset.namespace), term('kind', asset.kind), term('name', asset.name));
}

// Labels and lists as people write them.
function brief(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return value.every((item) => typeof item !== 'object') ? value.join(', ') : JSON.stringify(value);
  const { matchLabels, ...rest } = value as Record<string, unknown>;
  if (matchLabels && !Object.keys(rest).length) return brief(matchLabels);
  const entries = Object.entries(value);
  return entries.every(([, of]) => typeof of === 'string') ? entries.map(([name, of]) => `${name}=${of}`).join(', ') : JSON.stringify(value);
}

function eventsOf(asset: Asset): string {
  const cluster = asset.cluster && term('cluster', asset.cluster);
  if (asset.kind === 'Namespace') return and(cluster, term('ns', asset.name));
  if (asset.kind === 'Node') return and(cluster, `(${term('name', asset.name)} or ${term('node', asset.name)})`);
  if (asset.kind === 'ServiceAccount') return and(cluster, `(${term('user', `system:serviceaccount:${asset.namespace}:${asset.name}`)} or (${term('ns', asset.namespace ?? '')} ${term('name', asset.name)}))`);
  if (workloadKinds.includes(asset.kind)) return and(cluster, term('ns', asset.namespace ?? ''), `(${term('name', asset.name)} or name:${/^[\w.-]+$/.test(asset.name) ? asset.name : `"${asset.name}"`}-*)`);
  return and(cluster, asset.namespace && term('ns', asset.namespace), term('name', asset.name));
}

export default function AssetPage() {
  const { t } = useI18n();
  const may = useMay();
  const [key] = useParam('key');
  const [tab, setTab] = useParam('tab', 'findings');
  const asset = parseKey(key);
  const record = useGet<AssetRecord>(`/assets/${segment(key)}`, {}, { enabled: !!key, keep: false });
  const clusters = useGet<Page<Cluster>>('/clusters', { limit: 500, sort: 'name' }, { enabled: may('clusters.read') });
  const a = record.data;
  const clusterName = clusters.data?.items.find((c) => c.id === asset.cluster)?.name ?? asset.cluster;
  const title = asset.kind === 'Image' ? (a?.images?.[0]?.reference ?? asset.name) : asset.name;
  return (
    <>
      <PageHead
        title={
          <span className="row">
            <KindMark kind={asset.kind} />
            <span className="wrap">{title}</span>
          </span>
        }
        about={
          <span className="row flow wide">
            <span>{asset.kind}</span>
            {asset.namespace ? <span>{t('namespace')} <Link className="mono" to={`/asset?key=${encodeURIComponent(`${asset.cluster}//Namespace//${asset.namespace}`)}`}>{asset.namespace}</Link></span> : null}
            <span>{t('cluster')} <Link to={`/clusters?open=${encodeURIComponent(asset.cluster ?? '')}`}>{clusterName}</Link></span>
            {a?.phase ? <StateWord value={a.phase} /> : null}
            {a?.gone ? <State tone="idle">{t('assets.gone')}</State> : null}
          </span>
        }
      />
      {record.error ? (
        <div style={{ marginBottom: 16 }}>
          <ProblemAlert problem={record.error} onRetry={() => void record.refetch()} />
        </div>
      ) : null}
      <div className="grid" style={{ gridTemplateColumns: 'minmax(0, 1fr) 300px', alignItems: 'start' }}>
        <Tabs
          activeKey={tab}
          onChange={(next) => setTab(next, { q: '', sort: '', cursor: '', open: '' })}
          destroyOnHidden
          items={[
            ...(may('findings.read') ? [{ key: 'findings', label: t('nav.findings'), children: a || record.error ? <Findings query={findingsOf(asset, a)} /> : <Skeleton /> }] : []),
            ...(may('events.read') ? [{ key: 'events', label: t('nav.events'), children: <EventList query={eventsOf(asset)} /> }] : []),
            { key: 'relations', label: t('assets.relations'), children: <Relations assetKey_={key} record={a} /> },
            { key: 'history', label: t('assets.history'), children: <History assetKey_={key} /> },
            ...(asset.kind === 'Image' ? [] : [{ key: 'yaml', label: t('assets.yaml'), children: <Yaml assetKey_={key} /> }]),
          ]}
        />
        <Panel title={t('assets.facts')}>
          {a ? (
            <div className="stack half">
              <Facts
                items={[
                  ...(a.replicas !== undefined ? [[t('column.ready'), `${a.ready ?? 0} / ${a.replicas}`] as [string, string]] : []),
                  ...(a.workload ? [[t('assets.workload'), <AssetLink key="w" asset={parseKey(a.workload)} />] as [React.ReactNode, React.ReactNode]] : []),
                  ...(a.node ? [[t('column.node'), <Link key="n" className="mono" to={`/asset?key=${encodeURIComponent(`${asset.cluster}//Node//${a.node}`)}`}>{a.node}</Link>] as [React.ReactNode, React.ReactNode]] : []),
                  ...(a.serviceAccount ? [[t('column.account'), <Link key="s" className="mono" to={`/asset?key=${encodeURIComponent(`${asset.cluster}//ServiceAccount/${asset.namespace}/${a.serviceAccount}`)}`}>{a.serviceAccount}</Link>] as [React.ReactNode, React.ReactNode]] : []),
                  ...Object.entries(a.summary ?? {}).filter(([, v]) => v !== '' && v !== null).slice(0, 16).map(([name, v]): [React.ReactNode, React.ReactNode] => [t(`summary.${name}` as never) || name, typeof v === 'number' ? <Num key={name} value={v} /> : <span key={name} className="mono">{brief(v)}</span>]),
                  [t('column.created'), <Time key="c" value={a.createdAt} />],
                  [t('column.first'), <Time key="f" value={a.firstSeen} />],
                  [t('column.last'), <Time key="l" value={a.lastSeen} />],
                ]}
              />
              {a.images?.length ? (
                <section className="stack tight">
                  <h3>{t('column.images')}</h3>
                  {a.images.map((image) => (
                    <span key={image.reference + image.name} className="mono wrap">{image.reference}</span>
                  ))}
                </section>
              ) : null}
              {a.labels?.length ? (
                <section className="stack tight">
                  <h3>{t('column.labels')}</h3>
                  <span className="row flow">{a.labels.map((l) => <span key={l} className="chip mono" title={l}>{l}</span>)}</span>
                </section>
              ) : null}
            </div>
          ) : (
            <Skeleton rows={6} />
          )}
        </Panel>
      </div>
    </>
  );
}

function Findings({ query }: { query: string }) {
  const { t } = useI18n();
  const [open, setOpen] = useParam('open');
  const columns = useFindingColumns(setOpen).map((c) => (c.key === 'asset' ? { ...c, off: true } : c));
  return (
    <>
      <ServerTable<Finding>
        id="asset.findings"
        path="/findings"
        columns={columns}
        rowKey={(f) => f.id}
        fields={findingFields}
        placeholder="findings.query"
        fixed={query}
        scoped={false}
        defaultQuery="status:open"
        defaultSort="-severity"
        page={25}
        onOpen={(f) => setOpen(f.id)}
        openKey={open}
        empty={<Nothing title={t('assets.noFindings')}>{t('assets.noFindingsHint')}</Nothing>}
      />
      <FindingDrawer id={open} onClose={() => setOpen('')} />
    </>
  );
}

export function EventList({ query, empty }: { query: string; empty?: React.ReactNode }) {
  const { t, word } = useI18n();
  const scoped = useScoped();
  const events = useGet<Page<EventRecord>>('/events', { q: query, limit: 50 });
  if (events.error) return <ProblemAlert problem={events.error} onRetry={() => void events.refetch()} />;
  return (
    <Panel flush title={t('assets.latest')} extra={<Link to={`/events?range=30d&q=${encodeURIComponent(query)}`}>{t('assets.allEvents')}</Link>}>
      {!events.data ? (
        <div style={{ padding: 16 }}><Skeleton /></div>
      ) : events.data.items.length ? (
        <ul className="lines">
          {events.data.items.map((e) => (
            <li key={e.id} className="row between wide">
              <SeverityMark value={e.severity} bare />
              <span className="muted nowrap" style={{ width: 80 }}>{word('event.kind', e.kind)}</span>
              <Link className="grow" to={scoped('/events', { open: e.id, q: query, ...atTime(e.time) })}><span className="clip" title={e.message}>{e.message}</span></Link>
              <span className="muted"><Time value={e.time} /></span>
            </li>
          ))}
        </ul>
      ) : (
        (empty ?? <Nothing title={t('assets.noEvents')}>{t('assets.noEventsHint')}</Nothing>)
      )}
    </Panel>
  );
}

// Whatever the server names: a group is a list of assets (or one).
function Relations({ assetKey_, record }: { assetKey_: string; record: AssetRecord | undefined }) {
  const { t, word } = useI18n();
  const scoped = useScoped();
  const relations = useGet<Record<string, unknown>>(`/asset-relations/${segment(assetKey_)}`, {}, { enabled: !!assetKey_, keep: false });
  if (relations.error) return <ProblemAlert problem={relations.error} onRetry={() => void relations.refetch()} />;
  if (!relations.data) return <Skeleton />;
  const groups = Object.entries(relations.data)
    .filter(([name]) => name !== 'asset' && name !== 'truncated')
    .map(([name, value]): [string, unknown[]] => [name, Array.isArray(value) ? value : value ? [value] : []])
    .filter(([, list]) => list.length);
  if (!groups.length) return <Panel><Nothing title={t('assets.noRelations')} /></Panel>;
  return (
    <div className="stack">
      {groups.map(([name, list]) => (
        <Panel key={name} flush title={`${word('relation', name)} (${list.length})`}>
          <ul className="lines" style={{ maxHeight: 320, overflow: 'auto' }} tabIndex={0} aria-label={word('relation', name)}>
            {list.map((item, index) => {
              const related = relatedAsset(item, parseKey(assetKey_));
              const record_ = item as Partial<AssetRecord>;
              return (
                <li key={index} className="row between wide">
                  <span className="grow">{related ? <AssetLink asset={related} /> : <span className="mono clip">{typeof item === 'string' ? item : JSON.stringify(item)}</span>}</span>
                  {record_.images?.[0] && related?.kind === 'Image' ? <span className="mono muted clip" style={{ maxWidth: '50%' }}>{record_.images[0].reference}</span> : null}
                  {record_.phase ? <StateWord value={record_.phase} /> : null}
                </li>
              );
            })}
          </ul>
        </Panel>
      ))}
      {record?.asset.kind === 'Image' ? <Link to={scoped('/assets', { tab: 'workloads', q: term('image', record.images?.[0]?.digest ?? record.asset.name) })}>{t('assets.usedBy')}</Link> : null}
    </div>
  );
}

function relatedAsset(item: unknown, of: Asset): Partial<Asset> | undefined {
  if (typeof item === 'string') return item.split('/').length >= 5 ? parseKey(item) : undefined;
  if (!item || typeof item !== 'object') return undefined;
  const object = item as Partial<AssetRecord> & Partial<Asset> & { key?: string };
  if (object.asset) return object.asset;
  if (object.key && object.key.split('/').length >= 5) return parseKey(object.key);
  return object.kind && object.name ? { cluster: of.cluster, ...object } : undefined;
}

function History({ assetKey_ }: { assetKey_: string }) {
  const { t, word } = useI18n();
  const history = useGet<Page<EventRecord>>(`/asset-history/${segment(assetKey_)}`, { limit: 100 }, { enabled: !!assetKey_, keep: false });
  if (history.error) return <ProblemAlert problem={history.error} onRetry={() => void history.refetch()} />;
  if (!history.data) return <Skeleton />;
  if (!history.data.items.length) return <Panel><Nothing title={t('assets.noHistory')}>{t('assets.noHistoryHint')}</Nothing></Panel>;
  return (
    <Panel>
      <ol className="timeline">
        {history.data.items.map((event) => (
          <li key={event.id}>
            <div className="row between">
              <span><b>{word('history', event.verb)}</b>{event.user ? <span className="muted"> · {event.user}</span> : null}</span>
              <span className="muted"><Time value={event.time} /></span>
            </div>
            <Changes event={event} />
          </li>
        ))}
      </ol>
    </Panel>
  );
}

interface FieldChange {
  path: string;
  before: string; // JSON; "": absent
  after: string;
}

function Changes({ event }: { event: EventRecord }) {
  const { t } = useI18n();
  const listed = (event as { changes?: FieldChange[] }).changes;
  const body = (typeof event.body === 'object' ? event.body : {}) as { changes?: FieldChange[] };
  const changes = listed ?? body.changes ?? [];
  if (!Array.isArray(changes) || !changes.length) return <span className="muted wrap">{event.message}</span>;
  const show = (value: string) => (value === '' ? <None /> : <span className="mono wrap">{value}</span>);
  return (
    <table className="help-table" style={{ marginTop: 4 }} aria-label={t('assets.changes')}>
      <tbody>
        {changes.slice(0, 40).map((change, index) => (
          <tr key={index}>
            <td className="mono wrap" style={{ width: '46%' }}>{change.path}</td>
            <td style={{ color: 'var(--bad)' }}>{show(change.before)}</td>
            <td style={{ color: 'var(--good)' }}>{show(change.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Yaml({ assetKey_ }: { assetKey_: string }) {
  const { t } = useI18n();
  const object = useText(`/asset-object/${segment(assetKey_)}`, {}, 'application/yaml, text/yaml;q=0.9', !!assetKey_);
  if (object.error) return <ProblemAlert problem={object.error} onRetry={() => void object.refetch()} />;
  if (object.data === undefined) return <Skeleton rows={12} />;
  return <Code text={object.data} label={t('assets.yaml')} />;
}

export { assetKey };
