import { StopOutlined } from '@ant-design/icons';
import { App, Button } from 'antd';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { Suppression } from '../../api/types';
import { useMay } from '../../app/session';
import { useI18n, type Key } from '../../i18n';
import { Nothing, Num, Time } from '../../ui/basics';
import { ServerTable, type ServerColumn } from '../../ui/ServerTable';
import { personOf } from '../shared';

export default function Suppressions() {
  const { t } = useI18n();
  const may = useMay();
  const { modal } = App.useApp();
  const remove = useAction((id: string) => api.delete(`/suppressions/${segment(id)}`), { done: 'removed', stale: ['/suppressions'] });
  const columns: ServerColumn<Suppression>[] = [
    { key: 'rule', title: 'column.rule', width: 190, render: (s) => <span className="mono clip">{s.rule}</span> },
    { key: 'match', title: 'alerts.match', render: (s) => <span className="row flow" style={{ gap: 4 }}>{Object.entries(s.match).map(([k, v]) => <span key={k} className="chip mono" title={`${k}=${v}`}>{k}={v}</span>)}</span> },
    { key: 'reason', title: 'exceptions.reason', width: '24%', render: (s) => <span className="two-lines" title={s.reason}>{s.reason}</span> },
    { key: 'hits', title: 'column.hits', width: 96, right: true, render: (s) => <Num value={s.hits} /> },
    { key: 'by', title: 'column.createdBy', width: 110, render: (s) => <span className="clip">{personOf(s.by)}</span> },
    { key: 'expires', title: 'exceptions.expires', width: 110, render: (s) => <Time value={s.expires} /> },
    ...(may('alerts.triage') ? [{ key: 'do', title: 'column.actions' as Key, width: 100, render: (s: Suppression) => <Button size="small" type="text" danger onClick={() => void modal.confirm({ title: t('alerts.endSuppression', { name: s.rule }), okText: t('remove'), okButtonProps: { danger: true }, onOk: () => remove.mutateAsync(s.id) })}>{t('remove')}</Button> }] : []),
  ];
  return <ServerTable<Suppression> id="suppressions" path="/suppressions" columns={columns} rowKey={(s) => s.id} empty={<Nothing icon={<StopOutlined />} title={t('alerts.noSuppressions')}>{t('alerts.noSuppressionsHint')}</Nothing>} />;
}
