import { LoginOutlined, PlusOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Segmented, Select, Switch } from 'antd';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { Provider } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { Nothing } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { useClusters } from '../shared';

const names = { oidc: 'OpenID Connect', ldap: 'LDAP', kubernetes: 'Kubernetes' } as const;

export default function Providers() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const [editing, setEditing] = useState<Partial<Provider> | null>(null);
  const write = may('providers.write');
  const change = useAction(({ name, enabled }: Provider) => api.patch(`/providers/${segment(name)}`, { enabled }), { done: 'saved', stale: ['/providers', '/session'] });
  const remove = useAction((name: string) => api.delete(`/providers/${segment(name)}`), { done: 'removed', stale: ['/providers', '/session'] });
  const add = write ? <Button icon={<PlusOutlined />} onClick={() => setEditing({ kind: 'oidc', enabled: true })}>{t('access.addProvider')}</Button> : null;
  const columns: ServerColumn<Provider>[] = [
    { key: 'name', title: 'column.name', sort: 'name', width: 240, render: (p) => <div className="stack" style={{ gap: 0 }}><span>{p.title || p.name}</span><span className="mono muted">{p.name}</span></div> },
    { key: 'kind', title: 'column.kind', sort: 'kind', width: 150, render: (p) => names[p.kind] },
    { key: 'at', title: 'column.address', render: (p) => <span className="mono clip">{p.oidc?.issuer ?? p.ldap?.url ?? p.kubernetes?.cluster}</span> },
    { key: 'enabled', title: 'column.enabled', width: 90, render: (p) => <Switch size="small" aria-label={`${t('column.enabled')}: ${p.name}`} disabled={!write} checked={p.enabled !== false} onChange={(enabled) => change.mutate({ ...p, enabled })} /> },
    ...(write
      ? [{
          key: 'do', title: 'column.actions' as Key, width: 150,
          render: (p: Provider) => (
            <span className="row" style={{ gap: 2 }}>
              <Button size="small" type="text" onClick={() => setEditing(p)}>{t('edit')}</Button>
              <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('removeTitle', { name: p.name }), content: t('access.removeProviderHint'), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(p.name) })}>{t('remove')}</Button>
            </span>
          ),
        }]
      : []),
  ];
  return (
    <>
      <ServerTable<Provider> id="providers" path="/providers" scoped={false} csv={false} columns={columns} rowKey={(p) => p.name} extra={add} empty={<Nothing icon={<LoginOutlined />} title={t('access.noProviders')} actions={add}>{t('access.noProvidersHint')}</Nothing>} />
      {editing ? <Editor provider={editing} onClose={() => setEditing(null)} /> : null}
    </>
  );
}

type Field = [name: string, label: Key, options?: { required?: boolean; secret?: boolean; area?: boolean; list?: boolean; placeholder?: string }];
const fields: Record<'oidc' | 'ldap', Field[]> = {
  oidc: [
    ['issuer', 'provider.issuer', { required: true, placeholder: 'https://login.example.com/realms/main' }], ['clientId', 'provider.clientId', { required: true }], ['clientSecret', 'provider.clientSecret', { secret: true }],
    ['scopes', 'provider.scopes', { list: true, placeholder: 'openid profile email groups' }], ['groupsClaims', 'provider.groupsClaims', { list: true, placeholder: 'groups' }], ['userClaim', 'provider.userClaim', { placeholder: 'preferred_username' }], ['caPem', 'provider.ca', { area: true }],
  ],
  ldap: [
    ['url', 'provider.url', { required: true, placeholder: 'ldaps://ldap.example.com' }], ['bindDn', 'provider.bindDn'], ['bindPassword', 'provider.bindPassword', { secret: true }], ['userBase', 'provider.userBase', { required: true, placeholder: 'ou=people,dc=example,dc=com' }], ['userFilter', 'provider.userFilter', { placeholder: '(uid={name})' }],
    ['groupBase', 'provider.groupBase'], ['groupFilter', 'provider.groupFilter', { placeholder: '(member={dn})' }], ['caPem', 'provider.ca', { area: true }],
  ],
};

function Editor({ provider, onClose }: { provider: Partial<Provider>; onClose: () => void }) {
  const { t } = useI18n();
  const clusters = useClusters();
  const [form] = Form.useForm<Provider>();
  const [kind, setKind] = useState<Provider['kind']>(provider.kind ?? 'oidc');
  const there = !!provider.name;
  const save = useAction(
    (v: Provider) => {
      // A secret that was not typed stays as it is.
      const details = Object.fromEntries(Object.entries(v[kind] ?? {}).filter(([, value]) => value !== undefined && value !== '' && (!Array.isArray(value) || value.length)));
      const body = { title: v.title ?? '', [kind]: details };
      return there ? api.patch(`/providers/${segment(provider.name!)}`, body) : api.post('/providers', { ...body, name: v.name, kind, enabled: true });
    },
    { done: 'saved', stale: ['/providers', '/session'], onDone: onClose },
  );
  return (
    <Modal open width={640} title={provider.name ?? t('access.addProvider')} okText={t('save')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form form={form} layout="vertical" initialValues={provider} autoComplete="off">
        {there ? null : (
          <>
            <Form.Item label={t('column.kind')}><Segmented block value={kind} onChange={(value) => setKind(value)} options={(Object.keys(names) as Provider['kind'][]).map((value) => ({ value, label: names[value] }))} /></Form.Item>
            <Form.Item name="name" label={t('column.name')} extra={t('provider.nameHint')} rules={[{ required: true, message: t('form.required') }, { pattern: /^[a-z0-9-]+$/, message: t('provider.nameHint') }]}><Input className="mono" maxLength={32} /></Form.Item>
          </>
        )}
        <Form.Item name="title" label={t('provider.title')}><Input maxLength={100} /></Form.Item>
        {kind === 'kubernetes' ? (
          <>
            <Form.Item name={['kubernetes', 'cluster']} label={t('cluster')} rules={[{ required: true, message: t('form.required') }]}><Select options={clusters.map((c) => ({ value: c.id, label: c.name }))} /></Form.Item>
            <Form.Item name={['kubernetes', 'audience']} label={t('provider.audience')}><Input className="mono" /></Form.Item>
          </>
        ) : (
          fields[kind].map(([name, label, options = {}]) => (
            <Form.Item key={name} name={[kind, name]} label={t(label)} extra={options.secret && there ? t('provider.keepSecret') : ''} rules={options.required ? [{ required: true, message: t('form.required') }] : []}>
              {options.secret ? <Input.Password autoComplete="new-password" /> : options.area ? <Input.TextArea rows={3} className="mono" placeholder={'-----BEGIN CERTIFICATE-----'} /> : options.list ? <Select mode="tags" open={false} suffixIcon={null} placeholder={options.placeholder} /> : <Input className="mono" placeholder={options.placeholder} />}
            </Form.Item>
          ))
        )}
      </Form>
    </Modal>
  );
}
