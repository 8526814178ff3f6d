import { Alert, Button, Typography } from 'antd';
import type { Problem } from '../api/client';
import { useI18n } from '../i18n';

export function ProblemText({ problem }: { problem: Problem }) {
  const { t } = useI18n();
  return (
    <div className="stack tight">
      {problem.detail && problem.detail !== problem.title ? <span className="wrap">{problem.detail}</span> : null}
      {problem.errors.map((error) => (
        <span key={error.path + error.message} className="wrap">
          <span className="mono">{error.path}</span> {error.message}
        </span>
      ))}
      {problem.requestId ? (
        <span className="muted">
          {t('error.request')}{' '}
          <Typography.Text copyable className="mono">
            {problem.requestId}
          </Typography.Text>
        </span>
      ) : null}
    </div>
  );
}

export function ProblemAlert({ problem, onRetry }: { problem: Problem; onRetry?: () => void }) {
  const { t } = useI18n();
  return (
    <Alert
      type="error"
      showIcon
      title={problem.status === 0 ? t('error.network') : problem.title}
      description={<ProblemText problem={problem} />}
      action={
        onRetry ? (
          <Button size="small" onClick={onRetry}>
            {t('retry')}
          </Button>
        ) : undefined
      }
    />
  );
}
