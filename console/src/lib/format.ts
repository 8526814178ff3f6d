// Numbers, sizes and times for people.

import type { Language } from '../i18n';

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

// "3 min ago", "in 2 days"; within ten seconds "now".
export function relative(time: string, language: Language, now = Date.now()): string {
  const seconds = (Date.parse(time) - now) / 1000;
  if (Number.isNaN(seconds)) return time;
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
  if (Math.abs(seconds) < 10) return format.format(0, 'second');
  const [unit, size] = steps.find(([, s]) => Math.abs(seconds) >= s) ?? ['second', 1];
  return format.format(Math.trunc(seconds / size), unit);
}

export function absolute(time: string, language: Language): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return new Intl.DateTimeFormat(language, {
    year: 'numeric', month: '2-digit', day: '2-digit',
    hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false, timeZoneName: 'short',
  }).format(date);
}

// Of logs: sorts and lines up. "2026-11-22 06:30:12.123", local.
export function stamp(time: string): string {
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return time;
  const two = (n: number) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}

export function number(value: number, language: Language): string {
  return new Intl.NumberFormat(language).format(value);
}

export function bytes(value: number, language: Language): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: unit && value < 100 ? 1 : 0 }).format(value)} ${units[unit]}`;
}

// Of seconds, the two largest units: "3 d 4 h".
export function duration(seconds: number, language: Language): string {
  const units: ['day' | 'hour' | 'minute' | 'second', number][] = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];
  const parts: string[] = [];
  let rest = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || (unit === 'second' && !parts.length)) {
      parts.push(new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short' }).format(count));
    }
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
