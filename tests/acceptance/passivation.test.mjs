// Many more bots than may be in memory: every call is answered and every update delivered, whoever
// was out of memory when it came.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { Tenant } from './harness/tenant.mjs';
import { until } from './harness/wait.mjs';

const most = 10;
const many = 200;
const limit = { timeout: 240_000 };

describe(`${many} bots, of which ${most} fit into memory`, () => {
  let sandbox;
  let node;
  let tenant;
  const bots = [];
  const inMemory = async () => {
    const text = (await node.ask('GET', '/metrics')).text;
    const of = (phase) => Number(new RegExp(`^troupe_bots\\{phase="${phase}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return of('active') + of('passivating') + of('starting');
  };

  before(async () => {
    sandbox = await Sandbox.start();
    tenant = await Tenant.start();
    for (let i = 0; i < many; ++i) bots.push(await sandbox.createBot());
    node = await Node.start(sandbox, { options: { 'bot.max-active': most, 'bot.shards': 2,
      'bot.pinned': `${bots[0].id}, ${bots[1].id}`, 'gateway.unknown-tokens': 'reject', 'api.creations-per-minute': 100_000,
      'api.user-rpm': 100_000, 'webhook.public-url': 'http://127.0.0.1:0', 'delivery.allow-private-addresses': true,
      'rate-governor.global-rps': 0, 'rate-governor.chat-rps': 0, 'rate-governor.chat-per-20s': 0 } });
    for (const bot of bots) {
      const answer = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true,
        delivery: { mode: 'relay', url: tenant.url } });
      assert.equal(answer.status, 201, answer.text);
    }
  });
  after(async () => { await node?.stop(); await tenant?.stop(); await sandbox?.stop(); });

  test('no more than that are in memory, and the others are there all the same', limit, async () => {
    await until('the others are passive', async () => (await inMemory()) <= most);
    const all = (await node.get('/v1/bots?limit=1000')).bots;
    assert.ok(all.length === many);
    assert.ok(all.filter(({ phase }) => phase === 'active').length <= most);
    assert.ok(all.filter(({ phase }) => phase === 'passive').length >= many - most);
    assert.equal((await node.get(`/v1/bots/${bots[0].id}`)).phase, 'active'); // Pinned.
    const passive = (await node.get('/v1/bots?limit=1000&status=passive')).bots;
    assert.equal((await node.get(`/v1/bots/${passive[0].id}`)).phase, 'passive');
  });

  test('calls round and round are all answered, also several at once', limit, async () => {
    for (let round = 0; round < 3; ++round)
      for (let i = 0; i < many; i += 4) {
        const answers = await Promise.all(bots.slice(i, i + 4).map((bot) => node.call(bot.token, 'getMe')));
        for (const [n, answer] of answers.entries()) {
          assert.equal(answer.status, 200, answer.text);
          assert.equal(answer.json.result.id, bots[i + n].id);
        }
        assert.ok((await inMemory()) <= most);
      }
    assert.ok(node.events('bot.evicted').length >= many);
    assert.equal(node.events('child.crashed').length, 0);
  });

  test('every update is delivered, once, in the order of its chat', limit, async () => {
    const user = await sandbox.createUser('Ada');
    const chats = [];
    for (const bot of bots) chats.push(await sandbox.createChat(bot, [user]));
    const wanted = [];
    for (let round = 0; round < 3; ++round)
      for (let i = 0; i < many; ++i) {
        wanted.push(`${i} ${round}`);
        await sandbox.say(chats[i], user, `${i} ${round}`);
      }
    await until('the tenant has everything', () => {
      const missing = wanted.filter((text) => !tenant.texts.includes(text));
      if (missing.length === 0) return true;
      throw new Error(`${missing.length} are missing: ${missing.slice(0, 5)}`);
    }, { within: 120_000 });
    assert.equal(tenant.seen.length, wanted.length);
    for (let i = 0; i < many; ++i)
      assert.deepEqual(tenant.texts.filter((text) => text.startsWith(`${i} `)), [0, 1, 2].map((round) => `${i} ${round}`));
    await until('no more are in memory than may be', async () => (await inMemory()) <= most);
  });

  test('pinned bots never leave', limit, async () => {
    const left = new Set(node.events('bot.evicted').map(({ bot }) => bot));
    assert.ok(!left.has(bots[0].id) && !left.has(bots[1].id));
    assert.ok(left.size >= many - most);
  });
});
