// The dashboard of a real node in a real browser: who needs a key is asked for it, operators and tenants see
// what is theirs, and what is wrong with a bot's updates is said in sentences.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Page } from './harness/browser.mjs';
import { Node, registered } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { Tenant } from './harness/tenant.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 90_000 };
let sandbox;
let node;
let page;

before(async () => {
  sandbox = await Sandbox.start({ args: ['--limits=none'] });
  node = await Node.start(sandbox, { options: {
    ...registered, 'delivery.allow-private-addresses': true } });
  page = await Page.open(node.api);
});
after(async () => {
  await page?.close();
  await node?.stop();
  await sandbox?.stop();
});

const says = (id, pattern) => page.says(id, pattern);
const leave = () => page.page.getByRole('button', { name: 'forget the key' }).click();
const stored = () => page.page.evaluate(() => Object.keys(sessionStorage));

test('who has no key is asked for one, and told what is wrong with it', limit, async () => {
  await page.at('door').waitFor();
  assert.equal(await page.shown('main'), false);
  assert.equal(await page.shown('refusal'), false, 'nothing was wrong yet');
  await page.enter('trp_nonsense');
  await says('refusal', /API key is incomplete or mistyped\. Copy the whole key/);
  assert.ok(await page.shown('refusal'));
  assert.deepEqual(await stored(), [], 'a wrong key is not kept');
  await page.enter(node.operatorKey);
  await page.at('main').waitFor();
  assert.equal(await page.shown('door'), false);
  assert.deepEqual(await stored(), ['key']);
  await says('state', /^live, /);
  await says('bots', /No bot is registered/);
  await says('tree', /troupe\.services/);
});

test('an operator sees how updates come, wait and die, and has them delivered again', limit, async (t) => {
  const tenant = await Tenant.start(Tenant.error);
  t.after(() => tenant.stop());
  const { bot, user, chat } = await sandbox.stage();
  const foreign = await sandbox.createBot();
  await fetch(`${sandbox.url}/bot${foreign.token}/setWebhook?url=http://127.0.0.1:9/elsewhere`);
  const register = async (body) => {
    const made = await node.ask('POST', '/v1/bots', { trusted: true, ...body });
    assert.equal(made.status, 201, made.text);
  };
  await register({ token: bot.token, name: '<b>Shop</b>', delivery: { mode: 'relay', url: tenant.url, attempts: 1 } });
  await register({ token: foreign.token });
  await sandbox.say(chat, user, 'hello');
  await says('bots', /One update could not be delivered\./);
  await says('bots', /Telegram sends its updates to http:\/\/127\.0\.0\.1:9; updates\.take_over brings them here\./);
  const bots = await page.text('bots');
  assert.ok(bots.includes('<b>Shop</b>'), 'names are text');
  assert.ok(bots.includes('relay'));
  await says('updates', /dead letters\s+1\s/);
  await says('updates', /elsewhere\s+1\b/);
  assert.deepEqual(await page.page.locator('section:visible').evaluateAll((all) =>
    all.filter((x) => x.scrollWidth > x.clientWidth).map((x) => x.innerText)), [], 'at 1280 pixels all is seen without scrolling sideways');
  await page.click('bots', String(bot.id));
  await says('one', /the receiver answered 500\./);
  assert.ok(!(await page.text('one')).includes('hello'), 'an update is shown to who wants to see it');
  await page.at('one').getByText('show', { exact: true }).click();
  assert.ok((await page.text('one')).includes('hello'));
  tenant.behave = Tenant.ok;
  await page.click('one', 'deliver all of them again');
  await says('botsaid', /One update is delivered again\./);
  await until('it came', () => tenant.seen.length === 2);
  await says('updates', /dead letters\s+0\s/);
  await until('it is no dead letter any more', async () => !/could not be delivered/.test(await page.text('bots')));
  assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:suspend`, { reason: 'not paid' })).status, 200);
  await says('bots', /It is suspended: it takes no calls, and Telegram keeps its updates\. Reason: not paid\./);
  await page.at('phase').selectOption('quarantined');
  await says('bots', /There is no such bot/);
  await page.at('phase').selectOption('any');
  await page.at('number').fill(String(foreign.id));
  await page.at('number').press('Tab');
  await until('one is shown', async () => {
    const text = await page.text('bots');
    return text.includes(String(foreign.id)) && !text.includes('Shop');
  });
  node.assertNoTokenIn(await page.page.content(), 'the page');
});

test('a tenant sees its own bots alone', limit, async () => {
  const made = await node.ask('POST', '/v1/tenants', { name: 'Ada' });
  assert.equal(made.status, 201, made.text);
  const key = await node.ask('POST', `/v1/tenants/${made.json.id}/keys`, { name: 'looking', role: 'viewer' });
  assert.equal(key.status, 201, key.text);
  await leave();
  await page.enter(key.json.key);
  await says('bots', /No bot is registered/);
  await says('state', /this tenant's bots/);
  assert.deepEqual(await page.page.locator('section:visible').evaluateAll((all) => all.map(({ id }) => id)), ['botsbox'],
    'the node is not shown');
});

test('a node that is gone is said to be', limit, async () => {
  await leave();
  await page.enter(node.operatorKey);
  await says('state', /^live, /);
  node.program.kill();
  await node.program.exited;
  await says('state', /The node does not answer/);
  const again = await Node.start(sandbox, { options: { 'node.data-dir': node.dataDir, 'api.port': node.apiPort } });
  node = again;
  await says('state', /^live, /);
});

test('nothing went wrong in the page, and it asked nobody but its node', limit, () => {
  assert.deepEqual(page.faults, []);
});
