import { Tabs } from 'antd';
import { useParam } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { PageHead } from '../../ui/basics';
import Agents from './Agents';
import AuditSources from './AuditSources';
import Backup from './Backup';
import Health from './Health';
import Settings from './Settings';
import Sinks from './Sinks';

export default function System() {
  const { t } = useI18n();
  const may = useMay();
  const tabs = [
    ...(may('system.read') ? [{ key: 'health', label: t('system.health'), children: <Health /> }] : []),
    ...(may('agents.read') ? [{ key: 'agents', label: t('system.agents'), children: <Agents /> }] : []),
    ...(may('settings.read') ? [{ key: 'audit', label: t('system.audit'), children: <AuditSources /> }, { key: 'sinks', label: t('system.sinks'), children: <Sinks /> }] : []),
    ...(may('settings.read') ? [{ key: 'settings', label: t('system.settings'), children: <Settings /> }] : []),
    ...(may('system.backup') ? [{ key: 'backup', label: t('system.backup'), children: <Backup /> }] : []),
  ];
  const [tab, setTab] = useParam('tab', tabs[0]?.key ?? '');
  return (
    <>
      <PageHead title={t('nav.system')} about={t('system.about')} />
      <Tabs activeKey={tab} onChange={(key) => setTab(key, { q: '', sort: '', cursor: '' })} destroyOnHidden items={tabs} />
    </>
  );
}
