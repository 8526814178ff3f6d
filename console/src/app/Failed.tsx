import { Button } from 'antd';
import { Link, useRouteError } from 'react-router';
import { useI18n } from '../i18n';
import { Nothing, Panel } from '../ui/basics';

export function NotFound() {
  const { t } = useI18n();
  return (
    <Panel>
      <Nothing title={t('notFound.title')} actions={<Link to="/">{t('notFound.home')}</Link>}>
        {t('notFound.hint')}
      </Nothing>
    </Panel>
  );
}

// A page that broke, or whose files a newer server no longer has.
export function Failed() {
  const { t } = useI18n();
  const error = useRouteError();
  return (
    <Panel>
      <Nothing
        title={t('failed.title')}
        actions={
          <Button type="primary" onClick={() => location.reload()}>
            {t('failed.reload')}
          </Button>
        }
      >
        {t('failed.hint')} <span className="mono">{error instanceof Error ? error.message : String(error)}</span>
      </Nothing>
    </Panel>
  );
}
