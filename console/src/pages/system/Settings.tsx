// The server's settings as it names them: a form made of what there is, by the kind of the value.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Form, Input, InputNumber, Select, Switch } from 'antd';
import { useState } from 'react';
import { api, type Problem } from '../../api/client';
import { useMay } from '../../app/session';
import type { Settings as SettingsRecord } from '../../api/types';
import { useI18n } from '../../i18n';
import { Nothing, Panel } from '../../ui/basics';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';
import { flatten, nested, type Flat } from './flat';

const separator = '|';

export default function Settings() {
  const { t, word } = useI18n();
  const may = useMay();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [form] = Form.useForm<Record<string, unknown>>();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const settings = useQuery<{ value: SettingsRecord; tag: string | undefined }, Problem>({ queryKey: ['/settings'], queryFn: ({ signal }) => api.getTagged<SettingsRecord>('/settings', signal), refetchOnWindowFocus: false });
  if (settings.error) return <ProblemAlert problem={settings.error} onRetry={() => void settings.refetch()} />;
  if (!settings.data) return <Panel><Skeleton /></Panel>;
  const flat = flatten(settings.data.value).filter(([path]) => path.length);
  if (!flat.length) return <Panel><Nothing title={t('system.noSettings')} /></Panel>;
  const groups = Map.groupBy(flat, ([path]) => (path.length > 1 ? path[0]! : path[0]!.includes('.') ? path[0]!.split('.')[0]! : ''));
  const disabled = !may('settings.write');
  const save = async (values: Record<string, unknown>) => {
    const changed = flat.flatMap(([path, before]): Flat => {
      const after = values[path.join(separator)];
      const value = isPlain(before) ? after : parse(String(after));
      return JSON.stringify(value) === JSON.stringify(before) ? [] : [[path, value]];
    });
    if (!changed.length) return;
    setBusy(true);
    setProblem(null);
    try {
      await api.patch('/settings', nested(changed), settings.data.tag);
      void message.success(t('saved'));
      await client.invalidateQueries({ queryKey: ['/settings'] });
    } catch (error) {
      setProblem(error as Problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Form
      key={settings.data.tag}
      form={form}
      layout="horizontal"
      labelCol={{ flex: '320px' }}
      labelAlign="left"
      labelWrap
      colon={false}
      disabled={disabled}
      initialValues={Object.fromEntries(flat.map(([path, value]) => [path.join(separator), isPlain(value) ? value : JSON.stringify(value, null, 2)]))}
      onFinish={(values: Record<string, unknown>) => void save(values)}
    >
      <div className="stack">
        {problem ? <ProblemAlert problem={problem} /> : null}
        {[...groups].map(([group, items]) => (
          <Panel key={group} title={group ? word('settings', group) : undefined}>
            {items.map(([path, value]) => (
              <Form.Item key={path.join('.')} name={path.join(separator)} label={<span className="wrap">{word('setting', path.join('.'))}</span>} valuePropName={typeof value === 'boolean' ? 'checked' : 'value'} style={{ marginBottom: 12 }}>
                {typeof value === 'boolean' ? <Switch /> : typeof value === 'number' ? <InputNumber style={{ width: 200 }} /> : typeof value === 'string' ? <Input style={{ maxWidth: 480 }} /> : isPlain(value) ? <Select mode="tags" open={false} suffixIcon={null} style={{ maxWidth: 480 }} /> : <Input.TextArea className="mono" autoSize={false} rows={4} style={{ maxWidth: 640 }} />}
              </Form.Item>
            ))}
          </Panel>
        ))}
        {disabled ? null : <div><Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button></div>}
      </div>
    </Form>
  );
}

function isPlain(value: unknown): boolean {
  return ['boolean', 'number', 'string'].includes(typeof value) || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
