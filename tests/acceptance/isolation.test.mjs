// What one tenant sees of another's: nothing, to the byte. Whatever exists elsewhere is answered as
// what exists nowhere, on every route of the OpenAPI document that names something.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { Node, registered } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';

const limit = { timeout: 60_000 };

/// Bodies that these routes take; the others take none, or {}.
const bodies = {
  changeBot: () => ({ name: 'mine now', limits: { rps: 1 } }),
  rotateBotToken: (id) => ({ token: `${id}:${'R'.repeat(35)}` }),
  createVirtualToken: () => ({ name: 'ci', methods: ['getMe'] }),
  suspendBot: () => ({ reason: 'because' }),
  replayDeadLetters: () => ({ ids: [1] }),
  callMethod: () => ({ chat_id: 1, text: 'hello' }),
  changeTenant: () => ({ name: 'mine now' }),
  createUser: () => ({ name: 'mine' }),
  createTenantKey: () => ({ name: 'mine', role: 'admin' }),
};

/// The whole answer, without what names the thing that was asked for.
function shape(answer, id) {
  const headers = { ...answer.headers };
  const text = answer.text.replaceAll(String(id), 'ID');
  // Ids of as many digits: the length must be the same.
  return { status: answer.status, headers, text };
}

describe('a tenant', () => {
  let sandbox;
  let node;
  let ada;
  let eve;
  let routes;
  let theirs;
  before(async () => {
    sandbox = await Sandbox.start({ args: ['--limits=none'] });
    node = await Node.start(sandbox, { options: registered });
    const tenant = async (name) => {
      const { id } = (await node.ask('POST', '/v1/tenants', { name })).json;
      const keys = {};
      for (const role of ['admin', 'developer', 'viewer'])
        keys[role] = (await node.ask('POST', `/v1/tenants/${id}/keys`, { name: role, role })).json;
      return { id, keys, key: keys.admin.key };
    };
    [ada, eve] = [await tenant('Ada'), await tenant('Eve')];
    const { paths } = (await node.ask('GET', '/openapi.json', undefined, { key: null })).json;
    routes = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods)
      .map(([method, about]) => ({ path, method: method.toUpperCase(), name: about.operationId, body: about.requestBody })));
    theirs = await wealth(ada);
  });
  after(async () => { await node?.stop(); await sandbox?.stop(); });

  /// A tenant's bots in every phase, with all that may hang on one.
  async function wealth(owner) {
    const make = async (fields) => {
      const bot = await sandbox.createBot();
      const made = await node.ask('POST', '/v1/bots', { token: bot.token, tenant: owner.id, ...fields });
      assert.equal(made.status, 201, made.text);
      return bot;
    };
    const [active, pending, suspended] = [await make({ trusted: true }), await make({}), await make({ trusted: true })];
    assert.equal((await node.ask('POST', `/v1/bots/${suspended.id}:suspend`, {})).status, 200);
    assert.equal((await node.ask('POST', `/v1/bots/${pending.id}/verification`, {})).status, 201);
    const token = (await node.ask('POST', `/v1/bots/${active.id}/tokens`, { name: 'ci' })).json;
    const user = (await node.ask('POST', `/v1/tenants/${owner.id}/users`, { name: 'Bob' })).json;
    assert.equal((await node.call(active.token, 'getMe')).status, 200);
    return { bots: [active, pending, suspended], token: token.id, user: user.id, key: owner.keys.viewer.id };
  }

  const send = (method, path, body, key) => request(`${node.api}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'x-request-id': 'the-same', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body,
  });
  /// Ids that nobody has, of as many digits as `id`.
  const free = (id) => String(id).replace(/^\d{2}/, (x) => (x === '98' ? '97' : '98'));

  /// Asks for `there` and for what is nowhere, and compares all that comes.
  async function alike(method, path, there, nowhere, body, key) {
    const ask = async (id) => shape(await send(method, path(id), body(id), key), id);
    const [one, other] = [await ask(there), await ask(nowhere)];
    assert.deepEqual(one, other, `${method} ${path(there)}`);
    return one;
  }

  test('cannot tell another\'s bot from none: whole answers, every route, every role, every phase', limit, async () => {
    const named = routes.filter(({ path }) => path.includes('/bots/{id}'));
    assert.ok(named.length >= 20, `${named.length} routes`);
    const unknown = Object.keys(bodies).filter((name) => !routes.some((route) => route.name === name));
    assert.deepEqual(unknown, [], 'bodies of routes that are not there');
    let compared = 0;
    for (const bot of theirs.bots)
      for (const { path, method, name, body } of named)
        for (const role of ['admin', 'developer', 'viewer']) {
          const at = (id) => path.replace('{id}', id).replace('{token}', theirs.token).replace('{method}', 'sendMessage');
          const right = (id) => (body ? JSON.stringify(bodies[name]?.(id) ?? {}) : undefined);
          const seen = await alike(method, at, bot.id, free(bot.id), right, eve.keys[role].key);
          ++compared;
          if (role !== 'admin') continue;
          assert.equal(seen.status, 404, `${method} ${path}: ${seen.text}`);
          if (!body) continue;
          for (const wrong of ['{', '{"x":1}', '[]', '{"name":7}', '{"token":"x"}'])
            await alike(method, at, bot.id, free(bot.id), () => wrong, eve.key);
        }
    assert.ok(compared >= 180, `${compared} compared`);
  });

  test('cannot tell them apart by headers that steer a call, nor by many at once', limit, async () => {
    const [bot] = theirs.bots;
    for (const headers of [{ 'idempotency-key': 'k' }, { 'idempotency-key': 'bad key' }]) {
      const ask = async (id) => shape(await node.ask('POST', `/v1/bots/${id}/methods/sendMessage`, {},
        { key: eve.key, headers: { ...headers, 'x-request-id': 'the-same' } }), id);
      assert.deepEqual(await ask(bot.id), await ask(free(bot.id)));
    }
    const ids = theirs.bots.map(({ id }) => id);
    const sorted = [...ids, Number(free(bot.id))].sort((a, b) => a - b);
    const batch = await node.ask('POST', '/v1/bots:batchGet', { ids: [...ids, Number(free(bot.id))] }, { key: eve.key });
    assert.deepEqual(batch.json, { bots: [], missing: sorted });
    const list = await node.ask('GET', '/v1/bots', undefined, { key: eve.key });
    assert.deepEqual(list.json.bots, []);
    for (const { id } of theirs.bots) {
      const trail = await node.ask('GET', `/v1/audit?subject=bot:${id}`, undefined, { key: eve.key });
      // What she tried herself is hers to see; nothing of its owner's is.
      for (const entry of trail.json.entries) assert.equal(entry.tenant, eve.id, JSON.stringify(entry));
    }
  });

  test('cannot tell by registering which bots another has', limit, async () => {
    const register = async (id) => shape(await node.ask('POST', '/v1/bots', { token: `${id}:${'A'.repeat(35)}` },
      { key: eve.key, headers: { 'x-request-id': 'the-same' } }), id);
    for (const { id } of theirs.bots) assert.deepEqual(await register(id), await register(free(id)));
  });

  test('cannot tell another\'s tenant, users, keys and virtual tokens from none', limit, async () => {
    const own = await wealth(eve);
    const values = { tenant: [ada.id, 98_765], user: [theirs.user, 98_765], key: [theirs.key, 98_765], token: [theirs.token, 98_765] };
    let compared = 0;
    for (const { path, method, name, body } of routes)
      for (const argument of [...path.matchAll(/\{(\w+)\}/g)].map(([, x]) => x).filter((x) => x in values)) {
        const at = (id) => path.replace(`{${argument}}`, id).replace('{tenant}', eve.id).replace('{id}', own.bots[0].id);
        const right = (id) => (body ? JSON.stringify(bodies[name]?.(id) ?? {}) : undefined);
        const [there, nowhere] = values[argument];
        const ask = async (id) => {
          const answer = await send(method, at(id), right(id), eve.key);
          return { status: answer.status, text: answer.text, type: answer.headers['content-type'], length: answer.headers['content-length'] };
        };
        const [one, other] = [await ask(there), await ask(nowhere)];
        assert.deepEqual(one, other, `${method} ${at(there)}`);
        assert.ok([403, 404].includes(one.status), `${method} ${at(there)}: ${one.text}`);
        ++compared;
      }
    assert.ok(compared >= 10, `${compared} compared`);
  });

  test('leaves what is another\'s as it was', limit, async () => {
    const { bots } = (await node.ask('GET', `/v1/bots`, undefined, { key: ada.key })).json;
    assert.deepEqual(bots.map(({ phase }) => phase).sort(), ['active', 'pending', 'suspended']);
    for (const { limits, name } of bots) {
      assert.deepEqual(limits, { rps: null, concurrent: null });
      assert.notEqual(name, 'mine now');
    }
    assert.equal((await node.call(theirs.bots[0].token, 'getMe')).status, 200);
    const { tokens } = (await node.ask('GET', `/v1/bots/${theirs.bots[0].id}/tokens`, undefined, { key: ada.key })).json;
    assert.deepEqual(tokens.map(({ id, revoked_at }) => [id, revoked_at ?? null]), [[theirs.token, null]]);
  });
});

test('a bot whose owner is not proven does nothing for its tenant, and says why', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  const node = await Node.start(sandbox, { options: registered });
  t.after(async () => { await node.stop(); await sandbox.stop(); });
  const bot = await sandbox.createBot();
  assert.equal((await node.ask('POST', '/v1/bots', { token: bot.token, updates: { mode: 'polling' }, delivery: { mode: 'pull' } })).status, 201);
  const at = `/v1/bots/${bot.id}`;
  const sent = async () => [await sandbox.requests('getMe'), await sandbox.requests('sendMessage')];
  const before = await sent();
  const stored = (await node.ask('GET', at)).json;
  const methods = [['getMe'], ['sendMessage', { chat_id: 1, text: 'x' }], ['getUpdates'], ['getUpdates', { allowed_updates: ['message'] }],
    ['setWebhook', { url: 'https://example.org/hook', drop_pending_updates: true }], ['deleteWebhook', {}], ['getWebhookInfo']];
  for (const [method, body] of methods) {
    const refused = await node.call(bot.token, method, body);
    assert.equal(refused.status, 403, `${method}: ${refused.text}`);
    assert.match(refused.json.description, /owner is not proven/);
    assert.doesNotMatch(refused.json.description, /suspended/);
  }
  for (const [path, body] of [['/tokens', { name: 'ci' }], ['/methods/getMe', {}], [':activate', {}]]) {
    const refused = await node.ask('POST', `${at}${path}`, body);
    assert.equal(refused.status, 409, `${path}: ${refused.text}`);
    assert.equal(refused.json.code, 'bot_not_verified', path);
  }
  assert.deepEqual((await node.ask('GET', `${at}/tokens`)).json.tokens, []);
  assert.deepEqual(await sent(), before);
  assert.deepEqual((await node.ask('GET', at)).json, stored);
  // Suspended and resumed it is as unproven as before.
  assert.equal((await node.ask('POST', `${at}:suspend`, {})).json.phase, 'suspended');
  for (const [method, body] of methods) {
    const refused = await node.call(bot.token, method, body);
    assert.equal(refused.status, 403, `${method}: ${refused.text}`);
    assert.match(refused.json.description, /suspended/);
  }
  assert.equal((await node.ask('POST', `${at}/tokens`, { name: 'ci' })).json.code, 'bot_not_verified');
  assert.equal((await node.ask('POST', `${at}:resume`, {})).json.phase, 'pending');
  assert.match((await node.call(bot.token, 'getMe')).json.description, /owner is not proven/);
});
