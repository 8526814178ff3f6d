// Where audit events come from: an address of its own for each API server.

import { AuditOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, App, Button, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { AuditSource, MadeAuditSource } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { Nothing, Num, State, Time } from '../../ui/basics';
import { Code } from '../../ui/Code';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { useClusterName, useClusters } from '../shared';

export default function AuditSources() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const nameOf = useClusterName();
  const [adding, setAdding] = useState(false);
  const write = may('settings.write');
  const remove = useAction((id: string) => api.delete(`/audit-sources/${segment(id)}`), { done: 'removed', stale: ['/audit-sources'] });
  const add = write ? <Button icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t('system.addSource')}</Button> : null;
  const columns: ServerColumn<AuditSource>[] = [
    { key: 'name', title: 'column.name', render: (s) => <span className="clip">{s.name || s.id}</span> },
    { key: 'cluster', title: 'cluster', width: '24%', render: (s) => <span className="clip">{nameOf(s.cluster)}</span> },
    { key: 'events', title: 'nav.events', width: 100, right: true, render: (s) => <Num value={s.events} /> },
    { key: 'duplicates', title: 'column.duplicates', width: 110, right: true, render: (s) => <Num value={s.duplicates} /> },
    { key: 'invalid', title: 'column.invalid', width: 90, right: true, render: (s) => (s.invalid ? <State tone="bad"><Num value={s.invalid} /></State> : <Num value={s.invalid} />) },
    { key: 'last', title: 'column.last', width: 120, render: (s) => <Time value={s.lastSeen} /> },
    { key: 'created', title: 'column.created', width: 120, render: (s) => <Time value={s.createdAt} /> },
    ...(write ? [{ key: 'do', title: 'column.actions' as Key, width: 110, render: (s: AuditSource) => <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('removeTitle', { name: s.name || s.id }), content: t('system.removeSourceHint'), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(s.id) })}>{t('remove')}</Button> }] : []),
  ];
  return (
    <>
      <ServerTable<AuditSource> id="audit-sources" path="/audit-sources" scoped={false} csv={false} columns={columns} rowKey={(s) => s.id} extra={add} empty={<Nothing icon={<AuditOutlined />} title={t('system.noSources')} actions={add}>{t('system.noSourcesHint')}</Nothing>} />
      {adding ? <Add onClose={() => setAdding(false)} /> : null}
    </>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const clusters = useClusters();
  const [form] = Form.useForm<{ cluster: string; name?: string }>();
  const [made, setMade] = useState<MadeAuditSource | null>(null);
  const save = useAction((v: { cluster: string; name?: string }) => api.post<MadeAuditSource>('/audit-sources', { cluster: v.cluster, ...(v.name && { name: v.name }) }), { stale: ['/audit-sources'], onDone: setMade });
  if (made) {
    return (
      <Modal open width={720} title={t('system.addSource')} onCancel={onClose} footer={<Button type="primary" onClick={onClose}>{t('close')}</Button>}>
        <div className="stack half">
          <Alert type="warning" showIcon title={t('access.tokenOnce')} />
          <p>{t('system.sourceUse')}</p>
          <Code text={made.webhookConfig ?? made.path} label={t('system.audit')} />
        </div>
      </Modal>
    );
  }
  return (
    <Modal open title={t('system.addSource')} okText={t('create')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <p className="muted" style={{ marginBottom: 12 }}>{t('system.addSourceHint')}</p>
      <Form form={form} layout="vertical" initialValues={{ cluster: clusters.length === 1 ? clusters[0]?.id : undefined }}>
        <Form.Item name="cluster" label={t('cluster')} rules={[{ required: true, message: t('form.required') }]}><Select options={clusters.map((c) => ({ value: c.id, label: c.name }))} /></Form.Item>
        <Form.Item name="name" label={t('column.name')}><Input maxLength={200} /></Form.Item>
      </Form>
    </Modal>
  );
}
