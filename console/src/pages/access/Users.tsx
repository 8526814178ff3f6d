import { PlusOutlined, TeamOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Switch } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { User } from '../../api/types';
import { useMay, useSession } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { None, Nothing, State, Time } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';

type Editing = { kind: 'add' } | { kind: 'edit' | 'password'; user: User };

export default function Users() {
  const { t } = useI18n();
  const may = useMay();
  const session = useSession();
  const { modal } = App.useApp();
  const [editing, setEditing] = useState<Editing | null>(null);
  const write = may('users.write');
  const change = useAction(({ name, ...body }: { name: string; disabled: boolean }) => api.patch(`/users/${segment(name)}`, body), { done: 'saved', stale: ['/users'] });
  const remove = useAction((name: string) => api.delete(`/users/${segment(name)}`), { done: 'removed', stale: ['/users', '/grants'] });
  const add = write ? <Button icon={<PlusOutlined />} onClick={() => setEditing({ kind: 'add' })}>{t('access.addUser')}</Button> : null;
  const columns: ServerColumn<User>[] = [
    {
      key: 'name', title: 'column.name', sort: 'name',
      render: (u) => (
        <div className="stack" style={{ gap: 0 }}>
          <span className="mono clip">{u.name}</span>
          {u.displayName && u.displayName !== u.name ? <span className="muted clip">{u.displayName}</span> : null}
        </div>
      ),
    },
    { key: 'email', title: 'column.email', sort: 'email', width: 180, render: (u) => (u.email ? <span className="clip">{u.email}</span> : <None />) },
    { key: 'provider', title: 'column.source', sort: 'provider', width: 100, render: (u) => u.provider || t('access.local') },
    { key: 'groups', title: 'column.groups', width: 180, off: true, render: (u) => <span className="clip">{u.groups?.join(', ')}</span> },
    { key: 'state', title: 'column.state', sort: 'disabled', width: 126, render: (u) => (u.disabled ? <State tone="idle">{t('state.disabled')}</State> : u.mustChangePassword ? <State tone="warn">{t('access.mustChange')}</State> : <State tone="good">{t('state.enabled')}</State>) },
    { key: 'login', title: 'column.lastLogin', sort: 'lastlogin', width: 110, render: (u) => <Time value={u.lastLogin} /> },
    ...(write
      ? [{
          key: 'do', title: 'column.actions' as Key, width: 286,
          render: (u: User) => (
            <span className="row" style={{ gap: 2 }}>
              <Button size="small" type="text" onClick={() => setEditing({ kind: 'edit', user: u })}>{t('edit')}</Button>
              {u.provider ? null : <Button size="small" type="text" onClick={() => setEditing({ kind: 'password', user: u })}>{t('login.password')}</Button>}
              {u.name === session.user?.login ? null : (
                <>
                  <Button size="small" type="text" onClick={() => change.mutate({ name: u.name, disabled: !u.disabled })}>{t(u.disabled ? 'enable' : 'disable')}</Button>
                  <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('removeTitle', { name: u.name }), content: t('access.removeUserHint'), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(u.name) })}>{t('remove')}</Button>
                </>
              )}
            </span>
          ),
        }]
      : []),
  ];
  return (
    <>
      <ServerTable<User> id="users" path="/users" scoped={false} columns={columns} rowKey={(u) => u.name} fields={['name', 'displayname', 'email', 'provider', 'disabled', 'lastlogin'].map((name) => ({ name }))} placeholder="access.usersQuery" defaultSort="name" extra={add} empty={<Nothing icon={<TeamOutlined />} title={t('access.noUsers')} actions={add} />} />
      {editing ? <Editor editing={editing} onClose={() => setEditing(null)} /> : null}
    </>
  );
}

interface Values {
  name: string;
  displayName?: string;
  email?: string;
  password?: string;
  mustChangePassword?: boolean;
}

function Editor({ editing, onClose }: { editing: Editing; onClose: () => void }) {
  const { t } = useI18n();
  const [form] = Form.useForm<Values>();
  const user = editing.kind === 'add' ? undefined : editing.user;
  const save = useAction(
    (v: Values) =>
      editing.kind === 'add'
        ? api.post('/users', v)
        : editing.kind === 'password'
          ? api.post(`/users/${segment(user!.name)}/password`, { password: v.password, mustChangePassword: v.mustChangePassword })
          : api.patch(`/users/${segment(user!.name)}`, { displayName: v.displayName || null, email: v.email || null }),
    { done: 'saved', stale: ['/users'], onDone: onClose },
  );
  const title = editing.kind === 'add' ? t('access.addUser') : editing.kind === 'password' ? t('access.setPassword', { name: user!.name }) : user!.name;
  return (
    <Modal open title={title} okText={t('save')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form form={form} layout="vertical" initialValues={{ ...user, mustChangePassword: true, password: undefined }}>
        {editing.kind === 'add' ? (
          <Form.Item name="name" label={t('login.name')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
            <Input maxLength={63} className="mono" autoComplete="off" autoFocus />
          </Form.Item>
        ) : null}
        {editing.kind === 'password' ? null : (
          <>
            <Form.Item name="displayName" label={t('column.displayName')}><Input maxLength={200} /></Form.Item>
            <Form.Item name="email" label={t('column.email')}><Input maxLength={200} type="email" /></Form.Item>
          </>
        )}
        {editing.kind === 'edit' ? null : (
          <>
            <Form.Item name="password" label={t('access.firstPassword')} extra={t('password.rule')} rules={[{ required: true, message: t('form.required') }, { min: 12, message: t('password.short') }]}>
              <Input.Password autoComplete="new-password" />
            </Form.Item>
            <Form.Item name="mustChangePassword" label={t('access.mustChangeLabel')} valuePropName="checked"><Switch /></Form.Item>
          </>
        )}
      </Form>
    </Modal>
  );
}
