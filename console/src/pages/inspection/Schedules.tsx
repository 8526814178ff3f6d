import { PlusOutlined, ScheduleOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Select, Switch } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { Schedule } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { Nothing, Time } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { useClusterName, useClusters } from '../shared';

export default function Schedules() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const nameOf = useClusterName();
  const [editing, setEditing] = useState<Partial<Schedule> | null>(null);
  const write = may('schedules.write');
  const stale = ['/schedules', '/runs'];
  const change = useAction(({ id, ...body }: Partial<Schedule>) => api.patch(`/schedules/${segment(id!)}`, body), { done: 'saved', stale });
  const run = useAction((id: string) => api.post(`/schedules/${segment(id)}/run`), { done: 'inspection.started', stale });
  const remove = useAction((id: string) => api.delete(`/schedules/${segment(id)}`), { done: 'removed', stale });
  const add = write ? <Button icon={<PlusOutlined />} onClick={() => setEditing({ enabled: true, cron: '0 2 * * *', timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone, cluster: '' })}>{t('inspection.addSchedule')}</Button> : null;
  const columns: ServerColumn<Schedule>[] = [
    { key: 'name', title: 'column.name', sort: 'name', render: (s) => <span className="clip">{s.name}</span> },
    { key: 'cluster', title: 'cluster', width: 180, render: (s) => <span className="clip">{s.cluster ? nameOf(s.cluster) : t('scope.allClusters')}</span> },
    { key: 'cron', title: 'column.times', width: 190, render: (s) => <span className="stack" style={{ gap: 0 }}><span className="mono">{s.cron}</span><span className="muted">{s.timeZone}</span></span> },
    { key: 'next', title: 'column.next', width: 110, render: (s) => <Time value={s.enabled ? s.nextRun : undefined} /> },
    { key: 'last', title: 'column.lastRun', width: '22%', render: (s) => <span className="stack" style={{ gap: 0 }}><Time value={s.lastRun} /><span className="muted two-lines" title={s.lastResult?.text}>{s.lastResult?.text}</span></span> },
    { key: 'enabled', title: 'column.enabled', width: 80, render: (s) => <Switch size="small" aria-label={`${t('column.enabled')}: ${s.name}`} disabled={!write} checked={s.enabled} onChange={(enabled) => change.mutate({ id: s.id, enabled })} /> },
    ...(write
      ? [{
          key: 'do', title: 'column.actions' as Key, width: 190,
          render: (s: Schedule) => (
            <span className="row" style={{ gap: 4 }}>
              <Button size="small" type="text" onClick={() => run.mutate(s.id)}>{t('inspection.runNow')}</Button>
              <Button size="small" type="text" onClick={() => setEditing(s)}>{t('edit')}</Button>
              <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('removeTitle', { name: s.name }), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(s.id) })}>{t('remove')}</Button>
            </span>
          ),
        }]
      : []),
  ];
  return (
    <>
      <ServerTable<Schedule> id="schedules" path="/schedules" columns={columns} rowKey={(s) => s.id} scoped={false} csv={false} extra={add} empty={<Nothing icon={<ScheduleOutlined />} title={t('inspection.noSchedules')} actions={add}>{t('inspection.noSchedulesHint')}</Nothing>} />
      {editing ? <Editor schedule={editing} onClose={() => setEditing(null)} /> : null}
    </>
  );
}

function Editor({ schedule, onClose }: { schedule: Partial<Schedule>; onClose: () => void }) {
  const { t } = useI18n();
  const clusters = useClusters();
  const [form] = Form.useForm<Schedule>();
  const save = useAction(
    (values: Partial<Schedule>) => (schedule.id ? api.patch(`/schedules/${segment(schedule.id)}`, values) : api.post('/schedules', { feature: 'posture', ...values })),
    { done: 'saved', stale: ['/schedules'], onDone: onClose },
  );
  return (
    <Modal open title={t(schedule.id ? 'inspection.editSchedule' : 'inspection.addSchedule')} okText={t('save')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form form={form} layout="vertical" initialValues={schedule}>
        <Form.Item name="name" label={t('column.name')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
          <Input maxLength={200} autoFocus />
        </Form.Item>
        <Form.Item name="cluster" label={t('cluster')}>
          <Select options={[{ value: '', label: t('scope.allClusters') }, ...clusters.map((c) => ({ value: c.id, label: c.name }))]} />
        </Form.Item>
        <Form.Item name="cron" label={t('inspection.cron')} extra={t('inspection.cronHint')} rules={[{ required: true, message: t('form.required') }]}>
          <Input className="mono" />
        </Form.Item>
        <Form.Item name="timeZone" label={t('inspection.timeZone')}>
          <Select showSearch options={Intl.supportedValuesOf('timeZone').concat('UTC').map((value) => ({ value, label: value }))} />
        </Form.Item>
        <Form.Item name="enabled" label={t('column.enabled')} valuePropName="checked">
          <Switch />
        </Form.Item>
      </Form>
    </Modal>
  );
}
