// Words in the reader's language, chosen at run time. Messages are ICU-like: {name} puts an
// argument in (numbers in the language's form), {n, plural, one {# finding} other {# findings}}
// chooses by number. A language is loaded when it is first chosen.

import { createContext, useContext } from 'react';
import type en from './en';

export type Language = 'en' | 'zh-CN';
export type Key = keyof typeof en;
export type Messages = Record<Key, string>;
export type Args = Record<string, string | number | undefined>;

export function detectLanguage(): Language {
  const chosen = localStorage.getItem('bulwark.language');
  if (chosen === 'en' || chosen === 'zh-CN') return chosen;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

export function format(template: string, args: Args, language: Language): string {
  const numbers = new Intl.NumberFormat(language);
  const shown = (value: string | number | undefined) =>
    typeof value === 'number' ? numbers.format(value) : (value ?? '');
  return template
    .replace(/\{(\w+), plural, ((?:\w+ \{[^}]*\} ?)+)\}/g, (_, name: string, forms: string) => {
      const count = Number(args[name] ?? 0);
      const rule = new Intl.PluralRules(language).select(count);
      const texts = new Map([...forms.matchAll(/(\w+) \{([^}]*)\}/g)].map((m) => [m[1]!, m[2]!]));
      return (texts.get(rule) ?? texts.get('other') ?? '').replaceAll('#', numbers.format(count));
    })
    .replace(/\{(\w+)\}/g, (_, name: string) => shown(args[name]));
}

export interface I18n {
  language: Language;
  t: (key: Key, args?: Args) => string;
  // For keys made of what the server says ("state.open"): the text, or the word itself.
  word: (group: string, value: string | undefined) => string;
  setLanguage: (language: Language) => void;
}

export function translator(messages: Messages, language: Language): Pick<I18n, 't' | 'word'> {
  return {
    t: (key, args) => (args ? format(messages[key], args, language) : messages[key]),
    word: (group, value) => (value ? (messages[`${group}.${value}` as Key] ?? value) : ''),
  };
}

export const I18nContext = createContext<I18n | null>(null);

export function useI18n(): I18n {
  const i18n = useContext(I18nContext);
  if (!i18n) throw new Error('no I18nContext');
  return i18n;
}

export async function loadMessages(language: Language): Promise<Messages> {
  return language === 'en' ? (await import('./en')).default : (await import('./zh')).default;
}
