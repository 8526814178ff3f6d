// Where a grant or a token counts.

import { Form, Select } from 'antd';
import type { Scope } from '../../api/types';
import { useI18n } from '../../i18n';
import { useClusterName, useClusters } from '../shared';

export interface ScopeValues {
  clusters?: string[];
  namespaces?: string[];
  labels?: string[];
}

export function toScope(values: ScopeValues): Scope {
  return {
    ...(values.clusters?.length && { clusters: values.clusters }),
    ...(values.namespaces?.length && { namespaces: values.namespaces }),
    ...(values.labels?.length && { labels: Object.fromEntries(values.labels.map((l) => [l.split('=')[0] ?? '', l.split('=').slice(1).join('=')])) }),
  };
}

export function ScopeFields() {
  const { t } = useI18n();
  const clusters = useClusters();
  return (
    <>
      <Form.Item name="clusters" label={t('access.scopeClusters')}>
        <Select mode="multiple" allowClear placeholder={t('scope.allClusters')} options={clusters.map((c) => ({ value: c.id, label: c.name }))} />
      </Form.Item>
      <Form.Item name="namespaces" label={t('access.scopeNamespaces')} extra={t('access.scopeNamespacesHint')}>
        <Select mode="tags" open={false} suffixIcon={null} placeholder={t('scope.allNamespaces')} />
      </Form.Item>
      <Form.Item name="labels" label={t('column.labels')} rules={[{ validator: (_, values?: string[]) => ((values ?? []).every((v) => /^[^=\s]+=\S*$/.test(v)) ? Promise.resolve() : Promise.reject(new Error(t('clusters.labelsBad')))) }]}>
        <Select mode="tags" open={false} suffixIcon={null} placeholder="team=payments" />
      </Form.Item>
    </>
  );
}

export function ScopeText({ scope }: { scope: Scope | undefined }) {
  const { t } = useI18n();
  const nameOf = useClusterName();
  const parts = [
    ...(scope?.clusters?.length ? [scope.clusters.map(nameOf).join(', ')] : []),
    ...(scope?.namespaces?.length ? [`${t('namespace')}: ${scope.namespaces.join(', ')}`] : []),
    ...(scope?.labels && Object.keys(scope.labels).length ? [Object.entries(scope.labels).map(([k, v]) => `${k}=${v}`).join(', ')] : []),
  ];
  return <span className="wrap">{parts.length ? parts.join(' · ') : t('access.everywhere')}</span>;
}
