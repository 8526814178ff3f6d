// People for the tests before a real server, made by the API with the token that the server left
// its machine's user:
//
//   node prepare.mjs DATA OUT     waits for the server, and writes the environment of the tests

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const [data, out] = process.argv.slice(2);
const deadline = Date.now() + 120_000;
async function eventually(what, ready) {
  for (;;) {
    const found = await ready().catch(() => undefined);
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`no ${what} in two minutes`);
    await sleep(200);
  }
}
const client = await eventually('client.json', async () => existsSync(`${data}/client.json`) && JSON.parse(readFileSync(`${data}/client.json`, 'utf8')));

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const r = request(
      `${client.server}/api/v1${path}`,
      { method, ca: client.ca, headers: { authorization: `Bearer ${client.token}`, ...(body ? { 'content-type': 'application/json' } : {}) } },
      (answer) => {
        let text = '';
        answer.on('data', (part) => (text += part));
        answer.on('end', () => {
          if (answer.statusCode >= 300) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          else resolve(text ? JSON.parse(text) : null);
        });
      },
    );
    r.on('error', reject);
    r.end(body && JSON.stringify(body));
  });
}

await eventually('inspection', async () => (await call('GET', '/inspections')).items.length);
const password = () => randomBytes(12).toString('base64url');
const people = { tester: password(), approver: password(), newcomer: password() };
for (const [name, secret] of Object.entries(people)) {
  await call('POST', '/users', { name, password: secret, mustChangePassword: name === 'newcomer', displayName: name === 'approver' ? '审批人' : '' });
  await call('POST', '/grants', { subject: `user:${name}`, role: name === 'newcomer' ? 'developer' : 'admin' });
}
await call('POST', '/schedules', { name: 'nightly', feature: 'posture', cron: '0 2 * * *', timeZone: 'Asia/Shanghai', enabled: true });
await call('POST', '/sinks', { type: 'file', name: 'lines', path: 'lines.jsonl' });
await call('POST', '/inspections/run', { cluster: (await call('GET', '/clusters')).items[0].id });
await call('POST', '/exceptions', { check: 'image-*', namespace: 'kube-*', reason: 'Images of the distribution', expires: '2099-12-31' });
writeFileSync(
  out,
  `BULWARK_CONSOLE_URL='${client.server}'
BULWARK_CONSOLE_USER=tester
BULWARK_CONSOLE_PASSWORD='${people.tester}'
APPROVER_PASSWORD='${people.approver}'
NEWCOMER_PASSWORD='${people.newcomer}'
FIRST_PASSWORD='${readFileSync(`${data}/first-password`, 'utf8').trim()}'
`,
);
