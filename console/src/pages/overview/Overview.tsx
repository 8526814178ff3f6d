// What a security engineer wants to know first: how things stand, where they go, what to do next,
// and what nobody looks at.

import { CheckCircleOutlined, ClusterOutlined } from '@ant-design/icons';
import { Segmented } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link } from 'react-router';
import { useGet } from '../../api/hooks';
import { severities, type Overview as OverviewData, type Severity, type TrendPoint } from '../../api/types';
import { usePalette } from '../../app/theme';
import { useParam, useScope, useScoped } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { number } from '../../lib/format';
import { AssetLink, Nothing, Num, PageHead, Panel, SeverityBar, SeverityMark, Share, StateWord, Time } from '../../ui/basics';
import { Chart, Legend, tip } from '../../ui/Chart';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';

const FindingDrawer = lazy(() => import('../findings/FindingDrawer'));

export default function Overview() {
  const { t, language } = useI18n();
  const scope = useScope();
  const scoped = useScoped();
  const may = useMay();
  const [open, setOpen] = useParam('open');
  const overview = useGet<OverviewData>('/overview', { cluster: scope.cluster, namespace: scope.ns });
  const data = overview.data;

  if (overview.error) return <ProblemAlert problem={overview.error} onRetry={() => void overview.refetch()} />;
  if (data && !data.clusters.length && !scope.cluster) {
    return (
      <>
        <PageHead title={t('nav.overview')} />
        <Panel>
          <Nothing icon={<ClusterOutlined />} title={t('overview.noCluster')} actions={may('clusters.write') ? <Link to="/clusters?add=1">{t('clusters.add')}</Link> : null}>
            {t('overview.noClusterHint')}
          </Nothing>
        </Panel>
      </>
    );
  }
  return (
    <>
      <PageHead title={t('nav.overview')} about={t('overview.about')} />
      <div className="stack">
        <div className="grid" style={{ gridTemplateColumns: 'minmax(260px, 1fr) minmax(0, 3fr)' }}>
          <Panel title={t('overview.score')}>
            {data ? (
              <div className="stack half">
                <div className="score">
                  {data.score === undefined ? '–' : number(Math.round(data.score), language)}
                  <small>{'/ 100'}</small>
                </div>
                <Change trend={data.trend} />
                <SeverityBar counts={data.bySeverity} />
                <div className="stack tight">
                  {severities
                    .filter((severity) => severity !== 'unknown' && severity !== 'info')
                    .map((severity) => (
                      <Link key={severity} className="row between" to={scoped('/findings', { q: `status:open severity:${severity}` })}>
                        <SeverityMark value={severity} />
                        <Num value={data.bySeverity[severity] ?? 0} />
                      </Link>
                    ))}
                </div>
              </div>
            ) : (
              <Skeleton rows={6} />
            )}
          </Panel>
          <Trend />
        </div>
        <div className="grid two">
          <Panel title={t('overview.topRisks')} flush extra={<Link to={scoped('/findings')}>{t('overview.allFindings')}</Link>}>
            {!data ? (
              <div className="body">
                <Skeleton />
              </div>
            ) : data.topRisks.length ? (
              <ul className="lines">
                {data.topRisks.map((finding) => (
                  <li key={finding.id}>
                    <div className="row between wide">
                      <button type="button" className="linklike grow" onClick={() => setOpen(finding.id)}>
                        <span className="row">
                          <SeverityMark value={finding.severity} bare />
                          <span className="clip">{finding.title}</span>
                        </span>
                      </button>
                      <span className="muted">
                        <Time value={finding.firstSeen} />
                      </span>
                    </div>
                    <AssetLink asset={finding.asset} />
                  </li>
                ))}
              </ul>
            ) : (
              <Nothing icon={<CheckCircleOutlined />} title={t('overview.noRisks')}>
                {t('overview.noRisksHint')}
              </Nothing>
            )}
          </Panel>
          <Panel title={t('overview.topAlerts')} flush extra={may('alerts.read') ? <Link to={scoped('/alerts')}>{t('overview.allAlerts')}</Link> : null}>
            {!data ? (
              <div className="body">
                <Skeleton />
              </div>
            ) : data.topAlerts.length ? (
              <ul className="lines">
                {data.topAlerts.map((alert) => (
                  <li key={alert.id}>
                    <div className="row between wide">
                      <Link className="grow" to={scoped('/alerts', { open: alert.id })}>
                        <span className="row">
                          <SeverityMark value={alert.severity} bare />
                          <span className="clip">{alert.title}</span>
                        </span>
                      </Link>
                      <span className="muted">
                        <Time value={alert.lastSeen} />
                      </span>
                    </div>
                    <span className="clip muted" title={alert.message}>
                      {alert.message}
                    </span>
                  </li>
                ))}
              </ul>
            ) : (
              <Nothing icon={<CheckCircleOutlined />} title={t('overview.noAlerts')}>
                {t('overview.noAlertsHint')}
              </Nothing>
            )}
          </Panel>
        </div>
        <div className="grid two">
          <Panel title={t('overview.coverage')} flush>
            {!data ? (
              <div className="body">
                <Skeleton />
              </div>
            ) : (
              <ul className="lines">
                {data.coverage.map((item) => (
                  <li key={item.what}>
                    <div className="row between wide">
                      <span>{t(`coverage.${item.what}` as Key) || item.what}</span>
                      <span className="num nowrap">
                        {number(item.covered, language)} / {number(item.total, language)}
                      </span>
                    </div>
                    <Share part={item.covered} total={item.total} tone={item.covered >= item.total ? 'good' : 'medium'} />
                    {item.why ? <span className="muted">{item.why}</span> : null}
                  </li>
                ))}
              </ul>
            )}
          </Panel>
          <Panel title={t('nav.clusters')} flush extra={may('clusters.read') ? <Link to="/clusters">{t('overview.allClusters')}</Link> : null}>
            {!data ? (
              <div className="body">
                <Skeleton />
              </div>
            ) : (
              <ul className="lines">
                {data.clusters.map((cluster) => (
                  <li key={cluster.id}>
                    <div className="row between wide">
                      <Link className="clip grow" to={`/?cluster=${encodeURIComponent(cluster.id)}`}>
                        {cluster.name}
                      </Link>
                      <span className="mono muted">{cluster.version}</span>
                      <span style={{ width: 90 }}>
                        <StateWord value={cluster.state} />
                      </span>
                      <span className="muted nowrap" style={{ width: 90, textAlign: 'right' }}>
                        <Time value={cluster.lastSeen} />
                      </span>
                    </div>
                  </li>
                ))}
              </ul>
            )}
          </Panel>
        </div>
      </div>
      {open ? (
        <Suspense fallback={null}>
          <FindingDrawer id={open} onClose={() => setOpen('')} />
        </Suspense>
      ) : null}
    </>
  );
}

function Change({ trend }: { trend: TrendPoint[] | undefined }) {
  const { t, language } = useI18n();
  if (!Array.isArray(trend) || trend.length < 2) return <span className="muted">{t('overview.noTrend')}</span>;
  const last = trend.at(-1)!;
  const first = trend[Math.max(0, trend.length - 8)]!;
  const change = Math.round(last.score - first.score);
  return (
    <span className={change < 0 ? 'state bad' : change > 0 ? 'state good' : 'muted'}>
      {change === 0 ? t('overview.same') : t(change > 0 ? 'overview.better' : 'overview.worse', { n: number(Math.abs(change), language) })}
    </span>
  );
}

function Trend() {
  const { t, language } = useI18n();
  const palette = usePalette();
  const scope = useScope();
  const [days, setDays] = useState('30');
  const [what, setWhat] = useState('open');
  const trends = useGet<{ items: TrendPoint[] }>('/trends', { cluster: scope.cluster, namespace: scope.ns, days });
  const items = trends.data?.items;
  const option = useMemo(() => {
    const points = items ?? [];
    const shown: Severity[] = ['critical', 'high', 'medium', 'low'];
    const day = new Intl.DateTimeFormat(language, { month: 'short', day: 'numeric' });
    const series =
      what === 'score'
        ? [{ name: t('overview.score'), type: 'line', data: points.map((p) => p.score), showSymbol: false, smooth: 0.2, lineStyle: { width: 2, color: palette.primary }, areaStyle: { color: palette.primary, opacity: 0.08 }, itemStyle: { color: palette.primary } }]
        : what === 'flow'
          ? [
              { name: t('overview.opened'), type: 'bar', data: points.map((p) => p.opened ?? 0), itemStyle: { color: palette.severity.high }, barMaxWidth: 10 },
              { name: t('overview.closed'), type: 'bar', data: points.map((p) => p.closed ?? 0), itemStyle: { color: palette.good }, barMaxWidth: 10 },
            ]
          : shown.toReversed().map((severity) => ({
              name: t(`severity.${severity}` as Key), type: 'line', stack: 'open', showSymbol: false, lineStyle: { width: 1, color: palette.severity[severity] }, itemStyle: { color: palette.severity[severity] },
              areaStyle: { color: palette.severity[severity], opacity: 0.55 }, data: points.map((p) => p.bySeverity?.[severity] ?? 0),
            }));
    return {
      grid: { left: 8, right: 12, top: 10, bottom: 4, containLabel: true },
      xAxis: { type: 'category', boundaryGap: what === 'flow', data: points.map((p) => day.format(new Date(p.date))), axisLine: { lineStyle: { color: palette.line } }, axisTick: { show: false }, axisLabel: { color: palette.muted, hideOverlap: true } },
      yAxis: { type: 'value', min: 0, ...(what === 'score' && { max: 100 }), minInterval: 1, splitLine: { lineStyle: { color: palette.grid } }, axisLabel: { color: palette.muted } },
      tooltip: {
        trigger: 'axis', backgroundColor: palette.surface, borderColor: palette.line, textStyle: { color: palette.text },
        formatter: (rows: { name: string; seriesName: string; value: number }[]) => tip(rows[0]?.name ?? '', rows.toReversed().map((row) => [row.seriesName, number(row.value, language)])),
      },
      series,
    };
  }, [items, what, palette, language, t]);
  return (
    <Panel
      title={t('overview.trend')}
      extra={
        <span className="row">
          <Segmented size="small" value={what} onChange={setWhat} options={[{ value: 'open', label: t('overview.open') }, { value: 'score', label: t('overview.score') }, { value: 'flow', label: t('overview.flow') }]} />
          <Segmented size="small" value={days} onChange={setDays} options={['7', '30', '90'].map((n) => ({ value: n, label: t('days', { n: Number(n) }) }))} />
        </span>
      }
    >
      {trends.error ? <ProblemAlert problem={trends.error} /> : items && items.length < 2 ? <Nothing title={t('overview.noTrend')}>{t('overview.noTrendHint')}</Nothing> : (
        <>
          <Legend items={option.series.toReversed().map((s) => [s.name, s.itemStyle.color ?? ''])} />
          <Chart height={208} option={option} label={t('overview.trend')} />
        </>
      )}
    </Panel>
  );
}
