// One box for everything: pages, assets, findings, alerts; and the way into the events.

import { AuditOutlined, BugOutlined, FileSearchOutlined, SearchOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Input, Modal } from 'antd';
import { type ReactNode, useDeferredValue, useEffect, useMemo, useState } from 'react';
import { useNavigate } from 'react-router';
import { api } from '../api/client';
import type { AssetRecord, Finding, Page } from '../api/types';
import { useI18n } from '../i18n';
import { assetKey, AssetLink, SeverityMark } from '../ui/basics';
import { useScoped } from './scope';
import { useMay } from './session';
import { pages } from './Shell';

interface Hit {
  id: string;
  to: string;
  icon?: ReactNode;
  label: ReactNode;
}

export default function Search({ onClose }: { onClose: () => void }) {
  const { t, language } = useI18n();
  const may = useMay();
  const go = useNavigate();
  const scoped = useScoped();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const asked = useDeferredValue(text.trim());
  const long = asked.length > 1 || /[^\x00-\x7f]/.test(asked);
  const assets = useQuery({
    queryKey: ['/assets', 'search', asked],
    queryFn: ({ signal }) => api.get<Page<AssetRecord>>('/assets', { q: asked, limit: 8 }, signal),
    enabled: long && may('assets.read'),
    retry: false,
  });
  const findings = useQuery({
    queryKey: ['/findings', 'search', asked, language],
    queryFn: ({ signal }) => api.get<Page<Finding>>('/findings', { q: asked, limit: 5, sort: '-severity' }, signal),
    enabled: long && may('findings.read'),
    retry: false,
  });
  const hits = useMemo((): Hit[] => {
    const word = asked.toLowerCase();
    return [
      ...pages
        .filter((entry) => may(entry.may) && t(entry.title).toLowerCase().includes(word))
        .slice(0, asked ? 3 : 12)
        .map((entry) => ({ id: entry.path, to: scoped(entry.path), icon: entry.icon, label: t(entry.title) })),
      ...(long ? (assets.data?.items ?? []) : []).map((record) => ({
        id: assetKey(record.asset),
        to: scoped('/asset', { key: assetKey(record.asset) }),
        label: <AssetLink asset={record.asset} link={false} />,
      })),
      ...(long ? (findings.data?.items ?? []) : []).map((finding) => ({
        id: finding.id,
        to: scoped('/findings', { open: finding.id }),
        icon: <BugOutlined />,
        label: (
          <span className="row">
            <SeverityMark value={finding.severity} bare />
            <span className="clip">
              {finding.title} <span className="muted mono">{finding.asset.name}</span>
            </span>
          </span>
        ),
      })),
      ...(asked && may('events.read') ? [{ id: 'events', to: scoped('/events', { q: asked }), icon: <AuditOutlined />, label: t('search.events', { text: asked }) }] : []),
      ...(asked && may('findings.read') ? [{ id: 'findings', to: scoped('/findings', { q: asked }), icon: <FileSearchOutlined />, label: t('search.findings', { text: asked }) }] : []),
    ];
  }, [asked, long, assets.data, findings.data, may, scoped, t]);
  useEffect(() => setAt(0), [asked]);
  const open = (hit: Hit | undefined) => {
    if (!hit) return;
    onClose();
    void go(hit.to);
  };
  return (
    <Modal open onCancel={onClose} footer={null} closable={false} width={640} style={{ top: 80 }} title={<span className="hidden">{t('search.placeholder')}</span>}>
      <Input
        autoFocus
        size="large"
        variant="borderless"
        prefix={<SearchOutlined />}
        placeholder={t('search.placeholder')}
        aria-label={t('search.placeholder')}
        role="combobox"
        aria-expanded
        aria-controls="search-hits"
        aria-activedescendant={hits[at] ? `hit-${at}` : undefined}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') setAt(Math.min(at + 1, hits.length - 1));
          else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
          else if (event.key === 'Enter') open(hits[at]);
          else return;
          event.preventDefault();
        }}
      />
      <ul id="search-hits" role="listbox" aria-label={t('search.hits')} className="lines" style={{ maxHeight: '56vh', overflow: 'auto' }}>
        {hits.map((hit, index) => (
          <li
            key={hit.id}
            id={`hit-${index}`}
            role="option"
            aria-selected={index === at}
            style={{ cursor: 'pointer', border: 0, borderRadius: 6, padding: '7px 10px', background: index === at ? 'var(--ant-color-primary-bg)' : undefined }}
            onMouseEnter={() => setAt(index)}
            onClick={() => open(hit)}
          >
            <span className="row">
              {hit.icon}
              <span className="grow">{hit.label}</span>
            </span>
          </li>
        ))}
      </ul>
    </Modal>
  );
}
