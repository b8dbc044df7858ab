// The life of registered bots on a real node: what is acknowledged outlives every kill, and what a
// restarted node serves is what it stored.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };

describe('registered bots', () => {
  let sandbox;
  let node;
  let options;
  before(async () => {
    sandbox = await Sandbox.start({ args: ['--limits=none'] });
    options = {
      ...registered,
      'health.persist-every': '1s',
      'rate-governor.chat-rps': 0,
      'node.data-dir': temporaryDirectory(),
    };
    node = await Node.start(sandbox, { options });
  });
  after(async () => { await node?.stop(); await sandbox?.stop(); });

  async function restart({ kill }) {
    if (kill) {
      node.program.kill();
      await soon('it is gone', node.program.exited);
    } else {
      await node.stop();
    }
    node = await Node.start(sandbox, { options });
    await node.logged('bots.restored');
  }
  const register = async (bot) => node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
  const order = (id, what) => node.ask('POST', `/v1/bots/${id}:${what}`, {});
  const all = async () => {
    const rows = new Map();
    for (let cursor = ''; ;) {
      const page = await node.ask('GET', `/v1/bots?limit=100${cursor && `&cursor=${cursor}`}`);
      assert.equal(page.status, 200, page.text);
      page.json.bots.forEach((row) => rows.set(row.id, row));
      cursor = page.json.next_cursor ?? page.json.cursor ?? page.json.next;
      if (!cursor) return rows;
    }
  };

  test('are there after a kill, in the phase they were in; their virtual tokens work', limit, async () => {
    const [active, suspended] = [await sandbox.createBot(), await sandbox.createBot()];
    for (const bot of [active, suspended]) assert.equal((await register(bot)).status, 201);
    assert.equal((await order(suspended.id, 'suspend')).status, 200);
    const made = await node.ask('POST', `/v1/bots/${active.id}/tokens`, { name: 'ci', methods: ['getMe'] });
    assert.equal(made.status, 201, made.text);
    for (const kill of [true, false]) {
      await restart({ kill });
      assert.equal((await node.call(active.token, 'getMe')).status, 200);
      assert.equal((await node.call(made.json.token, 'getMe')).status, 200);
      assert.equal((await node.call(made.json.token, 'getChat', { chat_id: 1 })).status, 403);
      const refused = await node.call(suspended.token, 'getMe');
      assert.ok(refused.status >= 400, refused.text);
      assert.equal((await node.ask('GET', `/v1/bots/${suspended.id}`)).json.phase, 'suspended');
    }
    assert.equal((await order(suspended.id, 'resume')).status, 200);
    assert.equal((await node.call(suspended.token, 'getMe')).status, 200);
    const deleted = await node.ask('DELETE', `/v1/bots/${active.id}/tokens/${made.json.id}`);
    assert.equal(deleted.status, 204, deleted.text);
    assert.equal((await node.call(made.json.token, 'getMe')).status, 401);
  });

  test('get calls that arrive before they are restored', limit, async () => {
    const bot = await sandbox.createBot();
    assert.equal((await register(bot)).status, 201);
    node.program.kill();
    await soon('it is gone', node.program.exited);
    node = await Node.start(sandbox, { options });
    assert.equal((await node.call(bot.token, 'getMe')).status, 200); // Whoever comes first.
  });

  test('restart when they are told to', limit, async () => {
    const bot = await sandbox.createBot();
    assert.equal((await register(bot)).status, 201);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const before = node.events('child.restarted').length;
    assert.equal((await order(bot.id, 'restart')).status, 200);
    await until('its supervisor starts it again', () => node.events('child.restarted').length === before + 1);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });

  test('keep their health and their usage, value by value, over a stop and over a kill', limit, async () => {
    const { bot, chat } = await sandbox.stage();
    assert.equal((await register(bot)).status, 201);
    await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'status', error_code: 500, count: 8 });
    for (let i = 0; i < 8; ++i) {
      assert.equal((await node.call(bot.token, 'sendMessage', { chat_id: chat.id, text: 'x' })).status, 500);
      assert.equal((await node.call(bot.token, 'getMe')).status, 200);
      assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    }
    assert.equal((await node.call(bot.token, 'getChat', { chat_id: 1 })).status, 400);
    const health = () => node.ask('GET', `/v1/bots/${bot.id}/health`).then((answer) => answer.json);
    // One is the node's own: whether a webhook is set.
    await until('health has heard of all', async () => (await health()).requests === 26);
    const usage = async () => {
      const answer = await node.ask('GET', `/v1/bots/${bot.id}/analytics?days=1`);
      assert.equal(answer.status, 200, answer.text);
      return answer.json;
    };
    for (const kill of [false, true]) {
      if (kill) {
        // What the last flush stored outlives a kill: here health is stored every second.
        const { saved_at } = await health();
        await until('health is stored', async () => (await health()).saved_at !== saved_at);
      }
      const before = await health();
      const counted = kill ? await usage() : undefined;
      const at = Date.now();
      await restart({ kill });
      const after = await until('health is given back', async () => {
        const now = await health();
        return now?.live && now.requests === before.requests && now;
      });
      const elapsed = (Date.now() - at) / 1000;
      for (const name of ['status', 'breaker', 'phase', 'requests', 'failures', 'client_errors', 'rate_limited', 'consecutive_failures'])
        assert.equal(after[name], before[name], `${name}, kill ${kill}`);
      assert.equal(after.status, 'degraded');
      // Stored in whole microseconds, and times as of the wall clock in milliseconds.
      assert.equal(Math.round(after.latency_ewma_seconds * 1e6), Math.floor(before.latency_ewma_seconds * 1e6));
      for (const name of ['since_success_seconds', 'since_failure_seconds']) {
        const more = after[name] - before[name];
        assert.ok(more >= -0.01 && more <= elapsed + 1, `${name}: ${before[name]}, then ${after[name]} in ${elapsed} s`);
      }
      if (counted) assert.deepEqual(await usage(), counted);
    }
    const { requests, failures, client_errors, methods, today_by_hour } = await usage();
    assert.deepEqual([requests, failures, client_errors], [26, 8, 1]);
    assert.deepEqual(Object.entries(methods).map(([name, x]) => [name, x.requests, x.failures]).sort(),
      [['getChat', 1, 0], ['getMe', 16, 0], ['getWebhookInfo', 1, 0], ['sendMessage', 8, 8]]);
    assert.equal(today_by_hour.reduce((sum, x) => sum + x.requests, 0), requests);
  });

  test('are what was acknowledged, however often the node is killed at work', limit, async () => {
    const expected = new Map(); // Phase, or 'gone'; several while an answer is missing.
    const may = (id, ...phases) => expected.set(id, new Set(phases));
    const tokens = new Map();
    let stop = false;
    let done = 0; // Operations, over all rounds.
    const acknowledged = (answer) => {
      const is = answer !== undefined && answer.status < 500;
      done += is;
      return is;
    };
    async function live() {
      const bot = await sandbox.createBot();
      tokens.set(bot.id, bot.token);
      may(bot.id, 'gone', 'active');
      const registered = await register(bot).catch(() => undefined);
      if (!acknowledged(registered)) return;
      assert.equal(registered.status, 201, registered.text);
      may(bot.id, 'active');
      for (const [what, phase] of [['suspend', 'suspended'], ['resume', 'active'], ['suspend', 'suspended']]) {
        if (stop) return;
        const before = [...expected.get(bot.id)];
        may(bot.id, ...before, phase);
        if (!acknowledged(await order(bot.id, what).catch(() => undefined))) return;
        may(bot.id, phase);
      }
      if (stop || Math.random() < 0.5) return;
      may(bot.id, 'suspended', 'gone');
      if (acknowledged(await node.ask('DELETE', `/v1/bots/${bot.id}`).catch(() => undefined))) may(bot.id, 'gone');
    }
    for (let round = 0; round < 4; ++round) {
      stop = false;
      const workers = Array.from({ length: 8 }, async () => { while (!stop) await live(); });
      const enough = done + 10 + 25 * round;
      await until('they are at work', () => done >= enough);
      stop = true;
      await restart({ kill: true });
      await Promise.all(workers);
      const rows = await all();
      let checked = 0;
      for (const [id, phases] of expected) {
        const phase = rows.get(id)?.phase ?? 'gone';
        assert.ok(phases.has(phase), `bot ${id} is ${phase}, not ${[...phases]}`);
        const answer = await node.call(tokens.get(id), 'getMe');
        assert.equal(answer.status === 200, phase === 'active', `bot ${id}, ${phase}: ${answer.status} ${answer.text}`);
        may(id, phase);
        ++checked;
      }
      assert.ok(checked > 0);
    }
  });
});
