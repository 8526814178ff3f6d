import { PlusOutlined } from '@ant-design/icons';
import { App, Button, Checkbox, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import type { Permissions, Role } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';

export default function Roles() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const [editing, setEditing] = useState<Partial<Role> | null>(null);
  const write = may('roles.write');
  const remove = useAction((name: string) => api.delete(`/roles/${segment(name)}`), { done: 'removed', stale: ['/roles'] });
  const columns: ServerColumn<Role>[] = [
    {
      key: 'name', title: 'column.name', sort: 'name', width: 220,
      render: (r) => <div className="stack" style={{ gap: 0 }}><span>{r.title || r.name}</span><span className="mono muted">{r.name}</span></div>,
    },
    { key: 'about', title: 'column.description', width: '26%', render: (r) => <span className="wrap">{r.description}</span> },
    { key: 'permissions', title: 'column.permissions', render: (r) => <span className="row flow" style={{ gap: 4 }}>{r.permissions.slice(0, 12).map((p) => <span key={p} className="chip mono">{p}</span>)}{r.permissions.length > 12 ? <span className="muted">{t('table.more', { n: r.permissions.length - 12 })}</span> : null}</span> },
    { key: 'kind', title: 'column.kind', sort: 'builtin', width: 100, render: (r) => (r.builtIn ? t('access.builtIn') : t('access.custom')) },
    ...(write
      ? [{
          key: 'do', title: 'column.actions' as Key, width: 150,
          render: (r: Role) =>
            r.builtIn ? (
              <Button size="small" type="text" onClick={() => setEditing({ permissions: r.permissions, description: r.description })}>{t('duplicate')}</Button>
            ) : (
              <span className="row" style={{ gap: 2 }}>
                <Button size="small" type="text" onClick={() => setEditing(r)}>{t('edit')}</Button>
                <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('removeTitle', { name: r.name }), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(r.name) })}>{t('remove')}</Button>
              </span>
            ),
        }]
      : []),
  ];
  return (
    <>
      <ServerTable<Role> id="roles" path="/roles" scoped={false} columns={columns} rowKey={(r) => r.name} fields={['name', 'builtin', 'permission'].map((name) => ({ name }))} placeholder="access.rolesQuery" extra={write ? <Button icon={<PlusOutlined />} onClick={() => setEditing({ permissions: [] })}>{t('access.addRole')}</Button> : null} />
      {editing ? <Editor role={editing} onClose={() => setEditing(null)} /> : null}
    </>
  );
}

function Editor({ role, onClose }: { role: Partial<Role>; onClose: () => void }) {
  const { t } = useI18n();
  const [form] = Form.useForm<Role>();
  const permissions = useGet<Permissions>('/permissions');
  const save = useAction(
    (v: Role) => (role.name ? api.put(`/roles/${segment(role.name)}`, { title: v.title ?? '', description: v.description ?? '', permissions: v.permissions }) : api.post('/roles', v)),
    { done: 'saved', stale: ['/roles'], onDone: onClose },
  );
  const all = permissions.data?.items ?? [];
  const nouns = [...new Set(all.map((p) => p.id.split('.')[0] ?? ''))];
  // Patterns of a role that is copied stand for what they give.
  const given = (role.permissions ?? []).flatMap((p) => (p.includes('*') ? all.filter((one) => p === '*' || (p.endsWith('.*') ? one.id.startsWith(p.slice(0, -1)) : p.startsWith('*.') && one.id.endsWith(p.slice(1)))).map((one) => one.id) : [p]));
  return (
    <Modal open width={720} title={role.name ?? t('access.addRole')} okText={t('save')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form key={all.length} form={form} layout="vertical" initialValues={{ ...role, permissions: given }}>
        {role.name ? null : (
          <Form.Item name="name" label={t('column.name')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input className="mono" maxLength={40} /></Form.Item>
        )}
        <Form.Item name="title" label={t('column.title')}><Input maxLength={100} /></Form.Item>
        <Form.Item name="description" label={t('column.description')}><Input maxLength={500} /></Form.Item>
        <Form.Item name="permissions" label={t('column.permissions')} rules={[{ required: true, message: t('form.required') }]}>
          <Checkbox.Group style={{ width: '100%' }}>
            <div className="grid two" style={{ gap: 12 }}>
              {nouns.map((noun) => (
                <fieldset key={noun} style={{ border: 0, padding: 0, margin: 0 }}>
                  <legend className="mono muted">{noun}</legend>
                  <div className="stack" style={{ gap: 2 }}>
                    {all.filter((p) => p.id.startsWith(`${noun}.`)).map((p) => <Checkbox key={p.id} value={p.id}>{p.title}</Checkbox>)}
                  </div>
                </fieldset>
              ))}
            </div>
          </Checkbox.Group>
        </Form.Item>
      </Form>
    </Modal>
  );
}
