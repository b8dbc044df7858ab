// The dashboard's script at work on a real node's answers: who needs a key is asked for it, operators and
// tenants see what is theirs, and what is wrong with a bot's updates is said in sentences.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Node, registered } from './harness/node.mjs';
import { Page } from './harness/page.mjs';
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
  page?.close();
  await node?.stop();
  await sandbox?.stop();
});

const says = (id, pattern) => until(`"${id}" says ${pattern}`, () => {
  if (pattern.test(page.text(id))) return true;
  throw new Error(page.text(id));
}, { within: 20_000 });

test('who has no key is asked for one, and told what is wrong with it', limit, async () => {
  await until('the door is shown', () => !page.at('door').hidden);
  assert.ok(page.at('main').hidden);
  assert.ok(page.at('refusal').hidden, 'nothing was wrong yet');
  page.enter('trp_nonsense');
  await says('refusal', /API key is incomplete or mistyped\. Copy the whole key/);
  assert.ok(!page.at('refusal').hidden);
  assert.equal(page.storage.size, 0, 'a wrong key is not kept');
  page.enter(node.operatorKey);
  await until('the node is shown', () => page.at('door').hidden && !page.at('main').hidden);
  assert.deepEqual([...page.storage.keys()], ['key']);
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
  assert.ok(page.text('bots').includes('<b>Shop</b>'), 'names are text');
  assert.ok(page.text('bots').includes('relay'));
  await says('updates', /dead letters 1 /);
  await says('updates', /elsewhere 1/);
  page.click('bots', String(bot.id));
  await says('one', /the receiver answered 500\./);
  assert.ok(page.text('one').includes('hello'), 'the update is shown');
  tenant.behave = Tenant.ok;
  page.click('one', 'deliver all of them again');
  await says('botsaid', /One update is delivered again\./);
  await until('it came', () => tenant.seen.length === 2);
  await until('it is no dead letter any more', () => !/could not be delivered/.test(page.text('bots')));
  assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:suspend`, { reason: 'not paid' })).status, 200);
  await says('bots', /It is suspended: it takes no calls, and Telegram keeps its updates\. Reason: not paid\./);
  page.at('phase').value = 'quarantined';
  page.at('phase').fire('change');
  await says('bots', /There is no such bot/);
  page.at('phase').value = '';
  page.at('number').value = String(foreign.id);
  page.at('number').fire('change');
  await until('one is shown', () => page.text('bots').includes(String(foreign.id)) && !page.text('bots').includes('Shop'));
  node.assertNoTokenIn(page.text('main') + page.text('bots') + page.text('one'), 'the page');
});

test('a tenant sees its own bots alone', limit, async () => {
  const made = await node.ask('POST', '/v1/tenants', { name: 'Ada' });
  assert.equal(made.status, 201, made.text);
  const key = await node.ask('POST', `/v1/tenants/${made.json.id}/keys`, { name: 'looking', role: 'viewer' });
  assert.equal(key.status, 201, key.text);
  page.at('number').value = '';
  page.enter(key.json.key);
  await says('bots', /No bot is registered/);
  await says('state', /this tenant's bots/);
  assert.ok(page.at('main').hidden === false && [...page.byId.values()].filter(({ className }) =>
    className.split(' ').includes('node')).every(({ hidden }) => hidden), 'the node is not shown');
});

test('a node that is gone is said to be', limit, async () => {
  page.enter(node.operatorKey);
  await says('state', /^live, /);
  node.program.kill();
  await node.program.exited;
  await says('state', /The node does not answer/);
  const again = await Node.start(sandbox, { options: { 'node.data-dir': node.dataDir, 'api.port': node.apiPort } });
  node = again;
  await says('state', /^live, /);
});
