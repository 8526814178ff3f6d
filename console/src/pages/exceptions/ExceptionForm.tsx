// Asking that a finding be excused, for a reason, somewhere, for a time.

import { DatePicker, Form, Input, Modal, Radio } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { api, segment } from '../../api/client';
import { useAction } from '../../api/hooks';
import type { Finding } from '../../api/types';
import { useI18n } from '../../i18n';

interface Values {
  reason: string;
  scope: string;
  expires?: Dayjs | null;
}

export default function ExceptionForm({ finding, onClose }: { finding: Finding; onClose: () => void }) {
  const { t } = useI18n();
  const [form] = Form.useForm<Values>();
  const request = useAction(
    (values: Values) =>
      api.post(`/findings/${segment(finding.id)}/exception`, {
        reason: values.reason,
        scope: values.scope,
        ...(values.expires && { expires: values.expires.endOf('day').toISOString() }),
      }),
    { done: 'exceptions.requested', stale: ['/findings', '/exceptions'], onDone: onClose },
  );
  return (
    <Modal
      open
      title={t('exceptions.request')}
      okText={t('exceptions.ask')}
      onCancel={onClose}
      confirmLoading={request.isPending}
      onOk={() => void form.validateFields().then((values) => request.mutate(values))}
    >
      <p className="muted" style={{ marginBottom: 12 }}>
        {t('exceptions.requestHint')}
      </p>
      <Form form={form} layout="vertical" initialValues={{ scope: 'object', expires: dayjs().add(90, 'day') }}>
        <Form.Item name="reason" label={t('exceptions.reason')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
          <Input.TextArea rows={3} maxLength={2000} showCount placeholder={t('exceptions.reasonHint')} autoFocus />
        </Form.Item>
        <Form.Item name="scope" label={t('exceptions.scope')}>
          <Radio.Group
            className="stack tight"
            options={[
              { value: 'object', label: t('exceptions.scopeAsset', { name: `${finding.asset.kind} ${finding.asset.name}` }) },
              ...(finding.asset.namespace ? [{ value: 'namespace', label: t('exceptions.scopeNamespace', { name: finding.asset.namespace }) }] : []),
              { value: 'cluster', label: t('exceptions.scopeCluster') },
              { value: 'everywhere', label: t('exceptions.scopeAll') },
            ]}
          />
        </Form.Item>
        <Form.Item name="expires" label={t('exceptions.expires')} extra={t('exceptions.expiresHint')}>
          <DatePicker style={{ width: 200 }} disabledDate={(day) => day.isBefore(dayjs(), 'day')} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
