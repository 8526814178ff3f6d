import { CloudDownloadOutlined, FileZipOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useState } from 'react';
import { api, downloadUrl } from '../../api/client';
import { useAction } from '../../api/hooks';
import { useI18n } from '../../i18n';
import { save } from '../../lib/csv';
import { Panel } from '../../ui/basics';
import { Code } from '../../ui/Code';

export default function Backup() {
  const { t } = useI18n();
  const [where, setWhere] = useState('');
  const backup = useAction(() => api.postBlob('/system/backup'), {
    done: 'system.backedUp',
    // Either the backup itself, or where the server put it.
    onDone: ({ blob, name }) => {
      if (blob.type.startsWith('application/json')) void blob.text().then((text) => setWhere(text));
      else save(name ?? 'bulwark.backup', blob);
    },
  });
  return (
    <div className="grid two">
      <Panel title={t('system.backup')}>
        <div className="stack">
          <p>{t('system.backupHint')}</p>
          <div><Button icon={<CloudDownloadOutlined />} loading={backup.isPending} onClick={() => backup.mutate(undefined)}>{t('system.backupNow')}</Button></div>
          {where ? <Code text={where} numbers={false} label={t('system.backup')} /> : null}
        </div>
      </Panel>
      <Panel title={t('system.support')}>
        <div className="stack">
          <p>{t('system.supportHint')}</p>
          <div><Button icon={<FileZipOutlined />} href={downloadUrl('/system/support')} download>{t('download')}</Button></div>
        </div>
      </Panel>
    </div>
  );
}
