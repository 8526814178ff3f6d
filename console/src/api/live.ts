// What changed on the server, told to the cache of queries. One browser holds one connection to
// /api/v1/stream: the tab that has the lock `bulwark.stream` reads it and tells the others through
// a BroadcastChannel; when it closes, the browser gives the lock to another. Where locks are
// missing (plain HTTP on another host), each tab has its own.

import type { QueryClient } from '@tanstack/react-query';

export interface Change {
  topic: string;
  op?: 'put' | 'delete';
  key?: string;
  cluster?: string;
  namespace?: string;
}

// What a topic makes stale, by the beginning of its path.
const stale: Record<string, string[]> = {
  findings: ['/findings', '/overview', '/inspections', '/checks', '/frameworks'],
  alerts: ['/alerts', '/overview'],
  events: ['/events'],
  clusters: ['/clusters', '/overview'],
  assets: ['/assets', '/asset-', '/clusters'],
  runs: ['/runs', '/inspections', '/schedules'],
  exceptions: ['/exceptions', '/findings'],
};
const topics = Object.keys(stale).join(',');
// A storm of changes is one refetch.
const patienceMs = 1500;

export type State = 'live' | 'connecting';

export function startLive(client: QueryClient, onState: (state: State) => void): () => void {
  const channel = new BroadcastChannel('bulwark.stream');
  const waiting = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new AbortController();

  const flush = () => {
    timer = undefined;
    const prefixes = [...waiting].flatMap((topic) => stale[topic] ?? []);
    waiting.clear();
    void client.invalidateQueries({
      predicate: ({ queryKey }) => prefixes.some((prefix) => String(queryKey[0]).startsWith(prefix)),
    });
  };
  const changed = (topic: string) => {
    // Events never stop; their page asks for them at its own pace.
    if (topic === 'events') {
      window.dispatchEvent(new Event('bulwark:events'));
      return;
    }
    waiting.add(topic);
    timer ??= setTimeout(flush, patienceMs);
  };
  const apply = (message: { topic?: string; state?: State; lagged?: boolean }) => {
    if (message.state) onState(message.state);
    if (message.lagged) Object.keys(stale).forEach(changed);
    if (message.topic) changed(message.topic);
  };
  channel.onmessage = (event: MessageEvent) => apply(event.data as Parameters<typeof apply>[0]);
  const tell = (message: Parameters<typeof apply>[0]) => {
    apply(message);
    channel.postMessage(message);
  };

  const read = () =>
    new Promise<void>((done) => {
      let source: EventSource | undefined;
      let retry: ReturnType<typeof setTimeout> | undefined;
      let wait = 1000;
      let known = false;
      const open = () => {
        source = new EventSource(`/api/v1/stream?topics=${topics}`);
        source.onopen = () => {
          // What happened while nobody listened is not told again.
          tell(known ? { state: 'live', lagged: true } : { state: 'live' });
          known = true;
          wait = 1000;
        };
        source.onerror = () => {
          tell({ state: 'connecting' });
          if (source?.readyState === EventSource.CLOSED) {
            retry = setTimeout(open, wait);
            wait = Math.min(wait * 2, 30_000);
          }
        };
        source.addEventListener('lagged', () => tell({ lagged: true }));
        for (const topic of Object.keys(stale)) source.addEventListener(topic, () => tell({ topic }));
      };
      end.signal.addEventListener('abort', () => {
        clearTimeout(retry);
        source?.close();
        done();
      });
      open();
    });

  if (navigator.locks) {
    navigator.locks.request('bulwark.stream', { signal: end.signal }, read).catch(() => {});
    // Tabs that wait hear of changes only; they are live as long as another reads.
    void navigator.locks.query().then(({ held }) => {
      if (held?.some((lock) => lock.name === 'bulwark.stream')) onState('live');
    });
  } else {
    void read();
  }
  return () => {
    end.abort();
    clearTimeout(timer);
    channel.close();
  };
}
