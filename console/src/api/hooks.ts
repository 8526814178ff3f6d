// Queries and actions of pages.

import { keepPreviousData, useMutation, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { App } from 'antd';
import { createElement } from 'react';
import { useI18n, type Key } from '../i18n';
import { api, Problem, type Params } from './client';
import { ProblemText } from '../ui/Problem';

interface GetOptions {
  enabled?: boolean;
  refetchInterval?: number;
  keep?: boolean; // show the last answer while parameters change
}

// Keys begin with the path (live.ts counts on it) and hold the language, as the server renders.
export function useGet<T>(path: string, params: Params = {}, options: GetOptions = {}): UseQueryResult<T, Problem> {
  const { language } = useI18n();
  return useQuery<T, Problem>({
    queryKey: [path, params, language],
    queryFn: ({ signal }) => api.get<T>(path, params, signal),
    enabled: options.enabled ?? true,
    ...(options.refetchInterval && { refetchInterval: options.refetchInterval }),
    ...(options.keep !== false && { placeholderData: keepPreviousData }),
  });
}

export function useText(path: string, params: Params = {}, accept = 'text/plain', enabled = true): UseQueryResult<string, Problem> {
  return useQuery<string, Problem>({
    queryKey: [path, params, accept],
    queryFn: ({ signal }) => api.text(path, params, accept, signal),
    enabled,
  });
}

// Something that is done: success is said in a word, failure with the server's reason, and what it
// made stale is fetched again.
export function useAction<V, R = unknown>(
  run: (variables: V) => Promise<R>,
  options: { done?: Key; stale?: string[]; onDone?: (result: R, variables: V) => void } = {},
) {
  const client = useQueryClient();
  const { message, notification } = App.useApp();
  const { t } = useI18n();
  return useMutation<R, Problem, V>({
    mutationFn: run,
    onSuccess: async (result, variables) => {
      if (options.done) void message.success(t(options.done));
      options.onDone?.(result, variables);
      await client.invalidateQueries({
        predicate: ({ queryKey }) => (options.stale ?? []).some((prefix) => String(queryKey[0]).startsWith(prefix)),
      });
    },
    onError: (problem) => {
      notification.error({
        title: problem.status === 0 ? t('error.network') : problem.title,
        description: createElement(ProblemText, { problem }),
        duration: 8,
      });
    },
  });
}
