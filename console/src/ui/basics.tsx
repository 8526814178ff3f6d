// The small things that every page is made of.

import { CopyOutlined, InboxOutlined } from '@ant-design/icons';
import { App, Button, Tooltip } from 'antd';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { Asset, Severity } from '../api/types';
import { severities } from '../api/types';
import { useScoped } from '../app/scope';
import { useI18n, type Key } from '../i18n';
import { absolute, number, relative } from '../lib/format';

// Shapes differ, so that colour is not all there is.
const shapes: Record<Severity, ReactNode> = {
  critical: <path d="M6 0 12 6 6 12 0 6z" />,
  high: <path d="M6 .5 12 11.5H0z" />,
  medium: <path d="M1 1h10v10H1z" />,
  low: <path d="M6 11.5 0 .5h12z" />,
  info: <circle cx="6" cy="6" r="5.5" />,
  unknown: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="2" />,
};

export function SeverityMark({ value, bare = false }: { value: Severity | undefined; bare?: boolean }) {
  const { t } = useI18n();
  const severity = value && severities.includes(value) ? value : 'unknown';
  const name = t(`severity.${severity}` as Key);
  return (
    <span className={`sev ${severity}`} title={bare ? name : undefined}>
      <svg width="10" height="10" viewBox="0 0 12 12" fill="currentColor" aria-hidden>
        {shapes[severity]}
      </svg>
      {bare ? <span className="hidden">{name}</span> : name}
    </span>
  );
}

export type Tone = 'good' | 'bad' | 'warn' | 'idle';
export function State({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`state ${tone}`}>{children}</span>;
}

const tones: Record<string, Tone> = {
  ready: 'good', connecting: 'idle', away: 'bad', denied: 'bad', disconnected: 'bad',
  open: 'bad', acknowledged: 'warn', resolved: 'good', excepted: 'idle', closed: 'good',
  requested: 'warn', approved: 'good', refused: 'idle', expired: 'idle', withdrawn: 'idle',
  connected: 'good', revoked: 'idle', pass: 'good', fail: 'bad', running: 'idle', succeeded: 'good', failed: 'bad', done: 'good',
  Running: 'good', Ready: 'good', Active: 'good', Succeeded: 'good', Pending: 'warn', Failed: 'bad', NotReady: 'bad', Unknown: 'warn', Terminating: 'warn',
};
// A word of the server with its tone: state.open → "Open", red.
export function StateWord({ value }: { value: string | undefined }) {
  const { word } = useI18n();
  return value ? <State tone={tones[value] ?? 'idle'}>{word('state', value)}</State> : <None />;
}

export function None() {
  const { t } = useI18n();
  return (
    <span className="muted" aria-label={t('none')}>
      –
    </span>
  );
}

export function Time({ value }: { value: string | undefined }) {
  const { language } = useI18n();
  if (!value) return <None />;
  return (
    <time className="nowrap" dateTime={value} title={absolute(value, language)}>
      {relative(value, language)}
    </time>
  );
}

export function Num({ value }: { value: number | undefined }) {
  const { language } = useI18n();
  return value === undefined ? <None /> : <span className="num">{number(value, language)}</span>;
}

const abbreviations: Record<string, string> = {
  Deployment: 'DEPL', StatefulSet: 'STS', DaemonSet: 'DS', ReplicaSet: 'RS', CronJob: 'CRON', Job: 'JOB', Pod: 'POD', Namespace: 'NS', Node: 'NODE',
  ServiceAccount: 'SA', Service: 'SVC', Ingress: 'ING', NetworkPolicy: 'NETP', Role: 'ROLE', ClusterRole: 'CROL', RoleBinding: 'RB', ClusterRoleBinding: 'CRB', Image: 'IMG', Secret: 'SEC', ConfigMap: 'CM',
};
export function KindMark({ kind }: { kind: string }) {
  return (
    <span className="kind" title={kind}>
      {abbreviations[kind] ?? kind.slice(0, 4).toUpperCase()}
    </span>
  );
}

// As Asset::Key() of the server.
export function assetKey(asset: Partial<Asset>): string {
  return [asset.cluster, asset.group, asset.kind, asset.namespace, asset.name].map((part) => part ?? '').join('/');
}

// `stacked`: the namespace under the name, for rows that have two lines anyway.
export function AssetLink({ asset, link = true, stacked = false }: { asset: Partial<Asset> | undefined; link?: boolean; stacked?: boolean }) {
  const scoped = useScoped();
  if (!asset?.name && !asset?.kind) return <None />;
  const label = (
    <span className="mono clip" title={`${asset.kind} ${asset.namespace ? `${asset.namespace}/` : ''}${asset.name}`}>
      {asset.namespace && !stacked ? <span className="muted">{asset.namespace}/</span> : null}
      {asset.name || asset.kind}
    </span>
  );
  const row = (
    <span className="row">
      <KindMark kind={asset.kind ?? ''} />
      {link && asset.name ? (
        <Link className="grow" to={scoped('/asset', { key: assetKey(asset) })} onClick={(event) => event.stopPropagation()}>
          {label}
        </Link>
      ) : (
        <span className="grow">{label}</span>
      )}
    </span>
  );
  if (!stacked || !asset.namespace) return row;
  return (
    <span className="stack" style={{ gap: 1 }}>
      {row}
      <span className="mono muted clip" title={asset.namespace}>
        {asset.namespace}
      </span>
    </span>
  );
}

export function PageHead({ title, about, children }: { title: ReactNode; about?: ReactNode; children?: ReactNode }) {
  return (
    <div className="page-head">
      <div className="grow">
        <h1>{title}</h1>
        {about ? <p>{about}</p> : null}
      </div>
      {children ? <div className="actions">{children}</div> : null}
    </div>
  );
}

export function Panel({ title, extra, flush, children, className = '' }: { title?: ReactNode; extra?: ReactNode; flush?: boolean; children: ReactNode; className?: string }) {
  return (
    <section className={`panel ${className}`}>
      {title || extra ? (
        <header>
          <h2>{title}</h2>
          {extra}
        </header>
      ) : null}
      <div className={flush ? 'body flush' : 'body'}>{children}</div>
    </section>
  );
}

// Nothing here: why, and what to do next.
export function Nothing({ title, children, icon, actions }: { title: ReactNode; children?: ReactNode; icon?: ReactNode; actions?: ReactNode }) {
  return (
    <div className="empty">
      {icon ?? <InboxOutlined />}
      <h3>{title}</h3>
      {children ? <p>{children}</p> : null}
      {actions ? <div className="actions">{actions}</div> : null}
    </div>
  );
}

export function Facts({ items }: { items: [ReactNode, ReactNode][] }) {
  return (
    <dl className="facts">
      {items.map(([name, value], index) => (
        <div key={index} style={{ display: 'contents' }}>
          <dt>{name}</dt>
          <dd>{value === undefined || value === null || value === '' ? <None /> : value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const { t } = useI18n();
  const { message } = App.useApp();
  const title = label ?? t('copy');
  return (
    <Tooltip title={title}>
      <Button
        size="small"
        type="text"
        icon={<CopyOutlined />}
        aria-label={title}
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => message.success(t('copied')));
        }}
      />
    </Tooltip>
  );
}

// How many of what severity, as one bar.
export function SeverityBar({ counts }: { counts: Partial<Record<Severity, number>> | undefined }) {
  const { t, language } = useI18n();
  const total = severities.reduce((sum, severity) => sum + (counts?.[severity] ?? 0), 0);
  const text = severities
    .filter((severity) => counts?.[severity])
    .map((severity) => `${t(`severity.${severity}` as Key)} ${number(counts![severity]!, language)}`)
    .join(', ');
  return (
    <div className="bars" role="img" aria-label={text || t('none')} title={text}>
      {total
        ? severities.map((severity) =>
            counts?.[severity] ? <i key={severity} className={severity} style={{ width: `${(100 * counts[severity]!) / total}%` }} /> : null,
          )
        : null}
    </div>
  );
}

export function Share({ part, total, tone = 'good' }: { part: number; total: number; tone?: string }) {
  return (
    <div className="bars" aria-hidden>
      <i className={tone} style={{ width: `${total ? (100 * part) / total : 0}%` }} />
    </div>
  );
}
