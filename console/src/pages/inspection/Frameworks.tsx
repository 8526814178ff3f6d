// Benchmarks and guides: which of their controls hold here.

import { Select } from 'antd';
import { Link } from 'react-router';
import { segment } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { Control, Framework } from '../../api/types';
import { useParam, useScope, useScoped } from '../../app/scope';
import { useI18n } from '../../i18n';
import { and, term } from '../../lib/query';
import { Nothing, Num, Panel, Share, State, type Tone } from '../../ui/basics';
import { LocalTable, type LocalColumn } from '../../ui/LocalTable';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';

const tones: Record<Control['status'], Tone> = { pass: 'good', fail: 'bad', manual: 'idle', 'n/a': 'idle' };

export default function Frameworks() {
  const { t, word } = useI18n();
  const { cluster } = useScope();
  const scoped = useScoped();
  const [chosen, setChosen] = useParam('framework');
  const list = useGet<{ items: Framework[] }>('/frameworks', { cluster });
  const id = chosen || list.data?.items[0]?.id || '';
  const framework = useGet<Framework>(`/frameworks/${segment(id)}`, { cluster }, { enabled: !!id });
  if (list.error) return <ProblemAlert problem={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Panel><Skeleton /></Panel>;
  if (!list.data.items.length) return <Panel><Nothing title={t('inspection.noFrameworks')} /></Panel>;
  const controls = framework.data?.controls;
  const f = framework.data;
  const columns: LocalColumn<Control>[] = [
    { key: 'id', title: 'column.control', width: 220, value: (c) => c.id, render: (c) => <span className="mono wrap">{c.id}</span> },
    { key: 'title', title: 'column.title', value: (c) => c.title, render: (c) => <span className="wrap">{c.title}</span> },
    { key: 'state', title: 'column.state', width: 150, value: (c) => word('state', c.status), render: (c) => <State tone={tones[c.status] ?? 'idle'}>{word('state', c.status)}</State> },
    { key: 'failed', title: 'column.failed', width: 90, right: true, value: (c) => c.failed ?? 0, render: (c) => c.failed ? <Link to={scoped('/findings', { q: and('status:open', term('control', `${id}/${c.id}`)) })}><Num value={c.failed} /></Link> : <Num value={c.failed ?? 0} /> },
    { key: 'passed', title: 'column.passed', width: 90, right: true, value: (c) => c.passed ?? 0, render: (c) => <Num value={c.passed} /> },
    { key: 'checks', title: 'column.checks', width: '24%', value: (c) => c.checks?.join(' '), render: (c) => <span className="row flow" style={{ gap: 4 }} title={c.checks?.join(', ')}>{c.checks?.slice(0, 4).map((check) => <Link key={check} className="chip mono" to={scoped('/findings', { q: term('check', check) })}>{check}</Link>)}{(c.checks?.length ?? 0) > 4 ? <span className="muted">{t('table.more', { n: c.checks!.length - 4 })}</span> : null}</span> },
  ];
  return (
    <div className="stack">
      <Panel>
        <div className="row wide between flow">
          <Select
            aria-label={t('inspection.framework')}
            value={id}
            onChange={(value) => setChosen(value)}
            style={{ width: 420 }}
            options={list.data.items.map((f) => ({ value: f.id, label: `${f.title}${f.version ? ` ${f.version}` : ''}` }))}
          />
          {controls && f ? (
            <span className="row wide">
              <State tone="good">{t('inspection.nPass', { n: f.passing ?? 0 })}</State>
              <State tone="bad">{t('inspection.nFail', { n: f.failing ?? 0 })}</State>
              <State tone="idle">{t('inspection.nOther', { n: f.notAssessed ?? 0 })}</State>
              <span style={{ width: 160 }}><Share part={f.passing ?? 0} total={(f.passing ?? 0) + (f.failing ?? 0) + (f.notAssessed ?? 0)} /></span>
            </span>
          ) : null}
        </div>
      </Panel>
      <LocalTable name={id} rows={controls} columns={columns} rowKey={(c) => c.id} problem={framework.error} />
    </div>
  );
}
