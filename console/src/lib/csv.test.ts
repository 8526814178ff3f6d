import { expect, test } from 'vitest';
import { csv, csvField } from './csv';

test.each([
  ['plain', 'plain'],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['two\nlines', '"two\nlines"'],
  ['=1+1', "'=1+1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['-2+3', "'-2+3"],
  ['\t=x', "'\t=x"],
  ['=a,"b"', '"\'=a,""b"""'],
  [-5, '-5'],
  [undefined, ''],
  [null, ''],
  [0, '0'],
  ['容器', '容器'],
])('%j', (value, expected) => expect(csvField(value)).toBe(expected));

test('rows end as RFC 4180 says', () => expect(csv(['a', 'b'], [[1, '=x']])).toBe("a,b\r\n1,'=x\r\n"));
