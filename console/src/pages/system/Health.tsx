import { useGet } from '../../api/hooks';
import type { SystemInfo } from '../../api/types';
import { useI18n } from '../../i18n';
import { bytes, duration, number } from '../../lib/format';
import { Facts, None, Num, Panel, State, Time } from '../../ui/basics';
import { LocalTable } from '../../ui/LocalTable';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';

export default function Health() {
  const { t, language, word } = useI18n();
  const system = useGet<SystemInfo>('/system', {}, { refetchInterval: 10_000 });
  if (system.error) return <ProblemAlert problem={system.error} onRetry={() => void system.refetch()} />;
  const s = system.data;
  if (!s) return <Panel><Skeleton rows={10} /></Panel>;
  const memory = typeof s.memory === 'number' ? s.memory : s.memory?.rss;
  const dropped = (s.queues ?? []).reduce((sum, q) => sum + q.dropped, 0);
  return (
    <div className="stack">
      <div className="panel tiles">
        <div className="tile"><b>{s.version}</b><span>{t('column.version')}</span></div>
        <div className="tile"><b>{duration(s.uptime, language)}</b><span>{t('system.uptime')}</span></div>
        <div className="tile"><b>{memory === undefined ? <None /> : bytes(memory, language)}</b><span>{t('system.memory')}</span></div>
        <div className="tile"><b><Num value={typeof s.clusters === 'number' ? s.clusters : undefined} /></b><span>{t('nav.clusters')}</span></div>
        <div className="tile"><b><Num value={typeof s.agents === 'number' ? s.agents : undefined} /></b><span>{t('system.agents')}</span></div>
        <div className="tile"><b>{dropped ? <span className="state bad">{number(dropped, language)}</span> : <span className="state good">{'0'}</span>}</b><span>{t('system.dropped')}</span></div>
      </div>
      <div className="grid two">
        <LocalTable
          title={t('system.queues')}
          rows={s.queues ?? []}
          rowKey={(q) => q.name}
          columns={[
            { key: 'name', title: 'column.name', value: (q) => q.name, render: (q) => <span className="mono">{q.name}</span> },
            { key: 'queued', title: 'column.queued', width: 110, right: true, value: (q) => q.queued, render: (q) => <Num value={q.queued} /> },
            { key: 'dropped', title: 'column.dropped', width: 110, right: true, value: (q) => q.dropped, render: (q) => (q.dropped ? <State tone="bad"><Num value={q.dropped} /></State> : <Num value={0} />) },
          ]}
        />
        <Panel title={t('system.stores')}>
          <div className="stack">
            {Object.entries(s.stores ?? {}).map(([name, store]) => (
              <section key={name} className="stack tight">
                <h3>{word('store', name)}</h3>
                <Facts
                  items={[
                    [t('system.size'), store.bytes === undefined ? null : bytes(store.bytes, language)],
                    ...('events' in store ? [[t('nav.events'), number(store.events, language)] as [string, string]] : []),
                    ...('oldest' in store && store.oldest ? [[t('system.oldest'), <Time key="o" value={store.oldest} />] as [React.ReactNode, React.ReactNode]] : []),
                    ...('records' in store ? [[t('system.records'), <span key="r" className="row flow">{recordsOf(store.records).map(([kind, count]) => <span key={kind} className="chip"><span className="mono">{kind}</span> {number(count, language)}</span>)}</span>] as [React.ReactNode, React.ReactNode]] : []),
                  ]}
                />
              </section>
            ))}
          </div>
        </Panel>
      </div>
      <div className="grid">
        <LocalTable
          title={t('system.listeners')}
          rows={s.listeners ?? []}
          rowKey={(l) => l.name + l.address}
          columns={[
            { key: 'name', title: 'column.name', width: 120, value: (l) => l.name },
            { key: 'address', title: 'column.address', value: (l) => l.address, render: (l) => <span className="mono">{l.address}</span> },
            { key: 'tls', title: 'column.tls', width: 100, value: (l) => (l.tls ? 1 : 0), render: (l) => (l.tls ? <State tone="good">{t('yes')}</State> : <State tone="warn">{t('no')}</State>) },
          ]}
        />
      </div>
    </div>
  );
}

function recordsOf(records: Record<string, number>): [string, number][] {
  return Object.entries(records)
    .filter(([, count]) => count).toSorted((a, b) => b[1] - a[1]);
}
