// Two ways to add a cluster: a manifest with the least that is needed, and the kubeconfig that
// comes of it; or a kubeconfig that one has.

import { Alert, Button, Form, Input, Modal, Segmented, Steps, Upload } from 'antd';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api, downloadUrl, type Problem } from '../../api/client';
import { useAction, useText } from '../../api/hooks';
import type { Cluster } from '../../api/types';
import { useI18n } from '../../i18n';
import { Code } from '../../ui/Code';
import { ProblemAlert } from '../../ui/Problem';
import { Skeleton } from '../../ui/Skeleton';

export default function AddCluster({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const go = useNavigate();
  const [form] = Form.useForm<{ name: string; kubeconfig: string }>();
  const [way, setWay] = useState('manifest');
  const [step, setStep] = useState(0);
  const [name, setName] = useState('');
  const manifest = useText('/cluster-manifest', { name }, 'application/yaml', way === 'manifest' && step === 1);
  const [problem, setProblem] = useState<Problem | null>(null);
  const add = useAction((values: { name: string; kubeconfig: string }) => api.post<Cluster>('/clusters', values), {
    done: 'clusters.added',
    stale: ['/clusters', '/overview'],
    onDone: (cluster) => void go(`/clusters?open=${encodeURIComponent(cluster.id)}`),
  });
  const last = way === 'manifest' ? 2 : 1;
  const submit = async () => {
    const values = await form.validateFields();
    setProblem(null);
    try {
      await add.mutateAsync({ name: values.name ?? name, kubeconfig: values.kubeconfig });
    } catch (error) {
      setProblem(error as Problem);
    }
  };
  return (
    <Modal
      open
      width={760}
      title={t('clusters.add')}
      onCancel={onClose}
      footer={
        <span className="row" style={{ justifyContent: 'flex-end' }}>
          {step > 0 ? <Button onClick={() => setStep(step - 1)}>{t('back')}</Button> : <Button onClick={onClose}>{t('cancel')}</Button>}
          {step < last ? (
            <Button
              type="primary"
              onClick={() =>
                void form.validateFields(['name']).then((values) => {
                  setName(values.name || name);
                  setStep(step + 1);
                })
              }
            >
              {t('next')}
            </Button>
          ) : (
            <Button type="primary" loading={add.isPending} onClick={() => void submit()}>{t('clusters.connect')}</Button>
          )}
        </span>
      }
    >
      <Form form={form} layout="vertical" className="stack" preserve>
        <Steps
          size="small"
          current={step}
          items={(way === 'manifest' ? (['clusters.step.name', 'clusters.step.manifest', 'clusters.step.kubeconfig'] as const) : (['clusters.step.name', 'clusters.step.kubeconfig'] as const)).map((key) => ({ title: t(key) }))}
        />
        <div hidden={step !== 0} className="stack half">
          <Form.Item name="name" label={t('clusters.name')} extra={t('clusters.nameHint')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
            <Input autoFocus maxLength={200} placeholder={t('clusters.namePlaceholder')} />
          </Form.Item>
          <Form.Item label={t('clusters.way')}>
            <Segmented block value={way} onChange={setWay} options={[{ value: 'manifest', label: t('clusters.byManifest') }, { value: 'kubeconfig', label: t('clusters.byKubeconfig') }]} />
          </Form.Item>
          <p className="muted">{t(way === 'manifest' ? 'clusters.byManifestHint' : 'clusters.byKubeconfigHint')}</p>
        </div>
        {way === 'manifest' && step === 1 ? (
          <div className="stack half">
            <p>{t('clusters.manifestHint')}</p>
            {manifest.error ? <ProblemAlert problem={manifest.error} /> : manifest.data ? <Code text={manifest.data} label={t('clusters.manifest')} /> : <Skeleton />}
            <div>
              <Button href={downloadUrl('/cluster-manifest', { name })} download="bulwark-cluster.yaml">{t('download')}</Button>
            </div>
          </div>
        ) : null}
        <div hidden={step !== last} className="stack half">
          {problem ? <ProblemAlert problem={problem} /> : null}
          <Alert type="info" showIcon title={t('clusters.kubeconfigRule')} />
          <Form.Item name="kubeconfig" label="kubeconfig" rules={[{ required: step === last, whitespace: true, message: t('form.required') }]}>
            <Input.TextArea rows={12} className="mono" spellCheck={false} autoComplete="off" placeholder={'apiVersion: v1\nkind: Config\n…'} />
          </Form.Item>
          <Upload
            accept=".yaml,.yml,.conf,.config,*"
            showUploadList={false}
            beforeUpload={(file) => {
              void file.text().then((text) => form.setFieldValue('kubeconfig', text));
              return false;
            }}
          >
            <Button>{t('clusters.fromFile')}</Button>
          </Upload>
        </div>
      </Form>
    </Modal>
  );
}
