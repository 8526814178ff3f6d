import { BulbOutlined, DesktopOutlined, GlobalOutlined, MoonOutlined } from '@ant-design/icons';
import { Button, Dropdown } from 'antd';
import { useI18n, type Language } from '../i18n';
import { usePreference, type ThemeChoice } from './preferences';

export function LanguageSwitch() {
  const { t, language, setLanguage } = useI18n();
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        selectable: true,
        selectedKeys: [language],
        // Each in its own language, for those who cannot read the other.
        items: [
          { key: 'en', label: <span lang="en">{'English'}</span> },
          { key: 'zh-CN', label: <span lang="zh-CN">{'简体中文'}</span> },
        ],
        onClick: ({ key }) => setLanguage(key as Language),
      }}
    >
      <Button type="text" icon={<GlobalOutlined />} aria-label={`${t('language')} ${language === 'en' ? 'EN' : '中'}`}>
        {language === 'en' ? 'EN' : '中'}
      </Button>
    </Dropdown>
  );
}

const icons: Record<ThemeChoice, React.ReactNode> = { light: <BulbOutlined />, dark: <MoonOutlined />, auto: <DesktopOutlined /> };

export function ThemeSwitch() {
  const { t } = useI18n();
  const [choice, setChoice] = usePreference('theme', 'auto');
  const shown = choice as ThemeChoice;
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        selectable: true,
        selectedKeys: [choice],
        items: [
          { key: 'light', icon: icons.light, label: t('theme.light') },
          { key: 'dark', icon: icons.dark, label: t('theme.dark') },
          { key: 'auto', icon: icons.auto, label: t('theme.auto') },
        ],
        onClick: ({ key }) => setChoice(key),
      }}
    >
      <Button type="text" icon={icons[shown] ?? icons.auto} aria-label={t('theme')} />
    </Dropdown>
  );
}
