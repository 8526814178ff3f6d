import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { admin, axe, mock, noOverflow, settled, shots, startBrowser, startServer, visitor } from './harness.mjs';

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

const pages = {
  overview: '/',
  clusters: '/clusters',
  'add-cluster': '/clusters?add=1',
  'assets-workloads': '/assets?limit=25',
  'assets-pods': '/assets?tab=pods&limit=25',
  'assets-images': '/assets?tab=images&limit=25',
  'assets-nodes': '/assets?tab=nodes&limit=25',
  'assets-namespaces': '/assets?tab=namespaces',
  'assets-accounts': '/assets?tab=accounts&limit=25',
  'assets-network': '/assets?tab=network&limit=25',
  inspection: '/inspection',
  'inspection-checks': '/inspection?tab=checks',
  'inspection-workloads': '/inspection?tab=workloads&limit=25',
  'inspection-frameworks': '/inspection?tab=frameworks',
  'inspection-runs': '/inspection?tab=runs&limit=25',
  'inspection-schedules': '/inspection?tab=schedules',
  findings: '/findings?limit=25',
  alerts: '/alerts?limit=25',
  'alerts-rules': '/alerts?tab=rules',
  'alerts-suppressions': '/alerts?tab=suppressions',
  events: '/events?range=7d',
  exceptions: '/exceptions?limit=25',
  'access-users': '/access',
  'access-grants': '/access?tab=grants',
  'access-roles': '/access?tab=roles',
  'access-tokens': '/access?tab=tokens',
  'access-providers': '/access?tab=providers',
  'access-log': '/access?tab=log',
  system: '/system',
  'system-agents': '/system?tab=agents',
  'system-audit': '/system?tab=audit',
  'system-sinks': '/system?tab=sinks',
  'system-settings': '/system?tab=settings',
  'system-backup': '/system?tab=backup',
};
// Pages that need the key of something that is there.
async function keyed(v) {
  const answer = await v.page.evaluate(async () => {
    const get = async (path) => (await fetch(`/api/v1${path}`)).json();
    const workload = (await get('/assets?q=kind:Deployment&limit=1')).items[0]?.asset;
    return {
      workload: workload && [workload.cluster, workload.group, workload.kind, workload.namespace, workload.name].join('/'),
      finding: (await get('/findings?q=status:open&limit=1')).items[0]?.id,
      alert: (await get('/alerts?limit=1')).items?.[0]?.id,
      exception: (await get('/exceptions?limit=1')).items?.[0]?.id,
      cluster: (await get('/clusters?limit=1')).items[0]?.id,
    };
  });
  const found = {};
  const key = encodeURIComponent(answer.workload ?? '');
  if (answer.workload) for (const tab of ['findings', 'events', 'relations', 'history', 'yaml']) found[`asset-${tab}`] = `/asset?key=${key}&tab=${tab}`;
  if (answer.finding) found['finding'] = `/findings?limit=25&open=${answer.finding}`;
  if (answer.alert) found['alert'] = `/alerts?limit=25&open=${answer.alert}`;
  if (answer.exception) found['exception'] = `/exceptions?limit=25&open=${answer.exception}`;
  if (answer.cluster) found['cluster'] = `/clusters?open=${answer.cluster}`;
  return found;
}

describe('every page', () => {
  const looks = [
    { language: 'en', theme: 'light', width: 1280 },
    { language: 'en', theme: 'dark', width: 1920 },
    { language: 'zh-CN', theme: 'dark', width: 1280 },
    { language: 'zh-CN', theme: 'light', width: 1920 },
  ];
  for (const look of looks) {
    const name = `${look.language} ${look.theme} ${look.width}`;
    test(name, async (t) => {
      const v = await visitor(browser, server.url, look);
      await v.page.goto(server.url);
      await v.page.locator('form').waitFor();
      assert.deepEqual(await axe(v.page), [], 'log-in');
      await v.page.screenshot({ path: `${shots}/login-${name.replaceAll(' ', '-')}.png` });
      await v.logIn();
      for (const [page, path] of Object.entries({ ...pages, ...(await keyed(v)) })) {
        await t.test(page, async () => {
          v.complaints.length = 0;
          await v.open(path);
          if (/open=|add=/.test(path)) {
            await v.page.locator('.ant-drawer-body, .ant-modal-body').first().waitFor();
            await settled(v.page);
          }
          await v.page.screenshot({ path: `${shots}/${page}-${name.replaceAll(' ', '-')}.png`, fullPage: !/open=|add=/.test(path) });
          assert.deepEqual(await axe(v.page), [], page);
          await noOverflow(v.page, page);
          assert.equal(await v.page.locator('html').getAttribute('lang'), look.language);
          // A problem that is shown is a failure, except where the server has nothing to say.
          assert.equal(await v.page.locator('.ant-alert-error').count(), 0, 'shows an error');
          assert.deepEqual(v.complaints, [], page);
        });
      }
      await v.close();
    });
  }
});

test('the first load is under 500 KiB compressed', async (t) => {
  const v = await visitor(browser, server.url);
  const sizes = new Map();
  v.page.on('response', (response) => {
    const path = new URL(response.url()).pathname;
    if (/\.(js|css|svg)$/.test(path) || path === '/') {
      void response.body().then((body) => sizes.set(path, gzipSync(body, { level: 9 }).length)).catch(() => {});
    }
  });
  await v.logIn();
  await settled(v.page);
  // A server of one day has no trend to draw.
  await v.page.locator(mock ? 'canvas' : '.score').first().waitFor();
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const chart = Math.max(...[...sizes].filter(([path]) => path.includes('Canvas')).map(([, size]) => size), 0);
  t.diagnostic(`overview: ${total} bytes compressed in ${sizes.size} files, ${chart} of them the charts' library`);
  assert.ok(total < 500 * 1024, String(total));
  await v.close();
});

describe('logging in', () => {
  test('a wrong password is told with the request, and nothing is lost', async () => {
    const v = await visitor(browser, server.url);
    await v.page.goto(`${server.url}/findings?q=severity:high`);
    await v.page.locator('#name').fill(admin.name);
    await v.page.locator('#password').fill('not this one');
    await v.page.locator('button[type=submit]').click();
    const alert = v.page.locator('.ant-alert-error');
    await alert.waitFor();
    assert.match(await alert.innerText(), /Request/);
    await v.page.locator('#password').fill(admin.password);
    await v.page.locator('button[type=submit]').click();
    await settled(v.page);
    assert.match(v.page.url(), /findings\?q=severity(:|%3A)high/);
    await v.close();
  });

  test('a password that must be changed is changed first', { skip: !mock }, async () => {
    const v = await visitor(browser, server.url);
    await v.page.goto(server.url);
    await v.page.locator('#name').fill('first');
    await v.page.locator('#password').fill('mock');
    await v.page.locator('button[type=submit]').click();
    await v.page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
    assert.deepEqual(await axe(v.page), []);
    await v.page.locator('#current').fill('mock');
    await v.page.locator('#password').fill('short');
    await v.page.locator('#again').fill('shorter');
    await v.page.locator('button[type=submit]').click();
    await v.page.getByText('Too short').waitFor();
    await v.page.getByText('The two are not the same').waitFor();
    await v.page.locator('#password').fill('a long enough one');
    await v.page.locator('#again').fill('a long enough one');
    await v.page.locator('button[type=submit]').click();
    await v.page.locator('.shell-main').waitFor();
    await v.close();
  });

  test('a session that ends leads back to the same page', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn(admin, '/findings?q=severity:critical');
    await settled(v.page);
    await v.context.clearCookies();
    await v.page.getByRole('button', { name: 'Load again' }).click();
    await v.page.locator('#password').waitFor();
    await v.page.locator('#name').fill(admin.name);
    await v.page.locator('#password').fill(admin.password);
    await v.page.locator('button[type=submit]').click();
    await settled(v.page);
    assert.match(v.page.url(), /severity(:|%3A)critical/);
    await v.close();
  });

  test('what may not be done is not offered', { skip: !mock }, async () => {
    const v = await visitor(browser, server.url);
    await v.logIn({ name: 'developer', password: 'mock' });
    await settled(v.page);
    assert.equal(await v.page.locator('nav a', { hasText: 'System' }).count(), 0);
    assert.equal(await v.page.locator('nav a', { hasText: 'Clusters' }).count(), 1);
    await v.open('/clusters');
    assert.equal(await v.page.getByRole('button', { name: 'Add a cluster' }).count(), 0);
    await v.open('/alerts');
    assert.equal(await v.page.locator('.ant-table-selection-column input').count(), 0);
    await v.close();
  });
});

describe('lists', () => {
  test('facets, sorting and pages stand in the address, which can be shared', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25');
    await v.page.locator('.facet', { hasText: 'High' }).first().click();
    await settled(v.page);
    assert.match(decodeURIComponent(v.page.url()), /q=status:open[+ ]severity:high/);
    await v.page.locator('.ant-table-row').first().waitFor();
    const words = await v.page.locator('.ant-table-row .sev').allInnerTexts();
    assert.deepEqual([...new Set(words)], ['High']);
    await v.page.locator('th', { hasText: 'First seen' }).click();
    await settled(v.page);
    assert.match(v.page.url(), /sort=first/);
    const first = await v.page.locator('.ant-table-row').first().getAttribute('data-row-key');
    await v.page.getByRole('button', { name: 'Next page' }).click();
    await settled(v.page);
    await v.page.waitForFunction((key) => document.querySelector('.ant-table-row')?.getAttribute('data-row-key') !== key, first);
    const second = await v.page.locator('.ant-table-row').first().getAttribute('data-row-key');
    // Somebody else opens the address.
    const shared = v.page.url();
    await v.page.goto('about:blank');
    await v.page.goto(shared);
    await settled(v.page);
    await v.page.locator('.ant-table-row').first().waitFor();
    assert.equal(await v.page.locator('.ant-table-row').first().getAttribute('data-row-key'), second);
    await v.close();
  });

  test('a query is completed, asked, and its error shown', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25');
    const box = v.page.locator('.query input');
    await box.fill('sev');
    await box.press('End');
    await v.page.locator('.ant-select-item-option', { hasText: 'severity:' }).click();
    await v.page.locator('.ant-select-item-option', { hasText: 'critical' }).first().click();
    await settled(v.page);
    assert.match(decodeURIComponent(v.page.url()), /q=severity:critical/);
    await box.fill('nosuchfield:x');
    await box.press('Enter');
    await v.page.locator('.ant-alert-error').waitFor();
    await v.close();
  });

  test('CSV is what is shown, with formulas made harmless', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25&q=severity:critical');
    const link = v.page.getByRole('link', { name: 'Download as CSV' });
    const href = await link.getAttribute('href');
    const text = await v.page.evaluate(async (at) => (await fetch(at)).text(), href);
    assert.match(decodeURIComponent(href), /q=severity:critical/);
    assert.ok(text.split('\n').length > 1);
    assert.ok(!/(^|,)[=@]/m.test(text), 'a formula');
    await v.close();
  });

  test('columns can be chosen and stay chosen', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25');
    assert.equal(await v.page.locator('th', { hasText: 'Category' }).count(), 0);
    await v.page.getByRole('button', { name: 'Columns' }).click();
    await v.page.locator('.ant-popover').getByText('Category').click();
    await v.page.locator('th', { hasText: 'Category' }).waitFor();
    await v.page.reload();
    await v.page.locator('th', { hasText: 'Category' }).waitFor();
    await v.close();
  });
});

describe('the shell', () => {
  test('search finds assets, by keyboard alone', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await settled(v.page);
    const name = await v.page.evaluate(async () => (await (await fetch('/api/v1/assets?q=kind:Deployment&limit=1')).json()).items[0].asset.name);
    await v.page.keyboard.press('Control+k');
    await v.page.getByRole('combobox', { name: /Search/ }).last().fill(name);
    await v.page.locator('#search-hits [role=option]', { hasText: name }).first().waitFor();
    assert.deepEqual(await axe(v.page), []);
    await v.page.keyboard.press('Enter');
    await v.page.waitForURL(/\/(asset|findings|events)/);
    await v.close();
  });

  test('language and theme change at once, without loading', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25');
    await v.page.evaluate(() => { window.stayed = true; });
    await v.page.getByRole('button', { name: 'Language' }).click();
    await v.page.getByText('简体中文').click();
    await v.page.getByRole('heading', { name: '风险' }).waitFor();
    await v.page.getByRole('button', { name: '主题' }).click();
    await v.page.getByText('深色').click();
    await v.page.locator('html[data-theme=dark]').waitFor({ state: 'attached' });
    assert.equal(await v.page.evaluate(() => window.stayed), true);
    await v.close();
  });

  test('cluster and namespace stand in the address and come along', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25');
    const cluster = await v.page.evaluate(async () => (await (await fetch('/api/v1/clusters?limit=1&sort=name')).json()).items[0]);
    await v.page.getByRole('combobox', { name: 'Cluster' }).click();
    await v.page.locator('.ant-select-item-option', { hasText: cluster.name }).first().click();
    await settled(v.page);
    assert.match(v.page.url(), new RegExp(`cluster=${cluster.id}`));
    await v.page.locator('nav a', { hasText: 'Alerts' }).click();
    await v.page.waitForURL(/\/alerts/);
    assert.match(v.page.url(), new RegExp(`cluster=${cluster.id}`));
    await v.close();
  });

  test('the way past the navigation is the first stop of the keyboard', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/clusters');
    await v.page.keyboard.press('Tab');
    assert.equal(await v.page.evaluate(() => document.activeElement?.textContent), 'Skip to content');
    await v.page.keyboard.press('Enter');
    assert.equal(await v.page.evaluate(() => document.activeElement?.id), 'main');
    await v.close();
  });

  test('two tabs share one stream, which outlives the first', async () => {
    const v = await visitor(browser, server.url);
    const opened = [];
    v.context.on('request', (request) => request.url().includes('/api/v1/stream') && opened.push(request.frame().page()));
    await v.logIn();
    await v.page.locator('.live-dot.on').waitFor();
    const other = await v.context.newPage();
    v.watch(other);
    await other.goto(server.url);
    await other.locator('.live-dot.on').waitFor();
    assert.equal(opened.length, 1);
    const took = other.waitForRequest(/\/api\/v1\/stream/);
    await v.page.close();
    await took;
    await other.locator('.live-dot.on').waitFor();
    assert.equal(opened.at(-1), other);
    assert.deepEqual(v.complaints, []);
    await v.close();
  });
});

describe('flows', () => {
  test('a finding is explained, fixed, and excepted; another approves', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/findings?limit=25&q=status:open fixable:true');
    await v.page.locator('.ant-table-row .linklike').first().click();
    const drawer = v.page.locator('.ant-drawer');
    await drawer.getByText('What to do').waitFor();
    await drawer.getByRole('tab', { name: 'Fix' }).click();
    await drawer.locator('tr.add').first().waitFor();
    assert.deepEqual(await axe(v.page), []);
    await drawer.getByRole('tab', { name: 'History' }).click();
    await drawer.locator('.timeline li').first().waitFor();
    await drawer.getByRole('button', { name: 'Request an exception' }).click();
    const reason = `Tested in a browser, ${Date.now()}`;
    await v.page.locator('#reason').fill(reason);
    assert.deepEqual(await axe(v.page), []);
    await v.page.locator('.ant-modal').getByRole('button', { name: 'Request', exact: true }).click();
    await v.page.locator('.ant-modal').waitFor({ state: 'detached' });
    await v.open('/exceptions?q=state:requested');
    await v.page.locator('.ant-table-row', { hasText: reason }).locator('.linklike').click();
    await v.page.locator('.ant-drawer').getByRole('button', { name: 'Refuse' }).click();
    const refuse = v.page.locator('.ant-modal').getByRole('button', { name: 'Refuse' });
    assert.equal(await refuse.isDisabled(), true, 'a refusal says why');
    await v.page.locator('.ant-modal textarea').fill('Only a test');
    await refuse.click();
    await v.page.locator('.ant-drawer').getByText('Refused').waitFor();
    await v.close();
  });

  test('an alert is acknowledged, commented on, resolved, opened again', async (t) => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/alerts?q=state:open&limit=25');
    if (!(await v.page.locator('.ant-table-row').count())) return t.skip('no open alerts');
    await v.page.locator('.ant-table-row .linklike').first().click();
    const drawer = v.page.locator('.ant-drawer');
    await drawer.getByRole('button', { name: 'Acknowledge' }).click();
    await drawer.locator('.state', { hasText: 'Acknowledged' }).first().waitFor();
    const text = `Looked at, ${Date.now()}`;
    await drawer.getByPlaceholder('What did you find out?').fill(text);
    await drawer.getByRole('button', { name: 'Comment' }).click();
    await drawer.getByText(text).waitFor();
    await drawer.getByRole('button', { name: 'Resolve' }).click();
    await v.page.locator('.ant-modal').getByRole('button', { name: 'Resolve' }).click();
    await drawer.getByRole('button', { name: 'Open again' }).click();
    await drawer.getByRole('button', { name: 'Resolve' }).waitFor();
    assert.deepEqual(v.complaints, []);
    await v.close();
  });

  test('a span of time is drawn on the histogram, and a value filters', async () => {
    const v = await visitor(browser, server.url, { width: 1920 });
    await v.logIn();
    // What a real server knows happened a moment ago.
    await v.open(`/events?range=${mock ? '7d' : '1h'}`);
    const canvas = v.page.locator('canvas').first();
    await canvas.waitFor();
    const box = await canvas.boundingBox();
    await v.page.mouse.move(box.x + box.width * (mock ? 0.6 : 0.1), box.y + 40);
    await v.page.mouse.down();
    await v.page.mouse.move(box.x + box.width * (mock ? 0.9 : 0.99), box.y + 40, { steps: 5 });
    await v.page.mouse.up();
    await v.page.waitForURL(/since=.*until=/);
    await settled(v.page);
    await v.page.locator('.ant-table-row').first().click();
    await v.page.locator('.ant-table-expanded-row .facts .linklike').first().click();
    await v.page.waitForURL(/q=kind/);
    await v.close();
  });

  test('a token is shown once', async () => {
    const v = await visitor(browser, server.url);
    await v.logIn();
    await v.open('/access?tab=tokens');
    await v.page.getByRole('button', { name: 'Make a token' }).first().click();
    const name = `browser-${Date.now()}`;
    await v.page.locator('.ant-modal #name').fill(name);
    await v.page.locator('.ant-modal').getByRole('button', { name: 'Create' }).click();
    await v.page.getByText('It is shown this once').waitFor();
    await v.page.locator('.ant-modal').getByRole('button', { name: 'Close' }).last().click();
    const row = v.page.locator('.ant-table-row', { hasText: name });
    await row.getByRole('button', { name: 'Revoke' }).click();
    await v.page.locator('.ant-modal-confirm').getByRole('button', { name: 'Revoke' }).click();
    await row.waitFor({ state: 'detached' });
    await v.close();
  });
});
