// What a reader chose for this browser: theme, density, columns. Not secret, not shared.

import { useCallback, useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('storage', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('storage', listener);
  };
}

export function usePreference(name: string, fallback: string): [string, (value: string) => void] {
  const key = `bulwark.${name}`;
  const value = useSyncExternalStore(subscribe, () => localStorage.getItem(key) ?? fallback);
  const set = useCallback(
    (next: string) => {
      localStorage.setItem(key, next);
      listeners.forEach((listener) => listener());
    },
    [key],
  );
  return [value, set];
}

export type ThemeChoice = 'light' | 'dark' | 'auto';

export function useDark(): boolean {
  const [choice] = usePreference('theme', 'auto');
  const system = useSyncExternalStore(
    (listener) => {
      const media = matchMedia('(prefers-color-scheme: dark)');
      media.addEventListener('change', listener);
      return () => media.removeEventListener('change', listener);
    },
    () => matchMedia('(prefers-color-scheme: dark)').matches,
  );
  return choice === 'dark' || (choice === 'auto' && system);
}
