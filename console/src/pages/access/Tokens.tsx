import { KeyOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, App, Button, DatePicker, Form, Input, Modal, Radio, Select, Typography } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { api, segment } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import type { MadeToken, Page, Role, Token } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { None, Nothing, State, Time } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { ScopeFields, toScope, type ScopeValues } from './ScopeFields';

export default function Tokens() {
  const { t } = useI18n();
  const { modal } = App.useApp();
  const [adding, setAdding] = useState(false);
  const remove = useAction((id: string) => api.delete(`/tokens/${segment(id)}`), { done: 'access.revoked', stale: ['/tokens'] });
  const add = <Button icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t('access.addToken')}</Button>;
  const columns: ServerColumn<Token>[] = [
    { key: 'name', title: 'column.name', sort: 'name', render: (k) => <span className="clip">{k.name}</span> },
    { key: 'kind', title: 'column.kind', sort: 'kind', width: 120, render: (k) => (k.kind === 'machine' ? t('access.machine') : t('access.personal')) },
    { key: 'owner', title: 'column.owner', sort: 'owner', width: 160, render: (k) => (k.owner ? <span className="mono clip">{k.owner}</span> : <None />) },
    { key: 'roles', title: 'column.role', width: 180, render: (k) => <span className="clip">{k.grants?.length ? k.grants.map((g) => g.role).join(', ') : t('access.asOwner')}</span> },
    { key: 'used', title: 'column.lastUsed', sort: 'lastused', width: 120, render: (k) => <Time value={k.lastUsed} /> },
    { key: 'expires', title: 'exceptions.expires', sort: 'expires', width: 130, render: (k) => (!k.expires ? <span className="muted">{t('exceptions.never')}</span> : Date.parse(k.expires) < Date.now() ? <State tone="idle">{t('state.expired')}</State> : <Time value={k.expires} />) },
    { key: 'do', title: 'column.actions', width: 100, render: (k) => <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('access.revokeTitle', { name: k.name }), content: t('access.revokeHint'), okText: t('access.revoke'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(k.id) })}>{t('access.revoke')}</Button> },
  ];
  return (
    <>
      <ServerTable<Token> id="tokens" path="/tokens" scoped={false} csv={false} columns={columns} rowKey={(k) => k.id} extra={add} empty={<Nothing icon={<KeyOutlined />} title={t('access.noTokens')} actions={add}>{t('access.noTokensHint')}</Nothing>} />
      {adding ? <Add onClose={() => setAdding(false)} /> : null}
    </>
  );
}

interface Values extends ScopeValues {
  name: string;
  kind: string;
  role?: string;
  expires?: Dayjs | null;
}

function Add({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const may = useMay();
  const [form] = Form.useForm<Values>();
  const [made, setMade] = useState('');
  const roles = useGet<Page<Role>>('/roles', { limit: 500 }, { enabled: may('roles.read') });
  const save = useAction(
    (v: Values) => api.post<MadeToken>('/tokens', { name: v.name, kind: v.kind, ...(v.expires && { expires: v.expires.endOf('day').toISOString() }), ...(v.role && { grants: [{ role: v.role, scope: toScope(v) }] }) }),
    { stale: ['/tokens'], onDone: (answer) => setMade(answer.token) },
  );
  const kind = Form.useWatch('kind', form) ?? 'personal';
  const role = Form.useWatch('role', form);
  if (made) {
    return (
      <Modal open title={t('access.tokenMade')} onCancel={onClose} footer={<Button type="primary" onClick={onClose}>{t('close')}</Button>}>
        <div className="stack half">
          <Alert type="warning" showIcon title={t('access.tokenOnce')} />
          <Typography.Text copyable className="mono wrap">{made}</Typography.Text>
        </div>
      </Modal>
    );
  }
  return (
    <Modal open title={t('access.addToken')} okText={t('create')} onCancel={onClose} confirmLoading={save.isPending} onOk={() => void form.validateFields().then((v) => save.mutate(v))}>
      <Form form={form} layout="vertical" initialValues={{ kind: 'personal', expires: dayjs().add(90, 'day') }}>
        <Form.Item name="name" label={t('column.name')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input maxLength={100} autoFocus /></Form.Item>
        {may('tokens.write') ? (
          <Form.Item name="kind" label={t('column.kind')}>
            <Radio.Group options={[{ value: 'personal', label: t('access.personal') }, { value: 'machine', label: t('access.machine') }]} />
          </Form.Item>
        ) : <Form.Item name="kind" hidden><Input /></Form.Item>}
        <Form.Item name="role" label={t('column.role')} extra={kind === 'personal' ? t('access.tokenRoleHint') : ''} rules={[{ required: kind === 'machine', message: t('form.required') }]}>
          <Select allowClear placeholder={t('access.asOwner')} options={(roles.data?.items ?? []).map((r) => ({ value: r.name, label: r.title || r.name }))} />
        </Form.Item>
        {role ? <ScopeFields /> : null}
        <Form.Item name="expires" label={t('exceptions.expires')}><DatePicker style={{ width: 200 }} disabledDate={(day) => day.isBefore(dayjs(), 'day')} /></Form.Item>
      </Form>
    </Modal>
  );
}
