// The one way to the server: JSON in and out, problems (RFC 9457) as errors, the CSRF token of the
// session on writes, the reader's language on everything.

export interface FieldError {
  path: string;
  message: string;
}

// What the server (or the network) said when it could not do what was asked.
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly status: number, // 0: no answer came
    readonly title: string,
    readonly detail = '',
    readonly requestId = '',
    readonly type = '',
    readonly errors: FieldError[] = [],
    readonly offset?: number, // of query.syntax: bytes
  ) {
    super(detail || title);
  }
}

export type Params = Record<string, string | number | boolean | undefined | null>;

interface Context {
  language: string;
  csrfToken: string;
  onUnauthenticated: () => void;
}
const context: Context = { language: 'en', csrfToken: '', onUnauthenticated: () => {} };
export function configure(changes: Partial<Context>): void {
  Object.assign(context, changes);
}

export function url(path: string, params: Params = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return `/api/v1${path}${text ? `?${text}` : ''}`;
}

// Where a browser goes to download; it cannot send headers, so the language is a parameter.
export function downloadUrl(path: string, params: Params = {}): string {
  return url(path, { ...params, lang: context.language });
}

async function problemOf(response: Response): Promise<Problem> {
  const requestId = response.headers.get('x-request-id') ?? '';
  try {
    const body = (await response.json()) as Partial<Record<string, unknown>>;
    const text = (name: string) => (typeof body[name] === 'string' ? (body[name] as string) : '');
    return new Problem(
      response.status,
      text('title') || response.statusText || String(response.status),
      text('detail'),
      text('requestId') || requestId,
      text('type'),
      Array.isArray(body.errors) ? (body.errors as FieldError[]) : [],
      typeof body.offset === 'number' ? body.offset : undefined,
    );
  } catch {
    return new Problem(response.status, response.statusText || String(response.status), '', requestId);
  }
}

interface Options {
  params?: Params;
  body?: unknown;
  signal?: AbortSignal;
  ifMatch?: string | undefined;
  accept?: string;
}

async function send(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = {
    Accept: options.accept ?? 'application/json',
    'Accept-Language': context.language,
  };
  if (method !== 'GET' && context.csrfToken) headers['X-CSRF-Token'] = context.csrfToken;
  if (options.ifMatch) headers['If-Match'] = options.ifMatch;
  const init: RequestInit = { method, headers, credentials: 'same-origin' };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    headers['Content-Type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(url(path, options.params), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'error.network');
  }
  if (response.ok) return response;
  if (response.status === 401 && path !== '/session') context.onUnauthenticated();
  throw await problemOf(response);
}

async function json<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const api = {
  get: async <T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> =>
    json<T>(await send('GET', path, { ...(params && { params }), ...(signal && { signal }) })),
  // With its ETag, for a later change under If-Match.
  getTagged: async <T>(path: string, signal?: AbortSignal): Promise<{ value: T; tag: string | undefined }> => {
    const response = await send('GET', path, signal ? { signal } : {});
    return { value: await json<T>(response), tag: response.headers.get('etag') ?? undefined };
  },
  text: async (path: string, params?: Params, accept = 'text/plain', signal?: AbortSignal): Promise<string> =>
    (await send('GET', path, { ...(params && { params }), accept, ...(signal && { signal }) })).text(),
  post: async <T>(path: string, body: unknown = {}, params?: Params): Promise<T> =>
    json<T>(await send('POST', path, { body, ...(params && { params }) })),
  put: async <T>(path: string, body: unknown): Promise<T> => json<T>(await send('PUT', path, { body })),
  patch: async <T>(path: string, body: unknown, tag?: string): Promise<T> => {
    const ifMatch = tag ?? (await send('GET', path)).headers.get('etag') ?? undefined;
    return json<T>(await send('PATCH', path, { body, ifMatch }));
  },
  delete: async (path: string): Promise<void> => {
    await send('DELETE', path);
  },
  // A file that only a POST gives (backups).
  postBlob: async (path: string): Promise<{ blob: Blob; name: string | undefined }> => {
    const response = await send('POST', path, { body: {}, accept: '*/*' });
    const name = /filename="?([^";]+)/.exec(response.headers.get('content-disposition') ?? '')?.[1];
    return { blob: await response.blob(), name };
  },
};

// A key that has slashes as one segment of a path.
export const segment = encodeURIComponent;
