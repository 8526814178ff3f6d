// Where results are sent: files and endpoints, as JSON lines.

import { ExportOutlined, PlusOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Segmented, Select, Switch } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { Sink } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { None, Nothing, Num, State, Time } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';

const kinds = ['audit', 'kubernetes', 'finding', 'alert', 'asset', 'access', 'exception', 'node'];

export default function Sinks() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const [editing, setEditing] = useState<Partial<Sink> | null>(null);
  const write = may('settings.write');
  const change = useAction(({ id, enabled }: Sink) => api.patch(`/sinks/${segment(id)}`, { enabled }), { done: 'saved', stale: ['/sinks'] });
  const test = useAction((id: string) => api.post(`/sinks/${segment(id)}/test`), { done: 'system.sinkTested', stale: ['/sinks'] });
  const remove = useAction((id: string) => api.delete(`/sinks/${segment(id)}`), { done: 'removed', stale: ['/sinks'] });
  const add = write ? <Button icon={<PlusOutlined />} onClick={() => setEditing({ type: 'http', enabled: true, format: 'lines' })}>{t('system.addSink')}</Button> : null;
  const columns: ServerColumn<Sink>[] = [
    {
      key: 'name', title: 'column.name', sort: 'name',
      render: (s) => (
        <div className="stack" style={{ gap: 0 }}>
          <span className="clip">{s.name || s.id}</span>
          <span className="mono muted clip" title={s.url ?? s.path}>{s.url ?? s.path}</span>
        </div>
      ),
    },
    { key: 'kinds', title: 'column.contents', width: '15%', render: (s) => <span className="clip">{s.kinds?.length ? s.kinds.join(', ') : t('system.allKinds')}{s.q ? ` · ${s.q}` : ''}</span> },
    { key: 'sent', title: 'column.sent', width: 90, right: true, render: (s) => <Num value={s.status?.sent} /> },
    { key: 'waiting', title: 'column.queued', width: 80, right: true, render: (s) => <Num value={s.status?.waiting} /> },
    { key: 'dropped', title: 'column.dropped', width: 84, right: true, render: (s) => (s.status?.dropped ? <State tone="bad"><Num value={s.status.dropped} /></State> : <Num value={s.status?.dropped} />) },
    { key: 'last', title: 'column.last', width: 110, off: true, render: (s) => <Time value={s.status?.lastSent} /> },
    { key: 'error', title: 'column.lastError', width: '17%', render: (s) => (s.status?.lastError ? <span className="two-lines" title={s.status.lastError}>{s.status.lastError}</span> : <None />) },
    { key: 'enabled', title: 'column.enabled', width: 72, render: (s) => <Switch size="small" aria-label={`${t('column.enabled')}: ${s.name || s.id}`} disabled={!write} checked={s.enabled !== false} onChange={(enabled) => change.mutate({ ...s, enabled })} /> },
    ...(write
      ? [{
          key: 'do', title: 'column.actions' as Key, width: 190,
          render: (s: Sink) => (
            <span className="row" style={{ gap: 2 }}>
              <Button size="small" type="text" onClick={() => test.mutate(s.id)}>{t('system.sinkTest')}</Button>
              <Button size="small" type="text" onClick={() => setEditing(s)}>{t('edit')}</Button>
              <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('removeTitle', { name: s.name || s.id }), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(s.id) })}>{t('remove')}</Button>
            </span>
          ),
        }]
      : []),
  ];
  return (
    <>
      <ServerTable<Sink> id="sinks" path="/sinks" scoped={false} csv={false} columns={columns} rowKey={(s) => s.id} extra={add} empty={<Nothing icon={<ExportOutlined />} title={t('system.noSinks')} actions={add}>{t('system.noSinksHint')}</Nothing>} />
      {editing ? <Editor sink={editing} onClose={() => setEditing(null)} /> : null}
    </>
  );
}

interface Values {
  name?: string;
  kinds?: string[];
  q?: string;
  path?: string;
  url?: string;
  format?: string;
  language?: string;
  header?: string;
  secret?: string;
}

function Editor({ sink, onClose }: { sink: Partial<Sink>; onClose: () => void }) {
  const { t } = useI18n();
  const [form] = Form.useForm<Values>();
  const [type, setType] = useState(sink.type ?? 'http');
  const save = useAction(
    ({ header, secret, ...values }: Values) => {
      const body = { ...Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined && v !== '')), type, enabled: sink.enabled !== false, ...(header && secret && { secretHeaders: { [header]: secret } }) };
      return sink.id ? api.patch(`/sinks/${segment(sink.id)}`, body) : api.post('/sinks', body);
    },
    { done: 'saved', stale: ['/sinks'], onDone: onClose },
  );
  const needed = [{ required: true, whitespace: true, message: t('form.required') }];
  return (
    <Modal open title={sink.id ? (sink.name ?? sink.id) : t('system.addSink')} okText={t('save')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form form={form} layout="vertical" initialValues={sink} autoComplete="off">
        {sink.id ? null : <Form.Item label={t('column.kind')}><Segmented block value={type} onChange={setType} options={[{ value: 'http', label: 'HTTP' }, { value: 'file', label: t('system.file') }]} /></Form.Item>}
        <Form.Item name="name" label={t('column.name')}><Input maxLength={200} /></Form.Item>
        {type === 'file' ? (
          <Form.Item name="path" label={t('system.filePath')} extra={t('system.filePathHint')} rules={needed}><Input className="mono" placeholder={'findings.jsonl'} /></Form.Item>
        ) : (
          <>
            <Form.Item name="url" label={t('column.address')} rules={needed}><Input className="mono" placeholder={'https://logs.example.com/ingest'} /></Form.Item>
            <Form.Item name="format" label={t('system.format')}><Select options={[{ value: 'lines', label: t('system.format.lines') }, { value: 'array', label: t('system.format.array') }]} /></Form.Item>
            <div className="grid two" style={{ columnGap: 16, rowGap: 0 }}>
              <Form.Item name="header" label={t('system.secretHeader')}><Input className="mono" placeholder={'Authorization'} /></Form.Item>
              <Form.Item name="secret" label={t('system.secretValue')} extra={sink.id ? t('provider.keepSecret') : ''}><Input.Password autoComplete="new-password" /></Form.Item>
            </div>
          </>
        )}
        <Form.Item name="kinds" label={t('column.contents')}><Select mode="multiple" allowClear placeholder={t('system.allKinds')} options={kinds.map((value) => ({ value, label: t(`event.kind.${value}` as Key) }))} /></Form.Item>
        <Form.Item name="q" label={t('system.sinkQuery')}><Input className="mono" placeholder={'severity:critical,high'} /></Form.Item>
      </Form>
    </Modal>
  );
}
