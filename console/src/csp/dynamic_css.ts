// Stands in for @rc-component/util/es/Dom/dynamicCSS (see vite.config.ts): the same functions over
// constructable style sheets (document.adoptedStyleSheets) instead of <style> elements, so that
// Ant Design works under `style-src 'self'`.
//
// Order is what it is there: sheets asked for with `prepend` keep their priority among themselves.
// All adopted sheets come after the document's own; our app.css therefore wins by specificity (its
// rules start with `.bw`), not by place.

interface Options {
  prepend?: boolean | 'queue';
  priority?: number;
}

// Callers set attributes and a marker on what they get.
class Sheet {
  readonly sheet = new CSSStyleSheet();
  readonly priority: number;
  private readonly attributes = new Map<string, string>();

  constructor(css: string, options: Options) {
    this.priority = options.priority ?? 0;
    this.write(css);
  }
  write(css: string): void {
    this.sheet.replaceSync(css);
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }
  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }
}

const byKey = new Map<string, Sheet>();
// In the order of the document: by priority, then by age; appended ones last.
const queue: Sheet[] = [];

// Hundreds of components register their styles while a page renders; the document is told once.
let pending = false;
function adopt(): void {
  if (pending) return;
  pending = true;
  queueMicrotask(() => {
    pending = false;
    document.adoptedStyleSheets = queue.map((entry) => entry.sheet);
  });
}

export function injectCSS(css: string, options: Options = {}): Sheet {
  const entry = new Sheet(css, options);
  if (options.prepend) {
    let at = queue.findIndex((other) => other.priority > entry.priority);
    if (at < 0) at = queue.length;
    queue.splice(at, 0, entry);
  } else {
    queue.push(entry);
  }
  adopt();
  return entry;
}

export function removeCSS(key: string): void {
  const entry = byKey.get(key);
  if (!entry) return;
  byKey.delete(key);
  queue.splice(queue.indexOf(entry), 1);
  adopt();
}

export function updateCSS(css: string, key: string, options: Options = {}): Sheet {
  const known = byKey.get(key);
  if (known) {
    known.write(css);
    return known;
  }
  const entry = injectCSS(css, options);
  byKey.set(key, entry);
  return entry;
}

export function clearContainerCache(): void {}

// What the icons' copy has besides.
export function getShadowRoot(): ShadowRoot | null {
  return null;
}

const warned = new Set<string>();
export function warningOnce(valid: boolean, message: string): void {
  if (valid || warned.has(message)) return;
  warned.add(message);
  console.error(message);
}
