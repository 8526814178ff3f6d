// Where a query is written: fields and their values are offered while typing, Enter asks. The text
// of the address is the truth; what is being typed is a draft of it.

import { QuestionCircleOutlined, SearchOutlined } from '@ant-design/icons';
import { AutoComplete, Button, Input, Popover } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { api, type Problem } from '../api/client';
import type { Groups, Top } from '../api/types';
import { useI18n, type Key } from '../i18n';
import { quote, wordAt } from '../lib/query';

export interface QueryField {
  name: string;
  values?: readonly string[]; // all that there are
}

interface Props {
  value: string;
  onChange: (query: string) => void;
  fields: QueryField[];
  placeholder: string;
  // Where the most frequent values of a field come from.
  valuesFrom?: (field: string) => { path: string; params: Record<string, string> };
  problem?: Problem | null;
}

export function QueryBar({ value, onChange, fields, placeholder, valuesFrom, problem }: Props) {
  const { t } = useI18n();
  const [draft, setDraft] = useState(value);
  const [caret, setCaret] = useState(value.length);
  const [open, setOpen] = useState(false);
  // Choosing a field closes the list, like choosing anything; but its values are next.
  const stay = useRef(false);
  useEffect(() => setDraft(value), [value]);

  const word = wordAt(draft, caret);
  const [, negation = '', field = '', rest] = /^(-?)([a-z_]*)(?::(.*))?$/i.exec(word.text) ?? [];
  const known = fields.find((f) => f.name === field);
  const wantsValues = rest !== undefined && !!known;
  const source = wantsValues && !known.values ? valuesFrom?.(field) : undefined;
  const { data: frequent } = useQuery({
    queryKey: [source?.path ?? '', source?.params ?? {}, 'values'],
    queryFn: async ({ signal }): Promise<string[]> => {
      const answer = await api.get<Groups & Top>(source!.path, source!.params, signal);
      return answer.items.map((item) => (item as { value?: string }).value ?? (item as { values?: string[] }).values?.[0] ?? '').filter(Boolean);
    },
    enabled: !!source,
    staleTime: 60_000,
    retry: false,
  });

  const options = useMemo(() => {
    const put = (text: string) => draft.slice(0, word.from) + text + draft.slice(caret);
    if (wantsValues) {
      const before = rest.includes(',') ? rest.slice(0, rest.lastIndexOf(',') + 1) : '';
      const typed = rest.slice(before.length).replace(/^"/, '').toLowerCase();
      return (known.values ?? frequent ?? [])
        .filter((v) => v.toLowerCase().includes(typed))
        .slice(0, 12)
        .map((v) => ({ value: put(`${negation}${field}:${before}${quote(v)}`), label: <span className="mono">{v}</span> }));
    }
    if (rest !== undefined || !/^-?[a-z_]*$/i.test(word.text)) return [];
    return fields
      .filter((f) => f.name.startsWith(field.toLowerCase()) && f.name !== field)
      .slice(0, 12)
      .map((f) => ({
        value: put(`${negation}${f.name}:`),
        label: (
          <span className="row between">
            <span className="mono">{f.name}:</span>
            <span className="muted">{t(`field.${f.name}` as Key) ?? ''}</span>
          </span>
        ),
      }));
  }, [draft, caret, word.from, word.text, field, rest, negation, wantsValues, known, frequent, fields, t]);

  const invalid = problem?.status === 400;
  return (
    <div className="query row">
      <AutoComplete
        className="grow"
        value={draft}
        options={options}
        defaultActiveFirstOption={false}
        open={open && options.length > 0}
        onOpenChange={(next) => {
          if (!next && stay.current) stay.current = false;
          else setOpen(next);
        }}
        onChange={(text: string) => {
          setDraft(text);
          if (text === '' && value !== '') onChange('');
        }}
        onSelect={(text: string) => {
          setDraft(text);
          setCaret(text.length);
          stay.current = text.endsWith(':');
          if (stay.current) setOpen(true);
          else onChange(text.trim());
        }}
        popupMatchSelectWidth={360}
      >
        <Input
          prefix={<SearchOutlined />}
          allowClear
          aria-label={placeholder}
          placeholder={placeholder}
          status={invalid ? 'error' : ''}
          spellCheck={false}
          autoComplete="off"
          onKeyUp={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onInput={(event) => {
            stay.current = false;
            setOpen(true);
            setCaret(event.currentTarget.selectionStart ?? 0);
          }}
          onClick={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onPressEnter={() => {
            setOpen(false);
            onChange(draft.trim());
          }}
          onBlur={() => draft.trim() !== value && onChange(draft.trim())}
        />
      </AutoComplete>
      <Popover trigger="click" placement="bottomRight" title={t('query.help')} content={<QueryHelp fields={fields} />}>
        <Button type="text" icon={<QuestionCircleOutlined />} aria-label={t('query.help')} />
      </Popover>
    </div>
  );
}

function QueryHelp({ fields }: { fields: QueryField[] }) {
  const { t } = useI18n();
  const rows: [string, Key][] = [
    ['severity:critical,high', 'query.anyOf'],
    ['ns:kube-*', 'query.glob'],
    ['-user:alice', 'query.not'],
    ['(ns:a or ns:b) name:web', 'query.or'],
    ['count>=10', 'query.compare'],
    ['has:user', 'query.has'],
    ['since:24h until:2026-01-31', 'query.since'],
    ['容器 "shell in"', 'query.text'],
  ];
  return (
    <div style={{ maxWidth: 520 }}>
      <table className="help-table">
        <tbody>
          {rows.map(([example, key]) => (
            <tr key={key}>
              <td className="mono nowrap">{example}</td>
              <td>{t(key)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p style={{ marginTop: 8 }} className="muted wrap">
        {t('query.fields')} <span className="mono">{fields.map((f) => f.name).join(' ')}</span>
      </p>
    </div>
  );
}
