// One finding: what it is, why it matters, what it rests on, how to mend it, what happened to it.

import { DownloadOutlined } from '@ant-design/icons';
import { Button, Drawer, Tabs } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { segment } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { EventRecord, FindingDetail, FindingFix, Page } from '../../api/types';
import { useScoped } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { save } from '../../lib/csv';
import { and, term } from '../../lib/query';
import { AssetLink, Copy, Facts, Nothing, SeverityMark, StateWord, Time } from '../../ui/basics';
import { Diff } from '../../ui/Code';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';
import ExceptionForm from '../exceptions/ExceptionForm';

export default function FindingDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t, word } = useI18n();
  const may = useMay();
  const scoped = useScoped();
  const [excepting, setExcepting] = useState(false);
  const query = useGet<FindingDetail>(`/findings/${segment(id)}`, {}, { enabled: !!id, keep: false });
  const f = query.data;
  return (
    <Drawer
      open={!!id}
      onClose={onClose}
      size={720}
      title={f ? <span className="row"><SeverityMark value={f.severity} /> <span className="clip">{f.title}</span></span> : t('findings.one')}
      extra={
        f && f.status === 'open' && may('exceptions.request') ? (
          <Button onClick={() => setExcepting(true)}>{t('findings.except')}</Button>
        ) : null
      }
    >
      {query.error ? <ProblemAlert problem={query.error} onRetry={() => void query.refetch()} /> : null}
      {!f && !query.error ? <Skeleton rows={8} /> : null}
      {f ? (
        <div className="stack">
          <p className="wrap">{f.message}</p>
          <Facts
            items={[
              [t('column.asset'), <AssetLink key="a" asset={f.asset} />],
              [t('column.status'), <span key="s" className="row flow"><StateWord value={f.status} />{f.exception?.id ? <Link to={scoped('/exceptions', { open: f.exception.id })}>{t('findings.seeException')}</Link> : f.exception?.byOwner ? <span className="muted">{t('findings.byOwner')}</span> : null}</span>],
              [t('column.check'), <Link key="c" className="mono" to={scoped('/findings', { q: term('check', f.check) })}>{f.check}</Link>],
              [t('column.category'), word('category', f.category)],
              [t('column.first'), <Time key="f" value={f.firstSeen} />],
              [t('column.last'), <Time key="l" value={f.lastSeen} />],
              ...(f.controls?.length ? [[t('column.controls'), <span key="k" className="row flow">{f.controls.map((c) => <span key={c} className="chip mono">{c}</span>)}</span>] as [React.ReactNode, React.ReactNode]] : []),
              ...(f.mitre?.length ? [['MITRE ATT&CK', <span key="m" className="row flow">{f.mitre.map((m) => <span key={m} className="chip mono">{m}</span>)}</span>] as [React.ReactNode, React.ReactNode]] : []),
            ]}
          />
          <Tabs
            items={[
              { key: 'explain', label: t('findings.explain'), children: <Explain f={f} /> },
              { key: 'fix', label: t('findings.fix'), children: <Fix f={f} /> },
              { key: 'history', label: t('findings.history'), children: <History f={f} /> },
            ]}
          />
        </div>
      ) : null}
      {f && excepting ? <ExceptionForm finding={f} onClose={() => setExcepting(false)} /> : null}
    </Drawer>
  );
}

function Explain({ f }: { f: FindingDetail }) {
  const { t } = useI18n();
  return (
    <div className="stack">
      {f.description ? <section><h3>{t('findings.what')}</h3><p>{f.description}</p></section> : null}
      {f.why && f.why !== f.description ? <section><h3>{t('findings.why')}</h3><p>{f.why}</p></section> : null}
      {f.remedy ? <section><h3>{t('findings.remedy')}</h3><p>{f.remedy}</p></section> : null}
      <section>
        <h3>{t('findings.evidence')}</h3>
        <Facts
          items={[
            [t('findings.path'), f.path ? <span className="mono">{f.path} <Copy text={f.path} /></span> : null],
            [t('findings.value'), f.value ? <span className="mono">{f.value}</span> : <span className="muted">{t('findings.absent')}</span>],
            ...(f.container ? [[t('column.container'), <span key="c" className="mono">{f.container}</span>] as [React.ReactNode, React.ReactNode]] : []),
          ]}
        />
      </section>
    </div>
  );
}

function Fix({ f }: { f: FindingDetail }) {
  const { t } = useI18n();
  const fix = useGet<FindingFix>(`/findings/${segment(f.id)}/fix`, {}, { enabled: !!f.fixable && f.status !== 'closed', keep: false });
  const none = <Nothing title={t('findings.noFix')}>{f.remedy ?? t('findings.noFixHint')}</Nothing>;
  if (!f.fixable || f.status === 'closed' || fix.error?.status === 404) return none;
  if (fix.error) return <ProblemAlert problem={fix.error} onRetry={() => void fix.refetch()} />;
  if (!fix.data) return <Skeleton />;
  return (
    <div className="stack">
      <p>{t('findings.fixHint')}</p>
      <Diff text={fix.data.diff} label={t('findings.diff')} />
      <div className="row between">
        <span className="muted">{fix.data.closes > 1 ? t('findings.closes', { n: fix.data.closes }) : ''}</span>
        <Button icon={<DownloadOutlined />} onClick={() => save(`${f.asset.kind.toLowerCase()}-${f.asset.name}.yaml`, fix.data.fixed, 'application/yaml')}>{t('findings.fixed')}</Button>
      </div>
    </div>
  );
}

// A finding's transitions are events.
function History({ f }: { f: FindingDetail }) {
  const { t, word } = useI18n();
  const may = useMay();
  const query = and('kind:finding', term('rule', f.check), f.asset.cluster && term('cluster', f.asset.cluster), f.asset.namespace && term('ns', f.asset.namespace), term('name', f.asset.name));
  const events = useGet<Page<EventRecord>>('/events', { q: query, limit: 100 }, { enabled: may('events.read'), keep: false });
  if (events.error) return <ProblemAlert problem={events.error} />;
  const items = events.data?.items ?? [];
  return (
    <ol className="timeline">
      {items.map((item) => (
        <li key={item.id}>
          <div className="row between">
            <span>
              {word('history', item.verb)}
              {item.user ? <span className="muted"> · {item.user}</span> : null}
            </span>
            <span className="muted"><Time value={item.time} /></span>
          </div>
          <span className="muted wrap">{item.message}</span>
        </li>
      ))}
      {f.closedAt && !items.length ? <li><div className="row between"><span>{t('history.closed')}</span><span className="muted"><Time value={f.closedAt} /></span></div></li> : null}
      {!items.some((item) => item.verb === 'opened') ? <li><div className="row between"><span>{t('history.opened')}</span><span className="muted"><Time value={f.firstSeen} /></span></div></li> : null}
    </ol>
  );
}
