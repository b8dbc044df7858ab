// kill -9 of a node in the middle of each operation of a bot's life: the next start finds it done or
// not done, never half, and done if it was acknowledged. The moment moves through the operations from
// round to round; in some rounds the Bot API is slow, so that it falls between question and answer.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { PostgreSql } from './harness/postgresql.mjs';
import { soon, until } from './harness/wait.mjs';

/// A Bot API that knows every token, also two of one bot. `delay`: of its answers, in milliseconds.
async function botApi() {
  const api = { delay: 0, tokens: [] };
  const server = http.createServer((from, to) => {
    const id = Number(/^\/bot(\d+):/.exec(from.url)?.[1]);
    from.resume().on('end', () => setTimeout(() => to.writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ ok: true, result: { id, is_bot: true, first_name: 'B', username: `b${id}_bot` } })), api.delay));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  api.url = `http://127.0.0.1:${server.address().port}`;
  api.stop = () => { server.closeAllConnections(); server.close(); };
  return api;
}

const rounds = 15;
let last = 7_000_000;

const tokenOf = (id, letter) => `${id}:${letter.repeat(35)}`;

/// Each: `bot` makes what it is about, `run` is the operation, `before` and `after` what may be found.
const operations = {
  register: {
    bot: (id) => ({ id, tokens: [tokenOf(id, 'A')] }),
    run: (node, { tokens }) => node.ask('POST', '/v1/bots', { token: tokens[0], trusted: true, limits: { rps: 9 } }),
    before: { phase: null, calls: [401] },
    after: { phase: 'active', rps: 9, calls: [200], valid: 0 },
  },
  activate: {
    registered: { trusted: false },
    run: (node, { id }) => node.ask('POST', `/v1/bots/${id}:activate`, { trusted: true }),
    before: { phase: 'pending', verified: false, calls: [403] },
    after: { phase: 'active', verified: true, calls: [200] },
  },
  suspend: {
    run: (node, { id }) => node.ask('POST', `/v1/bots/${id}:suspend`, { reason: 'why' }),
    before: { phase: 'active', reason: null, calls: [200] },
    after: { phase: 'suspended', reason: 'why', calls: [403] },
  },
  resume: {
    prepare: (node, { id }) => node.ask('POST', `/v1/bots/${id}:suspend`, {}),
    run: (node, { id }) => node.ask('POST', `/v1/bots/${id}:resume`, {}),
    before: { phase: 'suspended', calls: [403] },
    after: { phase: 'active', calls: [200] },
  },
  restart: {
    run: (node, { id }) => node.ask('POST', `/v1/bots/${id}:restart`, {}),
    before: { phase: 'active', calls: [200] },
    after: { phase: 'active', calls: [200] },
  },
  rotate: {
    second: true,
    run: (node, { id, tokens }) => node.ask('POST', `/v1/bots/${id}:rotateToken`, { token: tokens[1] }),
    before: { phase: 'active', calls: [200, 401] },
    after: { phase: 'active', calls: [401, 200] },
  },
  change: {
    run: (node, { id }) => node.ask('PATCH', `/v1/bots/${id}`, { name: 'new', limits: { rps: 5, concurrent: 3 } }),
    before: { phase: 'active', rps: null, concurrent: null, calls: [200] },
    after: { phase: 'active', rps: 5, concurrent: 3, name: 'new', calls: [200] },
  },
  remove: {
    prepare: giveToken,
    run: (node, { id }) => node.ask('DELETE', `/v1/bots/${id}`),
    before: { phase: 'active', valid: 1, calls: [200, 200] },
    after: { phase: null, calls: [401, 401] },
  },
  'make a virtual token': {
    run: giveToken,
    before: { phase: 'active', valid: 0, calls: [200] },
    after: { phase: 'active', valid: 1, calls: [200, 200] },
    unheard: { phase: 'active', valid: 1, calls: [200] }, // Stored, and nobody knows it.
  },
  'revoke a virtual token': {
    prepare: giveToken,
    run: (node, { id, virtual }) => node.ask('DELETE', `/v1/bots/${id}/tokens/${virtual}`),
    before: { phase: 'active', valid: 1, calls: [200, 200] },
    after: { phase: 'active', valid: 0, calls: [200, 401] },
  },
  'ask for a code': {
    registered: { trusted: false },
    run: (node, { id }) => node.ask('POST', `/v1/bots/${id}/verification`, {}),
    before: { phase: 'pending', code: false, calls: [403] },
    after: { phase: 'pending', code: true, calls: [403] },
  },
};

async function giveToken(node, bot) {
  const made = await node.ask('POST', `/v1/bots/${bot.id}/tokens`, { name: 'ci' });
  if (made.status === 201) {
    bot.tokens.push(made.json.token);
    bot.virtual = made.json.id;
  }
  return made;
}

/// What a node tells and does of a bot.
async function found(node, { id, tokens }) {
  const row = await node.ask('GET', `/v1/bots/${id}`);
  const is = { phase: null, calls: [] };
  if (row.status === 200) {
    const { phase, verified, reason, name, limits } = row.json;
    Object.assign(is, { phase, verified, reason, name, ...limits });
    is.valid = (await node.ask('GET', `/v1/bots/${id}/tokens`)).json.tokens.filter((x) => !x.revoked_at).length;
    is.code = (await node.ask('GET', `/v1/bots/${id}/verification`)).json?.expires_at != null;
  } else {
    assert.equal(row.status, 404, row.text);
  }
  for (const token of tokens) is.calls.push((await node.call(token, 'getMe')).status);
  return is;
}

const fits = (is, wanted) => Object.entries(wanted).every(([name, value]) => JSON.stringify(is[name]) === JSON.stringify(value));

async function prepared(node) {
  const all = [];
  for (const [name, about] of Object.entries(operations)) {
    const id = ++last;
    const bot = about.bot?.(id) ?? { id, tokens: [tokenOf(id, 'A')] };
    if (!about.bot) {
      const made = await node.ask('POST', '/v1/bots', { token: bot.tokens[0], trusted: true, ...about.registered });
      assert.equal(made.status, 201, made.text);
      if (about.prepare) assert.ok((await about.prepare(node, bot)).status < 300, name);
    }
    if (about.second) bot.tokens.push(tokenOf(id, 'B'));
    const was = await found(node, bot);
    assert.ok(fits(was, about.before), `before ${name}: ${JSON.stringify(was)}`);
    all.push({ name, about, bot, acknowledged: false });
  }
  return all;
}

async function killEverywhere(start, api) {
  const counts = { acknowledged: 0, done: 0, undone: 0 };
  let length = 0; // Of all operations, in milliseconds.
  let node = await start();
  try {
    for (let round = 0; round <= rounds; ++round) {
      const all = await prepared(node);
      api.delay = round % 3 === 2 ? 30 : 0;
      const began = performance.now();
      const run = async (x) => {
        const answer = await x.about.run(node, x.bot).catch(() => undefined);
        x.acknowledged = answer !== undefined && answer.status < 300;
        // Whoever is not heard in time may be refused; nothing else.
        if (answer && !x.acknowledged) assert.ok(answer.status >= 500, `${x.name}: ${answer.status} ${answer.text}`);
      };
      const work = round % 2 === 0 ? Promise.all(all.map(run))
        : (async () => { for (const x of all) await run(x); })();
      if (round === 0) {
        await work; // To know how long it takes; it is killed all the same, before anything is flushed.
      } else {
        const moment = began + (length * round) / rounds;
        await until('the moment of the kill', () => performance.now() >= moment, { every: 1 });
      }
      node.program.kill();
      await soon('it is gone', node.program.exited);
      await soon('its clients notice', work);
      if (round === 0) length = performance.now() - began;
      api.delay = 0;
      node = await start();
      for (const { name, about, bot, acknowledged } of all) {
        const is = await found(node, bot);
        const done = fits(is, about.after) || fits(is, about.unheard ?? about.after);
        const what = `round ${round}, ${name}, ${acknowledged ? 'acknowledged' : 'not acknowledged'}: ${JSON.stringify(is)}`;
        assert.ok(acknowledged ? fits(is, about.after) : done || fits(is, about.before), what);
        counts.acknowledged += acknowledged;
        counts.done += !acknowledged && done;
        counts.undone += !acknowledged && !done;
        // What is there can be worked with: it goes, with all that belongs to it, and comes again.
        const removed = await node.ask('DELETE', `/v1/bots/${bot.id}`);
        assert.equal(removed.status, is.phase === null ? 404 : 204, `${what}: ${removed.text}`);
        if (round % 5 !== 0) continue;
        const again = await node.ask('POST', '/v1/bots', { token: bot.tokens[0], trusted: true });
        assert.equal(again.status, 201, `${what}: ${again.text}`);
        assert.deepEqual((await node.ask('GET', `/v1/bots/${bot.id}/tokens`)).json.tokens, [], what);
      }
    }
  } finally { await node.stop(); }
  // The kills fell into the work: some of it was heard of, some was not begun.
  assert.ok(counts.acknowledged > 0 && counts.undone > 0, JSON.stringify(counts));
  return counts;
}

const options = () => ({ ...registered, 'rate-governor.bot-rps': 0, 'node.data-dir': temporaryDirectory() });

test('a bot\'s life is whole after a kill at any moment of each of its operations', { timeout: 240_000 }, async (t) => {
  const api = await botApi();
  t.after(api.stop);
  const settings = options();
  t.diagnostic(JSON.stringify(await killEverywhere(() => Node.start(api, { options: settings }), api)));
});

test('likewise with PostgreSQL', { timeout: 240_000 }, async (t) => {
  const api = await botApi();
  const database = await PostgreSql.start();
  t.after(() => { database.remove(); api.stop(); });
  const settings = options();
  t.diagnostic(JSON.stringify(await killEverywhere(() => Node.start(api, {
    options: settings,
    files: { 'store.conf': `store { uri = "${database.uri}" }\n` },
    env: { TROUPE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') },
  }), api)));
});
