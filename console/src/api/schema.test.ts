// The types are those of the server's document.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
// @ts-expect-error: a script, without types
import { documentPath, outputPath, typesOf } from '../../scripts/types.mjs';

test('schema.ts is what `npm run types` makes', () => {
  expect(readFileSync(outputPath, 'utf8')).toBe(typesOf(JSON.parse(readFileSync(documentPath, 'utf8'))));
});
