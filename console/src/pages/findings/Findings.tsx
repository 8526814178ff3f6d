import { CheckCircleOutlined } from '@ant-design/icons';
import { Link } from 'react-router';
import { severities, type Finding, type Severity } from '../../api/types';
import { useParam, useScoped } from '../../app/scope';
import { useI18n } from '../../i18n';
import { AssetLink, Nothing, PageHead, SeverityMark, StateWord, Time } from '../../ui/basics';
import type { QueryField } from '../../ui/QueryBar';
import { ServerTable, type Facet, type ServerColumn } from '../../ui/ServerTable';
import FindingDrawer from './FindingDrawer';

export const findingFields: QueryField[] = [
  { name: 'severity', values: severities }, { name: 'status', values: ['open', 'excepted', 'closed'] }, { name: 'check' }, { name: 'category' },
  { name: 'cluster' }, { name: 'ns' }, { name: 'kind' }, { name: 'name' }, { name: 'workload' }, { name: 'label' }, { name: 'container' }, { name: 'control' }, { name: 'first' }, { name: 'last' },
];

export function useFindingColumns(onOpen: (id: string) => void): ServerColumn<Finding>[] {
  const { word } = useI18n();
  return [
    { key: 'severity', title: 'column.severity', sort: 'severity', width: 100, render: (f) => <SeverityMark value={f.severity} /> },
    {
      key: 'title', title: 'column.finding',
      render: (f) => (
        <div className="stack" style={{ gap: 1 }}>
          <button type="button" className="linklike" onClick={() => onOpen(f.id)}>
            <span className="clip">{f.title}</span>
          </button>
          <span className="muted two-lines" title={f.message}>{f.message}</span>
        </div>
      ),
    },
    { key: 'asset', title: 'column.asset', sort: 'name', width: '26%', render: (f) => <AssetLink asset={f.asset} stacked /> },
    { key: 'status', title: 'column.status', sort: 'status', width: 96, render: (f) => <StateWord value={f.status} /> },
    { key: 'check', title: 'column.check', sort: 'check', width: 200, off: true, render: (f) => <span className="mono clip">{f.check}</span> },
    { key: 'category', title: 'column.category', sort: 'category', width: 120, off: true, render: (f) => word('category', f.category) },
    { key: 'container', title: 'column.container', sort: 'container', width: 120, off: true, render: (f) => <span className="mono clip">{f.container}</span> },
    { key: 'controls', title: 'column.controls', width: 180, off: true, render: (f) => <span className="mono clip">{f.controls?.join(', ')}</span> },
    { key: 'first', title: 'column.first', sort: 'first', width: 104, render: (f) => <Time value={f.firstSeen} /> },
    { key: 'last', title: 'column.last', sort: 'last', width: 110, off: true, render: (f) => <Time value={f.lastSeen} /> },
  ];
}

export default function Findings() {
  const { t, word } = useI18n();
  const scoped = useScoped();
  const [open, setOpen] = useParam('open');
  const columns = useFindingColumns(setOpen);
  const facets: Facet[] = [
    { field: 'severity', title: 'column.severity', order: severities, render: (v) => <SeverityMark value={v as Severity} /> },
    { field: 'status', title: 'column.status', render: (v) => word('state', v) },
    { field: 'category', title: 'column.category', render: (v) => word('category', v) },
    { field: 'ns', title: 'namespace' },
    { field: 'kind', title: 'column.kind' },
    { field: 'check', title: 'column.check' },
  ];
  return (
    <>
      <PageHead title={t('nav.findings')} about={t('findings.about')} />
      <ServerTable<Finding>
        id="findings"
        path="/findings"
        columns={columns}
        rowKey={(f) => f.id}
        fields={findingFields}
        placeholder="findings.query"
        facets={facets}
        defaultQuery="status:open"
        defaultSort="-severity,-first"
        onOpen={(f) => setOpen(f.id)}
        openKey={open}
        empty={
          <Nothing icon={<CheckCircleOutlined />} title={t('findings.none')} actions={<Link to={scoped('/inspection')}>{t('findings.runOne')}</Link>}>
            {t('findings.noneHint')}
          </Nothing>
        }
      />
      <FindingDrawer id={open} onClose={() => setOpen('')} />
    </>
  );
}
