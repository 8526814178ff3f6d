// A list of the server as a table: query, sort and page stand in the address, the server does the
// work, and what is shown can be had as CSV. Columns and density are the reader's.

import { ColumnHeightOutlined, DownloadOutlined, LeftOutlined, ReloadOutlined, RightOutlined, TableOutlined, VerticalRightOutlined } from '@ant-design/icons';
import { Button, Checkbox, Popover, Select, Table, Tooltip, type TableColumnType } from 'antd';
import TableMeasureRowContext from 'antd/es/table/TableMeasureRowContext';
import { type ReactNode, useContext, useMemo, useRef, useState } from 'react';
import { useSearchParams } from 'react-router';
import { downloadUrl, type Params } from '../api/client';
import { useGet } from '../api/hooks';
import type { Groups, Page } from '../api/types';
import { usePreference } from '../app/preferences';
import { scopeQuery, useScope } from '../app/scope';
import { useI18n, type Key } from '../i18n';
import { number } from '../lib/format';
import { and, toggled, valuesOf } from '../lib/query';
import { Nothing } from './basics';
import { ProblemAlert } from './Problem';
import { QueryBar, type QueryField } from './QueryBar';
import { Skeleton } from './Skeleton';

export interface ServerColumn<T> {
  key: string;
  title: Key;
  sort?: string; // the column of the server
  width?: number | string;
  right?: boolean;
  off?: boolean; // shown only when chosen
  render: (row: T) => ReactNode;
}
export interface Facet {
  field: string;
  title: Key;
  render?: (value: string) => ReactNode;
  order?: readonly string[];
}
interface Props<T> {
  id: string; // of preferences
  path: string;
  columns: ServerColumn<T>[];
  rowKey: (row: T) => string;
  fields?: QueryField[];
  placeholder?: Key;
  facets?: Facet[];
  fixed?: string; // a query that always holds
  params?: Params;
  defaultQuery?: string;
  defaultSort?: string;
  scoped?: boolean;
  prefix?: string; // of the parameters in the address, where a page has several tables
  onOpen?: (row: T) => void;
  openKey?: string | undefined; // the row that is open
  bulk?: (rows: T[], clear: () => void) => ReactNode;
  extra?: ReactNode;
  empty?: ReactNode;
  csv?: boolean;
  page?: number;
}

export function ServerTable<T extends object>(props: Props<T>) {
  const { id, path, columns, rowKey, fields, facets, fixed = '', params, defaultQuery = '', defaultSort = '', scoped = true, prefix = '', onOpen, openKey, bulk, extra, empty, csv = true } = props;
  const { t, language } = useI18n();
  const scope = useScope();
  const [search, setSearch] = useSearchParams();
  const [density, setDensity] = usePreference('density', 'middle');
  const [hidden, setHidden] = usePreference(`columns.${id}`, columns.filter((c) => c.off).map((c) => c.key).join(','));
  const [chosen, setChosen] = useState<string[]>([]);
  // Cursors of the pages before, for the way back; lost on reload, when "first page" remains.
  const trail = useRef<string[]>([]);

  const q = search.get(`${prefix}q`) ?? defaultQuery;
  const sort = search.get(`${prefix}sort`) ?? defaultSort;
  const cursor = search.get(`${prefix}cursor`) ?? '';
  const limit = Number(search.get(`${prefix}limit`)) || props.page || 50;
  const change = (changes: Record<string, string>, replace = false) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changes)) {
          if (value || (name === 'q' && defaultQuery)) next.set(prefix + name, value);
          else next.delete(prefix + name);
        }
        return next;
      },
      { replace },
    );
  const restart = (changes: Record<string, string>) => {
    trail.current = [];
    setChosen([]);
    change({ ...changes, cursor: '' });
  };

  const always = and(scoped && scopeQuery(scope), fixed);
  const query = and(always, q);
  const list = useGet<Page<T>>(path, { ...params, q: query, sort, cursor, limit, total: true });
  const rows = list.data?.items ?? [];
  const shownColumns = columns.filter((c) => !hidden.split(',').includes(c.key));

  const tableColumns = useMemo(
    () =>
      shownColumns.map((column): TableColumnType<T> => ({
        key: column.key,
        title: t(column.title),
        ...(column.width !== undefined && { width: column.width }),
        ...(column.right && { align: 'right' as const, className: 'right' }),
        ...(column.sort && {
          sorter: true,
          sortOrder: sort === column.sort ? ('ascend' as const) : sort === `-${column.sort}` ? ('descend' as const) : null,
          showSorterTooltip: false,
        }),
        render: (_, row) => column.render(row),
      })),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [columns, hidden, sort, t, language],
  );

  const filtered = q !== '' && q !== defaultQuery;
  const total = list.data?.total;
  const table = (
    <div className="panel">
      <div className="table-bar">
        {fields ? (
          <QueryBar
            value={q}
            onChange={(text) => restart({ q: text })}
            fields={fields}
            placeholder={t(props.placeholder ?? 'query.placeholder')}
            valuesFrom={(field) => ({ path: `${path}/groups`, params: { by: field, limit: '20', ...(always && { q: always }) } })}
            problem={list.error}
          />
        ) : (
          <span className="grow" />
        )}
        {extra}
        <Tooltip title={t('table.refresh')}>
          <Button type="text" icon={<ReloadOutlined />} aria-label={t('table.refresh')} onClick={() => void list.refetch()} />
        </Tooltip>
        <Popover
          trigger="click"
          placement="bottomRight"
          title={t('table.columns')}
          content={
            <Checkbox.Group
              className="stack tight"
              value={shownColumns.map((c) => c.key)}
              onChange={(keys) => setHidden(columns.filter((c) => !keys.includes(c.key)).map((c) => c.key).join(',') || '-')}
              options={columns.map((c) => ({ value: c.key, label: t(c.title) }))}
            />
          }
        >
          <Button type="text" icon={<TableOutlined />} aria-label={t('table.columns')} />
        </Popover>
        <Tooltip title={t('table.density')}>
          <Button
            type="text"
            icon={<ColumnHeightOutlined />}
            aria-label={t('table.density')}
            onClick={() => setDensity(density === 'small' ? 'middle' : 'small')}
          />
        </Tooltip>
        {csv ? (
          <Tooltip title={t('table.csv')}>
            <Button type="text" icon={<DownloadOutlined />} aria-label={t('table.csv')} href={downloadUrl(path, { ...params, q: query, sort, format: 'csv' })} download />
          </Tooltip>
        ) : null}
      </div>
      {bulk && chosen.length ? (
        <div className="table-bar" role="toolbar" aria-label={t('table.chosen', { n: chosen.length })}>
          <span>{t('table.chosen', { n: chosen.length })}</span>
          {bulk(rows.filter((row) => chosen.includes(rowKey(row))), () => setChosen([]))}
          <Button type="text" size="small" onClick={() => setChosen([])}>
            {t('table.unchoose')}
          </Button>
        </div>
      ) : null}
      {list.error ? (
        <div style={{ padding: 12 }}>
          <ProblemAlert problem={list.error} onRetry={() => void list.refetch()} />
        </div>
      ) : null}
      {list.error && !rows.length ? null : (
        <Table<T>
          className={list.isPlaceholderData ? 'stale' : ''}
          size={density === 'small' ? 'small' : 'middle'}
          columns={tableColumns}
          dataSource={rows}
          rowKey={rowKey}
          pagination={false}
          tableLayout="fixed"
          scroll={{ x: columnsWidth(shownColumns) }}
          rowClassName={(row) => `${onOpen ? 'clickable' : ''} ${openKey && rowKey(row) === openKey ? 'chosen' : ''}`}
          onRow={(row) => (onOpen ? { onClick: (event) => !(event.target as Element).closest('a,button,input,label,.ant-table-selection-column') && onOpen(row) } : {})}
          onChange={(_, __, sorter) => {
            const one = Array.isArray(sorter) ? sorter[0] : sorter;
            const column = columns.find((c) => c.key === one?.columnKey);
            restart({ sort: one?.order && column?.sort ? (one.order === 'descend' ? '-' : '') + column.sort : '' });
          }}
          {...(bulk && {
            rowSelection: { selectedRowKeys: chosen, onChange: (keys) => setChosen(keys as string[]), columnWidth: 40, columnTitle: (box: ReactNode) => <NotMeasuring>{box}</NotMeasuring>, getCheckboxProps: () => ({ 'aria-label': t('table.choose') }) as object, getTitleCheckboxProps: () => ({ 'aria-label': t('table.chooseAll') }) as object },
          })}
          locale={{
            emptyText: list.isPending ? (
              <Skeleton rows={8} />
            ) : filtered ? (
              <Nothing
                title={t('table.noMatch')}
                actions={<Button onClick={() => restart({ q: defaultQuery ? ' ' : '' })}>{t('table.clear')}</Button>}
              >
                {t('table.noMatchHint')}
              </Nothing>
            ) : (
              (empty ?? <Nothing title={t('table.empty')} />)
            ),
          }}
        />
      )}
      {rows.length || cursor ? (
        <div className="table-foot">
          <span>{total === undefined ? '' : t('table.total', { n: total })}</span>
          <span className="row">
            <Select
              size="small"
              value={limit}
              aria-label={t('table.pageSize')}
              onChange={(value) => restart({ limit: String(value) })}
              options={[25, 50, 100, 200].map((n) => ({ value: n, label: t('table.perPage', { n }) }))}
            />
            <Button size="small" icon={<VerticalRightOutlined />} aria-label={t('table.first')} disabled={!cursor} onClick={() => restart({})} />
            <Button
              size="small"
              icon={<LeftOutlined />}
              aria-label={t('table.previous')}
              disabled={!trail.current.length}
              onClick={() => change({ cursor: trail.current.pop() ?? '' })}
            />
            <span className="muted nowrap">{trail.current.length || !cursor ? t('table.page', { n: trail.current.length + 1 }) : '…'}</span>
            <Button
              size="small"
              icon={<RightOutlined />}
              aria-label={t('table.next')}
              disabled={!list.data?.next || list.isPlaceholderData}
              onClick={() => {
                trail.current.push(cursor);
                change({ cursor: list.data?.next ?? '' });
                window.scrollTo({ top: 0 });
              }}
            />
          </span>
        </div>
      ) : null}
    </div>
  );
  if (!facets?.length) return table;
  return (
    <div className="list">
      <aside className="facets" aria-label={t('table.filters')}>
        {facets.map((facet) => (
          <FacetList
            key={facet.field}
            facet={facet}
            path={path}
            query={query}
            params={params ?? {}}
            chosen={valuesOf(q, facet.field)}
            onToggle={(value) => restart({ q: toggled(q, facet.field, value) })}
          />
        ))}
      </aside>
      {table}
    </div>
  );
}

// The hidden row that widths are taken from repeats the heads; a check box there could be reached
// by keyboard.
function NotMeasuring({ children }: { children: ReactNode }) {
  return useContext(TableMeasureRowContext) ? null : children;
}

// Below this a table scrolls sideways.
function columnsWidth<T>(columns: ServerColumn<T>[]): number {
  return columns.reduce((sum, column) => sum + (typeof column.width === 'number' ? column.width : column.width ? 140 : 200), 0);
}

function FacetList({ facet, path, query, params, chosen, onToggle }: { facet: Facet; path: string; query: string; params: Params; chosen: string[]; onToggle: (value: string) => void }) {
  const { t, language } = useI18n();
  const [all, setAll] = useState(false);
  const groups = useGet<Groups>(`${path}/groups`, { ...params, by: facet.field, q: query });
  let items = (groups.data?.items ?? []).map((item) => ({ value: item.values[0] ?? '', count: item.count })).filter((item) => item.value !== '');
  for (const value of chosen) if (!items.some((item) => item.value === value)) items.push({ value, count: 0 });
  if (facet.order) items = items.toSorted((a, b) => facet.order!.indexOf(a.value) - facet.order!.indexOf(b.value));
  const limit = 8;
  const shown = all ? items : items.filter((item, index) => index < limit || chosen.includes(item.value));
  if (!items.length && !groups.isPending) return null;
  return (
    <div>
      <h3>{t(facet.title)}</h3>
      {groups.isPending ? <Skeleton rows={3} /> : null}
      {shown.map((item) => (
        <button type="button" key={item.value} className="facet" aria-pressed={chosen.includes(item.value)} onClick={() => onToggle(item.value)} title={item.value}>
          <span className="grow">{facet.render ? facet.render(item.value) : item.value}</span>
          <span className="count">{number(item.count, language)}</span>
        </button>
      ))}
      {items.length > limit ? (
        <button type="button" className="facet muted" onClick={() => setAll(!all)}>
          {all ? t('table.fewer') : t('table.more', { n: items.length - limit })}
        </button>
      ) : null}
    </div>
  );
}
