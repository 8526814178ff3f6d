// A table of what is all here already: sorted in the browser, saved as CSV from it.

import { DownloadOutlined } from '@ant-design/icons';
import { Button, Table, Tooltip, type TableColumnType } from 'antd';
import type { ReactNode } from 'react';
import type { Problem } from '../api/client';
import { usePreference } from '../app/preferences';
import { useI18n, type Key } from '../i18n';
import { csv, save } from '../lib/csv';
import { Nothing } from './basics';
import { ProblemAlert } from './Problem';
import { Skeleton } from './Skeleton';

export interface LocalColumn<T> {
  key: string;
  title: Key;
  width?: number | string;
  right?: boolean;
  value?: (row: T) => string | number | undefined; // to sort by, and in CSV
  render?: (row: T) => ReactNode;
}

interface Props<T> {
  rows: T[] | undefined;
  columns: LocalColumn<T>[];
  rowKey: (row: T) => string;
  problem?: Problem | null;
  name?: string; // of the CSV file; none: no export
  extra?: ReactNode;
  title?: ReactNode;
  empty?: ReactNode;
  expanded?: (row: T) => ReactNode;
  onOpen?: (row: T) => void;
}

export function LocalTable<T extends object>({ rows, columns, rowKey, problem, name, extra, title, empty, expanded, onOpen }: Props<T>) {
  const { t } = useI18n();
  const [density] = usePreference('density', 'middle');
  if (problem) return <ProblemAlert problem={problem} />;
  const compare = (column: LocalColumn<T>) => (a: T, b: T) => {
    const x = column.value!(a) ?? '';
    const y = column.value!(b) ?? '';
    return typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
  };
  return (
    <div className="panel">
      {extra || title || name ? (
        <div className="table-bar">
          {title ? <h2>{title}</h2> : null}
          <span className="grow" />
          {extra}
          {name ? (
            <Tooltip title={t('table.csv')}>
              <Button
                type="text"
                icon={<DownloadOutlined />}
                aria-label={t('table.csv')}
                disabled={!rows?.length}
                onClick={() => save(`${name}.csv`, csv(columns.map((c) => t(c.title)), (rows ?? []).map((row) => columns.map((c) => c.value?.(row)))))}
              />
            </Tooltip>
          ) : null}
        </div>
      ) : null}
      <Table<T>
        size={density === 'small' ? 'small' : 'middle'}
        rowKey={rowKey}
        dataSource={rows ?? []}
        pagination={false}
        tableLayout="fixed"
        scroll={{ x: columns.reduce((sum, c) => sum + (typeof c.width === 'number' ? c.width : 180), 0) }}
        rowClassName={onOpen ? 'clickable' : ''}
        onRow={(row) => (onOpen ? { onClick: (event) => !(event.target as Element).closest('a,button,input,label') && onOpen(row) } : {})}
        {...(expanded && { expandable: { expandedRowRender: expanded, expandRowByClick: true, columnWidth: 34 } })}
        columns={columns.map((column): TableColumnType<T> => ({
          key: column.key,
          title: t(column.title),
          ...(column.width !== undefined && { width: column.width }),
          ...(column.right && { align: 'right' as const, className: 'right' }),
          ...(column.value && { sorter: compare(column), showSorterTooltip: false }),
          render: (_, row) => (column.render ? column.render(row) : column.value?.(row)),
        }))}
        locale={{ emptyText: rows ? (empty ?? <Nothing title={t('table.empty')} />) : <Skeleton /> }}
      />
    </div>
  );
}
