import { Tabs } from 'antd';
import { useParam } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { Nothing, PageHead } from '../../ui/basics';
import { EventList } from '../assets/AssetPage';
import Grants from './Grants';
import Providers from './Providers';
import Roles from './Roles';
import Tokens from './Tokens';
import Users from './Users';

export default function Access() {
  const { t } = useI18n();
  const may = useMay();
  const tabs = [
    ...(may('users.read') ? [{ key: 'users', label: t('access.users'), children: <Users /> }] : []),
    ...(may('roles.read') ? [{ key: 'grants', label: t('access.grants'), children: <Grants /> }, { key: 'roles', label: t('access.roles'), children: <Roles /> }] : []),
    // Everybody has tokens of their own.
    { key: 'tokens', label: t('access.tokens'), children: <Tokens /> },
    ...(may('providers.read') ? [{ key: 'providers', label: t('access.providers'), children: <Providers /> }] : []),
    ...(may('audit.read') ? [{ key: 'log', label: t('access.log'), children: <EventList query="kind:access" empty={<Nothing title={t('access.noLog')} />} /> }] : []),
  ];
  const [tab, setTab] = useParam('tab', tabs[0]?.key ?? '');
  return (
    <>
      <PageHead title={t('nav.access')} about={t('access.about')} />
      <Tabs activeKey={tab} onChange={(key) => setTab(key, { q: '', sort: '', cursor: '' })} destroyOnHidden items={tabs} />
    </>
  );
}
