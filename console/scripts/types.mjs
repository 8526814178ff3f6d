// The types of the API, made of the server's OpenAPI document: `npm run types` writes
// src/api/schema.ts anew; schema.test.ts says when that is to be done.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
export const documentPath = join(root, '..', 'docs', 'reference', 'openapi.json');
export const outputPath = join(root, 'src', 'api', 'schema.ts');

const reference = '#/components/schemas/';
const isName = /^[A-Za-z_$][\w$]*$/;
const literal = (value) => (typeof value === 'string' ? `'${value.replace(/['\\]/g, '\\$&')}'` : String(value));

// A schema as a type; `indent` is that of the line it stands on.
function typeOf(schema, indent) {
  if (schema === true || schema === undefined) return 'unknown';
  if (schema.$ref) return schema.$ref.slice(reference.length);
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, indent)).join(' | ');
  if (schema.allOf) return schema.allOf.map((one) => typeOf(one, indent)).join(' & ');
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.map((type) => typeOfOne(type, schema, indent)).join(' | ');
}

function typeOfOne(type, schema, indent) {
  if (type === 'string' || type === 'boolean' || type === 'null') return type;
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'array') {
    const item = typeOf(schema.items, indent);
    return /^[\w$]+$/.test(item) || item.startsWith('{') ? `${item}[]` : `(${item})[]`;
  }
  if (type === 'object') {
    if (schema.properties) return `{\n${members(schema, `${indent}  `)}${indent}}`;
    const of = schema.additionalProperties;
    return `Record<string, ${of && of !== true ? typeOf(of, indent) : 'unknown'}>`;
  }
  return 'unknown';
}

function members(schema, indent) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties)
    .map(([name, of]) => {
      const comment = of.description ? `${indent}// ${of.description}\n` : '';
      const key = isName.test(name) ? name : literal(name);
      return `${comment}${indent}${key}${required.has(name) ? '' : '?'}: ${typeOf(of, indent)};\n`;
    })
    .join('');
}

export function typesOf(document) {
  let out = '// Made by scripts/types.mjs of docs/reference/openapi.json. Do not edit.\n';
  for (const [name, schema] of Object.entries(document.components.schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    out += schema.properties
      ? `\nexport interface ${name} {\n${members(schema, '  ')}}\n`
      : `\nexport type ${name} = ${typeOf(schema, '')};\n`;
  }
  return out;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(outputPath, typesOf(JSON.parse(readFileSync(documentPath, 'utf8'))));
}
