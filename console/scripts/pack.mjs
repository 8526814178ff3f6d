// pack.mjs FOLDER OUT: a built console as one file, for embedding (src/console_files/).
//
//   bulwark-console 1\n
//   <bytes> <path>\n        of each file, in the order of paths: "1234 /assets/index-x.js"
//   \n
//   the files' bytes, one after the other

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const [folder, out] = process.argv.slice(2);
if (!folder || !out) {
  console.error('usage: pack.mjs FOLDER OUT');
  process.exit(2);
}
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .map((path) => ({ path: posix.join('/', path.slice(folder.length).replaceAll('\\', '/')), bytes: readFileSync(path) }))
  .sort((a, b) => (a.path < b.path ? -1 : 1));
const head = `bulwark-console 1\n${files.map(({ path, bytes }) => `${bytes.length} ${path}\n`).join('')}\n`;
writeFileSync(out, Buffer.concat([Buffer.from(head), ...files.map(({ bytes }) => bytes)]));
