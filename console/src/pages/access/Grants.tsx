import { PlusOutlined, TeamOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Radio, Select } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import type { Grant, Page, Role, User } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { Nothing, Time } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { ScopeFields, ScopeText, toScope, type ScopeValues } from './ScopeFields';

export default function Grants() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const [adding, setAdding] = useState(false);
  const write = may('roles.write');
  const remove = useAction((id: string) => api.delete(`/grants/${segment(id)}`), { done: 'removed', stale: ['/grants'] });
  const add = write ? <Button icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t('access.addGrant')}</Button> : null;
  const columns: ServerColumn<Grant>[] = [
    { key: 'subject', title: 'column.subject', sort: 'subject', render: (g) => <span className="mono clip" title={g.subject}>{g.subject}</span> },
    { key: 'role', title: 'column.role', sort: 'role', width: 160, render: (g) => g.role },
    { key: 'scope', title: 'column.scope', width: '34%', render: (g) => <ScopeText scope={g.scope} /> },
    { key: 'by', title: 'column.createdBy', width: 130, render: (g) => <span className="clip">{g.createdBy}</span> },
    { key: 'created', title: 'column.created', sort: 'created', width: 120, render: (g) => <Time value={g.createdAt} /> },
    ...(write ? [{ key: 'do', title: 'column.actions' as Key, width: 100, render: (g: Grant) => <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('access.removeGrant', { role: g.role, subject: g.subject }), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(g.id) })}>{t('remove')}</Button> }] : []),
  ];
  return (
    <>
      <ServerTable<Grant> id="grants" path="/grants" scoped={false} columns={columns} rowKey={(g) => g.id} fields={['subject', 'role', 'cluster', 'ns', 'created'].map((name) => ({ name }))} placeholder="access.grantsQuery" extra={add} empty={<Nothing icon={<TeamOutlined />} title={t('access.noGrants')} actions={add}>{t('access.noGrantsHint')}</Nothing>} />
      {adding ? <Add onClose={() => setAdding(false)} /> : null}
    </>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const may = useMay();
  const [form] = Form.useForm<ScopeValues & { kind: string; user?: string; group?: string; role: string }>();
  const users = useGet<Page<User>>('/users', { limit: 500, sort: 'name' }, { enabled: may('users.read') });
  const roles = useGet<Page<Role>>('/roles', { limit: 500 });
  const save = useAction((v: ScopeValues & { kind: string; user?: string; group?: string; role: string }) => api.post('/grants', { subject: v.kind === 'user' ? `user:${v.user}` : `group:${v.group}`, role: v.role, scope: toScope(v) }), { done: 'saved', stale: ['/grants'], onDone: onClose });
  const kind = Form.useWatch('kind', form) ?? 'user';
  return (
    <Modal open title={t('access.addGrant')} okText={t('save')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form form={form} layout="vertical" initialValues={{ kind: 'user' }}>
        <Form.Item name="kind" label={t('column.subject')}>
          <Radio.Group options={[{ value: 'user', label: t('access.user') }, { value: 'group', label: t('access.group') }]} />
        </Form.Item>
        {kind === 'user' ? (
          <Form.Item name="user" label={t('access.user')} rules={[{ required: true, message: t('form.required') }]}>
            <Select showSearch options={(users.data?.items ?? []).map((u) => ({ value: u.name, label: u.displayName ? `${u.name} (${u.displayName})` : u.name }))} />
          </Form.Item>
        ) : (
          <Form.Item name="group" label={t('access.group')} extra={t('access.groupHint')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
            <Input className="mono" placeholder={'keycloak:platform-team'} />
          </Form.Item>
        )}
        <Form.Item name="role" label={t('column.role')} rules={[{ required: true, message: t('form.required') }]}>
          <Select options={(roles.data?.items ?? []).map((r) => ({ value: r.name, label: r.title && r.title !== r.name ? `${r.title} (${r.name})` : r.name }))} />
        </Form.Item>
        <ScopeFields />
      </Form>
    </Modal>
  );
}
