// Quotas of the control API on a real node: exact though everybody comes at once, by user and by
// address, and nobody pays for what another did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };

async function start(t, options = {}) {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  const node = await Node.start(sandbox, { options: { 'gateway.unknown-tokens': 'reject', ...options } });
  t.after(async () => { await node.stop(); await sandbox.stop(); });
  const tenant = async (name) => {
    const { id } = (await node.ask('POST', '/v1/tenants', { name })).json;
    const keyOf = async (fields = {}) => (await node.ask('POST', `/v1/tenants/${id}/keys`, { name: 'k', ...fields })).json.key;
    return { id, keyOf, key: await keyOf() };
  };
  return { sandbox, node, tenant };
}

const many = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));
const count = (answers) => answers.reduce((sum, { status }) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});

test('100 requests of a user in a minute, however many keys and connections at once', limit, async (t) => {
  const { node, tenant } = await start(t);
  const [ada, eve] = [await tenant('Ada'), await tenant('Eve')];
  const users = [];
  for (const name of ['Bob', 'Cleo']) users.push((await node.ask('POST', `/v1/tenants/${ada.id}/users`, { name })).json.id);
  const keys = { tenant: [ada.key, await ada.keyOf()], bob: [await ada.keyOf({ user: users[0] }), await ada.keyOf({ user: users[0] })],
    cleo: [await ada.keyOf({ user: users[1] })], eve: [eve.key] };
  for (const [who, all] of Object.entries(keys)) {
    const began = performance.now();
    const answers = await many(140, (i) => node.ask('GET', i % 2 ? '/v1/bots' : '/v1/me', undefined, { key: all[i % all.length] }));
    assert.deepEqual(count(answers), { 200: 100, 429: 40 }, who);
    const longest = Math.ceil((performance.now() - began) / 1000);
    for (const { status, headers, json } of answers.filter((x) => x.status === 429)) {
      const wait = Number(headers['retry-after']);
      assert.ok(Number.isInteger(wait) && wait <= 60 && wait >= 60 - longest, `${status}: Retry-After ${headers['retry-after']}`);
      assert.equal(json.code, 'too_many_requests');
    }
  }
});

test('a whole minute has to pass, and Retry-After says how much of it', { timeout: 150_000 }, async (t) => {
  const { node, tenant } = await start(t, { 'api.user-rpm': 3 });
  const { key } = await tenant('Ada');
  const ask = () => node.ask('GET', '/v1/me', undefined, { key });
  const began = performance.now();
  assert.deepEqual(count(await many(6, ask)), { 200: 3, 429: 3 });
  const told = Number((await ask()).headers['retry-after']);
  const again = await until('it may ask again', async () => {
    const answer = await ask();
    return answer.status === 200 && performance.now();
  }, { within: 70_000, every: 200 });
  const waited = (again - began) / 1000;
  assert.ok(waited >= 60, `${waited} s`);
  assert.ok(Math.abs(waited - told) < 2, `${waited} s; told ${told}`); // What was refused in between costs nothing.
});

test('5 bots of an address in a minute, whosever they are; what X-Forwarded-For says counts from proxies alone', limit, async (t) => {
  for (const proxy of [undefined, '127.0.0.1']) {
    const { sandbox, node, tenant } = await start(t, { 'api.trusted-proxies': proxy });
    const tenants = [await tenant('Ada'), await tenant('Eve')];
    const bots = [];
    for (let i = 0; i < 14; ++i) bots.push(await sandbox.createBot());
    const register = (bot, i, address) => node.ask('POST', '/v1/bots', { token: bot.token },
      { key: tenants[i % 2].key, headers: address ? { 'x-forwarded-for': address } : {} });
    const first = await Promise.all(bots.slice(0, 8).map((bot, i) => register(bot, i)));
    assert.deepEqual(count(first), { 201: 5, 429: 3 });
    for (const { json, headers } of first.filter((x) => x.status === 429)) {
      assert.equal(json.code, 'too_many_creations');
      assert.ok(Number(headers['retry-after']) >= 50);
    }
    const others = await Promise.all(bots.slice(8).map((bot, i) => register(bot, i, `198.51.100.${i}`)));
    assert.deepEqual(count(others), proxy ? { 201: 6 } : { 429: 6 });
  }
});

test('wrong keys cost neither those behind the same address, nor leave the guesser more than his tries', limit, async (t) => {
  const { node, tenant } = await start(t);
  const { id, key, keyOf } = await tenant('Ada');
  assert.equal((await node.ask('GET', '/v1/me', undefined, { key })).status, 200);
  const fresh = await keyOf(); // Not seen before the guessing begins.
  const wrong = (i) => node.ask('GET', '/v1/me', undefined, { key: `trp_t_${'x'.repeat(40)}${String(i).padStart(9, '0')}` });
  assert.deepEqual(count(await many(80, wrong)), { 401: 30, 429: 50 });
  assert.equal((await wrong(1)).json.code, 'too_many_failures');
  // With check characters that are right: the store has to look.
  const made = (await node.ask('POST', `/v1/tenants/${id}/keys`, { name: 'old' })).json;
  assert.equal((await node.ask('DELETE', `/v1/tenants/${id}/keys/${made.id}`)).status, 204);
  const guess = () => node.ask('GET', '/v1/me', undefined, { key: made.key });
  let guessing = true;
  const guesser = (async () => { while (guessing) for (const { status } of await many(10, guess)) assert.equal(status, 429); })();
  assert.deepEqual(count(await many(40, () => node.ask('GET', '/v1/bots', undefined, { key }))), { 200: 40 });
  await until('a key that was never seen gets its turn', async () => {
    const { status, headers } = await node.ask('GET', '/v1/me', undefined, { key: fresh });
    assert.ok(status === 200 || headers['retry-after'] === '1', `${status}`);
    return status === 200;
  });
  assert.equal((await node.ask('GET', '/v1/tenants')).status, 200); // The operator's, from the same address.
  guessing = false;
  await guesser;
});
