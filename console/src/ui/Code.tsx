// YAML, JSON and differences, with line numbers. Colours are of our own, by line: a highlighter's
// grammar would weigh more than the console.

import { type ReactNode, memo } from 'react';
import { Copy } from './basics';

function scalar(text: string): ReactNode {
  const value = text.trim();
  if (!value) return text;
  if (/^(true|false|null|~|-?\d[\d_.eE+-]*),?$/.test(value)) return <span className="n">{text}</span>;
  if (/^[[{|>&*!]/.test(value)) return text;
  return <span className="s">{text}</span>;
}

export function colour(line: string): ReactNode {
  const comment = /^\s*(#.*)$/.exec(line);
  if (comment) return <span className="c">{line}</span>;
  const pair = /^(\s*(?:- )*)("[^"]*"|[^\s:"'#-][^:"']*|'[^']*')(:)(\s.*|$)/.exec(line);
  if (pair) {
    return (
      <>
        {pair[1]}
        <span className="k">{pair[2]}</span>
        {pair[3]}
        {scalar(pair[4]!)}
      </>
    );
  }
  const item = /^(\s*- )(.*)$/.exec(line);
  if (item) {
    return (
      <>
        {item[1]}
        {scalar(item[2]!)}
      </>
    );
  }
  return line;
}

const maxLines = 5000;

export const Code = memo(function Code({ text, numbers = true, label }: { text: string; numbers?: boolean; label: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div className="code-box">
      <Copy text={text} />
      <div className="code" tabIndex={0} role="region" aria-label={label}>
        <table role="presentation">
          <tbody>
            {lines.slice(0, maxLines).map((line, index) => (
              <tr key={index}>
                {numbers ? <td className="no">{index + 1}</td> : <td className="no" />}
                <td>{colour(line)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
});

// A unified diff.
export const Diff = memo(function Diff({ text, label }: { text: string; label: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div className="code" tabIndex={0} role="region" aria-label={label}>
      <table role="presentation">
        <tbody>
          {lines.slice(0, maxLines).map((line, index) => {
            const kind = /^(---|\+\+\+|@@)/.test(line) ? 'hunk' : line.startsWith('+') ? 'add' : line.startsWith('-') ? 'del' : '';
            return (
              <tr key={index} className={kind}>
                <td className="no">{kind === 'hunk' ? '' : line.slice(0, 1)}</td>
                <td>{kind === 'hunk' ? line : colour(line.slice(1))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
});

// Any JSON as YAML, for reading.
export function toYaml(value: unknown, indent = ''): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') {
    if (value.includes('\n')) return `|\n${value.replace(/\n$/, '').split('\n').map((line) => `${indent}${line}`).join('\n')}`;
    return value === '' || /^[\s\-?:,[\]{}#&*!|>'"%@`]|: | #|:$|\s$|^(true|false|null|yes|no|~|[\d.+-][\d.eE_:+-]*)$/i.test(value) ? JSON.stringify(value) : value;
  }
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) {
    if (!value.length) return '[]';
    return '\n' + value.map((item) => `${indent}- ${toYaml(item, `${indent}  `).replace(/^\n\s*/, '')}`).join('\n');
  }
  const entries = Object.entries(value);
  if (!entries.length) return '{}';
  return '\n' + entries.map(([key, item]) => {
    const text = toYaml(item, `${indent}  `);
    return `${indent}${/^[\w./-]+$/.test(key) ? key : JSON.stringify(key)}:${text.startsWith('\n') ? text : ` ${text}`}`;
  }).join('\n');
}
