// A suspended tenant's bots take no calls: at once, after a restart, on every node; resumed, they do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

/// A tenant of its own with bots, registered at `node`.
async function tenantWithBots(node, sandbox, count, fields = {}) {
  const tenant = (await node.ask('POST', '/v1/tenants', { name: 'Ada' })).json;
  const { key } = (await node.ask('POST', `/v1/tenants/${tenant.id}/keys`, { name: 'k', role: 'admin' })).json;
  const bots = [];
  for (let i = 0; i < count; ++i) {
    const bot = await sandbox.createBot();
    const made = await node.ask('POST', '/v1/bots', { token: bot.token, ...fields }, { key });
    assert.equal(made.status, 201, made.text);
    assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:activate`, { trusted: true })).status, 200);
    bots.push(bot);
  }
  return { tenant, key, bots };
}

const put = async (node, tenant, state) => {
  const changed = await node.ask('PATCH', `/v1/tenants/${tenant.id}`, { state });
  assert.equal(changed.status, 200, changed.text);
};

const methods = [['getMe'], ['sendMessage', { chat_id: 1, text: 'x' }], ['getUpdates', { timeout: 0 }],
  ['setWebhook', { url: 'https://example.org/hook' }], ['deleteWebhook', {}], ['getWebhookInfo']];

async function isRefused(node, bot, said = methods) {
  for (const [method, body] of said) {
    const refused = await node.call(bot.token, method, body);
    assert.equal(refused.status, 403, `${method}: ${refused.text}`);
    assert.equal(refused.json.description, 'Forbidden: the bot or its tenant is suspended', method);
  }
}

async function works(node, bot, token = bot.token) {
  const said = await node.call(token, 'getMe');
  assert.equal(said.status, 200, said.text);
  assert.equal(said.json.result.id, bot.id);
}

test('a suspended tenant\'s bots are refused at once and after a restart, and work again when it is resumed', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const options = { ...registered, 'node.data-dir': temporaryDirectory() };
  let node = await Node.start(sandbox, { options });
  t.after(() => node.stop());
  const { tenant, bots } = await tenantWithBots(node, sandbox, 3, { updates: { mode: 'polling' }, delivery: { mode: 'pull' } });
  const other = await tenantWithBots(node, sandbox, 1);
  const [bot, second, third] = bots;
  const virtual = (await node.ask('POST', `/v1/bots/${bot.id}/tokens`, { name: 'v' })).json.token;
  for (const one of bots) await works(node, one);
  await works(node, bot, virtual);

  const refusedEverywhere = async () => {
    for (const one of bots) await isRefused(node, one);
    assert.equal((await node.call(virtual, 'getMe')).status, 403);
    const called = await node.ask('POST', `/v1/bots/${bot.id}/methods/getMe`, {});
    assert.equal(called.status, 409, called.text);
    assert.equal(called.json.code, 'bot_suspended');
    await works(node, other.bots[0]);
  };
  const reached = await sandbox.requests('getMe');
  for (let round = 0; round < 5; ++round) { // At once, each time.
    await put(node, tenant, 'suspended');
    await Promise.all(bots.map((one) => isRefused(node, one, [['getMe']])));
    await put(node, tenant, 'active');
    for (const one of bots) await works(node, one);
  }
  assert.equal(await sandbox.requests('getMe'), reached + 5 * bots.length);
  await put(node, tenant, 'suspended');
  await refusedEverywhere();
  // Telegram keeps what comes for them; what an operator does to one of them does not wake it.
  assert.equal((await node.ask('POST', `/v1/bots/${second.id}:restart`, {})).status, 200);
  assert.equal((await node.ask('PATCH', `/v1/bots/${second.id}`, { name: 'renamed' })).status, 200);
  assert.equal((await node.ask('POST', `/v1/bots/${third.id}:suspend`, {})).json.phase, 'suspended');
  await refusedEverywhere();
  assert.equal((await node.ask('GET', `/v1/bots/${bot.id}`)).json.phase, 'active'); // What is stored of it stays.

  await node.stop();
  node = await Node.start(sandbox, { options });
  await refusedEverywhere();
  await put(node, tenant, 'active');
  for (const one of [bot, second]) await works(node, one);
  await works(node, bot, virtual);
  await isRefused(node, third); // By an order of its own.
  assert.equal((await node.ask('POST', `/v1/bots/${third.id}:resume`, {})).status, 200);
  await works(node, third);
});

test('a suspended tenant\'s updates stay at Telegram and come when it is resumed', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const node = await Node.start(sandbox, { options: registered });
  t.after(() => node.stop());
  const { tenant, bots: [bot] } = await tenantWithBots(node, sandbox, 1, { updates: { mode: 'polling' }, delivery: { mode: 'pull' } });
  const user = await sandbox.createUser();
  const chat = await sandbox.createChat(bot, [user]);
  const confirmed = async () => (await sandbox.stats()).updates.confirmed;
  await sandbox.say(chat, user, 'one');
  const got = [];
  const read = async () => {
    const said = await node.call(bot.token, 'getUpdates', { timeout: 1, offset: (got.at(-1)?.update_id ?? -1) + 1 });
    assert.equal(said.status, 200, said.text);
    got.push(...said.json.result);
  };
  await until('the first is read', async () => { await read(); return got.length === 1; });
  await put(node, tenant, 'suspended');
  await until('nobody polls', async () => (await node.get('/v1/sessions')).leased === 0);
  const before = await confirmed();
  await sandbox.say(chat, user, 'two');
  await isRefused(node, bot);
  assert.equal(await confirmed(), before);
  await put(node, tenant, 'active');
  await until('the second is read', async () => { await read(); return got.length === 2; });
  assert.deepEqual(got.map((one) => one.message.text), ['one', 'two']);
});

test('every node of a cluster refuses them, whoever was told, and one that starts later', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { nodes: 2 });
  const { n1, n2 } = cluster.nodes;
  const { tenant, bots } = await tenantWithBots(n1, sandbox, 6);
  for (const node of cluster.all) for (const bot of bots) await works(node, bot);
  for (const through of [n2, n1]) {
    await put(through, tenant, 'suspended');
    for (const node of cluster.all) for (const bot of bots) await isRefused(node, bot);
    await put(through, tenant, 'active');
    for (const node of cluster.all) for (const bot of bots) await works(node, bot);
  }
  await put(n1, tenant, 'suspended');
  await cluster.add('n3');
  await cluster.settled();
  for (const node of cluster.all) for (const bot of bots) await isRefused(node, bot);
  await put(cluster.nodes.n3, tenant, 'active');
  for (const node of cluster.all) for (const bot of bots) await works(node, bot);
});
