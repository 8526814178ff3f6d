// Settings as a list of paths and values, and back.

export type Flat = [path: string[], value: unknown][];

export function flatten(value: unknown, path: string[] = []): Flat {
  if (value && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length) {
    return Object.entries(value).flatMap(([key, item]) => flatten(item, [...path, key]));
  }
  return [[path, value]];
}

export function nested(flat: Flat): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of flat) {
    let at = root;
    for (const key of path.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
    at[path.at(-1)!] = value;
  }
  return root;
}
