import { expect, test } from 'vitest';
import { grants } from './session';

test.each([
  [['*'], 'users.write', true],
  [['findings.*'], 'findings.read', true],
  [['findings.*'], 'findingsx.read', false],
  [['findings.read'], 'findings.write', false],
  [['exceptions.*'], 'exceptions.approve', true],
  [[], 'assets.read', false],
])('%j → %s', (given, wanted, expected) => expect(grants(given, wanted)).toBe(expected));
