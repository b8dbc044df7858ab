// Who watches a bot sees it for as long as he may, and no longer.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Node, registered } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 60_000 };

describe('a stream of events', () => {
  let tenants = 0;
  let sandbox;
  let node;
  before(async () => {
    sandbox = await Sandbox.start({ args: ['--limits=none'] });
    node = await Node.start(sandbox, { options: registered });
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  async function owner() {
    const tenant = (await node.ask('POST', '/v1/tenants', { name: `T${++tenants}` })).json;
    const key = (await node.ask('POST', `/v1/tenants/${tenant.id}/keys`, { name: 'k', role: 'developer' })).json;
    return { tenant, key };
  }
  async function register(bot, key) {
    const made = await node.ask('POST', '/v1/bots', { token: bot.token }, { key: key.key });
    assert.equal(made.status, 201, made.text);
    assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:activate`, { trusted: true })).status, 200);
  }
  /// Calls of the bot show: the stream is alive.
  async function watch(bot, key) {
    const answer = await fetch(`${node.api}/v1/bots/${bot.id}/events`, { headers: { authorization: `Bearer ${key.key}` } });
    assert.equal(answer.status, 200);
    const stream = { text: '', ended: false };
    stream.done = (async () => {
      for await (const piece of answer.body) stream.text += Buffer.from(piece).toString();
    })().catch(() => {}).then(() => { stream.ended = true; });
    await until('a call shows', async () => {
      await node.call(bot.token, 'getMe');
      return stream.text.includes('event: call');
    });
    return stream;
  }
  const ends = async (bot, stream) => {
    await until('the stream ends', async () => {
      await node.call(bot.token, 'getMe');
      return stream.ended;
    });
    await soon('it has ended', stream.done);
  };

  test('ends when its key is revoked', limit, async () => {
    const { tenant, key } = await owner();
    const bot = await sandbox.createBot();
    await register(bot, key);
    const stream = await watch(bot, key);
    assert.equal((await node.ask('DELETE', `/v1/tenants/${tenant.id}/keys/${key.id}`)).status, 204);
    await ends(bot, stream);
  });

  test('ends when its tenant is suspended, also while nothing happens', limit, async () => {
    const { tenant, key } = await owner();
    const bot = await sandbox.createBot();
    await register(bot, key);
    const stream = await watch(bot, key);
    assert.equal((await node.ask('PATCH', `/v1/tenants/${tenant.id}`, { state: 'suspended' })).status, 200);
    await until('the stream ends', () => stream.ended, { within: 30_000 });
  });

  test('ends with the bot\'s removal, and shows nothing of who registers it next', limit, async () => {
    const [first, second] = [await owner(), await owner()];
    const bot = await sandbox.createBot();
    await register(bot, first.key);
    const stream = await watch(bot, first.key);
    assert.equal((await node.ask('DELETE', `/v1/bots/${bot.id}`, undefined, { key: first.key.key })).status, 204);
    await register(bot, second.key);
    const calls = () => stream.text.split('event: call').length;
    const before = calls();
    const theirs = await watch(bot, second.key);
    await until('the stream has ended', () => stream.ended);
    assert.equal(calls(), before);
    assert.match(stream.text, /"order":"remove"/);
    assert.ok(!theirs.ended);
  });

  test('goes on for everybody else', limit, async () => {
    const { tenant, key } = await owner();
    const bot = await sandbox.createBot();
    await register(bot, key);
    const other = (await node.ask('POST', `/v1/tenants/${tenant.id}/keys`, { name: 'other', role: 'viewer' })).json;
    const [gone, stays] = [await watch(bot, key), await watch(bot, other)];
    assert.equal((await node.ask('DELETE', `/v1/tenants/${tenant.id}/keys/${key.id}`)).status, 204);
    await ends(bot, gone);
    const calls = stays.text.split('event: call').length;
    await until('calls show', async () => {
      await node.call(bot.token, 'getMe');
      return stays.text.split('event: call').length > calls + 1;
    });
    assert.ok(!stays.ended);
  });
});

test('an update for which nobody came until its lifetime was over is seen to expire, once, and counted', { timeout: 120_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const node = await Node.start(sandbox, { options: { ...registered, 'journal.lifetime': '60s' } });
  t.after(() => node.stop());
  const scene = await sandbox.stage();
  const path = `/v1/bots/${scene.bot.id}`;
  assert.equal((await node.ask('POST', '/v1/bots', { token: scene.bot.token, trusted: true })).status, 201); // To be polled.
  const answer = await fetch(`${node.api}${path}/events`, { headers: { authorization: `Bearer ${node.operatorKey}` } });
  let text = '';
  (async () => {
    for await (const piece of answer.body) text += Buffer.from(piece).toString();
  })().catch(() => {}); // Until the node ends.
  const told = (type) => text.split(`event: ${type}\n`).length - 1;
  await sandbox.say(scene.chat, scene.user, 'hello');
  await until('it came', () => told('update.received') === 1);
  await until('it is over', () => told('update.expired') > 0, { within: 90_000 });
  const [letter] = (await node.get(`${path}/dead-letters`)).dead_letters;
  assert.equal(letter.reason, 'expired');
  assert.equal((await node.get('/v1/updates')).expired_total, 1);
  assert.match((await node.ask('GET', '/metrics')).text, /^troupe_deliveries_total\{mode="pull",result="expired"\} 1/m);
  assert.equal(told('update.expired'), 1);
});
