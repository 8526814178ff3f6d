import {
  AlertOutlined, ApiOutlined, AppstoreOutlined, AuditOutlined, BugOutlined, ClusterOutlined, DashboardOutlined, FileProtectOutlined,
  LogoutOutlined, MenuFoldOutlined, MenuUnfoldOutlined, ScheduleOutlined, SearchOutlined, SettingOutlined, TeamOutlined, UserOutlined,
} from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Dropdown, Layout, Menu, Modal, Form, Select, Tooltip, App } from 'antd';
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react';
import { Link, Outlet, ScrollRestoration, useLocation } from 'react-router';
import { api, type Problem, segment } from '../api/client';
import { useGet } from '../api/hooks';
import { startLive, type State as LiveState } from '../api/live';
import type { Cluster, Groups, Page } from '../api/types';
import { useI18n, type Key } from '../i18n';
import { term } from '../lib/query';
import { ProblemText } from '../ui/Problem';
import { PasswordFields } from './Login';
import { usePreference } from './preferences';
import { useParam, useScope, useScoped } from './scope';
import { useMay, useSession } from './session';
import { LanguageSwitch, ThemeSwitch } from './switches';

const Search = lazy(() => import('./Search'));

interface Entry {
  path: string;
  title: Key;
  icon: ReactNode;
  may: string;
}
const groups: { title: Key; entries: Entry[] }[] = [
  {
    title: 'nav.watch',
    entries: [
      { path: '/', title: 'nav.overview', icon: <DashboardOutlined />, may: 'findings.read' },
      { path: '/alerts', title: 'nav.alerts', icon: <AlertOutlined />, may: 'alerts.read' },
      { path: '/events', title: 'nav.events', icon: <AuditOutlined />, may: 'events.read' },
    ],
  },
  {
    title: 'nav.protect',
    entries: [
      { path: '/clusters', title: 'nav.clusters', icon: <ClusterOutlined />, may: 'clusters.read' },
      { path: '/assets', title: 'nav.assets', icon: <AppstoreOutlined />, may: 'assets.read' },
      { path: '/inspection', title: 'nav.inspection', icon: <ScheduleOutlined />, may: 'inspections.read' },
      { path: '/findings', title: 'nav.findings', icon: <BugOutlined />, may: 'findings.read' },
      { path: '/exceptions', title: 'nav.exceptions', icon: <FileProtectOutlined />, may: 'exceptions.read' },
    ],
  },
  {
    title: 'nav.manage',
    entries: [
      { path: '/access', title: 'nav.access', icon: <TeamOutlined />, may: 'users.read' },
      { path: '/system', title: 'nav.system', icon: <SettingOutlined />, may: 'system.read' },
    ],
  },
];
export const pages: Entry[] = groups.flatMap((group) => group.entries);

export function Shell() {
  const { t } = useI18n();
  const may = useMay();
  const scoped = useScoped();
  const client = useQueryClient();
  const { pathname } = useLocation();
  const [folded, setFolded] = usePreference('folded', '');
  const [searching, setSearching] = useState(false);
  const [live, setLive] = useState<LiveState>('connecting');

  useEffect(() => startLive(client, setLive), [client]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = (event.target as Element).closest?.('input, textarea, [contenteditable]');
      if ((event.key === 'k' && (event.metaKey || event.ctrlKey)) || (event.key === '/' && !typing)) {
        event.preventDefault();
        setSearching(true);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);

  const here = pages.find((entry) => entry.path !== '/' && pathname.startsWith(entry.path)) ?? (pathname.startsWith('/asset') ? pages.find((e) => e.path === '/assets') : pages.find((e) => e.path === pathname));
  useEffect(() => {
    document.title = here ? `${t(here.title)} · Bulwark` : 'Bulwark';
  }, [here, t]);

  return (
    <Layout className="shell" hasSider>
      <a className="skip" href="#main">
        {t('skip')}
      </a>
      <Layout.Sider className="shell-side" width={216} collapsedWidth={60} collapsed={!!folded} theme="light" trigger={null}>
        <Link className="brand" to={scoped('/')} aria-label="Bulwark">
          <img src="/favicon.svg" alt="" />
          {folded ? null : 'Bulwark'}
        </Link>
        <nav aria-label={t('nav')} style={{ flex: 1 }}>
          <Menu
            mode="inline"
            selectedKeys={here ? [here.path] : []}
            items={groups
              .map((group) => ({ ...group, entries: group.entries.filter((entry) => may(entry.may)) }))
              .filter((group) => group.entries.length)
              .map((group) => ({
                type: 'group' as const,
                key: group.title,
                label: folded ? null : t(group.title),
                children: group.entries.map((entry) => ({
                  key: entry.path,
                  icon: entry.icon,
                  title: t(entry.title),
                  label: <Link to={scoped(entry.path)}>{t(entry.title)}</Link>,
                })),
              }))}
          />
        </nav>
        <div className="shell-foot">
          <span className="row" role="status">
            <span className={`live-dot ${live === 'live' ? 'on' : ''}`} />
            {folded ? null : live === 'live' ? t('live.on') : t('live.off')}
          </span>
        </div>
      </Layout.Sider>
      <Layout>
        <Layout.Header className="shell-head">
          <Button
            type="text"
            icon={folded ? <MenuUnfoldOutlined /> : <MenuFoldOutlined />}
            aria-label={t(folded ? 'nav.unfold' : 'nav.fold')}
            onClick={() => setFolded(folded ? '' : '1')}
          />
          <ScopeSwitch />
          <span className="grow" />
          <button type="button" className="search-button" onClick={() => setSearching(true)}>
            <SearchOutlined />
            <span>{t('search.placeholder')}</span>
            <kbd>{'Ctrl K'}</kbd>
          </button>
          <LanguageSwitch />
          <ThemeSwitch />
          <UserMenu />
        </Layout.Header>
        <Layout.Content id="main" className="shell-main" role="main" tabIndex={-1}>
          <Outlet />
        </Layout.Content>
      </Layout>
      {searching ? (
        <Suspense fallback={null}>
          <Search onClose={() => setSearching(false)} />
        </Suspense>
      ) : null}
      <ScrollRestoration getKey={(location) => location.pathname} />
    </Layout>
  );
}

function ScopeSwitch() {
  const { t } = useI18n();
  const may = useMay();
  const scope = useScope();
  const [, setCluster] = useParam('cluster');
  const [, setNs] = useParam('ns');
  const clusters = useGet<Page<Cluster>>('/clusters', { limit: 500, sort: 'name' }, { enabled: may('clusters.read') });
  const namespaces = useGet<Groups>(
    '/assets/groups',
    { by: 'ns', ...(scope.cluster && { q: term('cluster', scope.cluster) }) },
    { enabled: may('assets.read') },
  );
  const names = (namespaces.data?.items ?? []).map((item) => item.values[0] ?? '').filter(Boolean).toSorted();
  // Pages of another scope are other pages.
  const reset = { cursor: '', open: '' };
  return (
    <>
      <Select
        aria-label={t('cluster')}
        value={scope.cluster ?? ''}
        showSearch={{ optionFilterProp: 'label' }}
        popupMatchSelectWidth={260}
        onChange={(id: string) => setCluster(id, { ns: '', ...reset })}
        prefix={<ClusterOutlined />}
        options={[
          { value: '', label: t('scope.allClusters') },
          ...(clusters.data?.items ?? []).map((cluster) => ({ value: cluster.id, label: cluster.name })),
          ...(scope.cluster && clusters.data && !clusters.data.items.some((c) => c.id === scope.cluster) ? [{ value: scope.cluster, label: scope.cluster }] : []),
        ]}
        style={{ width: 200 }}
      />
      <Select
        aria-label={t('namespace')}
        value={scope.ns ?? ''}
        showSearch={{ optionFilterProp: 'label' }}
        popupMatchSelectWidth={260}
        onChange={(ns: string) => setNs(ns, reset)}
        prefix={<ApiOutlined />}
        options={[
          { value: '', label: t('scope.allNamespaces') },
          ...names.map((name) => ({ value: name, label: name })),
          ...(scope.ns && !names.includes(scope.ns) ? [{ value: scope.ns, label: scope.ns }] : []),
        ]}
        style={{ width: 200 }}
      />
    </>
  );
}

function UserMenu() {
  const { t } = useI18n();
  const session = useSession();
  const client = useQueryClient();
  const { message, notification } = App.useApp();
  const [changing, setChanging] = useState(false);
  const [form] = Form.useForm<{ current: string; password: string }>();
  const local = session.user?.local === true;
  return (
    <>
      <Dropdown
        trigger={['click']}
        menu={{
          items: [
            { key: 'who', type: 'group', label: `${session.user?.name ?? ''}${session.roles?.length ? ` · ${session.roles.join(', ')}` : ''}` },
            ...(local ? [{ key: 'password', icon: <UserOutlined />, label: t('password.change') }] : []),
            { key: 'out', icon: <LogoutOutlined />, label: t('logout') },
          ],
          onClick: ({ key }) => {
            if (key === 'password') setChanging(true);
            if (key === 'out') void api.delete('/session').finally(() => client.invalidateQueries({ queryKey: ['session'] }));
          },
        }}
      >
        <Tooltip title={session.user?.name}>
          <Button type="text" icon={<UserOutlined />} aria-label={t('account', { name: session.user?.name })} />
        </Tooltip>
      </Dropdown>
      <Modal
        open={changing}
        title={t('password.change')}
        okText={t('password.submit')}
        onCancel={() => setChanging(false)}
        onOk={async () => {
          const values = await form.validateFields();
          try {
            await api.post(`/users/${segment(session.user?.login ?? '')}/password`, { current: values.current, password: values.password });
            void message.success(t('password.changed'));
            setChanging(false);
          } catch (problem) {
            notification.error({ title: (problem as Problem).title, description: <ProblemText problem={problem as Problem} /> });
          }
        }}
        destroyOnHidden
      >
        <Form form={form} layout="vertical" requiredMark={false}>
          <PasswordFields old />
        </Form>
      </Modal>
    </>
  );
}
