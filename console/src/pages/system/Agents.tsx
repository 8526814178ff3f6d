import { ApiOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, App, Button, DatePicker, Form, Input, Modal, Select, Typography } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { Agent, AgentEnrolment } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { absolute } from '../../lib/format';
import { Nothing, Num, State, StateWord, Time } from '../../ui/basics';
import { Code } from '../../ui/Code';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { useClusterName, useClusters } from '../shared';

export default function Agents() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const nameOf = useClusterName();
  const [enrolling, setEnrolling] = useState(false);
  const revoke = useAction((id: string) => api.delete(`/agents/${segment(id)}`), { done: 'access.revoked', stale: ['/agents'] });
  const enrol = may('agents.enroll') ? <Button icon={<PlusOutlined />} onClick={() => setEnrolling(true)}>{t('system.enrol')}</Button> : null;
  const columns: ServerColumn<Agent>[] = [
    { key: 'node', title: 'column.node', sort: 'node', render: (a) => <span className="mono clip">{a.node}</span> },
    { key: 'cluster', title: 'cluster', sort: 'cluster', width: 200, render: (a) => <span className="clip">{a.cluster ? nameOf(a.cluster) : t('system.noCluster')}</span> },
    { key: 'state', title: 'column.state', sort: 'state', width: 120, render: (a) => <StateWord value={a.state} /> },
    { key: 'version', title: 'column.version', width: 100, render: (a) => <span className="mono">{a.version}</span> },
    { key: 'last', title: 'column.last', sort: 'lastseen', width: 120, render: (a) => <Time value={a.lastSeen} /> },
    { key: 'certificate', title: 'column.certificate', width: 140, render: (a) => <Time value={a.certificateExpires} /> },
    { key: 'spooled', title: 'column.spooled', width: 110, right: true, render: (a) => <Num value={a.spooled} /> },
    { key: 'dropped', title: 'column.dropped', width: 100, right: true, render: (a) => (a.dropped ? <State tone="bad"><Num value={a.dropped} /></State> : <Num value={a.dropped} />) },
    ...(may('agents.write') ? [{ key: 'do', title: 'column.actions' as Key, width: 100, render: (a: Agent) => (a.state === 'revoked' ? null : <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('system.revokeAgent', { name: a.node }), content: t('system.revokeAgentHint'), okText: t('access.revoke'), okButtonProps: { danger: true }, onOk: () => revoke.mutateAsync(a.id) })}>{t('access.revoke')}</Button>) }] : []),
  ];
  return (
    <>
      <ServerTable<Agent> id="agents" path="/agents" columns={columns} rowKey={(a) => a.id} extra={enrol} fields={[{ name: 'node' }, { name: 'cluster' }, { name: 'state', values: ['connected', 'away', 'revoked'] }, { name: 'version' }]} placeholder="system.agentsQuery" empty={<Nothing icon={<ApiOutlined />} title={t('system.noAgents')} actions={enrol}>{t('system.noAgentsHint')}</Nothing>} />
      {enrolling ? <Enrol onClose={() => setEnrolling(false)} /> : null}
    </>
  );
}

function Enrol({ onClose }: { onClose: () => void }) {
  const { t, language } = useI18n();
  const clusters = useClusters();
  const [form] = Form.useForm<{ cluster?: string; node?: string; expires?: Dayjs }>();
  const [made, setMade] = useState<AgentEnrolment | null>(null);
  const save = useAction((v: { cluster?: string; node?: string; expires?: Dayjs }) => api.post<AgentEnrolment>('/agents/enrolment', { ...(v.cluster && { cluster: v.cluster }), ...(v.node && { node: v.node }), ...(v.expires && { expires: v.expires.toISOString() }) }), { onDone: setMade });
  if (made) {
    return (
      <Modal open width={680} title={t('system.enrol')} onCancel={onClose} footer={<Button type="primary" onClick={onClose}>{t('close')}</Button>}>
        <div className="stack half">
          <Alert type="warning" showIcon title={t('system.enrolOnce', { time: absolute(made.expires, language) })} />
          <Typography.Text copyable className="mono wrap">{made.token}</Typography.Text>
          {made.ca ? (
            <>
              <p>{t('system.enrolCa')}</p>
              <Code text={made.ca} numbers={false} label={t('provider.ca')} />
            </>
          ) : null}
        </div>
      </Modal>
    );
  }
  return (
    <Modal open title={t('system.enrol')} okText={t('create')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <p className="muted" style={{ marginBottom: 12 }}>{t('system.enrolHint')}</p>
      <Form form={form} layout="vertical" initialValues={{ expires: dayjs().add(1, 'hour') }}>
        <Form.Item name="cluster" label={t('cluster')}><Select allowClear placeholder={t('system.noCluster')} options={clusters.map((c) => ({ value: c.id, label: c.name }))} /></Form.Item>
        <Form.Item name="node" label={t('column.node')} extra={t('system.enrolNode')}><Input className="mono" /></Form.Item>
        <Form.Item name="expires" label={t('exceptions.expires')}><DatePicker showTime style={{ width: 220 }} /></Form.Item>
      </Form>
    </Modal>
  );
}
