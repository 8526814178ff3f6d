import { AppstoreOutlined } from '@ant-design/icons';
import { Tabs } from 'antd';
import { Link } from 'react-router';
import type { AssetRecord } from '../../api/types';
import { useParam } from '../../app/scope';
import { useI18n, type Key } from '../../i18n';
import { assetKey, KindMark, None, Nothing, Num, PageHead, State, StateWord, Time } from '../../ui/basics';
import type { QueryField } from '../../ui/QueryBar';
import { ServerTable, type Facet, type ServerColumn } from '../../ui/ServerTable';
import { useNavigate } from 'react-router';
import { useScoped } from '../../app/scope';

export const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job', 'ReplicaSet', 'ReplicationController'];

const asset: ServerColumn<AssetRecord> = {
  key: 'asset', title: 'column.name', sort: 'name',
  render: (a) => (
    <span className="row">
      <KindMark kind={a.asset.kind} />
      <Link className="mono clip grow" to={`/asset?key=${encodeURIComponent(assetKey(a.asset))}`} title={a.asset.name}>
        {a.asset.name}
      </Link>
    </span>
  ),
};
const ns: ServerColumn<AssetRecord> = { key: 'ns', title: 'namespace', sort: 'ns', width: '16%', render: (a) => (a.asset.namespace ? <span className="mono clip" title={a.asset.namespace}>{a.asset.namespace}</span> : <None />) };
const phase: ServerColumn<AssetRecord> = { key: 'phase', title: 'column.state', sort: 'phase', width: 120, render: (a) => (a.gone ? <State tone="idle"><Gone /></State> : <StateWord value={a.phase} />) };
const created: ServerColumn<AssetRecord> = { key: 'created', title: 'column.created', sort: 'created', width: 108, render: (a) => <Time value={a.createdAt} /> };
const seen: ServerColumn<AssetRecord> = { key: 'seen', title: 'column.last', sort: 'lastseen', width: 120, off: true, render: (a) => <Time value={a.lastSeen} /> };
const labels: ServerColumn<AssetRecord> = { key: 'labels', title: 'column.labels', width: 220, off: true, render: (a) => <span className="row flow">{a.labels?.slice(0, 6).map((l) => <span key={l} className="chip mono">{l}</span>)}</span> };
const images: ServerColumn<AssetRecord> = { key: 'images', title: 'column.images', width: '24%', render: (a) => <span className="mono clip" title={a.images?.map((i) => i.reference).join('\n')}>{a.images?.map((i) => i.reference).join(', ')}</span> };
const summary = (key: string, title: Key, width: number | string = 140): ServerColumn<AssetRecord> => ({
  key, title, width,
  render: (a) => {
    const value = a.summary?.[key];
    return value === undefined || value === null || value === '' ? <None /> : typeof value === 'number' ? <Num value={value} /> : <span className="mono clip" title={String(value)}>{Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)}</span>;
  },
});

function Gone() {
  return useI18n().t('assets.gone');
}

interface Tab {
  key: string;
  kinds: string[];
  columns: ServerColumn<AssetRecord>[];
}
const tabs: Tab[] = [
  {
    key: 'workloads', kinds: workloadKinds,
    columns: [asset, ns, { key: 'ready', title: 'column.ready', width: 84, right: true, render: (a) => (a.replicas === undefined ? <None /> : <span className={(a.ready ?? 0) < a.replicas ? 'state bad' : ''}>{a.ready ?? 0}{' / '}{a.replicas}</span>) }, images, { key: 'sa', title: 'column.account', sort: 'serviceaccount', width: 130, off: true, render: (a) => <span className="mono clip">{a.serviceAccount}</span> }, labels, created, seen],
  },
  { key: 'pods', kinds: ['Pod'], columns: [asset, ns, phase, { key: 'node', title: 'column.node', sort: 'node', width: 190, render: (a) => <span className="mono clip" title={a.node}>{a.node}</span> }, images, { ...labels }, created, seen] },
  {
    key: 'images', kinds: ['Image'],
    columns: [
      { key: 'reference', title: 'column.image', render: (a) => <Link className="mono clip" to={`/asset?key=${encodeURIComponent(assetKey(a.asset))}`} title={a.images?.[0]?.reference ?? a.asset.name}>{a.images?.[0]?.reference ?? a.asset.name}</Link> },
      { key: 'digest', title: 'column.digest', width: 220, render: (a) => <span className="mono clip" title={a.images?.[0]?.digest}>{a.images?.[0]?.digest}</span> },
      summary('workloads', 'column.workloads', 110), { ...seen, off: false }, created,
    ],
  },
  { key: 'nodes', kinds: ['Node'], columns: [asset, phase, summary('roles', 'column.roles', 130), summary('kubelet', 'column.version', 110), summary('runtime', 'column.runtime', 170), summary('os', 'column.os', '20%'), { ...summary('kernel', 'column.kernel', 150), off: true }, summary('architecture', 'column.architecture', 84), { ...created, off: true }, seen] },
  { key: 'namespaces', kinds: ['Namespace'], columns: [asset, phase, { ...labels, off: false, width: '40%' }, created, seen] },
  { key: 'accounts', kinds: ['ServiceAccount', 'Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'], columns: [asset, ns, { key: 'kind', title: 'column.kind', sort: 'kind', width: 170, render: (a) => a.asset.kind }, { ...labels }, created, seen] },
  { key: 'network', kinds: ['Service', 'Ingress', 'NetworkPolicy'], columns: [asset, ns, { key: 'kind', title: 'column.kind', sort: 'kind', width: 140, render: (a) => a.asset.kind }, summary('type', 'column.type', 120), summary('hosts', 'column.hosts', 200), summary('ports', 'column.ports', 140), created, seen] },
  { key: 'all', kinds: [], columns: [asset, ns, { key: 'kind', title: 'column.kind', sort: 'kind', width: 170, render: (a) => a.asset.kind }, phase, { ...labels }, created, { ...seen, off: false }] },
];

export const assetFields: QueryField[] = ['cluster', 'group', 'kind', 'ns', 'name', 'label', 'image', 'node', 'owner', 'workload', 'serviceaccount', 'phase', 'created', 'firstseen', 'lastseen', 'gone', 'class'].map((name) => ({ name }));

export default function Assets() {
  const { t } = useI18n();
  const go = useNavigate();
  const scoped = useScoped();
  const [tab, setTab] = useParam('tab', 'workloads');
  const facets: Facet[] = [
    { field: 'kind', title: 'column.kind' },
    { field: 'ns', title: 'namespace' },
    ...(tab === 'pods' ? [{ field: 'phase', title: 'column.state' as Key }, { field: 'node', title: 'column.node' as Key }] : []),
  ];
  return (
    <>
      <PageHead title={t('nav.assets')} about={t('assets.about')} />
      <Tabs
        activeKey={tab}
        onChange={(key) => setTab(key, { q: '', sort: '', cursor: '' })}
        destroyOnHidden
        items={tabs.map((one) => ({
          key: one.key,
          label: t(`assets.${one.key}` as Key),
          children: (
            <ServerTable<AssetRecord>
              key={one.key}
              id={`assets.${one.key}`}
              path="/assets"
              columns={one.columns}
              rowKey={(a) => assetKey(a.asset)}
              fields={assetFields}
              placeholder="assets.query"
              fixed={one.kinds.length ? `kind:${one.kinds.join(',')}` : ''}
              facets={one.kinds.length === 1 ? facets.filter((f) => f.field !== 'kind' && !(['nodes', 'images', 'namespaces'].includes(one.key) && f.field === 'ns')) : facets}
              scoped={!['images'].includes(one.key)}
              defaultSort="name"
              onOpen={(a) => void go(scoped('/asset', { key: assetKey(a.asset) }))}
              empty={
                <Nothing icon={<AppstoreOutlined />} title={t('assets.none')} actions={<Link to="/clusters">{t('assets.seeClusters')}</Link>}>
                  {t('assets.noneHint')}
                </Nothing>
              }
            />
          ),
        }))}
      />
    </>
  );
}
