import { describe, expect, test } from 'vitest';
import { and, isDisjunction, pieces, quote, term, toggled, valuesOf, withValues, wordAt } from './query';

describe('quote', () => {
  test.each([
    ['alice', 'alice'],
    ['kube-system', 'kube-system'],
    ['system:serviceaccount:prod:web', 'system:serviceaccount:prod:web'],
    ['pods/exec', 'pods/exec'],
    ['容器', '容器'],
    ['', '""'],
    ['two words', '"two words"'],
    ['a,b', '"a,b"'],
    ['or', '"or"'],
    ['-x', '"-x"'],
    ['>=3', '">=3"'],
    ['a*', '"a*"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['back\\slash', '"back\\\\slash"'],
  ])('%s', (value, expected) => expect(quote(value)).toBe(expected));
});

test('pieces keep quotes and parentheses together', () => {
  expect(pieces('  a:b "x y" (c or (d e)) -f:"1 \\" 2" ')).toEqual(['a:b', '"x y"', '(c or (d e))', '-f:"1 \\" 2"']);
});

test('values go in and come out the same', () => {
  for (const value of ['a', 'x y', 'a,b', '"', '\\', 'système', '容器']) {
    expect(valuesOf(withValues('z:1', 'f', [value, 'b']), 'f')).toEqual([value, 'b']);
  }
});

test('facets toggle', () => {
  let query = toggled('text', 'severity', 'high');
  expect(query).toBe('text severity:high');
  query = toggled(query, 'severity', 'critical');
  expect(query).toBe('text severity:high,critical');
  query = toggled(toggled(query, 'severity', 'high'), 'severity', 'critical');
  expect(query).toBe('text');
});

test('a field does not take another for itself', () => {
  expect(valuesOf('subkind:x kind:y', 'kind')).toEqual(['y']);
});

test('disjunctions are put in parentheses', () => {
  expect(isDisjunction('a or b')).toBe(true);
  expect(isDisjunction('(a or b)')).toBe(false);
  expect(and('a or b', '', 'c')).toBe('(a or b) c');
  expect(and('a or b', undefined)).toBe('a or b');
  expect(withValues('a or b', 'kind', ['Pod'])).toBe('(a or b) kind:Pod');
});

test('term', () => expect(term('ns', 'a', 'b c')).toBe('ns:a,"b c"'));

test('the word before the caret', () => {
  expect(wordAt('ns:prod sev', 11)).toEqual({ text: 'sev', from: 8 });
  expect(wordAt('(ns:p', 5)).toEqual({ text: 'ns:p', from: 1 });
  expect(wordAt('', 0)).toEqual({ text: '', from: 0 });
});
