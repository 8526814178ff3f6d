import { DownloadOutlined, PlayCircleOutlined } from '@ant-design/icons';
import { Button, Dropdown, Tabs } from 'antd';
import { Link } from 'react-router';
import { api, downloadUrl } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import { severities, type CheckInfo, type InspectionSummary, type Run, type Severity, type Tally, type WorkloadCounts } from '../../api/types';
import { scopeQuery, useParam, useScope, useScoped } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { number } from '../../lib/format';
import { and, term } from '../../lib/query';
import { assetKey, AssetLink, None, Nothing, Num, PageHead, Panel, SeverityBar, SeverityMark, Share, StateWord, Time } from '../../ui/basics';
import { LocalTable, type LocalColumn } from '../../ui/LocalTable';
import { ProblemAlert } from '../../ui/Problem';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { Skeleton } from '../../ui/Skeleton';
import { personOf, useClusterName, useClusters } from '../shared';
import Frameworks from './Frameworks';
import Schedules from './Schedules';

const formats = [['html', 'HTML'], ['json', 'JSON'], ['sarif', 'SARIF'], ['junit', 'JUnit XML'], ['markdown', 'Markdown'], ['csv', 'CSV']] as const;

export default function Inspection() {
  const { t } = useI18n();
  const may = useMay();
  const { cluster } = useScope();
  const clusters = useClusters();
  const [tab, setTab] = useParam('tab', 'summary');
  // A report is of one cluster.
  const reported = cluster ?? (clusters.length === 1 ? clusters[0]?.id : undefined);
  const run = useAction(() => Promise.all((cluster ? [cluster] : clusters.filter((c) => c.state === 'ready').map((c) => c.id)).map((id) => api.post<Run>('/inspections/run', { cluster: id }))), { done: 'inspection.started', stale: ['/runs', '/inspections'] });
  return (
    <>
      <PageHead title={t('nav.inspection')} about={t('inspection.about')}>
        <Dropdown
          trigger={['click']}
          disabled={!reported || !may('inspections.run')}
          menu={{ items: formats.map(([key, label]) => ({ key, label: <a href={downloadUrl('/inspections/report', { cluster: reported, format: key })} download>{label}</a> })) }}
        >
          <Button icon={<DownloadOutlined />} title={reported ? undefined : t('inspection.reportCluster')}>{t('inspection.report')}</Button>
        </Dropdown>
        {may('inspections.run') ? (
          <Button type="primary" icon={<PlayCircleOutlined />} loading={run.isPending} onClick={() => run.mutate(undefined)}>
            {t(cluster ? 'inspection.runCluster' : 'inspection.run')}
          </Button>
        ) : null}
      </PageHead>
      <Tabs
        activeKey={tab}
        onChange={(key) => setTab(key, { q: '', sort: '', cursor: '', framework: '' })}
        destroyOnHidden
        items={[
          { key: 'summary', label: t('inspection.summary'), children: <Summary /> },
          { key: 'checks', label: t('inspection.byCheck'), children: <ByCheck /> },
          { key: 'workloads', label: t('inspection.byWorkload'), children: <ByWorkload /> },
          { key: 'frameworks', label: t('inspection.byControl'), children: <Frameworks /> },
          { key: 'runs', label: t('inspection.runs'), children: <Runs /> },
          ...(may('schedules.read') ? [{ key: 'schedules', label: t('inspection.schedules'), children: <Schedules /> }] : []),
        ]}
      />
    </>
  );
}

function Summary() {
  const { t, language, word } = useI18n();
  const { cluster } = useScope();
  const scoped = useScoped();
  const nameOf = useClusterName();
  const summary = useGet<{ items: InspectionSummary[] }>('/inspections', { cluster });
  if (summary.error) return <ProblemAlert problem={summary.error} onRetry={() => void summary.refetch()} />;
  if (!summary.data) return <Panel><Skeleton /></Panel>;
  const items = summary.data.items;
  if (!items.length) {
    return (
      <Panel>
        <Nothing title={t('inspection.none')} actions={<Link to="/clusters?add=1">{t('clusters.add')}</Link>}>{t('inspection.noneHint')}</Nothing>
      </Panel>
    );
  }
  // Of many clusters, a line each; of a few, all that there is to say.
  if (items.length > 3) {
    const columns: LocalColumn<InspectionSummary>[] = [
      { key: 'name', title: 'cluster', value: (i) => i.clusterName ?? nameOf(i.cluster), render: (i) => <Link className="clip" to={`/inspection?cluster=${encodeURIComponent(i.cluster)}`}>{i.clusterName ?? nameOf(i.cluster)}</Link> },
      { key: 'score', title: 'overview.score', width: 90, right: true, value: (i) => i.score, render: (i) => <b><Num value={Math.round(i.score)} /></b> },
      { key: 'bar', title: 'inspection.bySeverity', width: '24%', value: (i) => i.bySeverity?.critical ?? 0, render: (i) => <SeverityBar counts={i.bySeverity} /> },
      { key: 'critical', title: 'severity.critical', width: 90, right: true, value: (i) => i.bySeverity?.critical ?? 0, render: (i) => <Num value={i.bySeverity?.critical ?? 0} /> },
      { key: 'high', title: 'severity.high', width: 80, right: true, value: (i) => i.bySeverity?.high ?? 0, render: (i) => <Num value={i.bySeverity?.high ?? 0} /> },
      { key: 'failed', title: 'column.failed', width: 90, right: true, value: (i) => i.failed, render: (i) => <Num value={i.failed} /> },
      { key: 'passed', title: 'column.passed', width: 90, right: true, value: (i) => i.passed, render: (i) => <Num value={i.passed} /> },
      { key: 'excused', title: 'column.excused', width: 100, right: true, value: (i) => i.excepted, render: (i) => <Num value={i.excepted} /> },
      { key: 'errors', title: 'column.errors', width: 110, right: true, value: (i) => i.errors, render: (i) => <Num value={i.errors} /> },
      { key: 'judged', title: 'inspection.lastRun', width: 110, value: (i) => i.updatedAt, render: (i) => <Time value={i.updatedAt} /> },
    ];
    return <LocalTable name="inspection" rows={items} columns={columns} rowKey={(i) => i.cluster} title={t('nav.clusters')} />;
  }
  const top = (counts: Record<string, Tally> | undefined) =>
    Object.entries(counts ?? {}).map(([name, tally]): [string, number] => [name, tally.failed + tally.errors]).filter(([, n]) => n).toSorted((a, b) => b[1] - a[1]).slice(0, 6);
  return (
    <div className="stack">
      {items.map((item) => {
        const judged = item.passed + item.failed + item.errors;
        return (
          <Panel
            key={item.cluster}
            title={item.clusterName ?? nameOf(item.cluster)}
            extra={<span className="muted">{t('inspection.lastRun')} <Time value={item.updatedAt} /></span>}
          >
            <div className="grid" style={{ gridTemplateColumns: '200px minmax(0, 1fr) minmax(0, 1fr)', gap: 32 }}>
              <div className="stack half">
                <div className="score">{number(Math.round(item.score), language)}<small>{'/ 100'}</small></div>
                <Share part={item.passed} total={judged} />
                <span className="muted">{t('inspection.passShare', { n: item.passed, total: judged })}</span>
                <div className="stack tight">
                  <span className="row between"><span>{t('state.fail')}</span><Num value={item.failed} /></span>
                  <span className="row between"><span>{t('state.error')}</span><Num value={item.errors} /></span>
                  <span className="row between"><span>{t('state.excepted')}</span><Num value={item.excepted} /></span>
                </div>
              </div>
              <div className="stack half">
                <h3>{t('inspection.bySeverity')}</h3>
                <SeverityBar counts={item.bySeverity} />
                <div className="stack tight">
                  {severities.filter((s) => item.bySeverity?.[s]).map((s: Severity) => (
                    <Link key={s} className="row between" to={scoped('/findings', { cluster: item.cluster, q: and('status:open', term('severity', s)) })}><SeverityMark value={s} /><Num value={item.bySeverity?.[s]} /></Link>
                  ))}
                </div>
                <h3>{t('inspection.byCategory')}</h3>
                <div className="stack tight">
                  {top(item.byCategory).map(([name, count]) => (
                    <Link key={name} className="row between" to={scoped('/findings', { cluster: item.cluster, q: and('status:open', term('category', name)) })}><span>{word('category', name)}</span><Num value={count} /></Link>
                  ))}
                </div>
              </div>
              <div className="stack half">
                <h3>{t('inspection.byNamespace')}</h3>
                {top(item.byNamespace).map(([name, count], _, all) => (
                  <Link key={name || '-'} className="stack" style={{ gap: 2 }} to={scoped('/findings', { cluster: item.cluster, q: and('status:open', name ? term('ns', name) : '-has:ns') })}>
                    <span className="row between"><span className="mono clip">{name || t('inspection.clusterScoped')}</span><Num value={count} /></span>
                    <Share part={count} total={all[0]?.[1] ?? 1} tone="low" />
                  </Link>
                ))}
              </div>
            </div>
          </Panel>
        );
      })}
    </div>
  );
}

const controlsOf = (check: CheckInfo) => Object.entries(check.controls ?? {}).flatMap(([framework, ids]) => ids.map((id) => `${framework}/${id}`)).join(', ');

function ByCheck() {
  const { t, word } = useI18n();
  const { cluster } = useScope();
  const scoped = useScoped();
  const checks = useGet<{ items: CheckInfo[] }>('/checks', { cluster, limit: 1000 });
  const columns: LocalColumn<CheckInfo>[] = [
    { key: 'severity', title: 'column.severity', width: 110, value: (c) => -severities.indexOf(c.severity), render: (c) => <SeverityMark value={c.severity} /> },
    {
      key: 'check', title: 'column.check', value: (c) => c.title,
      render: (c) => (
        <div className="stack" style={{ gap: 0 }}>
          <Link className="clip" to={scoped('/findings', { q: and('status:open', term('check', c.id)) })}>{c.title}</Link>
          <span className="mono muted clip">{c.id}</span>
        </div>
      ),
    },
    { key: 'category', title: 'column.category', width: 120, value: (c) => word('category', c.category) },
    { key: 'failed', title: 'column.failed', width: 90, right: true, value: (c) => c.failed ?? 0, render: (c) => <Num value={c.failed} /> },
    { key: 'passed', title: 'column.passed', width: 90, right: true, value: (c) => c.passed ?? 0, render: (c) => <Num value={c.passed} /> },
    { key: 'excused', title: 'column.excused', width: 100, right: true, value: (c) => c.excepted ?? 0, render: (c) => <Num value={c.excepted} /> },
    { key: 'errors', title: 'column.errors', width: 110, right: true, value: (c) => c.errors ?? 0, render: (c) => <Num value={c.errors} /> },
    { key: 'controls', title: 'column.controls', width: '22%', value: controlsOf, render: (c) => <span className="mono clip" title={controlsOf(c)}>{controlsOf(c)}</span> },
  ];
  const rows = checks.data?.items.toSorted((a, b) => (b.failed ? 1 : 0) - (a.failed ? 1 : 0) || severities.indexOf(a.severity) - severities.indexOf(b.severity));
  return <LocalTable name="checks" rows={rows} columns={columns} rowKey={(c) => c.id} problem={checks.error} title={rows ? t('inspection.checks', { n: rows.length }) : ''} />;
}

function ByWorkload() {
  const { t } = useI18n();
  const columns: ServerColumn<WorkloadCounts>[] = [
    { key: 'asset', title: 'assets.workload', sort: 'name', render: (w) => <AssetLink asset={w.asset} /> },
    { key: 'bar', title: 'inspection.bySeverity', sort: 'severity', width: '26%', render: (w) => <SeverityBar counts={w.bySeverity} /> },
    { key: 'critical', title: 'severity.critical', width: 90, right: true, render: (w) => <Num value={w.bySeverity?.critical ?? 0} /> },
    { key: 'high', title: 'severity.high', width: 80, right: true, render: (w) => <Num value={w.bySeverity?.high ?? 0} /> },
    { key: 'failed', title: 'column.failed', sort: 'failed', width: 90, right: true, render: (w) => <Num value={w.failed} /> },
    { key: 'excused', title: 'column.excused', width: 100, right: true, render: (w) => <Num value={w.excepted} /> },
    { key: 'score', title: 'overview.score', sort: 'score', width: 80, right: true, render: (w) => <Num value={w.score === undefined ? undefined : Math.round(w.score)} /> },
    { key: 'errors', title: 'column.errors', width: 110, right: true, off: true, render: (w) => <Num value={w.errors} /> },
  ];
  return <ServerTable<WorkloadCounts> id="inspection.workloads" path="/inspections/workloads" columns={columns} rowKey={(w) => assetKey(w.asset)} fields={['cluster', 'kind', 'ns', 'name', 'label', 'image', 'score', 'failed', 'severity'].map((name) => ({ name }))} placeholder="assets.query" fixed="workload:true" defaultSort="-severity,-failed" empty={<Nothing title={t('inspection.none')}>{t('inspection.noneHint')}</Nothing>} />;
}

function Runs() {
  const { t, language } = useI18n();
  const scope = useScope();
  const nameOf = useClusterName();
  const columns: ServerColumn<Run>[] = [
    { key: 'started', title: 'column.started', sort: 'started', width: 112, render: (r) => <Time value={r.startedAt} /> },
    { key: 'cluster', title: 'cluster', sort: 'cluster', render: (r) => <span className="clip">{r.cluster ? nameOf(r.cluster) : t('scope.allClusters')}</span> },
    {
      key: 'state', title: 'column.state', sort: 'state', width: 150,
      render: (r) => (
        <div className="stack" style={{ gap: 0 }}>
          <StateWord value={r.state} />
          {r.error ? <span className="muted two-lines" title={r.error}>{r.error}</span> : null}
        </div>
      ),
    },
    { key: 'by', title: 'column.trigger', sort: 'by', width: 120, render: (r) => <span className="clip">{r.by ? personOf(r.by) : t('trigger.schedule')}</span> },
    { key: 'took', title: 'column.took', width: 76, right: true, render: (r) => (r.finishedAt ? t('seconds', { n: number((Date.parse(r.finishedAt) - Date.parse(r.startedAt)) / 1000, language) }) : <None />) },
    { key: 'objects', title: 'column.objects', width: 84, right: true, render: (r) => <Num value={r.objects} /> },
    { key: 'findings', title: 'nav.findings', width: 86, right: true, render: (r) => <Num value={r.findings} /> },
    { key: 'drift', title: 'column.drift', width: 80, right: true, render: (r) => <Num value={r.drift} /> },
    { key: 'unread', title: 'column.errors', width: 104, right: true, render: (r) => <Num value={r.unread?.length} /> },
    { key: 'score', title: 'overview.score', width: 72, right: true, render: (r) => <Num value={r.score === undefined ? undefined : Math.round(r.score)} /> },
  ];
  return <ServerTable<Run> id="inspection.runs" path="/runs" columns={columns} rowKey={(r) => r.id} scoped={false} fixed={scopeQuery({ cluster: scope.cluster, ns: undefined })} defaultSort="-started" empty={<Nothing title={t('inspection.noRuns')}>{t('inspection.noRunsHint')}</Nothing>} />;
}
