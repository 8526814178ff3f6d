// One alert, to be judged: what happened, who did it to what, and what is to be done about it.

import { App, Button, DatePicker, Drawer, Dropdown, Form, Input, Modal, Select } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, segment } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import type { Alert, EventRecord, Page, User } from '../../api/types';
import { useScoped } from '../../app/scope';
import { useMay, useSession } from '../../app/session';
import { useI18n } from '../../i18n';
import { and, term } from '../../lib/query';
import { AssetLink, Facts, Num, SeverityMark, StateWord, Time } from '../../ui/basics';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';
import { atTime, personOf } from '../shared';

export default function AlertDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useI18n();
  const may = useMay();
  const [excepting, setExcepting] = useState(false);
  const query = useGet<Alert>(`/alerts/${segment(id)}`, {}, { enabled: !!id, keep: false });
  const a = query.data;
  const act = useAction(({ verb, body }: { verb: string; body?: unknown }) => api.post(`/alerts/${segment(id)}/${verb}`, body ?? {}), {
    done: 'alerts.done',
    stale: ['/alerts', '/overview'],
  });
  const triage = may('alerts.triage');
  const [resolving, setResolving] = useState(false);
  return (
    <Drawer
      open={!!id}
      onClose={onClose}
      size={720}
      title={a ? <span className="row"><SeverityMark value={a.severity} /> <span className="clip">{a.title}</span></span> : t('alerts.one')}
      extra={
        a && triage ? (
          <span className="row">
            {a.state === 'open' ? <Button loading={act.isPending} onClick={() => act.mutate({ verb: 'acknowledge' })}>{t('alerts.acknowledge')}</Button> : null}
            {a.state !== 'resolved' ? <Button type="primary" onClick={() => setResolving(true)}>{t('alerts.resolve')}</Button> : <Button onClick={() => act.mutate({ verb: 'reopen' })}>{t('alerts.reopen')}</Button>}
            <Dropdown trigger={['click']} menu={{ items: [{ key: 'except', label: t('alerts.except') }], onClick: () => setExcepting(true) }}>
              <Button aria-label={t('more')}>…</Button>
            </Dropdown>
          </span>
        ) : null
      }
    >
      {query.error ? <ProblemAlert problem={query.error} onRetry={() => void query.refetch()} /> : null}
      {!a && !query.error ? <Skeleton rows={8} /> : null}
      {a ? <Body alert={a} act={(verb, body) => act.mutate({ verb, body })} /> : null}
      {a && excepting ? <Except alert={a} onClose={() => setExcepting(false)} /> : null}
      {a && resolving ? (
        <Resolve
          onClose={() => setResolving(false)}
          onResolve={(resolution, text) => {
            act.mutate({ verb: 'resolve', body: { resolution, ...(text && { comment: text }) } });
            setResolving(false);
          }}
        />
      ) : null}
    </Drawer>
  );
}

function Body({ alert: a, act }: { alert: Alert; act: (verb: string, body: unknown) => void }) {
  const { t, word } = useI18n();
  const scoped = useScoped();
  const may = useMay();
  const session = useSession();
  const [form] = Form.useForm<{ text: string }>();
  const triage = may('alerts.triage');
  const users = useGet<Page<User>>('/users', { limit: 200 }, { enabled: triage && may('users.read') });
  const names = [...new Set([session.user?.name ?? '', ...(users.data?.items ?? []).map((u) => u.name), ...(a.assignee ? [a.assignee] : [])])].filter(Boolean);
  const ids = a.events ?? [];
  const events = useGet<Page<EventRecord>>('/events', { ids: ids.slice(0, 20).join(','), bodies: false }, { enabled: !!ids.length && may('events.read') });
  const around = and(a.target?.cluster && term('cluster', a.target.cluster), a.target?.namespace && term('ns', a.target.namespace), a.user ? term('user', a.user) : a.target?.name && term('name', a.target.name));
  const from = dayjs(a.firstSeen).subtract(10, 'minute').toISOString();
  const to = dayjs(a.lastSeen).add(10, 'minute').toISOString();
  return (
    <div className="stack">
      <p className="wrap">{a.message}</p>
      <Facts
        items={[
          [t('column.state'), <span key="s" className="row flow"><StateWord value={a.state} />{a.resolution ? <span className="muted">{word('resolution', a.resolution)}</span> : null}</span>],
          [
            t('column.assignee'),
            triage ? (
              <Select
                key="w"
                size="small"
                style={{ width: 200 }}
                aria-label={t('column.assignee')}
                value={a.assignee ?? ''}
                showSearch={{ optionFilterProp: 'label' }}
                onChange={(assignee) => act('assign', { assignee })}
                options={[{ value: '', label: t('alerts.nobody') }, ...names.map((name) => ({ value: name, label: name }))]}
              />
            ) : (
              a.assignee
            ),
          ],
          [t('column.target'), <AssetLink key="t" asset={a.target} />],
          [t('column.user'), a.user ? <span key="u" className="mono">{a.user}</span> : null],
          [t('column.ip'), a.sourceIp ? <span key="i" className="mono">{a.sourceIp}</span> : null],
          ...(a.node ? [[t('column.node'), <span key="n" className="mono">{a.node}</span>] as [React.ReactNode, React.ReactNode]] : []),
          ...(a.image ? [[t('column.image'), <span key="im" className="mono">{a.image}</span>] as [React.ReactNode, React.ReactNode]] : []),
          [t('column.count'), <Num key="c" value={a.count} />],
          [t('column.first'), <Time key="f" value={a.firstSeen} />],
          [t('column.last'), <Time key="l" value={a.lastSeen} />],
          [t('column.rule'), <Link key="r" className="mono" to={`/alerts?tab=rules&q=${encodeURIComponent(term('id', a.rule))}`}>{a.rule}</Link>],
          ...(a.mitre?.length ? [['MITRE ATT&CK', <span key="m" className="row flow">{a.mitre.map((m) => <span key={m} className="chip mono">{m}</span>)}</span>] as [React.ReactNode, React.ReactNode]] : []),
        ]}
      />
      {a.description ? <section><h3>{t('findings.what')}</h3><p>{a.description}</p></section> : null}
      {a.remedy ? <section><h3>{t('findings.remedy')}</h3><p>{a.remedy}</p></section> : null}
      {may('events.read') ? (
        <section className="stack half">
          <div className="row between">
            <h3>{t('alerts.events')}</h3>
            <Link to={scoped('/events', { q: around, since: from, until: to })}>{t('alerts.around')}</Link>
          </div>
          {events.error ? <ProblemAlert problem={events.error} /> : null}
          <ul className="lines panel">
            {(events.data?.items ?? []).map((event) => (
              <li key={event.id} className="row between wide">
                <Link className="grow" to={scoped('/events', { open: event.id, q: around, ...atTime(event.time) })}>
                  <span className="clip" title={event.message}>{event.message}</span>
                </Link>
                <span className="muted"><Time value={event.time} /></span>
              </li>
            ))}
            {events.data && !events.data.items.length ? <li className="muted">{t('alerts.noEvents')}</li> : null}
          </ul>
        </section>
      ) : null}
      <section className="stack half">
        <h3>{t('alerts.comments')}</h3>
        {a.comments?.length ? (
          <ol className="timeline">
            {a.comments.map((comment, index) => (
              <li key={index}>
                <div className="row between"><b>{personOf(comment.by)}</b><span className="muted"><Time value={comment.at} /></span></div>
                <span className="wrap" style={{ whiteSpace: 'pre-wrap' }}>{comment.text}</span>
              </li>
            ))}
          </ol>
        ) : null}
        {triage ? (
          <Form form={form} onFinish={({ text }) => { act('comment', { comment: text }); form.resetFields(); }}>
            <Form.Item name="text" rules={[{ required: true, whitespace: true, message: t('form.required') }]} style={{ marginBottom: 8 }}>
              <Input.TextArea rows={2} aria-label={t('alerts.comment')} placeholder={t('alerts.commentHint')} maxLength={4000} />
            </Form.Item>
            <Button htmlType="submit">{t('alerts.comment')}</Button>
          </Form>
        ) : null}
      </section>
    </div>
  );
}

const resolutions = ['fixed', 'expected', 'false-positive', 'other'] as const;

function Resolve({ onResolve, onClose }: { onResolve: (resolution: string, text?: string) => void; onClose: () => void }) {
  const { t } = useI18n();
  const [form] = Form.useForm<{ resolution: string; text?: string }>();
  return (
    <Modal open title={t('alerts.resolve')} okText={t('alerts.resolve')} onCancel={onClose} onOk={() => void form.validateFields().then((v) => onResolve(v.resolution, v.text))}>
      <Form form={form} layout="vertical" initialValues={{ resolution: 'fixed' }}>
        <Form.Item name="resolution" label={t('alerts.resolution')}>
          <Select options={resolutions.map((value) => ({ value, label: t(`resolution.${value}`) }))} />
        </Form.Item>
        <Form.Item name="text" label={t('alerts.comment')}>
          <Input.TextArea rows={3} maxLength={4000} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

// Values of a match are patterns.
const escapeGlob = (value: string) => value.replace(/[*?\\]/g, '\\$&');

// Suppresses the like from now on: what must be the same for an event to be "the like".
function Except({ alert: a, onClose }: { alert: Alert; onClose: () => void }) {
  const { t } = useI18n();
  const { message } = App.useApp();
  const [form] = Form.useForm<{ reason: string; expires?: Dayjs; match: string[] }>();
  const choices: [string, string | undefined][] = [['ns', a.target?.namespace], ['targetKind', a.target?.kind], ['name', a.target?.name], ['user', a.user], ['ip', a.sourceIp], ['node', a.node], ['image', a.image]];
  const there = choices.filter(([, value]) => value) as [string, string][];
  const except = useAction(
    (v: { reason: string; expires?: Dayjs; match: string[] }) =>
      api.post(`/alerts/${segment(a.id)}/except`, { reason: v.reason, expires: (v.expires ?? dayjs().add(30, 'day')).endOf('day').toISOString(), match: Object.fromEntries(there.filter(([key]) => v.match.includes(key)).map(([key, value]) => [key, escapeGlob(value)])) }),
    { stale: ['/alerts', '/suppressions'], onDone: () => { void message.success(t('alerts.excepted')); onClose(); } },
  );
  return (
    <Modal open title={t('alerts.except')} okText={t('alerts.except')} onCancel={onClose} confirmLoading={except.isPending} onOk={() => void form.validateFields().then((v) => except.mutate(v))}>
      <p className="muted" style={{ marginBottom: 12 }}>{t('alerts.exceptHint')}</p>
      <Form form={form} layout="vertical" initialValues={{ match: there.filter(([k]) => ['ns', 'name', 'user'].includes(k)).map(([k]) => k), expires: dayjs().add(30, 'day') }}>
        <Form.Item name="match" label={t('alerts.match')} rules={[{ required: true, message: t('form.required') }]}>
          <Select mode="multiple" options={there.map(([key, value]) => ({ value: key, label: `${key} = ${value}` }))} />
        </Form.Item>
        <Form.Item name="reason" label={t('exceptions.reason')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
          <Input.TextArea rows={3} maxLength={2000} />
        </Form.Item>
        <Form.Item name="expires" label={t('exceptions.expires')} rules={[{ required: true, message: t('form.required') }]}>
          <DatePicker style={{ width: 200 }} disabledDate={(day) => day.isBefore(dayjs(), 'day') || day.isAfter(dayjs().add(365, 'day'))} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
