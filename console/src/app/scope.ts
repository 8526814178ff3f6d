// Which cluster and namespace is looked at: `?cluster=` and `?ns=` of every address, kept when the
// reader goes on to another page.

import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { term, and } from '../lib/query';

export interface Scope {
  cluster: string | undefined; // id
  ns: string | undefined;
}

export function useScope(): Scope {
  const [params] = useSearchParams();
  const cluster = params.get('cluster') || undefined;
  const ns = params.get('ns') || undefined;
  return useMemo(() => ({ cluster, ns }), [cluster, ns]);
}

// "cluster:x ns:y"
export function scopeQuery({ cluster, ns }: Scope): string {
  return and(cluster && term('cluster', cluster), ns && term('ns', ns));
}

// An address within the same scope: scoped('/findings', {q: 'severity:high'}).
export function useScoped(): (path: string, params?: Record<string, string | undefined>) => string {
  const { cluster, ns } = useScope();
  return useCallback(
    (path, params = {}) => {
      const search = new URLSearchParams();
      for (const [name, value] of Object.entries({ cluster, ns, ...params })) if (value) search.set(name, value);
      const text = search.toString();
      return text ? `${path}?${text}` : path;
    },
    [cluster, ns],
  );
}

// One parameter of the address as a state; leaving it at its default takes it out.
export function useParam(name: string, fallback = ''): [string, (value: string, also?: Record<string, string>) => void] {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (value: string, also: Record<string, string> = {}) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [key, v] of Object.entries({ [name]: value === fallback ? '' : value, ...also })) {
            if (v) next.set(key, v);
            else next.delete(key);
          }
          return next;
        },
        { replace: false },
      ),
    [setParams, name, fallback],
  );
  return [params.get(name) ?? fallback, set];
}
