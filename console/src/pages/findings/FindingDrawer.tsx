// One finding: what it is, why it matters, what it rests on, how to mend it, what happened to it.

import { Button, Drawer, Tabs } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { segment } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { FindingDetail } from '../../api/types';
import { useScoped } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { term } from '../../lib/query';
import { AssetLink, Copy, Facts, Nothing, SeverityMark, StateWord, Time } from '../../ui/basics';
import { Code, Diff } from '../../ui/Code';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/ServerTable';
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
              [t('column.status'), <span key="s" className="row flow"><StateWord value={f.status} />{f.exception ? <Link to={scoped('/exceptions', { open: f.exception })}>{t('findings.seeException')}</Link> : null}</span>],
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
  const evidence = f.evidence?.length ? f.evidence : [{ path: f.path, value: f.value, container: f.container }];
  return (
    <div className="stack">
      {f.description ? <section><h3>{t('findings.what')}</h3><p>{f.description}</p></section> : null}
      {f.why ? <section><h3>{t('findings.why')}</h3><p>{f.why}</p></section> : null}
      {f.remedy ? <section><h3>{t('findings.remedy')}</h3><p>{f.remedy}</p></section> : null}
      <section>
        <h3>{t('findings.evidence')}</h3>
        {evidence.map((e, index) => (
          <Facts
            key={index}
            items={[
              [t('findings.path'), e.path ? <span className="mono">{e.path} <Copy text={e.path} /></span> : null],
              [t('findings.value'), e.value ? <span className="mono">{e.value}</span> : <span className="muted">{t('findings.absent')}</span>],
              ...(e.container ? [[t('column.container'), <span key="c" className="mono">{e.container}</span>] as [React.ReactNode, React.ReactNode]] : []),
            ]}
          />
        ))}
      </section>
    </div>
  );
}

function Fix({ f }: { f: FindingDetail }) {
  const { t } = useI18n();
  if (!f.fix?.diff && !f.fix?.patch) {
    return <Nothing title={t('findings.noFix')}>{f.remedy ?? t('findings.noFixHint')}</Nothing>;
  }
  const target = `${f.asset.kind.toLowerCase()}${f.asset.group ? `.${f.asset.group}` : ''}/${f.asset.name}`;
  const command = `kubectl ${f.asset.namespace ? `-n ${f.asset.namespace} ` : ''}patch ${target} --type strategic --patch-file fix.yaml`;
  return (
    <div className="stack">
      <p>{t('findings.fixHint')}</p>
      {f.fix.diff ? <Diff text={f.fix.diff} label={t('findings.diff')} /> : null}
      {f.fix.patch ? (
        <>
          <h3>{t('findings.patch')}</h3>
          <Code text={f.fix.patch} label={t('findings.patch')} />
          <Code text={command} numbers={false} label={t('findings.command')} />
        </>
      ) : null}
    </div>
  );
}

function History({ f }: { f: FindingDetail }) {
  const { t, word } = useI18n();
  const items = f.history ?? [];
  if (!items.length) return <Nothing title={t('findings.noHistory')} />;
  return (
    <ol className="timeline">
      {items.map((item, index) => (
        <li key={index}>
          <div className="row between">
            <span>
              {word('history', item.op)}
              {item.by ? <span className="muted"> · {item.by}</span> : null}
            </span>
            <span className="muted">
              <Time value={item.at} />
            </span>
          </div>
          {item.text ? <span className="muted wrap">{item.text}</span> : null}
        </li>
      ))}
    </ol>
  );
}
