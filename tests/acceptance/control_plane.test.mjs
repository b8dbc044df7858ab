// The control plane as tenants and operators use it: over HTTP, on a real node with its embedded
// store, and over restarts and kills.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bounds, meetBounds } from './harness/bounds.mjs';
import { request } from './harness/http.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { runToEnd } from './harness/program.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 60_000 };
const options = (extra = {}) => ({ 'gateway.unknown-tokens': 'reject', 'api.creations-per-minute': 1000,
  'api.user-rpm': 100_000, ...extra });

/// Registers a new bot of the sandbox. @returns {bot, row, answer}
async function register(node, sandbox, fields = {}, access = {}) {
  const bot = await sandbox.createBot();
  const answer = await node.ask('POST', '/v1/bots', { token: bot.token, ...fields }, access);
  return { bot, answer, row: answer.status === 201 ? answer.json : undefined };
}

describe('the control plane', () => {
  let sandbox;
  let node;
  let tenant;
  let key;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: options() });
    tenant = (await node.ask('POST', '/v1/tenants', { name: 'Ada & Co' })).json;
    key = (await node.ask('POST', `/v1/tenants/${tenant.id}/keys`, { name: 'laptop', role: 'admin' })).json.key;
  });
  after(async () => { await node?.stop(); await sandbox?.stop(); });

  test('asks for a key, and tells a wrong one from none', limit, async () => {
    assert.equal((await node.ask('GET', '/v1/bots', undefined, { key: null })).status, 401);
    assert.equal((await node.ask('GET', '/v1/bots', undefined, { key: `${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}` })).status, 401);
    assert.equal((await node.ask('GET', '/v1/bots', undefined, { key })).status, 200);
    assert.equal((await node.ask('POST', '/v1/tenants', { name: 'mine' }, { key })).status, 403);
  });

  test('registers a bot, which may do nothing before its owner is proven', limit, async () => {
    const { bot, row, answer } = await register(node, sandbox, { name: 'Robot' }, { key });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(row.phase, 'pending');
    assert.equal(row.tenant, tenant.id);
    assert.ok(!answer.text.includes(bot.token.split(':')[1]));
    const refused = await node.call(bot.token, 'getMe');
    assert.equal(refused.status, 403, refused.text);
    assert.match(refused.json.description, /owner is not proven/);
    const code = await node.ask('POST', `/v1/bots/${row.id}/verification`, {}, { key });
    assert.equal(code.status, 201, code.text);
    assert.equal(code.json.send, `/start ${code.json.code}`);
    assert.equal((await node.ask('POST', `/v1/bots/${row.id}:activate`, {}, { key })).status, 409);
    const vouched = await node.ask('POST', `/v1/bots/${row.id}:activate`, { trusted: true });
    assert.equal(vouched.status, 200, vouched.text);
    assert.equal(vouched.json.phase, 'active');
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });

  test('refuses what is no token, one that the Bot API refuses, and a bot that is there already', limit, async () => {
    const malformed = await node.ask('POST', '/v1/bots', { token: 'nonsense' }, { key });
    assert.equal(malformed.status, 422, malformed.text);
    const unknown = await node.ask('POST', '/v1/bots', { token: `1234567:${'x'.repeat(35)}` }, { key });
    assert.equal(unknown.status, 422, unknown.text);
    assert.ok(!unknown.text.includes('xxxxx'));
    const { bot } = await register(node, sandbox, {}, { key });
    const again = await node.ask('POST', '/v1/bots', { token: bot.token }, { key });
    assert.equal(again.status, 409, again.text);
    for (const answer of [malformed, unknown, again]) {
      assert.equal(answer.headers['content-type'], 'application/problem+json');
      for (const member of ['code', 'title', 'status', 'request_id']) assert.ok(answer.json[member], member);
    }
  });

  test('suspends, resumes, rotates and removes; the gateway follows at once', limit, async () => {
    const { bot, row } = await register(node, sandbox, { trusted: true });
    const path = `/v1/bots/${row.id}`;
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    assert.equal((await node.ask('POST', `${path}:suspend`, { reason: 'holiday' })).json.phase, 'suspended');
    assert.equal((await node.call(bot.token, 'getMe')).status, 403);
    assert.equal((await node.ask('POST', `${path}:resume`, {})).json.phase, 'active');
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    assert.equal((await node.ask('POST', `${path}:restart`, {})).status, 200);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    assert.equal((await node.ask('DELETE', path)).status, 204);
    assert.equal((await node.call(bot.token, 'getMe')).status, 401);
    assert.equal((await node.ask('GET', path)).status, 404);
    const again = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
    assert.equal(again.status, 201, again.text);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });

  test('stops a bot whose token Telegram rejects, and starts it again with that token when it was an error', limit, async () => {
    const { bot, row } = await register(node, sandbox, { trusted: true });
    const of = (event) => Number(event.bot) === row.id && event.alert === 'bot.unauthorized';
    await sandbox.fault({ bot: bot.id, kind: 'status', error_code: 401 });
    assert.equal((await node.call(bot.token, 'getMe')).status, 401);
    await node.logged('alert.raised', of);
    const path = `/v1/bots/${row.id}`;
    await until('it is stored as unauthorized', async () => (await node.ask('GET', path)).json.phase === 'unauthorized');
    assert.equal((await node.ask('POST', `${path}:rotateToken`, { token: bot.token })).status, 422);
    await sandbox.clearFaults();
    assert.equal((await node.call(bot.token, 'getMe')).status, 401);
    const again = await node.ask('POST', `${path}:rotateToken`, { token: bot.token });
    assert.equal(again.json.phase, 'active', again.text);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    await node.logged('alert.resolved', of);
  });

  test('gives virtual tokens that every client library accepts, for listed methods, until they are revoked', limit, async () => {
    const { bot, row } = await register(node, sandbox, { trusted: true });
    const made = await node.ask('POST', `/v1/bots/${row.id}/tokens`, { name: 'worker', methods: ['getMe', 'getChat'] });
    assert.equal(made.status, 201, made.text);
    const { token, id } = made.json;
    assert.match(token, /^\d+:[A-Za-z0-9_-]{35}$/);
    assert.notEqual(token, bot.token);
    const answer = await node.call(token, 'getMe');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.result.id, row.id);
    const forbidden = await node.call(token, 'sendMessage', { chat_id: 1, text: 'x' });
    assert.ok([401, 403].includes(forbidden.status), forbidden.text);
    // Naming two methods calls none that is not listed: the upstream takes the first, so does the node.
    const json = { 'content-type': 'application/json' };
    for (const [target, body] of [['?method=getMyName&method=getMe'], ['?method=getMyName', '{"method":"getMe"}'],
      ['', '{"method":"getMyName","method":"getMe"}'], ['', '{"a":01,"method":"getMyName"}'],
      ['?a=1#&method=getMyName']]) {
      const [verb, headers] = body ? ['POST', json] : ['GET', {}];
      const twice = await request(`${node.root}/bot${token}/${target}`, { method: verb, headers, body });
      assert.equal(twice.status, 403, `${target} ${body}: ${twice.text}`);
    }
    const once = await request(`${node.root}/bot${token}/?method=getMe&method=getMyName`);
    assert.equal(once.json.result.id, row.id, once.text);
    assert.equal(await sandbox.requests('getMyName'), 0);
    assert.equal((await node.ask('DELETE', `/v1/bots/${row.id}/tokens/${id}`)).status, 204);
    assert.equal((await node.call(token, 'getMe')).status, 401);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });

  test('calls a method without the token, once per Idempotency-Key', limit, async () => {
    const { bot, row } = await register(node, sandbox, { trusted: true });
    const user = await sandbox.createUser();
    const chat = await sandbox.createChat(bot, [user]);
    const send = (text, name) => node.ask('POST', `/v1/bots/${row.id}/methods/sendMessage`,
      { chat_id: chat.id, text }, { headers: { 'Idempotency-Key': name } });
    const first = await send('hello', 'one');
    assert.equal(first.status, 200, first.text);
    const second = await send('hello', 'one');
    assert.equal(second.status, 200);
    assert.deepEqual(second.json, first.json);
    assert.equal((await send('other', 'one')).status, 409);
    assert.equal((await sandbox.fromBot(chat)).length, 1);
    const gateway = (name, text = 'by gateway') => node.call(bot.token, 'sendMessage', { chat_id: chat.id, text },
      { headers: { 'Idempotency-Key': name } });
    const answers = await Promise.all([gateway('two'), gateway('two'), gateway('two')]);
    assert.deepEqual(answers.map((x) => x.status), [200, 200, 200]);
    assert.equal(new Set(answers.map((x) => x.json.result.message_id)).size, 1);
    assert.equal((await sandbox.fromBot(chat)).length, 2);
    assert.equal((await gateway('two', 'another text')).status, 409);
  });

  test('applies a bot\'s limits at once', limit, async () => {
    const { bot, row } = await register(node, sandbox, { trusted: true });
    const burst = async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => node.call(bot.token, 'getMe', undefined,
        { headers: { 'X-Troupe-Deadline': '300ms' } })));
      return answers.filter((x) => x.status === 200).length;
    };
    assert.equal(await burst(), 12);
    const changed = await node.ask('PATCH', `/v1/bots/${row.id}`, { limits: { rps: 2 } });
    assert.equal(changed.status, 200, changed.text);
    assert.ok(await burst() <= 2);
    // While it is suspended, too.
    await node.ask('POST', `/v1/bots/${row.id}:suspend`, {});
    await node.ask('PATCH', `/v1/bots/${row.id}`, { limits: { rps: 0 } });
    await node.ask('POST', `/v1/bots/${row.id}:resume`, {});
    assert.equal(await burst(), 12);
  });

  test('paces all bots of a tenant together by its own rate, live and after a kill', limit, async () => {
    const data = options({ 'node.data-dir': temporaryDirectory() });
    let paced = await Node.start(sandbox, { options: data });
    const make = async (name, count, rps) => {
      const { id } = (await paced.ask('POST', '/v1/tenants', { name, rps })).json;
      const bots = [];
      for (let i = 0; i < count; ++i) bots.push((await register(paced, sandbox, { trusted: true, tenant: id })).bot);
      return { id, bots };
    };
    const [few, many] = [await make('paced', 3, 4), await make('unpaced', 1, 0)];
    // Whatever goes out within half a second: one window of a second holds it all.
    const burst = async ({ bots }) => {
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => paced.call(bots[i % bots.length].token,
        'getMe', undefined, { headers: { 'X-Troupe-Deadline': '300ms' } })));
      for (const { status } of answers) assert.ok([200, 429].includes(status), `${status}`);
      return answers.filter((x) => x.status === 200).length;
    };
    const some = async () => {
      const got = await burst(few);
      assert.ok(got <= 4, `${got} instead of 4`);
      return got > 0;
    };
    await until('its bots are served', some);
    assert.equal(await burst(many), 12);
    const set = async (rps) => {
      const changed = await paced.ask('PATCH', `/v1/tenants/${few.id}`, { rps });
      assert.equal(changed.status, 200, changed.text);
      assert.equal(changed.json.rps ?? 0, rps);
    };
    await set(0);
    assert.equal(await burst(few), 12);
    await set(4);
    assert.equal(await burst(few), 0); // These twelve count.
    await until('the window is empty again', some);
    paced.program.kill();
    await soon('it is gone', paced.program.exited);
    paced = await Node.start(sandbox, { options: data });
    try {
      await until('its bots are served again', some);
      assert.equal(await burst(many), 12);
    } finally { await paced.stop(); }
  });

  test('shows how a bot fares', limit, async () => {
    const { bot, row } = await register(node, sandbox, { trusted: true });
    for (let i = 0; i < 3; ++i) assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const health = await until('the calls are counted', async () => {
      const answer = await node.ask('GET', `/v1/bots/${row.id}/health`);
      assert.equal(answer.status, 200, answer.text);
      return answer.json.requests >= 3 && answer.json;
    });
    assert.equal(health.status, 'healthy');
  });

  test('keeps a trail of who did what', limit, async () => {
    const { row } = await register(node, sandbox, {}, { key });
    const trail = await node.ask('GET', `/v1/audit?subject=bot:${row.id}`);
    assert.equal(trail.status, 200, trail.text);
    const entry = trail.json.entries.find((x) => x.action === 'bot.register');
    assert.equal(entry.tenant, tenant.id);
    assert.ok(entry.at && entry.actor && entry.address && entry.request_id);
  });

  test('limits requests per key and creations per address exactly', limit, async () => {
    const strict = await Node.start(sandbox, { options: { 'gateway.unknown-tokens': 'reject' } });
    try {
      const statuses = [];
      for (let i = 0; i < 7; ++i) statuses.push((await register(strict, sandbox)).answer.status);
      assert.deepEqual(statuses, [201, 201, 201, 201, 201, 429, 429]);
      const made = (await strict.ask('POST', '/v1/tenants', { name: 'T' })).json;
      const theirs = (await strict.ask('POST', `/v1/tenants/${made.id}/keys`, { name: 'k' })).json.key;
      let refused;
      let passed = 0;
      for (let i = 0; i < 120 && !refused; ++i) {
        const answer = await strict.ask('GET', '/v1/bots', undefined, { key: theirs });
        if (answer.status === 429) refused = answer;
        else ++passed;
      }
      assert.equal(passed, 100);
      assert.ok(Number(refused.headers['retry-after']) >= 1);
    } finally { await strict.stop(); }
  });

  test('serves an OpenAPI document that names every route used here', limit, async () => {
    const document = (await node.ask('GET', '/openapi.json', undefined, { key: null })).json;
    assert.match(document.openapi, /^3\.1/);
    for (const path of ['/v1/bots', '/v1/bots/{id}', '/v1/bots/{id}:suspend', '/v1/tenants', '/v1/audit'])
      assert.ok(document.paths[path], path);
  });
});

describe('what was stored', () => {
  let sandbox;
  before(async () => { sandbox = await Sandbox.start(); });
  after(async () => { await sandbox?.stop(); });

  test('is the same after a restart', limit, async () => {
    const data = options({ 'node.data-dir': temporaryDirectory() });
    let node = await Node.start(sandbox, { options: data });
    const active = await register(node, sandbox, { trusted: true, limits: { rps: 7 } });
    const pending = await register(node, sandbox);
    const suspended = await register(node, sandbox, { trusted: true });
    await node.ask('POST', `/v1/bots/${suspended.row.id}:suspend`, {});
    const token = (await node.ask('POST', `/v1/bots/${active.row.id}/tokens`, { name: 'w' })).json.token;
    for (let i = 0; i < 5; ++i) assert.equal((await node.call(active.bot.token, 'getMe')).status, 200);
    assert.equal((await node.ask('POST', `/v1/bots/${active.row.id}/methods/getMyName`, {})).status, 200);
    const list = async () => (await node.ask('GET', '/v1/bots')).json.bots
      .map(({ id, phase, limits, version, name }) => ({ id, phase, limits, version, name }));
    const before = await list();
    await node.stop();
    node = await Node.start(sandbox, { options: data });
    try {
      assert.deepEqual(await list(), before);
      const usage = (await node.ask('GET', `/v1/bots/${active.row.id}/analytics?days=7`)).json;
      assert.ok(usage.requests >= 6 && usage.methods.getMe && usage.methods.getMyName, JSON.stringify(usage));
      const health = (await node.ask('GET', `/v1/bots/${active.row.id}/health`)).json;
      assert.ok(health.requests >= 5, JSON.stringify(health));
      assert.equal((await node.call(active.bot.token, 'getMe')).status, 200);
      assert.equal((await node.call(token, 'getMe')).status, 200);
      assert.notEqual((await node.call(pending.bot.token, 'getMe')).status, 200);
      assert.notEqual((await node.call(suspended.bot.token, 'getMe')).status, 200);
    } finally { await node.stop(); }
  });

  test('is what it was at the time of a backup, when that is restored; and the trail says so', limit, async () => {
    const directory = temporaryDirectory();
    const data = options({ 'node.data-dir': directory });
    const copy = join(temporaryDirectory(), 'copy.db');
    const restore = () => runToEnd('troupectl', ['restore', copy, `--data-dir=${directory}`]);
    let node = await Node.start(sandbox, { options: data });
    const kept = await register(node, sandbox, { trusted: true });
    const made = await node.ctl('backup', copy);
    assert.equal(made.code, 0, made.output);
    const later = await register(node, sandbox, { trusted: true });
    await node.ask('POST', `/v1/bots/${kept.row.id}:suspend`, {});
    const early = await restore();
    assert.equal(early.code, 1, early.output); // The node runs.
    assert.equal((await node.ask('GET', `/v1/bots/${later.row.id}`)).status, 200);
    await node.stop();
    const restored = await restore();
    assert.equal(restored.code, 0, restored.output);
    node = await Node.start(sandbox, { options: data });
    try {
      assert.equal((await node.ask('GET', `/v1/bots/${kept.row.id}`)).json.phase, 'active');
      assert.equal((await node.call(kept.bot.token, 'getMe')).status, 200);
      assert.equal((await node.ask('GET', `/v1/bots/${later.row.id}`)).status, 404);
      assert.equal((await node.call(later.bot.token, 'getMe')).status, 401);
      const entries = async (action) => (await node.ask('GET', `/v1/audit?action=${action}`)).json.entries;
      const told = await until('the trail tells of it', async () => (await entries('store.restore'))[0]);
      assert.equal(told.outcome, 'ok');
      assert.match(told.actor, /^troupectl/);
      assert.ok(JSON.stringify(told.detail).includes('copy.db'), JSON.stringify(told));
      assert.equal((await entries('bot.register')).length, 1);
      assert.equal((await entries('bot.suspend')).length, 0);
      // Told once, not at each start.
      await node.stop();
      node = await Node.start(sandbox, { options: data });
      assert.equal((await entries('store.restore')).length, 1);
    } finally { await node.stop(); }
  });

  test('is whole after a kill at any moment of a life-cycle operation', { timeout: 240_000 }, async () => {
    const data = options({ 'node.data-dir': temporaryDirectory() });
    const random = (() => { let x = 20_26; return () => ((x = (x * 1103515245 + 12345) % 2 ** 31) / 2 ** 31); })();
    const bots = [];
    for (let round = 0; round < 12; ++round) {
      const node = await Node.start(sandbox, { options: data });
      // What earlier rounds left: known or unknown as a whole.
      for (const { bot, id, sure } of bots) {
        const row = await node.ask('GET', `/v1/bots/${id}`);
        const call = await node.call(bot.token, 'getMe');
        if (row.status === 404) {
          assert.ok(!sure, `bot ${id} was acknowledged and is gone`);
          assert.equal(call.status, 401);
        } else {
          assert.equal(row.status, 200, row.text);
          assert.equal(call.status === 200, row.json.phase === 'active', `${row.json.phase}: ${call.status}`);
        }
      }
      const made = await sandbox.createBot();
      const entry = { bot: made, id: made.id, sure: false };
      bots.push(entry);
      const operations = (async () => {
        const answer = await node.ask('POST', '/v1/bots', { token: made.token, trusted: true });
        if (answer.status === 201) entry.sure = true;
        const victim = bots[Math.floor(random() * bots.length)];
        await node.ask('POST', `/v1/bots/${victim.id}:suspend`, {});
        await node.ask('POST', `/v1/bots/${victim.id}:resume`, {});
        if (victim !== entry) { victim.sure = false; await node.ask('DELETE', `/v1/bots/${victim.id}`); }
      })().catch(() => {});
      const moment = Date.now() + random() * 60;
      await until('the moment of the kill', () => Date.now() >= moment, { within: 5000 });
      node.program.kill();
      await soon('it is gone', node.program.exited);
      await soon('its client notices', operations);
    }
    const node = await Node.start(sandbox, { options: data });
    try {
      for (const { bot, id } of bots) {
        const there = (await node.ask('GET', `/v1/bots/${id}`)).status === 200;
        const again = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
        assert.equal(again.status, there ? 409 : 201, again.text);
      }
    } finally { await node.stop(); }
  });
});

test('users, keys and virtual tokens have bounds', limit, async (t) => {
  const sandbox = await Sandbox.start();
  const node = await Node.start(sandbox, { options: options(bounds) });
  t.after(async () => { await node.stop(); await sandbox.stop(); });
  await meetBounds(node, async (fields, access) => (await register(node, sandbox, fields, access)).row.id);
});
