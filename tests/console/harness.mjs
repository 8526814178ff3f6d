// A browser, a server, and what every page must keep to.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const require = createRequire(`${root}/console/package.json`);
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const shots = process.env.SHOTS ?? `${root}/build/console-shots`;
mkdirSync(shots, { recursive: true });
export const mock = !process.env.BULWARK_CONSOLE_URL;
export const admin = {
  name: process.env.BULWARK_CONSOLE_USER ?? 'admin',
  password: process.env.BULWARK_CONSOLE_PASSWORD ?? 'mock',
};
export const deadline = Number(process.env.DEADLINE ?? 60_000);

export async function startServer() {
  if (!mock) return { url: process.env.BULWARK_CONSOLE_URL.replace(/\/$/, ''), stop: () => {} };
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  const child = spawn(process.execPath, [`${root}/console/mock/server.mjs`, '--dist'], {
    env: { ...process.env, PORT: String(port), DIST: process.env.BULWARK_CONSOLE_DIST ?? 'dist' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { url: `http://127.0.0.1:${port}`, stop: () => child.kill() };
}

export const startBrowser = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });

// A browser of its own, so to speak: cookies, storage, and a list of everything it complained about.
export async function visitor(browser, url, { language = 'en', theme = 'light', width = 1280, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale: language, ignoreHTTPSErrors: true, reducedMotion: 'reduce' });
  context.setDefaultTimeout(deadline);
  await context.addInitScript(
    ([l, t]) => {
      localStorage.getItem('bulwark.language') ?? localStorage.setItem('bulwark.language', l);
      localStorage.getItem('bulwark.theme') ?? localStorage.setItem('bulwark.theme', t);
    },
    [language, theme],
  );
  const complaints = [];
  const watch = (page) => {
    page.on('console', (message) => {
      // A refusal that a test provokes is not a complaint of the page.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text());
      if (message.type() === 'warning' && /deprecated/i.test(message.text())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:') && !request.url().startsWith('blob:')) complaints.push(`asked another host: ${request.url()}`);
    });
  };
  const page = await context.newPage();
  watch(page);
  return {
    context,
    page,
    complaints,
    watch,
    async logIn(who = admin, path = '/') {
      await page.goto(url + path);
      await page.locator('#name').fill(who.name);
      await page.locator('#password').fill(who.password);
      await page.locator('button[type=submit]').click();
      await page.locator('.shell-main').waitFor();
    },
    async open(path) {
      await page.goto(url + path);
      await settled(page);
    },
    close: () => context.close(),
  };
}

// All that was asked for has come, and nothing says that it is loading.
export async function settled(page) {
  await page.locator('.shell-main').waitFor();
  await page.locator('[role=status][aria-label="Loading"], [role=status][aria-label="加载中"], .stale').first().waitFor({ state: 'detached' }).catch(() => {});
  await page.waitForFunction(() => !document.querySelector('.stale') && document.querySelector('h1, .empty'), undefined, { timeout: deadline });
  // Two frames: what was set has been drawn.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

export async function axe(page) {
  // As a debugger does: the policy of the page stays as it is.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations'] }),
  );
  return violations.flatMap((violation) =>
    violation.nodes.slice(0, 4).map((node) => `${violation.id}: ${node.target.join(' ')} ${node.failureSummary?.split('\n').slice(1, 3).join(' ').slice(0, 200)} ${node.html.slice(0, 160)}`),
  );
}

export async function noOverflow(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what}: the page is ${over} px too wide`);
}
