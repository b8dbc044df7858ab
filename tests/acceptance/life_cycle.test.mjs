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

  test('keep their health and their usage over a restart', limit, async () => {
    const bot = await sandbox.createBot();
    assert.equal((await register(bot)).status, 201);
    for (let i = 0; i < 5; ++i) assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    assert.equal((await node.call(bot.token, 'getChat', { chat_id: 1 })).status, 400);
    const health = () => node.ask('GET', `/v1/bots/${bot.id}/health`).then((answer) => answer.json);
    await until('health has heard of them', async () => (await health()).requests >= 6);
    const before = await health();
    await restart({ kill: false });
    const restored = await until('health is given back', async () => {
      const now = await health();
      return now?.requests === before.requests && now;
    });
    assert.equal(restored.requests, before.requests);
    const usage = await node.ask('GET', `/v1/bots/${bot.id}/analytics?days=1`);
    assert.equal(usage.status, 200, usage.text);
    assert.match(usage.text, /getMe/);
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
