// Language, theme, queries, session: what stands around every page.

import { QueryCache, QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { App as AntApp, ConfigProvider, type ThemeConfig } from 'antd';
import type { Locale } from 'antd/es/locale';
import { type ReactNode, useCallback, useEffect, useMemo, useState } from 'react';
import { api, configure, type Problem } from '../api/client';
import type { Session } from '../api/types';
import { I18nContext, loadMessages, translator, type Language, type Messages } from '../i18n';
import { Nothing } from '../ui/basics';
import { ProblemAlert } from '../ui/Problem';
import { ChangePassword, Login } from './Login';
import { useDark } from './preferences';
import { SessionContext } from './session';
import { useTheme } from './theme';

const client = new QueryClient({
  queryCache: new QueryCache(),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // The network and a busy server deserve another try; a refusal does not.
      retry: (count, error) => count < 2 && [0, 502, 503, 504].includes((error as Problem).status),
      refetchOnWindowFocus: true,
    },
  },
});
configure({ onUnauthenticated: () => void client.invalidateQueries({ queryKey: ['session'] }) });

export interface Words {
  language: Language;
  messages: Messages;
  locale: Locale;
}
export async function loadWords(language: Language): Promise<Words> {
  const [messages, locale] = await Promise.all([
    loadMessages(language),
    language === 'en' ? import('antd/es/locale/en_US') : import('antd/es/locale/zh_CN'),
    language === 'en' ? undefined : import('dayjs/locale/zh-cn'),
  ]);
  return { language, messages, locale: locale.default };
}

export function Root({ words: first, children }: { words: Words; children: ReactNode }) {
  const [words, setWords] = useState(first);
  const setLanguage = useCallback((language: Language) => {
    localStorage.setItem('bulwark.language', language);
    void loadWords(language).then(setWords);
  }, []);
  configure({ language: words.language });
  const i18n = useMemo(
    () => ({ language: words.language, setLanguage, ...translator(words.messages, words.language) }),
    [words, setLanguage],
  );
  const dark = useDark();
  const theme: ThemeConfig = useTheme();
  useEffect(() => {
    document.documentElement.lang = words.language;
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  }, [words.language, dark]);
  return (
    <I18nContext value={i18n}>
      <ConfigProvider theme={theme} locale={words.locale} button={{ autoInsertSpace: false }} wave={{ disabled: true }}>
        <AntApp component={false}>
          <QueryClientProvider client={client}>
            <Gate>{children}</Gate>
          </QueryClientProvider>
        </AntApp>
      </ConfigProvider>
    </I18nContext>
  );
}

// Nobody passes without a session; the address stays, so that after logging in one is where one
// wanted to be.
function Gate({ children }: { children: ReactNode }) {
  const session = useQuery<Session, Problem>({
    queryKey: ['session'],
    queryFn: async ({ signal }) => {
      const answer = await api.get<Session>('/session', {}, signal);
      configure({ csrfToken: answer.csrfToken ?? '' });
      return answer;
    },
    staleTime: 60_000,
    refetchInterval: 5 * 60_000,
  });
  // A session that ends while the page stands open is asked about then.
  const { refetch } = session;
  const expires = session.data?.expires;
  useEffect(() => {
    if (!expires) return;
    const wait = Date.parse(expires) - Date.now();
    if (!(wait > 0 && wait < 2 ** 31)) return;
    const timer = setTimeout(() => void refetch(), wait + 1000);
    return () => clearTimeout(timer);
  }, [expires, refetch]);
  const known = session.data?.authenticated ? session.data.user?.id : undefined;
  useEffect(() => {
    // What one reader saw is not another's.
    if (!known) client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' && queryKey[0] !== '/session/methods' });
  }, [known]);

  if (session.isPending) return null;
  if (!session.data) {
    return (
      <main className="login">
        <div>
          <Nothing title="Bulwark" />
          <ProblemAlert problem={session.error} onRetry={() => void refetch()} />
        </div>
      </main>
    );
  }
  if (!session.data.authenticated) return <Login />;
  if (session.data.mustChangePassword) return <ChangePassword session={session.data} />;
  return <SessionContext value={session.data}>{children}</SessionContext>;
}
