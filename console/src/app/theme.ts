// One look: calm greys, one blue, severities that differ in colour, shape and word.

import { theme as antd, type ThemeConfig } from 'antd';
import { useDark } from './preferences';

const shared: ThemeConfig = {
  // The class on <html>, so that app.css has the same variables.
  cssVar: { key: 'bw' },
  hashed: false,
  token: {
    fontFamily:
      'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif',
    fontFamilyCode:
      'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "WenQuanYi Micro Hei Mono", monospace',
    fontSize: 13,
    borderRadius: 6,
    controlHeight: 30,
    motionDurationMid: '0.1s',
    motionDurationSlow: '0.15s',
    wireframe: false,
  },
};

const components = (dark: boolean): NonNullable<ThemeConfig['components']> => ({
  Layout: { headerHeight: 52, headerPadding: '0 16px', headerBg: dark ? '#16191f' : '#ffffff', siderBg: dark ? '#16191f' : '#ffffff', bodyBg: dark ? '#0f1115' : '#f5f6f8' },
  // White on it must be readable.
  ...(dark && { Button: { colorPrimary: '#3a66c8', colorPrimaryHover: '#4671d2', colorPrimaryActive: '#3159b0' } }),
  Menu: { itemHeight: 34, itemMarginInline: 8, itemBg: 'transparent', subMenuItemBg: 'transparent', ...(dark && { itemSelectedColor: '#cddbff', itemSelectedBg: '#22304f' }) },
  Table: { cellPaddingBlock: 9, cellPaddingInline: 12, cellPaddingBlockSM: 5, cellPaddingInlineSM: 10, headerBg: dark ? '#1b1f26' : '#fafbfc', headerSplitColor: 'transparent', bodySortBg: 'transparent', headerSortActiveBg: dark ? '#1b1f26' : '#fafbfc', headerSortHoverBg: dark ? '#222831' : '#f0f2f5' },
  Card: { bodyPadding: 16, headerHeight: 44, headerFontSize: 14 },
  Tabs: { horizontalItemPadding: '8px 0', horizontalMargin: '0 0 12px', ...(dark && { itemSelectedColor: '#9bb9ff', inkBarColor: '#9bb9ff' }) },
  Drawer: { paddingLG: 20 },
  Descriptions: { itemPaddingBottom: 6 },
});

export function useTheme(): ThemeConfig {
  const dark = useDark();
  return {
    ...shared,
    algorithm: dark ? antd.darkAlgorithm : antd.defaultAlgorithm,
    token: {
      ...shared.token,
      // The library's own switch: it waits for the end of motions that style sheets would forbid.
      motion: !matchMedia('(prefers-reduced-motion: reduce)').matches,
      ...(dark
        ? {
            colorPrimary: '#5b8cff',
            colorError: '#ff7b72',
            colorLink: '#86abff',
            colorLinkHover: '#a9c4ff',
            colorBgBase: '#14171c',
            colorBgContainer: '#181c22',
            colorBgElevated: '#1f242c',
            colorBgLayout: '#0f1115',
            colorBorder: '#3a4250',
            colorBorderSecondary: '#272d37',
            colorTextBase: '#e6e9ef',
            colorTextSecondary: '#a9b2c0',
            colorTextTertiary: '#96a0b0',
            colorTextDescription: '#96a0b0',
            colorTextPlaceholder: '#8b95a5',
            colorTextQuaternary: '#7f8999',
          }
        : {
            colorPrimary: '#2554c7',
            colorLink: '#2150bf',
            colorLinkHover: '#17409f',
            colorSuccess: '#1a7f4b',
            colorError: '#b3261e',
            colorBgLayout: '#f5f6f8',
            colorBorder: '#cfd5de',
            colorBorderSecondary: '#e6e9ee',
            colorTextBase: '#1b2330',
            colorText: '#1b2330',
            colorTextSecondary: '#4a5568',
            colorTextTertiary: '#5c6675',
            colorTextDescription: '#5c6675',
            colorTextPlaceholder: '#6b7585',
            colorTextQuaternary: '#6b7585',
          }),
    },
    components: components(dark),
  };
}

// Of charts, which draw on a canvas and know no CSS variables.
export interface Palette {
  text: string;
  muted: string;
  line: string;
  grid: string;
  surface: string;
  primary: string;
  good: string;
  bad: string;
  severity: Record<string, string>;
}
const light: Palette = {
  text: '#1b2330', muted: '#5c6675', line: '#cfd5de', grid: '#eceff3', surface: '#ffffff', primary: '#2554c7', good: '#1a7f4b', bad: '#b3261e',
  severity: { critical: '#8f1239', high: '#c2410c', medium: '#b7791f', low: '#3b6fb6', info: '#6b7585', unknown: '#9aa3b0' },
};
const dark: Palette = {
  text: '#e6e9ef', muted: '#96a0b0', line: '#3a4250', grid: '#242a33', surface: '#1f242c', primary: '#5b8cff', good: '#4cc38a', bad: '#ff7b72',
  severity: { critical: '#ff6b8b', high: '#ff9457', medium: '#e5b84b', low: '#76a9ee', info: '#96a0b0', unknown: '#6f7988' },
};
export function usePalette(): Palette {
  return useDark() ? dark : light;
}
