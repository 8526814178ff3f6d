import { FileProtectOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, DatePicker, Drawer, Form, Input, Modal, Select } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, segment } from '../../api/client';
import { useAction, useGet } from '../../api/hooks';
import type { CheckInfo, Exception } from '../../api/types';
import { useParam, useScope, useScoped } from '../../app/scope';
import { useMay, useSession } from '../../app/session';
import { useI18n } from '../../i18n';
import { term } from '../../lib/query';
import { Facts, None, Nothing, Num, PageHead, State, StateWord, Time } from '../../ui/basics';
import { ProblemAlert } from '../../ui/Problem';
import { ServerTable, type Facet, type ServerColumn } from '../../ui/ServerTable';
import { Skeleton } from '../../ui/Skeleton';
import { personOf, useClusterName, useClusters } from '../shared';

const soonDays = 14;
const endsSoon = (e: Exception) => e.state === 'approved' && !!e.expires && Date.parse(e.expires) - Date.now() < soonDays * 86_400_000;

function Scope({ e, clamp = false }: { e: Exception; clamp?: boolean }) {
  const { t } = useI18n();
  const nameOf = useClusterName();
  const parts = [e.cluster && nameOf(e.cluster), e.namespace, e.kind && e.name ? `${e.kind} ${e.name}` : (e.name ?? e.kind), e.image, ...Object.entries(e.labels ?? {}).map(([k, v]) => `${k}=${v}`)].filter(Boolean);
  return parts.length ? <span className={clamp ? 'two-lines' : 'wrap'} title={parts.join(' / ')}>{parts.join(' / ')}</span> : <State tone="warn">{t('exceptions.scopeAll')}</State>;
}

export default function Exceptions() {
  const { t, word } = useI18n();
  const may = useMay();
  const [open, setOpen] = useParam('open');
  const [, setQuery] = useParam('q');
  const [asking, setAsking] = useState(false);
  const columns: ServerColumn<Exception>[] = [
    { key: 'state', title: 'column.state', sort: 'state', width: 106, render: (e) => <StateWord value={e.state} /> },
    {
      key: 'check', title: 'column.check', sort: 'check', width: '17%',
      render: (e) => (
        <button type="button" className="linklike mono" onClick={() => setOpen(e.id)}>
          <span className="clip" title={e.check}>{e.check}</span>
        </button>
      ),
    },
    { key: 'scope', title: 'exceptions.scope', render: (e) => <Scope e={e} clamp /> },
    { key: 'reason', title: 'exceptions.reason', width: '22%', render: (e) => <span className="two-lines" title={e.reason}>{e.reason}</span> },
    { key: 'covers', title: 'column.covers', width: 72, right: true, render: (e) => <Num value={e.covers} /> },
    { key: 'by', title: 'column.requestedBy', sort: 'requested', width: 104, render: (e) => <span className="stack" style={{ gap: 0 }}><span className="clip">{personOf(e.requestedBy)}</span><span className="muted"><Time value={e.requestedAt} /></span></span> },
    { key: 'expires', title: 'exceptions.expires', sort: 'expires', width: 108, render: (e) => e.expires ? (endsSoon(e) ? <State tone="warn"><Time value={e.expires} /></State> : <Time value={e.expires} />) : <span className="muted">{t('exceptions.never')}</span> },
  ];
  const facets: Facet[] = [
    { field: 'state', title: 'column.state', order: ['requested', 'approved', 'refused', 'expired', 'withdrawn'], render: (v) => word('state', v) },
    { field: 'check', title: 'column.check' },
    { field: 'ns', title: 'namespace' },
  ];
  const ask = may('exceptions.request') ? <Button type="primary" icon={<PlusOutlined />} onClick={() => setAsking(true)}>{t('exceptions.request')}</Button> : null;
  return (
    <>
      <PageHead title={t('nav.exceptions')} about={t('exceptions.about')}>
        <Button onClick={() => setQuery(`state:approved expires:<=${dayjs().add(soonDays, 'day').format('YYYY-MM-DD')}`, { cursor: '' })}>{t('exceptions.soon')}</Button>
        {ask}
      </PageHead>
      <ServerTable<Exception>
        id="exceptions"
        path="/exceptions"
        columns={columns}
        rowKey={(e) => e.id}
        fields={[{ name: 'state', values: ['requested', 'approved', 'refused', 'expired', 'withdrawn'] }, ...['check', 'cluster', 'ns', 'kind', 'name', 'image', 'reason', 'by', 'decider', 'requested', 'expires'].map((name) => ({ name }))]}
        placeholder="exceptions.query"
        facets={facets}
        onOpen={(e) => setOpen(e.id)}
        openKey={open}
        empty={<Nothing icon={<FileProtectOutlined />} title={t('exceptions.none')} actions={<Link to="/findings">{t('overview.allFindings')}</Link>}>{t('exceptions.noneHint')}</Nothing>}
      />
      <Detail id={open} onClose={() => setOpen('')} />
      {asking ? <Ask onClose={() => setAsking(false)} /> : null}
    </>
  );
}

function Detail({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useI18n();
  const may = useMay();
  const session = useSession();
  const scoped = useScoped();
  const [deciding, setDeciding] = useState<'approve' | 'refuse' | 'withdraw' | null>(null);
  const [comment, setComment] = useState('');
  const query = useGet<Exception>(`/exceptions/${segment(id)}`, {}, { enabled: !!id, keep: false });
  const decide = useAction((verb: string) => api.post(`/exceptions/${segment(id)}/${verb}`, { comment }), { done: 'saved', stale: ['/exceptions', '/findings', '/overview'], onDone: () => { setDeciding(null); setComment(''); } });
  const e = query.data;
  const mine = e?.requestedBy === session.user?.name || e?.requestedBy === session.user?.id;
  return (
    <Drawer
      open={!!id}
      onClose={onClose}
      size={620}
      title={e ? <span className="row"><StateWord value={e.state} /> <span className="mono clip">{e.check}</span></span> : t('exceptions.one')}
      extra={
        e ? (
          <span className="row">
            {e.state === 'requested' && may('exceptions.approve') ? (
              <>
                <Button type="primary" onClick={() => setDeciding('approve')}>{t('exceptions.approve')}</Button>
                <Button onClick={() => setDeciding('refuse')}>{t('exceptions.refuse')}</Button>
              </>
            ) : null}
            {['requested', 'approved'].includes(e.state) && (mine || may('exceptions.approve')) ? <Button danger onClick={() => setDeciding('withdraw')}>{t('exceptions.withdraw')}</Button> : null}
          </span>
        ) : null
      }
    >
      {query.error ? <ProblemAlert problem={query.error} onRetry={() => void query.refetch()} /> : null}
      {!e && !query.error ? <Skeleton /> : null}
      {e ? (
        <div className="stack">
          <p className="wrap" style={{ whiteSpace: 'pre-wrap' }}>{e.reason}</p>
          <Facts
            items={[
              [t('exceptions.scope'), <Scope key="s" e={e} />],
              [t('column.covers'), <Link key="c" to={scoped('/findings', { q: term('exception', e.id) })}><Num value={e.covers} /></Link>],
              [t('column.requestedBy'), <span key="r" className="row">{personOf(e.requestedBy)} <span className="muted"><Time value={e.requestedAt} /></span></span>],
              [t('exceptions.expires'), e.expires ? <Time key="e" value={e.expires} /> : t('exceptions.never')],
              [t('exceptions.decidedBy'), e.decidedBy ? <span key="d" className="row">{personOf(e.decidedBy)} <span className="muted"><Time value={e.decidedAt} /></span></span> : <None key="d" />],
              [t('exceptions.comment'), e.comment],
            ]}
          />
        </div>
      ) : null}
      <Modal
        open={!!deciding}
        title={deciding ? t(`exceptions.${deciding}`) : ''}
        okText={deciding ? t(`exceptions.${deciding}`) : ''}
        onCancel={() => setDeciding(null)}
        onOk={() => deciding && decide.mutate(deciding)}
        confirmLoading={decide.isPending}
        okButtonProps={{ danger: deciding === 'withdraw', disabled: deciding === 'refuse' && !comment.trim() }}
      >
        <div className="stack half">
          <p className="muted">{deciding ? t(`exceptions.${deciding}Hint`) : ''}</p>
          <Input.TextArea rows={3} aria-label={t('exceptions.comment')} placeholder={t('exceptions.comment')} value={comment} onChange={(event) => setComment(event.target.value)} maxLength={2000} />
        </div>
      </Modal>
    </Drawer>
  );
}

interface Wanted {
  check: string;
  cluster?: string;
  namespace?: string;
  kind?: string;
  name?: string;
  image?: string;
  labels?: string[];
  reason: string;
  expires?: Dayjs | null;
}

function Ask({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const scope = useScope();
  const clusters = useClusters();
  const checks = useGet<{ items: CheckInfo[] }>('/checks', { limit: 1000 });
  const [form] = Form.useForm<Wanted>();
  const request = useAction(
    ({ expires, labels, ...values }: Wanted) =>
      api.post('/exceptions', { ...(labels?.length && { labels: Object.fromEntries(labels.map((l) => [l.split('=')[0] ?? '', l.split('=').slice(1).join('=')])) }), ...Object.fromEntries(Object.entries(values).filter(([, v]) => v)), ...(expires && { expires: expires.endOf('day').toISOString() }) }),
    { done: 'exceptions.requested', stale: ['/exceptions'], onDone: onClose },
  );
  return (
    <Modal open width={640} title={t('exceptions.request')} okText={t('exceptions.ask')} onCancel={onClose} confirmLoading={request.isPending} onOk={() => void form.validateFields().then((v) => request.mutate(v))}>
      <p className="muted" style={{ marginBottom: 12 }}>{t('exceptions.askHint')}</p>
      <Form form={form} layout="vertical" initialValues={{ cluster: scope.cluster, namespace: scope.ns, expires: dayjs().add(90, 'day') }}>
        <Form.Item name="check" label={t('column.check')} rules={[{ required: true, message: t('form.required') }]}>
          <Select showSearch={{ optionFilterProp: 'label' }} options={(checks.data?.items ?? []).map((c) => ({ value: c.id, label: `${c.title} (${c.id})` }))} />
        </Form.Item>
        <div className="grid two" style={{ columnGap: 16, rowGap: 0 }}>
          <Form.Item name="cluster" label={t('cluster')}><Select allowClear options={clusters.map((c) => ({ value: c.id, label: c.name }))} placeholder={t('scope.allClusters')} /></Form.Item>
          <Form.Item name="namespace" label={t('namespace')}><Input className="mono" placeholder={t('scope.allNamespaces')} /></Form.Item>
          <Form.Item name="kind" label={t('column.kind')}><Input className="mono" /></Form.Item>
          <Form.Item name="name" label={t('column.name')}><Input className="mono" /></Form.Item>
          <Form.Item name="image" label={t('column.image')}><Input className="mono" /></Form.Item>
          <Form.Item name="labels" label={t('column.labels')} rules={[{ validator: (_, values?: string[]) => ((values ?? []).every((v) => /^[^=\s]+=\S*$/.test(v)) ? Promise.resolve() : Promise.reject(new Error(t('clusters.labelsBad')))) }]}><Select mode="tags" open={false} suffixIcon={null} /></Form.Item>
        </div>
        <Form.Item name="reason" label={t('exceptions.reason')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
          <Input.TextArea rows={3} maxLength={2000} showCount placeholder={t('exceptions.reasonHint')} />
        </Form.Item>
        <Form.Item name="expires" label={t('exceptions.expires')} extra={t('exceptions.expiresHint')}>
          <DatePicker style={{ width: 200 }} disabledDate={(day) => day.isBefore(dayjs(), 'day')} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
