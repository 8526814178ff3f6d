import { expect, test } from 'vitest';
import { bytes, duration, number, relative, stamp } from './format';

const now = Date.parse('2026-11-22T06:00:00Z');

test.each([
  ['2026-11-22T05:59:55Z', 'en', 'now'],
  ['2026-11-22T05:57:00Z', 'en', '3 min. ago'],
  ['2026-11-22T03:59:59Z', 'en', '2 hr. ago'],
  ['2026-11-24T06:00:00Z', 'en', 'in 2 days'],
  ['2026-11-22T05:57:00Z', 'zh-CN', '3分钟前'],
  ['not a time', 'en', 'not a time'],
] as const)('%s in %s', (time, language, expected) => expect(relative(time, language, now)).toBe(expected));

test('sizes', () => {
  expect(bytes(0, 'en')).toBe('0 B');
  expect(bytes(1536, 'en')).toBe('1.5 KiB');
  expect(bytes(250 * 1024 * 1024, 'en')).toBe('250 MiB');
});

test('durations have two units at most', () => {
  expect(duration(0, 'en')).toBe('0 sec');
  expect(duration(59, 'en')).toBe('59 sec');
  expect(duration(90_061, 'en')).toBe('1 day 1 hr');
  expect(duration(-3, 'en')).toBe('0 sec');
});

test('numbers', () => expect(number(1234567, 'zh-CN')).toBe('1,234,567'));
test('stamps are as long as each other', () => expect(stamp('2026-01-02T03:04:05.006Z')).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.006$/));
