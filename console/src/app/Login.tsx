import { LockOutlined, LoginOutlined, UserOutlined } from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Divider, Form, Input, Segmented } from 'antd';
import { useState } from 'react';
import { api, Problem, segment } from '../api/client';
import { useGet } from '../api/hooks';
import type { Session, SessionMethod } from '../api/types';
import { useI18n } from '../i18n';
import { ProblemAlert } from '../ui/Problem';
import { LanguageSwitch, ThemeSwitch } from './switches';

function Frame({ children, title }: { children: React.ReactNode; title: string }) {
  return (
    <main className="login">
      <div>
        <div className="brand">
          <img src="/favicon.svg" alt="" />
          Bulwark
        </div>
        <div className="panel stack">
          <h1>{title}</h1>
          {children}
        </div>
        <div className="login-foot">
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
      </div>
    </main>
  );
}

const idOf = (method: SessionMethod) => `${method.method}:${method.provider ?? ''}`;

export function Login() {
  const { t } = useI18n();
  const client = useQueryClient();
  const methods = useGet<{ items: SessionMethod[] }>('/session/methods');
  const [chosen, setChosen] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const items = methods.data?.items ?? [{ method: 'password' } as SessionMethod];
  const forms = items.filter((m) => m.method !== 'oidc');
  const buttons = items.filter((m) => m.method === 'oidc');
  const method = forms.find((m) => idOf(m) === chosen) ?? forms[0];
  // A provider that refused leads to /login?provider=…&error=….
  const here = new URLSearchParams(location.search);
  const refused = location.pathname === '/login' ? here.get('error') : null;
  const next = location.pathname === '/login' ? '/' : location.pathname + location.search;
  const nameOf = (m: SessionMethod) =>
    m.method === 'password' ? t('login.password') : m.method === 'ldap' ? (m.title ?? m.provider ?? 'LDAP') : (m.title ?? 'Kubernetes');

  const logIn = async (values: Record<string, string>) => {
    setBusy(true);
    setProblem(null);
    try {
      await api.post('/session', { method: method?.method, ...(method?.provider && { provider: method.provider }), ...values });
      await client.invalidateQueries({ queryKey: ['session'] });
    } catch (error) {
      setProblem(error as Problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Frame title={t('login.title')}>
      {refused && !problem ? <Alert type="error" showIcon title={t('login.failed', { name: here.get('provider') ?? '', error: refused })} /> : null}
      {problem ? <ProblemAlert problem={problem} /> : null}
      {forms.length > 1 ? (
        <Segmented block value={method ? idOf(method) : ''} onChange={setChosen} options={forms.map((m) => ({ value: idOf(m), label: nameOf(m) }))} />
      ) : null}
      {method ? (
        <Form key={idOf(method)} layout="vertical" requiredMark={false} onFinish={(values: Record<string, string>) => void logIn(values)}>
          {method.method === 'kubernetes' ? (
            <Form.Item name="token" label={t('login.token')} extra={t('login.tokenHint')} rules={[{ required: true, message: t('form.required') }]}>
              <Input.Password autoComplete="off" autoFocus />
            </Form.Item>
          ) : (
            <>
              <Form.Item name="name" label={t('login.name')} rules={[{ required: true, message: t('form.required') }]}>
                <Input prefix={<UserOutlined />} autoComplete="username" autoFocus />
              </Form.Item>
              <Form.Item name="password" label={t('login.password')} rules={[{ required: true, message: t('form.required') }]}>
                <Input.Password prefix={<LockOutlined />} autoComplete="current-password" />
              </Form.Item>
            </>
          )}
          <Button type="primary" htmlType="submit" block loading={busy}>
            {t('login.submit')}
          </Button>
        </Form>
      ) : null}
      {buttons.length && forms.length ? <Divider plain>{t('login.or')}</Divider> : null}
      {buttons.map((m) => (
        <Button key={idOf(m)} block icon={<LoginOutlined />} href={`${m.href ?? `/api/v1/session/oidc/${segment(m.provider ?? '')}`}?next=${encodeURIComponent(next)}`}>
          {t('login.with', { name: m.title ?? m.provider })}
        </Button>
      ))}
    </Frame>
  );
}

export function PasswordFields({ old }: { old: boolean }) {
  const { t } = useI18n();
  return (
    <>
      {old ? (
        <Form.Item name="current" label={t('password.old')} rules={[{ required: true, message: t('form.required') }]}>
          <Input.Password autoComplete="current-password" />
        </Form.Item>
      ) : null}
      <Form.Item name="password" label={t('password.new')} extra={t('password.rule')} rules={[{ required: true, message: t('form.required') }, { min: 12, message: t('password.short') }]}>
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Form.Item
        name="again"
        label={t('password.again')}
        dependencies={['password']}
        rules={[
          { required: true, message: t('form.required') },
          ({ getFieldValue }) => ({
            validator: (_, value) => (!value || getFieldValue('password') === value ? Promise.resolve() : Promise.reject(new Error(t('password.differ')))),
          }),
        ]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
    </>
  );
}

export function ChangePassword({ session }: { session: Session }) {
  const { t } = useI18n();
  const client = useQueryClient();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  return (
    <Frame title={t('password.title')}>
      <p className="muted">{t('password.must')}</p>
      {problem ? <ProblemAlert problem={problem} /> : null}
      <Form
        layout="vertical"
        requiredMark={false}
        onFinish={async (values: { current: string; password: string }) => {
          setBusy(true);
          setProblem(null);
          try {
            await api.post(`/users/${segment(session.user?.login ?? '')}/password`, { current: values.current, password: values.password });
            await client.invalidateQueries({ queryKey: ['session'] });
          } catch (error) {
            setProblem(error as Problem);
          } finally {
            setBusy(false);
          }
        }}
      >
        <PasswordFields old />
        <Button type="primary" htmlType="submit" block loading={busy}>
          {t('password.submit')}
        </Button>
      </Form>
      <Button
        type="link"
        block
        onClick={() => void api.delete('/session').finally(() => client.invalidateQueries({ queryKey: ['session'] }))}
      >
        {t('logout')}
      </Button>
    </Frame>
  );
}
