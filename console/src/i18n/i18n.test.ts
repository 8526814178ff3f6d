// Both languages say everything, alike; and nothing that people read stands in the source.

import { parse } from '@babel/parser';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import en from './en';
import { format, type Key } from './index';
import zh from './zh';

const root = join(import.meta.dirname, '..');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path) && !/^i18n\/(en|zh)\.ts$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
const keys = Object.keys(en) as Key[];

interface Node {
  type: string;
  [name: string]: unknown;
}
function walk(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) node.forEach((item) => walk(item, visit));
  else if (node && typeof node === 'object' && typeof (node as Node).type === 'string') {
    visit(node as Node);
    for (const [name, value] of Object.entries(node)) if (name !== 'loc' && typeof value === 'object') walk(value, visit);
  }
}
const trees = sources.map(({ path, text }) => ({
  path,
  tree: parse(text, { sourceType: 'module', plugins: ['typescript', 'jsx'] }) as unknown as Node,
}));

describe('the two languages', () => {
  test('have the same keys', () => expect(Object.keys(zh).toSorted()).toEqual(keys.toSorted()));

  const names = (text: string) =>
    [...new Set([...text.matchAll(/\{(\w+)(?:, plural,)?/g)].map((m) => m[1]).filter((name) => !/^(one|other)$/.test(name!)))].toSorted();
  // The forms of a plural look like arguments: {# finding} does not, {n} does.
  test('take the same arguments', () => {
    expect(keys.filter((key) => names(zh[key]).join() !== names(en[key]).join())).toEqual([]);
  });

  test('have no empty texts and no stray blanks', () => {
    expect(keys.filter((key) => [en[key], zh[key]].some((text) => text === '' || text !== text.trim()))).toEqual([]);
  });

  test('are two: Chinese texts have Chinese in them', () => {
    const same = keys.filter((key) => !/\p{Script=Han}/u.test(zh[key]));
    // Names of things, which have no other in Chinese.
    expect(same.toSorted()).toEqual(
      ['assets.pods', 'assets.yaml', 'clusters.namePlaceholder', 'clusters.step.kubeconfig', 'column.mitre', 'column.tls', 'event.kind.kubernetes', 'field.pod', 'relation.ingresses', 'relation.pods', 'relation.services', 'settings.api', 'summary.kubelet', 'summary.services'].toSorted(),
    );
  });
});

describe('the source', () => {
  // What t() and word() are called with: whole keys, and the beginnings of those that are made.
  const whole = new Set<string>();
  const begun = new Set<string>();
  for (const { tree } of trees) {
    walk(tree, (node) => {
      if (node.type === 'StringLiteral') whole.add(node.value as string);
      if (node.type === 'TemplateLiteral') {
        const head = ((node.quasis as { value: { cooked: string } }[])[0]?.value.cooked ?? '');
        if (head.includes('.')) begun.add(head);
      }
      if (node.type === 'CallExpression') {
        const callee = node.callee as Node;
        const [first] = node.arguments as Node[];
        if (callee.name === 'word' && first?.type === 'StringLiteral') begun.add(`${first.value as string}.`);
        if (callee.name === 'word' && first?.type === 'TemplateLiteral') begun.add((first.quasis as { value: { cooked: string } }[])[0]!.value.cooked);
      }
    });
  }
  test('uses every text', () => {
    const unused = keys.filter((key) => !whole.has(key) && ![...begun].some((head) => key.startsWith(head)));
    expect(unused).toEqual([]);
  });

  const shown = new Set(['title', 'label', 'placeholder', 'alt', 'aria-label', 'description', 'okText', 'cancelText', 'extra', 'content', 'tooltip', 'about']);
  // Names and examples, which are the same in every language.
  const names = /^(Bulwark|kubeconfig|team=payments|https?:\/\/\S+|ldaps?:\/\/\S+|\W*)$/;
  test.each(trees.map(({ path, tree }) => [path, tree] as const))('%s has no text of its own', (_, tree) => {
    const found: string[] = [];
    walk(tree, (node) => {
      if (node.type === 'JSXText' && /\p{L}/u.test(node.value as string)) found.push((node.value as string).trim());
      if (node.type === 'JSXAttribute' && shown.has((node.name as Node).name as string)) {
        const value = node.value as Node | null;
        if (value?.type === 'StringLiteral' && !names.test(value.value as string) && !((value.value as string) in en)) found.push(value.value as string);
      }
    });
    expect(found.filter((text) => text !== 'Bulwark')).toEqual([]);
  });
});

test('plurals and arguments', () => {
  const text = '{n, plural, one {# finding} other {# findings}} in {where}';
  expect(format(text, { n: 1, where: 'prod' }, 'en')).toBe('1 finding in prod');
  expect(format(text, { n: 1200, where: 'prod' }, 'en')).toBe('1,200 findings in prod');
  expect(format(text, { n: 0 }, 'en')).toBe('0 findings in ');
  expect(format('{n} 项', { n: 1200 }, 'zh-CN')).toBe('1,200 项');
});
