import { ClusterOutlined, PlusOutlined } from '@ant-design/icons';
import { App, Button, Drawer, Form, Input, Select } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, segment } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import type { Cluster } from '../../api/types';
import { useParam } from '../../app/scope';
import { useMay } from '../../app/session';
import { useI18n } from '../../i18n';
import { Copy, Facts, Nothing, Num, PageHead, State, StateWord, Time } from '../../ui/basics';
import { ProblemAlert } from '../../ui/Problem';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { Skeleton } from '../../ui/Skeleton';
import AddCluster from './AddCluster';

export default function Clusters() {
  const { t } = useI18n();
  const may = useMay();
  const [open, setOpen] = useParam('open');
  const [adding, setAdding] = useParam('add');
  const add = may('clusters.write') ? (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding('1')}>
      {t('clusters.add')}
    </Button>
  ) : null;
  const columns: ServerColumn<Cluster>[] = [
    {
      key: 'name', title: 'column.name', sort: 'name',
      render: (c) => (
        <button type="button" className="linklike" onClick={() => setOpen(c.id)}>
          <span className="clip">{c.name}</span>
        </button>
      ),
    },
    {
      key: 'state', title: 'column.state', sort: 'state', width: 170,
      render: (c) => (
        <div className="stack" style={{ gap: 0 }}>
          <StateWord value={c.state} />
          {c.stateReason ? <span className="muted two-lines" title={c.stateReason}>{c.stateReason}</span> : null}
        </div>
      ),
    },
    { key: 'version', title: 'column.version', sort: 'version', width: 110, render: (c) => <span className="mono">{c.version}</span> },
    { key: 'provider', title: 'column.provider', width: 110, render: (c) => c.provider },
    { key: 'nodes', title: 'column.nodes', width: 84, right: true, render: (c) => <Num value={c.nodes} /> },
    { key: 'pods', title: 'column.pods', width: 90, right: true, render: (c) => <Num value={c.counts?.Pod} /> },
    { key: 'unreadable', title: 'column.unreadable', width: 160, render: (c) => (c.unreadable?.length ? <State tone="warn">{t('clusters.kinds', { n: c.unreadable.length })}</State> : <State tone="good">{t('clusters.allRead')}</State>) },
    { key: 'server', title: 'column.server', width: 240, off: true, render: (c) => <span className="mono clip">{c.server}</span> },
    { key: 'added', title: 'column.added', width: 110, off: true, render: (c) => <Time value={c.addedAt} /> },
    { key: 'last', title: 'column.last', sort: 'lastseen', width: 110, render: (c) => <Time value={c.lastSeen} /> },
  ];
  return (
    <>
      <PageHead title={t('nav.clusters')} about={t('clusters.about')}>
        {add}
      </PageHead>
      <ServerTable<Cluster>
        id="clusters"
        path="/clusters"
        columns={columns}
        rowKey={(c) => c.id}
        fields={[{ name: 'name' }, { name: 'state', values: ['connecting', 'ready', 'away', 'denied'] }, { name: 'version' }, { name: 'provider' }]}
        placeholder="clusters.query"
        scoped={false}
        onOpen={(c) => setOpen(c.id)}
        openKey={open}
        empty={
          <Nothing icon={<ClusterOutlined />} title={t('clusters.none')} actions={add}>
            {t('clusters.noneHint')}
          </Nothing>
        }
      />
      <ClusterDrawer id={open} onClose={() => setOpen('')} />
      {adding ? <AddCluster onClose={() => setAdding('')} /> : null}
    </>
  );
}

interface Check {
  ok: boolean;
  version?: string;
  milliseconds?: number;
  kinds: { resource: string; needed?: boolean; list: boolean; watch: boolean; reason?: string }[];
}

function ClusterDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const [checked, setChecked] = useState<Check | null>(null);
  const [editing, setEditing] = useState(false);
  const cluster = useGet<Cluster>(`/clusters/${segment(id)}`, {}, { enabled: !!id, keep: false });
  const check = useAction(() => api.post<Check>(`/clusters/${segment(id)}/check`), { stale: ['/clusters'], onDone: setChecked });
  const remove = useAction(() => api.delete(`/clusters/${segment(id)}`), { done: 'clusters.removed', stale: ['/clusters', '/assets', '/overview'], onDone: onClose });
  const c = cluster.data;
  return (
    <Drawer
      open={!!id}
      onClose={() => {
        setChecked(null);
        setEditing(false);
        onClose();
      }}
      size={680}
      title={c?.name ?? t('cluster')}
      extra={
        c && may('clusters.write') ? (
          <span className="row">
            <Button loading={check.isPending} onClick={() => check.mutate(undefined)}>{t('clusters.check')}</Button>
            <Button onClick={() => setEditing(true)}>{t('edit')}</Button>
            {c.local ? null : (
              <Button
                danger
                onClick={() =>
                  void modal.confirm({ title: t('clusters.removeTitle', { name: c.name }), content: t('clusters.removeHint'), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(undefined) })
                }
              >
                {t('remove')}
              </Button>
            )}
          </span>
        ) : null
      }
    >
      {cluster.error ? <ProblemAlert problem={cluster.error} onRetry={() => void cluster.refetch()} /> : null}
      {!c && !cluster.error ? <Skeleton /> : null}
      {c ? (
        <div className="stack">
          {editing ? <EditCluster cluster={c} onDone={() => setEditing(false)} /> : null}
          <Facts
            items={[
              [t('column.state'), <StateWord key="s" value={c.state} />],
              ...(c.stateReason ? [[t('clusters.reason'), c.stateReason] as [React.ReactNode, React.ReactNode]] : []),
              [t('column.version'), <span key="v" className="mono">{c.version}</span>],
              [t('column.provider'), c.provider],
              [t('column.server'), <span key="x" className="mono">{c.server}</span>],
              ['ID', <span key="i" className="mono">{c.id} <Copy text={c.id} /></span>],
              [t('column.added'), <Time key="a" value={c.addedAt} />],
              [t('column.last'), <Time key="l" value={c.lastSeen} />],
              [t('column.labels'), c.labels?.length ? <span key="lb" className="row flow">{c.labels.map((l) => <span key={l} className="chip mono">{l}</span>)}</span> : null],
            ]}
          />
          {c.counts && Object.keys(c.counts).length ? (
            <section className="stack half">
              <h2>{t('clusters.contents')}</h2>
              <div className="tiles panel">
                {Object.entries(c.counts).toSorted((a, b) => b[1] - a[1]).slice(0, 8).map(([kind, count]) => (
                  <Link key={kind} className="tile" to={`/assets?cluster=${encodeURIComponent(c.id)}&q=kind:${kind}&tab=all`}>
                    <b><Num value={count} /></b>
                    <span className="clip">{kind}</span>
                  </Link>
                ))}
              </div>
            </section>
          ) : null}
          <section className="stack half">
            <h2>{t('clusters.rights')}</h2>
            {checked ? (
              <ul className="lines panel">
                {checked.kinds.map((item) => (
                  <li key={item.resource} className="row between">
                    <span className="mono">{item.resource}</span>
                    {item.list && item.watch ? <State tone="good">{t('clusters.readable')}</State> : <span className="bad"><State tone="bad">{item.reason || t('clusters.unreadable')}</State></span>}
                  </li>
                ))}
              </ul>
            ) : c.unreadable?.length ? (
              <ul className="lines panel">
                {c.unreadable.map((item) => (
                  <li key={item.resource}>
                    <span className="mono">{item.resource}</span>
                    <div className="muted wrap">{item.error}</div>
                  </li>
                ))}
              </ul>
            ) : (
              <State tone="good">{t('clusters.allRead')}</State>
            )}
          </section>
        </div>
      ) : null}
    </Drawer>
  );
}

function EditCluster({ cluster, onDone }: { cluster: Cluster; onDone: () => void }) {
  const { t } = useI18n();
  const save = useAction(
    (values: { name: string; labels: string[] }) => api.patch(`/clusters/${segment(cluster.id)}`, values),
    { done: 'saved', stale: ['/clusters'], onDone },
  );
  return (
    <Form
      layout="vertical"
      className="panel"
      style={{ padding: 16 }}
      initialValues={{ name: cluster.name, labels: cluster.labels ?? [] }}
      onFinish={(values: { name: string; labels: string[] }) => save.mutate(values)}
    >
      <Form.Item name="name" label={t('column.name')} rules={[{ required: true, message: t('form.required') }]}>
        <Input maxLength={200} />
      </Form.Item>
      <Form.Item name="labels" label={t('column.labels')} extra={t('clusters.labelsHint')} rules={[{ validator: (_, values: string[]) => (values.every((v) => /^[^=\s]+=\S*$/.test(v)) ? Promise.resolve() : Promise.reject(new Error(t('clusters.labelsBad')))) }]}>
        <Select mode="tags" open={false} suffixIcon={null} />
      </Form.Item>
      <span className="row">
        <Button type="primary" htmlType="submit" loading={save.isPending}>{t('save')}</Button>
        <Button onClick={onDone}>{t('cancel')}</Button>
      </span>
    </Form>
  );
}
