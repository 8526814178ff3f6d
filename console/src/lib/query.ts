// The query language of lists, as far as the console writes it: terms are added and taken away at
// the top level; the server alone parses and judges.

// A value that the language would take apart must be quoted.
export function quote(value: string): string {
  return /^[^\s,()"*?:<>=\\-][^\s,()"*?\\]*$/.test(value) && !/^(or|not|and)$/i.test(value)
    ? value
    : `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

export function term(field: string, ...values: string[]): string {
  return `${field}:${values.map(quote).join(',')}`;
}

// Top-level pieces of a query: split at blanks outside quotes and parentheses.
export function pieces(query: string): string[] {
  const out: string[] = [];
  let piece = '';
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < query.length; i++) {
    const c = query[i]!;
    if (quoted && c === '\\' && i + 1 < query.length) {
      piece += c + query[++i]!;
      continue;
    }
    if (c === '"') quoted = !quoted;
    if (!quoted && c === '(') depth++;
    if (!quoted && c === ')') depth--;
    if (!quoted && depth <= 0 && /\s/.test(c)) {
      if (piece) out.push(piece);
      piece = '';
    } else {
      piece += c;
    }
  }
  if (piece) out.push(piece);
  return out;
}

function splitValues(text: string): string[] {
  const out: string[] = [];
  let value = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted && c === '\\' && i + 1 < text.length) value += text[++i]!;
    else if (c === '"') quoted = !quoted;
    else if (c === ',' && !quoted) {
      out.push(value);
      value = '';
    } else value += c;
  }
  out.push(value);
  return out;
}

// `or` at the top level makes a query that terms cannot simply be put beside.
export function isDisjunction(query: string): boolean {
  return pieces(query).some((piece) => piece.toLowerCase() === 'or');
}

// The values that `field:` asks for at the top level; none if it does not.
export function valuesOf(query: string, field: string): string[] {
  if (isDisjunction(query)) return [];
  for (const piece of pieces(query)) {
    if (piece.startsWith(`${field}:`)) return splitValues(piece.slice(field.length + 1));
  }
  return [];
}

export function withValues(query: string, field: string, values: string[]): string {
  const kept = isDisjunction(query)
    ? [`(${query})`]
    : pieces(query).filter((piece) => !piece.startsWith(`${field}:`));
  if (values.length) kept.push(term(field, ...values));
  return kept.join(' ');
}

export function toggled(query: string, field: string, value: string): string {
  const values = valuesOf(query, field);
  return withValues(query, field, values.includes(value) ? values.filter((v) => v !== value) : [...values, value]);
}

// All of them must hold.
export function and(...queries: (string | undefined | false)[]): string {
  const parts = queries.filter((query): query is string => !!query && query.trim() !== '');
  if (parts.length === 1) return parts[0]!;
  return parts.map((part) => (isDisjunction(part) ? `(${part})` : part)).join(' ');
}

// The word that stands before the caret, for completion: {text, from}.
export function wordAt(query: string, caret: number): { text: string; from: number } {
  let from = caret;
  while (from > 0 && !/[\s(]/.test(query[from - 1]!)) from--;
  return { text: query.slice(from, caret), from };
}
