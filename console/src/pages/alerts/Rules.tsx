import { Button, Form, Input, Modal, Select, Switch } from 'antd';
import { useParam } from '../../app/scope';
import { useState } from 'react';
import { api, segment, type Problem } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import { severities, type Rule } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { SeverityMark, Time } from '../../ui/basics';
import { ProblemAlert } from '../../ui/Problem';
import { LocalTable, type LocalColumn } from '../../ui/LocalTable';

export default function Rules() {
  const { t } = useI18n();
  const may = useMay();
  const [testing, setTesting] = useState(false);
  const change = useAction(({ id, ...body }: { id: string; enabled?: boolean; severity?: string }) => api.patch(`/rules/${segment(id)}`, body), { done: 'saved', stale: ['/rules'] });
  const write = may('rules.write');
  const rules = useGet<{ items: Rule[] }>('/rules');
  const [q, setQ] = useParam('q');
  // An alert links here with id:its-rule.
  const wanted = q.replace(/^id:/, '').replaceAll('"', '').toLowerCase();
  const shown = rules.data?.items.filter((r) => [r.id, r.title, r.description ?? ''].some((text) => text.toLowerCase().includes(wanted)));
  const columns: LocalColumn<Rule>[] = [
    {
      key: 'severity', title: 'column.severity', width: 140, value: (r) => -severities.indexOf(r.severity),
      render: (r) =>
        write ? (
          <Select
            size="small"
            variant="borderless"
            aria-label={t('column.severity')}
            value={r.severity}
            onChange={(severity) => change.mutate({ id: r.id, severity })}
            options={severities.filter((s) => s !== 'unknown').map((s) => ({ value: s, label: <SeverityMark value={s} /> }))}
            style={{ width: 120, marginInlineStart: -8 }}
          />
        ) : (
          <SeverityMark value={r.severity} />
        ),
    },
    {
      key: 'title', title: 'column.rule', value: (r) => r.title,
      render: (r) => (
        <div className="stack" style={{ gap: 1 }}>
          <span>{r.title} <span className="mono muted">{r.id}</span></span>
          <span className="muted two-lines" title={r.description}>{r.description}</span>
        </div>
      ),
    },
    { key: 'source', title: 'column.source', width: 120, value: (r) => r.source?.join(', ') },
    { key: 'mitre', title: 'column.mitre', width: 120, value: (r) => r.mitre?.join(' '), render: (r) => <span className="row flow">{r.mitre?.map((m) => <span key={m} className="chip mono">{m}</span>)}</span> },
    { key: 'enabled', title: 'column.enabled', width: 90, value: (r) => (r.enabled ? 1 : 0), render: (r) => <Switch size="small" aria-label={`${t('column.enabled')}: ${r.title}`} disabled={!write} checked={r.enabled} onChange={(enabled) => change.mutate({ id: r.id, enabled })} /> },
  ];
  return (
    <>
      <LocalTable<Rule>
        name="rules"
        rows={shown}
        problem={rules.error}
        columns={columns}
        rowKey={(r) => r.id}
        title={<Input.Search allowClear aria-label={t('alerts.rulesQuery')} placeholder={t('alerts.rulesQuery')} defaultValue={q} onSearch={(text) => setQ(text.trim())} style={{ width: 320 }} />}
        extra={may('rules.read') ? <Button onClick={() => setTesting(true)}>{t('alerts.test')}</Button> : null}
      />
      {testing ? <Test onClose={() => setTesting(false)} /> : null}
    </>
  );
}

interface Outcome {
  events: number; // that were looked at
  matches: number;
  errors: number;
  items: { group: string; time: string; count: number; message: string }[];
}

// What would a rule have said to the events that are stored?
function Test({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const [form] = Form.useForm<{ rule: string; since: string }>();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    const values = await form.validateFields();
    setBusy(true);
    setProblem(null);
    try {
      setOutcome(await api.post<Outcome>('/rules/test', values));
    } catch (error) {
      setOutcome(null);
      setProblem(error as Problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open width={760} title={t('alerts.test')} okText={t('alerts.testRun')} cancelText={t('close')} onCancel={onClose} onOk={() => void run()} confirmLoading={busy}>
      <p className="muted" style={{ marginBottom: 12 }}>{t('alerts.testHint')}</p>
      <Form form={form} layout="vertical" initialValues={{ since: '24h' }}>
        <Form.Item name="rule" label={t('alerts.ruleYaml')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
          <Input.TextArea rows={12} className="mono" spellCheck={false} />
        </Form.Item>
        <Form.Item name="since" label={t('alerts.since')}>
          <Select style={{ width: 160 }} options={(['1h', '24h', '7d', '30d'] as const).map((value) => ({ value, label: t(`range.${value}` as Key) }))} />
        </Form.Item>
      </Form>
      {problem ? <ProblemAlert problem={problem} /> : null}
      {outcome ? (
        <div className="stack half" role="status">
          <b>{t('alerts.matched', { n: outcome.matches, events: outcome.events })}</b>
          <ul className="lines panel">
            {outcome.items.map((item, index) => (
              <li key={index} className="row between wide"><span className="clip grow" title={item.message}>{item.message}</span><span className="num">{'×'}{item.count}</span><span className="muted"><Time value={item.time} /></span></li>
            ))}
          </ul>
        </div>
      ) : null}
    </Modal>
  );
}
