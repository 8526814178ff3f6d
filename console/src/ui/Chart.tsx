// A chart, whose library comes when the first one is drawn.

import { lazy, Suspense } from 'react';
import type { ChartProps } from './Canvas';

const Canvas = lazy(() => import('./Canvas'));

export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<div style={{ height: props.height }} />}>
      <Canvas {...props} />
    </Suspense>
  );
}

// What the colours are, as text beside the canvas.
export function Legend({ items }: { items: [name: string, colour: string][] }) {
  return (
    <ul className="legend">
      {items.map(([name, colour]) => (
        <li key={name}>
          <i style={{ background: colour }} />
          {name}
        </li>
      ))}
    </ul>
  );
}

export function tip(title: string, rows: [string, string][]): HTMLElement {
  const box = document.createElement('div');
  box.className = 'chart-tip';
  const head = document.createElement('b');
  head.textContent = title;
  box.append(head);
  for (const [name, value] of rows) {
    const row = document.createElement('span');
    const left = document.createElement('span');
    left.textContent = name;
    const right = document.createElement('span');
    right.textContent = value;
    row.append(left, right);
    box.append(row);
  }
  return box;
}
