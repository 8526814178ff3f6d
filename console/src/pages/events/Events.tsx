// The search over everything that happened: a query, a span of time that can be drawn on the
// histogram, what is frequent, and each event in full.

import { AuditOutlined, DownloadOutlined, PauseOutlined, PlayCircleOutlined } from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Button, DatePicker, Select, Table, Tooltip } from 'antd';
import dayjs from 'dayjs';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useSearchParams } from 'react-router';
import { api, downloadUrl, Problem, segment } from '../../api/client';
import { useGet } from '../../api/hooks';
import { severities, type EventField, type EventRecord, type Histogram, type Page, type Severity, type Top } from '../../api/types';
import { scopeQuery, useScope } from '../../app/scope';
import { usePalette } from '../../app/theme';
import { useI18n, type Key } from '../../i18n';
import { absolute, number, stamp } from '../../lib/format';
import { and, toggled, valuesOf, withValues } from '../../lib/query';
import { assetKey, AssetLink, Copy, Facts, None, Nothing, PageHead, SeverityMark, Time } from '../../ui/basics';
import { Chart, tip } from '../../ui/Chart';
import { Code, toYaml } from '../../ui/Code';
import { ProblemAlert } from '../../ui/Problem';
import { QueryBar } from '../../ui/QueryBar';
import { Skeleton } from '../../ui/Skeleton';

const spans: Record<string, number> = { '15m': 900, '1h': 3600, '24h': 86_400, '7d': 604_800, '30d': 2_592_000 };
const known: Record<string, readonly string[]> = { severity: severities, outcome: ['allowed', 'denied', 'failed'] };
const common = ['kind', 'verb', 'outcome', 'severity', 'user', 'ip', 'agent', 'resource', 'group', 'targetkind', 'ns', 'name', 'cluster', 'node', 'pod', 'image', 'process', 'rule'];
const facetFields = ['kind', 'verb', 'severity', 'outcome', 'user', 'resource', 'ns', 'ip'];
const pageSize = 100;

export default function Events() {
  const { t } = useI18n();
  const scope = useScope();
  const client = useQueryClient();
  const [search, setSearch] = useSearchParams();
  const q = search.get('q') ?? '';
  const range = search.get('range') ?? (search.get('since') ? '' : '24h');
  const [now, setNow] = useState(() => Date.now());
  const [follow, setFollow] = useState(false);
  const since = range ? new Date(now - (spans[range] ?? 86_400) * 1000).toISOString() : search.get('since')!;
  const until = range ? new Date(now).toISOString() : (search.get('until') ?? new Date(now).toISOString());
  const query = and(scopeQuery(scope), q);

  const change = (changes: Record<string, string>) => {
    setNow(Date.now());
    setSearch((before) => {
      const next = new URLSearchParams(before);
      for (const [name, value] of Object.entries(changes)) {
        if (value) next.set(name, value);
        else next.delete(name);
      }
      return next;
    });
  };
  // Following: what came in is asked for once in a while, not for each event.
  useEffect(() => {
    if (!follow || !range) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onEvents = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setNow(Date.now());
      }, 2000);
    };
    window.addEventListener('bulwark:events', onEvents);
    return () => {
      clearTimeout(timer);
      window.removeEventListener('bulwark:events', onEvents);
    };
  }, [follow, range, client]);

  const fields = useGet<{ items: (EventField | string)[] }>('/events/fields');
  const names = fields.data?.items.map((f) => (typeof f === 'string' ? f : f.name)) ?? common;
  const problemOf = useRef<Problem | null>(null);
  return (
    <>
      <PageHead title={t('nav.events')} about={t('events.about')} />
      <div className="stack">
        <div className="panel">
          <div className="table-bar" style={{ borderBottom: 0 }}>
            <QueryBar
              value={q}
              onChange={(text) => change({ q: text, open: '' })}
              fields={names.map((name) => ({ name, ...(known[name] && { values: known[name] }) }))}
              placeholder={t('events.query')}
              valuesFrom={(field) => ({ path: '/events/top', params: { field, limit: '20', since, until } })}
              problem={problemOf.current}
            />
            <Select
              aria-label={t('events.range')}
              value={range || 'custom'}
              onChange={(value) => change(value === 'custom' ? { range: '', since, until } : { range: value === '24h' ? '' : value, since: '', until: '' })}
              options={[...Object.keys(spans).map((value) => ({ value, label: t(`range.${value}` as Key) })), { value: 'custom', label: t('range.custom') }]}
              style={{ width: 150 }}
            />
            {range ? null : (
              <DatePicker.RangePicker
                showTime
                allowClear={false}
                value={[dayjs(since), dayjs(until)]}
                onChange={(value) => value?.[0] && value[1] && change({ since: value[0].toISOString(), until: value[1].toISOString() })}
              />
            )}
            <Tooltip title={t(follow ? 'events.pause' : 'events.follow')}>
              <Button
                type={follow ? 'primary' : 'text'}
                disabled={!range}
                icon={follow ? <PauseOutlined /> : <PlayCircleOutlined />}
                aria-label={t(follow ? 'events.pause' : 'events.follow')}
                onClick={() => setFollow(!follow)}
              />
            </Tooltip>
            <Tooltip title={t('table.csv')}>
              <Button type="text" icon={<DownloadOutlined />} aria-label={t('table.csv')} href={downloadUrl('/events', { q: query, since, until, format: 'csv' })} download />
            </Tooltip>
          </div>
          <Bars query={query} since={since} until={until} onBrush={(from, to) => change({ range: '', since: from, until: to })} />
        </div>
        <div className="list">
          <aside className="facets" aria-label={t('table.filters')}>
            {facetFields.map((field) => (
              <TopValues key={field} field={field} query={query} since={since} until={until} chosen={valuesOf(q, field)} onToggle={(value) => change({ q: toggled(q, field, value) })} />
            ))}
          </aside>
          <List key={`${query} ${range || since + until}`} query={query} since={since} until={until} open={search.get('open') ?? ''} filter={(field, value) => change({ q: withValues(q, field, [value]) })} onProblem={(p) => { problemOf.current = p; }} onClear={() => change({ q: '', range: '7d', since: '', until: '' })} />
        </div>
      </div>
    </>
  );
}

const left = 52;
const right = 16;

function Bars({ query, since, until, onBrush }: { query: string; since: string; until: string; onBrush: (from: string, to: string) => void }) {
  const { t, language } = useI18n();
  const palette = usePalette();
  const histogram = useGet<Histogram>('/events/histogram', { q: query, since, until, buckets: 80 });
  const box = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const items = histogram.data?.items;
  const total = items?.reduce((sum, item) => sum + item.count, 0) ?? 0;
  const option = useMemo(() => {
    const long = Date.parse(until) - Date.parse(since) > 2 * 86_400_000;
    const label = new Intl.DateTimeFormat(language, long ? { month: 'short', day: 'numeric', hour: '2-digit', hour12: false } : { hour: '2-digit', minute: '2-digit', hour12: false });
    return {
      grid: { left, right, top: 10, bottom: 22 },
      xAxis: { type: 'category', data: (items ?? []).map((i) => label.format(new Date(i.start))), axisLine: { lineStyle: { color: palette.line } }, axisTick: { show: false }, axisLabel: { color: palette.muted, hideOverlap: true, fontSize: 11 } },
      yAxis: { type: 'value', minInterval: 1, splitNumber: 2, splitLine: { lineStyle: { color: palette.grid } }, axisLabel: { color: palette.muted, fontSize: 11 } },
      tooltip: {
        trigger: 'axis', backgroundColor: palette.surface, borderColor: palette.line, textStyle: { color: palette.text },
        formatter: (rows: { dataIndex: number; value: number }[]) => tip(absolute(items?.[rows[0]?.dataIndex ?? 0]?.start ?? '', language), [[t('nav.events'), number(rows[0]?.value ?? 0, language)]]),
      },
      series: [{ type: 'bar', data: (items ?? []).map((i) => i.count), itemStyle: { color: palette.primary }, barCategoryGap: '18%' }],
    };
  }, [items, palette, language, since, until, t]);

  const share = (x: number) => {
    const area = box.current!.getBoundingClientRect();
    return Math.min(1, Math.max(0, (x - area.left - left) / (area.width - left - right)));
  };
  const at = (part: number) => new Date(Date.parse(since) + part * (Date.parse(until) - Date.parse(since))).toISOString();
  if (histogram.error) return null;
  return (
    <div
      ref={box}
      style={{ position: 'relative', touchAction: 'none', cursor: 'crosshair', userSelect: 'none' }}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        const x = share(event.clientX);
        setDrag([x, x]);
      }}
      onPointerMove={(event) => drag && setDrag([drag[0], share(event.clientX)])}
      onPointerUp={() => {
        if (drag && Math.abs(drag[1] - drag[0]) > 0.01) onBrush(at(Math.min(...drag)), at(Math.max(...drag)));
        setDrag(null);
      }}
      onPointerCancel={() => setDrag(null)}
    >
      <Chart option={option} height={116} label={t('events.histogram', { n: total })} />
      {drag ? (
        <div
          style={{
            position: 'absolute', top: 8, bottom: 22, pointerEvents: 'none', background: palette.primary, opacity: 0.18,
            left: `calc(${left}px + ${Math.min(...drag)} * (100% - ${left + right}px))`,
            width: `calc(${Math.abs(drag[1] - drag[0])} * (100% - ${left + right}px))`,
          }}
        />
      ) : null}
    </div>
  );
}

function TopValues({ field, query, since, until, chosen, onToggle }: { field: string; query: string; since: string; until: string; chosen: string[]; onToggle: (value: string) => void }) {
  const { t, language, word } = useI18n();
  const top = useGet<Top>('/events/top', { q: query, field, limit: 8, since, until });
  const items = (top.data?.items ?? []).filter((item) => item.value !== '');
  for (const value of chosen) if (!items.some((item) => item.value === value)) items.push({ value, count: 0 });
  if (!items.length) return null;
  return (
    <div>
      <h3>{t(`field.${field}` as Key)}</h3>
      {items.map((item) => (
        <button type="button" key={item.value} className="facet" aria-pressed={chosen.includes(item.value)} title={item.value} onClick={() => onToggle(item.value)}>
          <span className="grow">{field === 'severity' ? <SeverityMark value={item.value as Severity} /> : field === 'kind' || field === 'outcome' ? word(`event.${field}`, item.value) : item.value}</span>
          <span className="count">{number(item.count, language)}</span>
        </button>
      ))}
    </div>
  );
}

function List({ query, since, until, open, filter, onProblem, onClear }: { query: string; since: string; until: string; open: string; filter: (field: string, value: string) => void; onProblem: (problem: Problem | null) => void; onClear: () => void }) {
  const { t, word } = useI18n();
  const first = useGet<Page<EventRecord>>('/events', { q: query, since, until, limit: pageSize }, { keep: false });
  const [more, setMore] = useState<EventRecord[]>([]);
  const [next, setNext] = useState<string | undefined>();
  const [busy, setBusy] = useState(false);
  const [last, setLast] = useState<Page<EventRecord>>();
  useEffect(() => onProblem(first.error), [first.error, onProblem]);
  // While it follows, the rows stay until the new ones are there.
  useEffect(() => {
    if (!first.data) return;
    setLast(first.data);
    setMore([]);
    setNext(first.data.next);
  }, [first.data]);
  const rows = [...(last?.items ?? []), ...more];
  return (
    <div className="panel">
      {first.error ? <div style={{ padding: 12 }}><ProblemAlert problem={first.error} onRetry={() => void first.refetch()} /></div> : null}
      {first.error && !rows.length ? null : (
        <Table<EventRecord>
          size="small"
          rowKey={(e) => e.id}
          dataSource={rows}
          pagination={false}
          tableLayout="fixed"
          scroll={{ x: 640 }}
          expandable={{ expandedRowRender: (e) => <Detail event={e} filter={filter} />, expandRowByClick: true, columnWidth: 34, ...(open && { defaultExpandedRowKeys: [open] }) }}
          rowClassName="clickable"
          columns={[
            { key: 'time', title: t('column.time'), width: 196, render: (_, e) => <span className="mono nowrap">{stamp(e.time)}</span> },
            { key: 'severity', title: <span className="hidden">{t('column.severity')}</span>, width: 30, render: (_, e) => <SeverityMark value={e.severity} bare /> },
            { key: 'kind', title: t('column.kind'), width: 100, render: (_, e) => word('event.kind', e.kind) },
            { key: 'message', title: t('column.message'), render: (_, e) => <span className="clip" title={e.message}>{e.message}</span> },
            { key: 'user', title: t('column.user'), width: '16%', responsive: ['xxl'], render: (_, e) => (e.user ? <span className="mono clip" title={e.user}>{e.user}</span> : <None />) },
            { key: 'outcome', title: t('column.outcome'), width: 84, render: (_, e) => (e.outcome ? <span className={e.outcome === 'allowed' ? 'muted' : 'state bad'}>{word('event.outcome', e.outcome)}</span> : <None />) },
          ]}
          locale={{
            emptyText: first.isPending ? <Skeleton rows={10} /> : (
              <Nothing icon={<AuditOutlined />} title={t('events.none')} actions={<Button onClick={onClear}>{t('events.widen')}</Button>}>
                {t('events.noneHint')}
              </Nothing>
            ),
          }}
        />
      )}
      {rows.length ? (
        <div className="table-foot">
          <span>{t('events.shown', { n: rows.length })}</span>
          {next ? (
            <Button
              size="small"
              loading={busy}
              onClick={() => {
                setBusy(true);
                void api.get<Page<EventRecord>>('/events', { q: query, since, until, limit: pageSize, cursor: next })
                  .then((page) => {
                    setMore((before) => [...before, ...page.items]);
                    setNext(page.next);
                  })
                  .finally(() => setBusy(false));
              }}
            >
              {t('events.older')}
            </Button>
          ) : (
            <span className="muted">{t('events.end')}</span>
          )}
        </div>
      ) : null}
    </div>
  );
}

function Detail({ event: brief, filter }: { event: EventRecord; filter: (field: string, value: string) => void }) {
  const { t, word } = useI18n();
  const full = useGet<EventRecord>(`/events/${segment(brief.id)}`, {}, { enabled: brief.body === undefined });
  const e = full.data ?? brief;
  const by = (field: string, value: string | undefined) =>
    value ? (
      <button type="button" className="linklike mono" onClick={() => filter(field, value)} title={t('events.filter')}>
        {value}
      </button>
    ) : null;
  const facts: [React.ReactNode, React.ReactNode][] = [
    [t('column.time'), <span key="t" className="mono">{stamp(e.time)} <span className="muted">(<Time value={e.time} />)</span></span>],
    [t('field.kind'), by('kind', e.kind)],
    [t('column.severity'), <SeverityMark key="s" value={e.severity} />],
    [t('field.verb'), by('verb', e.verb)],
    [t('column.outcome'), e.outcome ? word('event.outcome', e.outcome) : null],
    [t('column.user'), by('user', e.user)],
    [t('column.ip'), by('ip', e.sourceIp)],
    [t('field.agent'), e.userAgent ? <span className="mono">{e.userAgent}</span> : null],
    [t('field.resource'), by('resource', e.resource)],
    [t('column.target'), e.target?.name ? <AssetLink key="a" asset={e.target} /> : null],
    [t('column.node'), by('node', e.node)],
    [t('field.pod'), by('pod', e.pod)],
    [t('column.image'), by('image', e.image)],
    [t('field.process'), by('process', e.process)],
    [t('column.rule'), by('rule', e.rule)],
    ['ID', <span key="i" className="mono">{e.id} <Copy text={e.id} /></span>],
  ];
  return (
    <div className="grid two" style={{ padding: '8px 4px' }} key={e.target ? assetKey(e.target) : e.id}>
      <Facts items={facts.filter(([, value]) => value)} />
      <div className="stack half">
        <p className="wrap">{e.message}</p>
        {e.body ? <Code text={toYaml(typeof e.body === 'string' ? safe(e.body) : e.body).trimStart()} label={t('events.body')} /> : null}
      </div>
    </div>
  );
}

function safe(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
