// What only a real server shows: the first password, what two people decide together, and that no
// page is empty where there is something to show. Started by real.sh.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { admin, mock, settled, shots, startBrowser, startServer, visitor } from './harness.mjs';

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  server?.stop();
});

async function changePassword(v, current, next) {
  await v.page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
  await v.page.locator('#current').fill(current);
  await v.page.locator('#password').fill(next);
  await v.page.locator('#again').fill(next);
  await v.page.locator('button[type=submit]').click();
  await v.page.locator('.shell-main').waitFor();
}
async function enter(v, name, password) {
  await v.page.goto(server.url);
  await v.page.locator('#name').fill(name);
  await v.page.locator('#password').fill(password);
  await v.page.locator('button[type=submit]').click();
}
const get = (v, path) => v.page.evaluate(async (at) => (await fetch(`/api/v1${at}`)).json(), path);
async function eventually(what, ready) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await ready();
    if (found) return found;
    assert.ok(Date.now() < deadline, what);
    await new Promise((done) => setTimeout(done, 250));
  }
}

describe('passwords', { skip: mock }, () => {
  for (const [name, variable] of [['admin', 'FIRST_PASSWORD'], ['newcomer', 'NEWCOMER_PASSWORD']]) {
    test(`${name} changes the password that somebody else knows`, async () => {
      const first = process.env[variable];
      const v = await visitor(browser, server.url);
      await enter(v, name, first);
      await v.page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
      await v.page.screenshot({ path: `${shots}/real-change-password-${name}.png` });
      // Nothing else can be reached before.
      await v.page.goto(`${server.url}/findings`);
      await v.page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
      // The server's rules, not only the page's: a password that everybody tries.
      await v.page.locator('#current').fill(first);
      await v.page.locator('#password').fill('passwordpassword');
      await v.page.locator('#again').fill('passwordpassword');
      await v.page.locator('button[type=submit]').click();
      await v.page.locator('.ant-alert-error').waitFor();
      const next = `seven ${name} otters fold maps`;
      await changePassword(v, first, next);
      assert.equal((await get(v, '/session')).mustChangePassword ?? false, false);
      await v.close();
      // The old one is none any more.
      const w = await visitor(browser, server.url);
      await enter(w, name, first);
      await w.page.locator('.ant-alert-error').waitFor();
      await enter(w, name, next);
      await w.page.locator('.shell-main').waitFor();
      assert.equal(await w.page.getByRole('heading', { name: 'Choose a new password' }).count(), 0);
      await w.close();
    });
  }
});

describe('two people', { skip: mock }, () => {
  test('one asks for an exception, cannot agree, the other does, and findings follow', async () => {
    const one = await visitor(browser, server.url);
    await one.logIn();
    await one.open('/findings?limit=25&q=status:open severity:high kind:Deployment');
    await one.page.locator('.ant-table-row .linklike').first().click();
    await one.page.locator('.ant-drawer').getByRole('button', { name: 'Request an exception' }).click();
    const reason = `Agreed with the team, ${Date.now()}`;
    await one.page.locator('#reason').fill(reason);
    await one.page.locator('.ant-modal').getByRole('button', { name: 'Request', exact: true }).click();
    await one.page.locator('.ant-modal').waitFor({ state: 'detached' });
    const asked = (await get(one, '/exceptions?q=state:requested&limit=100')).items.find((e) => e.reason === reason);
    assert.ok(asked, 'it is asked for');
    const own = await one.page.evaluate(async (id) => {
      const session = await (await fetch('/api/v1/session')).json();
      const answer = await fetch(`/api/v1/exceptions/${id}/approve`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': session.csrfToken }, body: '{}' });
      return answer.status;
    }, asked.id);
    assert.equal(own, 403, 'nobody agrees to what they asked for');

    const other = await visitor(browser, server.url, { language: 'zh-CN' });
    await other.logIn({ name: 'approver', password: process.env.APPROVER_PASSWORD });
    await other.open(`/exceptions?q=state:requested&open=${asked.id}`);
    const drawer = other.page.locator('.ant-drawer');
    await drawer.getByText(reason).first().waitFor();
    await other.page.screenshot({ path: `${shots}/real-approve-zh.png` });
    await drawer.getByRole('button', { name: '批准' }).click();
    const confirm = other.page.locator('.ant-modal').getByRole('button', { name: '批准' });
    await confirm.click();
    await drawer.getByText('已批准').first().waitFor();
    const covered = await eventually('findings are excepted', async () => (await get(other, `/findings?q=exception:${asked.id} status:excepted&total=true`)).total);
    assert.ok(covered > 0);
    await eventually('the count is shown', async () => (await get(other, `/exceptions/${asked.id}`)).covers === covered);
    await one.open(`/findings?q=exception:${asked.id}`);
    await one.page.locator('.ant-table-row').first().waitFor();
    assert.deepEqual(one.complaints, []);
    assert.deepEqual(other.complaints, []);
    await one.close();
    await other.close();
  });
});

describe('what there is is shown', { skip: mock }, () => {
  // A page, and what must be on it.
  const pages = {
    '/': '.score',
    '/clusters': '.ant-table-row',
    '/assets': '.ant-table-row',
    '/assets?tab=pods': '.ant-table-row',
    '/assets?tab=images': '.ant-table-row',
    '/assets?tab=namespaces': '.ant-table-row',
    '/assets?tab=accounts': '.ant-table-row',
    '/assets?tab=network': '.ant-table-row',
    '/inspection?tab=checks': '.ant-table-row',
    '/inspection?tab=workloads': '.ant-table-row',
    '/inspection?tab=runs': '.ant-table-row',
    '/inspection?tab=schedules': '.ant-table-row',
    '/findings': '.ant-table-row',
    '/alerts': '.ant-table-row',
    '/alerts?tab=rules': '.ant-table-row',
    '/events?range=24h': '.ant-table-row',
    '/exceptions': '.ant-table-row',
    '/access': '.ant-table-row',
    '/access?tab=grants': '.ant-table-row',
    '/access?tab=roles': '.ant-table-row',
    '/access?tab=tokens': '.ant-table-row',
    '/access?tab=log': '.lines li',
    '/system': '.ant-table-row',
    '/system?tab=sinks': '.ant-table-row',
  };
  for (const language of ['en', 'zh-CN']) {
    test(language, async (t) => {
      const v = await visitor(browser, server.url, { language });
      await v.logIn();
      await eventually('an alert', async () => (await get(v, '/alerts?limit=1')).items.length);
      for (const [path, what] of Object.entries(pages)) {
        await t.test(path, async () => {
          v.complaints.length = 0;
          await v.open(path);
          await v.page.locator(what).first().waitFor();
          assert.deepEqual(v.complaints, []);
          // Ids of messages, and what was never meant to be read.
          const text = await v.page.locator('#main').innerText();
          assert.deepEqual(text.match(/.{0,40}((?<![\w-])(undefined|NaN)(?![\w-])|\[object Object\]|\{[a-z]+\}).{0,40}/g) ?? [], []);
        });
      }
      await v.close();
    });
  }

  test('findings of a node are findings', async (t) => {
    const v = await visitor(browser, server.url);
    await v.logIn(admin);
    const agents = (await get(v, '/agents?limit=1')).items.length;
    if (!agents) return t.skip('no agent runs here');
    const found = await eventually('findings of NodeFacts', async () => (await get(v, '/findings?q=kind:NodeFacts&limit=1')).items[0]);
    await v.open(`/findings?q=kind:NodeFacts&open=${found.id}`);
    await v.page.locator('.ant-drawer').getByText('What to do').waitFor();
    await settled(v.page);
    await v.page.screenshot({ path: `${shots}/real-node-finding.png` });
    assert.deepEqual(v.complaints, []);
    await v.close();
  });
});
