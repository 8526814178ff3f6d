import { expect, test } from 'vitest';
import { flatten, nested } from './flat';

test('settings are taken apart and put together again', () => {
  const settings = { retention: { audit: 30, '*': 7 }, maxEventBytes: 1e9, ownerExceptions: ['team-*'], empty: {}, deep: { er: { yes: true } } };
  const flat = flatten(settings);
  expect(flat).toContainEqual([['retention', '*'], 7]);
  expect(flat).toContainEqual([['ownerExceptions'], ['team-*']]);
  expect(nested(flat)).toEqual(settings);
});

test('only what changed is sent, where it was', () => {
  expect(nested([[['retention', 'audit'], 90]])).toEqual({ retention: { audit: 90 } });
});
