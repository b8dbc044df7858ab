// Three nodes as one: real etcd, real PostgreSQL, TLS between the nodes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

test('three nodes find each other, share the shards evenly and know it', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const seen = await cluster.settled();
  const shards = seen.nodes.map((node) => node.shards);
  assert.equal(shards.reduce((a, b) => a + b), 1024);
  assert.ok(Math.max(...shards) - Math.min(...shards) <= 1, `${shards}`);
  assert.equal(seen.nodes.filter((node) => node.leader).length, 1);

  const { code, output } = await cluster.nodes.n2.ctl('cluster', 'status');
  assert.equal(code, 0, output);
  for (const name of ['n1', 'n2', 'n3']) assert.match(output, new RegExp(`${name} +serving`));
});

/// Bots registered through one node after the other.
async function register(cluster, sandbox, count) {
  const bots = [];
  for (let i = 0; i < count; ++i) {
    const bot = await sandbox.createBot();
    const node = cluster.all[i % cluster.all.length];
    const made = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
    assert.equal(made.status, 201, made.text);
    bots.push(bot);
  }
  return bots;
}

test('any node answers for any bot: control API and gateway, own and virtual tokens', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const bots = await register(cluster, sandbox, 12);
  for (const node of cluster.all)
    for (const bot of bots) {
      const said = await node.call(bot.token, 'getMe');
      assert.equal(said.status, 200, said.text);
      assert.equal(said.json.result.id, bot.id);
      assert.equal((await node.ask('GET', `/v1/bots/${bot.id}`)).json.phase, 'active');
    }
  const made = await cluster.nodes.n1.ask('POST', `/v1/bots/${bots[0].id}/tokens`, { name: 'one', methods: ['getMe'] });
  assert.equal(made.status, 201, made.text);
  for (const node of cluster.all) {
    assert.equal((await node.call(made.json.token, 'getMe')).json.result.id, bots[0].id);
    assert.equal((await node.call(made.json.token, 'getChat', { chat_id: 1 })).status, 403);
    assert.equal((await node.call(`${bots[0].id}:${'x'.repeat(35)}`, 'getMe')).status, 401);
    assert.equal((await node.call(`999${bots[0].id}:${'x'.repeat(35)}`, 'getMe')).status, 401);
  }
  const suspended = await cluster.nodes.n2.ask('POST', `/v1/bots/${bots[1].id}:suspend`, {});
  assert.equal(suspended.status, 200, suspended.text);
  for (const node of cluster.all) assert.equal((await node.call(bots[1].token, 'getMe')).status, 403);
});

/// Calls on every bot through every node given, one at a time per loop, until told to stop.
function load(t, nodes, bots, { loops = 4, deadline = '10s' } = {}) {
  const seen = { done: 0, failed: [], stop: false };
  t.after(() => { seen.stop = true; });
  const run = async (offset) => {
    for (let i = offset; !seen.stop; i += loops) {
      const bot = bots[i % bots.length];
      const alive = nodes();
      if (alive.length === 0) return; // The test is over.
      const node = alive[Math.floor(i / bots.length) % alive.length];
      const began = performance.now();
      try {
        const said = await node.call(bot.token, 'getMe', undefined, { headers: { 'x-troupe-deadline': deadline } });
        if (said.status === 200) ++seen.done;
        else seen.failed.push({ status: said.status, text: said.text, at: began, node: node.name });
      } catch (error) {
        seen.failed.push({ error: error.message, at: began });
      }
    }
  };
  seen.over = Promise.all(Array.from({ length: loops }, (_, i) => run(i)));
  return seen;
}

test('a node drains without a failed call, and takes part again', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const bots = await register(cluster, sandbox, 30);
  const work = load(t, () => cluster.all, bots);
  await until('calls are made', () => work.done > 200);
  const { code, output } = await cluster.nodes.n1.ctl('cluster', 'drain', 'n2');
  assert.equal(code, 0, output);
  const shards = async (name) => (await cluster.status()).nodes.find((node) => node.name === name).shards;
  await until('n2 has no shard left', async () => (await shards('n2')) === 0, { within: 60_000 });
  const drained = work.done;
  await until('calls go on', () => work.done > drained + 200);
  assert.equal((await cluster.nodes.n3.ctl('cluster', 'drain', 'n2', '--undo')).code, 0);
  await until('n2 serves again', async () => (await shards('n2')) > 300, { within: 60_000 });
  work.stop = true;
  await work.over;
  assert.deepEqual(work.failed, []);
});

test('a node stops in order: its bots go to the others first, and no call fails', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const bots = await register(cluster, sandbox, 30);
  const work = load(t, () => [cluster.nodes.n1, cluster.nodes.n3], bots);
  await until('calls are made', () => work.done > 200);
  const leaving = cluster.nodes.n2;
  delete cluster.nodes.n2;
  await leaving.stop();
  await cluster.settled();
  const before = work.done;
  await until('calls go on', () => work.done > before + 200);
  work.stop = true;
  await work.over;
  assert.deepEqual(work.failed, []);
});

for (const which of ['a node', 'the leader'])
  test(`kill -9 of ${which}: every bot answers again within five seconds`, limit, async (t) => {
    const sandbox = await Sandbox.start({ args: ['--limits=none'] });
    t.after(() => sandbox.stop());
    const cluster = await Cluster.start(t, sandbox);
    const bots = await register(cluster, sandbox, 60);
    const { leader } = await cluster.status();
    const victim = which === 'the leader' ? leader : Object.keys(cluster.nodes).find((name) => name !== leader);
    const killed = performance.now();
    await cluster.kill(victim);
    const times = await Promise.all(bots.map(async (bot, i) => {
      const node = cluster.all[i % cluster.all.length];
      await until(`bot ${bot.id} answers`, async () =>
        (await node.call(bot.token, 'getMe', undefined, { headers: { 'x-troupe-deadline': '10s' } })).status === 200, { within: 30_000 });
      return performance.now() - killed;
    }));
    times.sort((a, b) => a - b);
    const seconds = (ms) => (ms / 1000).toFixed(2);
    t.diagnostic(`every bot answers: median ${seconds(times[times.length >> 1])} s, worst ${seconds(times.at(-1))} s`);
    assert.ok(times.at(-1) < 5000, `the last bot answered after ${seconds(times.at(-1))} s`);
    await cluster.settled();
    const again = await cluster.add(victim);
    await cluster.settled();
    for (const bot of bots) assert.equal((await again.call(bot.token, 'getMe')).status, 200);
  });

test('one budget for all nodes: never exceeded, and used, also while the leader is killed', limit, async (t) => {
  const budget = 40;
  const sandbox = await Sandbox.start({ args: ['--limits=telegram', `--global-rps=${budget}`] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { options: { 'rate-governor.global-rps': budget } });
  const bots = await register(cluster, sandbox, 12);
  const work = load(t, () => cluster.all, bots, { loops: 60, deadline: '30s' });
  const rate = async (seconds) => {
    const done = work.done;
    const began = performance.now();
    await until(`${budget * seconds} more calls are done`, () => work.done >= done + budget * seconds, { within: seconds * 3000 });
    return (work.done - done) / ((performance.now() - began) / 1000);
  };
  await rate(3); // The first slices are being found.
  const steady = await rate(6);
  t.diagnostic(`steady: ${steady.toFixed(1)} of ${budget} calls a second`);
  assert.ok(steady >= 0.95 * budget, `${steady}`);
  const { leader } = await cluster.status();
  await cluster.kill(leader);
  await cluster.settled();
  await rate(5);
  const again = await rate(5);
  t.diagnostic(`after the leader's end: ${again.toFixed(1)} of ${budget} calls a second`);
  assert.ok(again >= 0.95 * budget, `${again}`);
  work.stop = true;
  await work.over;
  const { limits } = await sandbox.violations();
  assert.equal(limits.global.violations, 0, JSON.stringify(limits.global));
  assert.equal(limits.bot.violations, 0, JSON.stringify(limits.bot));
});
