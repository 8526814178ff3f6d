import { useI18n } from '../i18n';

// Grey bars where rows will be; they do not move.
export function Skeleton({ rows = 5 }: { rows?: number }) {
  const { t } = useI18n();
  return (
    <div className="stack half" style={{ padding: '12px 4px' }} role="status" aria-label={t('loading')}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} style={{ height: 12, borderRadius: 4, background: 'var(--ant-color-fill-secondary)', width: `${92 - ((index * 17) % 40)}%` }} />
      ))}
    </div>
  );
}
