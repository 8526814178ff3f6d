import { AlertOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { Link } from 'react-router';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import { severities, type Alert, type Severity } from '../../api/types';
import { useParam } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { AssetLink, Nothing, Num, PageHead, SeverityMark, StateWord, Time, None } from '../../ui/basics';
import { ServerTable, type Facet, type ServerColumn } from '../../ui/ServerTable';
import AlertDrawer from './AlertDrawer';
import { Tabs } from 'antd';
import Rules from './Rules';
import Suppressions from './Suppressions';

export default function Alerts() {
  const { t } = useI18n();
  const may = useMay();
  const [tab, setTab] = useParam('tab', 'alerts');
  return (
    <>
      <PageHead title={t('nav.alerts')} about={t('alerts.about')} />
      <Tabs
        activeKey={tab}
        onChange={(key) => setTab(key, { q: '', sort: '', cursor: '', open: '' })}
        destroyOnHidden
        items={[
          { key: 'alerts', label: t('nav.alerts'), children: <List /> },
          { key: 'suppressions', label: t('alerts.suppressions'), children: <Suppressions /> },
          ...(may('rules.read') ? [{ key: 'rules', label: t('alerts.rules'), children: <Rules /> }] : []),
        ]}
      />
    </>
  );
}

function List() {
  const { t, word } = useI18n();
  const may = useMay();
  const [open, setOpen] = useParam('open');
  const act = useAction(
    ({ rows, verb }: { rows: Alert[]; verb: string }) => Promise.all(rows.map((row) => api.post(`/alerts/${segment(row.id)}/${verb}`))),
    { done: 'alerts.done', stale: ['/alerts', '/overview'] },
  );
  const columns: ServerColumn<Alert>[] = [
    { key: 'severity', title: 'column.severity', sort: 'severity', width: 100, render: (a) => <SeverityMark value={a.severity} /> },
    {
      key: 'title', title: 'column.alert',
      render: (a) => (
        <div className="stack" style={{ gap: 1 }}>
          <button type="button" className="linklike" onClick={() => setOpen(a.id)}>
            <span className="clip">{a.title}</span>
          </button>
          <span className="muted two-lines" title={a.message}>{a.message}</span>
        </div>
      ),
    },
    { key: 'target', title: 'column.target', sort: 'name', width: '22%', render: (a) => <AssetLink asset={a.target} stacked /> },
    { key: 'user', title: 'column.user', sort: 'user', width: 150, off: true, render: (a) => (a.user ? <span className="mono clip" title={a.user}>{a.user}</span> : <None />) },
    { key: 'ip', title: 'column.ip', width: 130, off: true, render: (a) => (a.sourceIp ? <span className="mono">{a.sourceIp}</span> : <None />) },
    { key: 'count', title: 'column.count', sort: 'count', width: 80, right: true, render: (a) => <Num value={a.count} /> },
    {
      key: 'state', title: 'column.state', sort: 'state', width: 128,
      render: (a) => (
        <div className="stack" style={{ gap: 0 }}>
          <StateWord value={a.state} />
          {a.assignee ? <span className="muted clip">{a.assignee}</span> : null}
        </div>
      ),
    },
    { key: 'first', title: 'column.first', sort: 'first', width: 110, off: true, render: (a) => <Time value={a.firstSeen} /> },
    { key: 'last', title: 'column.last', sort: 'last', width: 104, render: (a) => <Time value={a.lastSeen} /> },
  ];
  const facets: Facet[] = [
    { field: 'severity', title: 'column.severity', order: severities, render: (v) => <SeverityMark value={v as Severity} /> },
    { field: 'state', title: 'column.state', order: ['open', 'acknowledged', 'resolved'], render: (v) => word('state', v) },
    { field: 'rule', title: 'column.rule' },
    { field: 'ns', title: 'namespace' },
    { field: 'user', title: 'column.user' },
    { field: 'assignee', title: 'column.assignee' },
  ];
  return (
    <>
      <ServerTable<Alert>
        id="alerts"
        path="/alerts"
        columns={columns}
        rowKey={(a) => a.id}
        fields={[{ name: 'severity', values: severities }, { name: 'state', values: ['open', 'acknowledged', 'resolved'] }, { name: 'rule' }, { name: 'cluster' }, { name: 'ns' }, { name: 'kind' }, { name: 'name' }, { name: 'user' }, { name: 'ip' }, { name: 'node' }, { name: 'assignee' }, { name: 'count' }, { name: 'first' }, { name: 'last' }]}
        placeholder="alerts.query"
        facets={facets}
        defaultQuery="state:open,acknowledged"
        defaultSort="-last"
        onOpen={(a) => setOpen(a.id)}
        openKey={open}
        {...(may('alerts.triage') && {
          bulk: (rows, clear) => (
            <>
              <Button size="small" onClick={() => act.mutate({ rows, verb: 'acknowledge' }, { onSuccess: clear })}>{t('alerts.acknowledge')}</Button>
              <Button size="small" onClick={() => act.mutate({ rows, verb: 'resolve' }, { onSuccess: clear })}>{t('alerts.resolve')}</Button>
            </>
          ),
        })}
        empty={
          <Nothing icon={<AlertOutlined />} title={t('alerts.none')} actions={<Link to="/alerts?tab=rules">{t('alerts.seeRules')}</Link>}>
            {t('alerts.noneHint')}
          </Nothing>
        }
      />
      <AlertDrawer id={open} onClose={() => setOpen('')} />
    </>
  );
}
