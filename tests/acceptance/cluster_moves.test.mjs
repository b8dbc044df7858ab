// A shard that moves as planned takes along what its bots' windows hold, and how they are: nobody waits for a
// past that is known, and nothing of it is forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cast } from './harness/cast.mjs';
import { Cluster } from './harness/cluster.mjs';
import { shardOf } from './harness/fleet.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { Tenant } from './harness/tenant.mjs';
import { pause, until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

test('messages go on when their bot moves, and no window is exceeded', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=telegram', '--global-rps=1000'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { options: { 'rate-governor.global-rps': 1000 } });
  const stages = [];
  for (let i = 0; i < 18; ++i) {
    const stage = await sandbox.stage(i % 2 === 0 ? 'private' : 'group');
    stages.push({ ...stage, group: i % 2 !== 0 });
    assert.equal((await cluster.all[i % 3].ask('POST', '/v1/bots', { token: stage.bot.token, trusted: true })).status, 201);
  }
  const groups = stages.filter(({ group }) => group);
  const say = (node, { bot, chat }, deadline = '3s') =>
    node.call(bot.token, 'sendMessage', { chat_id: chat.id, text: 'hello' }, { headers: { 'x-troupe-deadline': deadline } });
  const allSay = async (node, of, times = 1) => {
    for (let i = 0; i < times; ++i)
      for (const said of await Promise.all(of.map((stage) => say(node, stage)))) assert.equal(said.status, 200, said.text);
  };
  // A cluster that begins has no past to wait for.
  await allSay(cluster.nodes.n1, stages);
  await allSay(cluster.nodes.n2, groups, 14);

  for (const leaving of ['n3', 'n2']) {
    assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', leaving)).code, 0);
    await until(`${leaving} has no shard left`, async () =>
      (await cluster.status()).nodes.find(({ name }) => name === leaving).shards === 0, { within: 60_000 });
    await allSay(cluster.nodes[leaving], stages);
    await allSay(cluster.nodes.n1, groups);
  }
  // All bots are n1's by now, some by way of n2; nineteen messages went to each group.
  await allSay(cluster.nodes.n1, groups);
  const one = await Promise.all(groups.map((stage) => say(cluster.nodes.n1, stage)));
  for (const said of one) {
    assert.equal(said.status, 429, said.text);
    assert.ok(said.json.parameters.retry_after <= 60, said.text);
  }
  const { limits } = await sandbox.violations();
  for (const [name, { violations }] of Object.entries(limits)) assert.equal(violations, 0, `${name}: ${JSON.stringify(limits)}`);

  // A node whose end is not planned leaves nothing: its windows count as full.
  for (const name of ['n2', 'n3']) assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', name, '--undo')).code, 0);
  const shards = async () => (await cluster.status()).nodes.map(({ shards: n }) => n);
  await until('all serve again', async () => (await shards()).every((n) => n > 300), { within: 60_000 });
  await cluster.settled();
  const quiet = stages.filter(({ group }) => !group);
  await allSay(cluster.nodes.n1, quiet);
  await cluster.kill('n3');
  await cluster.settled();
  const after = await Promise.all(quiet.map((stage) => say(cluster.nodes.n1, stage)));
  const refused = after.filter(({ status }) => status === 429);
  assert.ok(refused.length > 0 && refused.length < after.length, `${refused.length} of ${after.length}`);
  assert.ok(after.every(({ status }) => [200, 429].includes(status)));
});

test('health moves along: what was counted goes on, an open breaker stays open; after a kill as it was stored last', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { options: { 'health.open-timeout': '10min', 'health.persist-every': '1s' } });
  const { bot } = await sandbox.stage('private');
  const owner = async () => (await cluster.owners()).get(shardOf(bot.id));
  assert.equal((await cluster.nodes.n1.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  const call = (method) => cluster.all[0].call(bot.token, method, {}, { headers: { 'x-troupe-deadline': '5s' } });
  for (let i = 0; i < 20; ++i) assert.equal((await call('getMyName')).status, 200);
  await sandbox.fault({ method: 'getMyCommands', kind: 'status', error_code: 502 });
  await until('the breaker opens', async () => (await call('getMyCommands')).status === 503, { every: 20 });
  await sandbox.clearFaults();
  const health = () => cluster.all[0].get(`/v1/bots/${bot.id}/health`);
  const before = await health();
  assert.equal(before.breaker, 'open');
  assert.ok(before.requests >= 25, JSON.stringify(before));
  const same = async (how) => {
    const now = await until(`health is known ${how}`, async () => { const x = await health(); return x.live && x; });
    for (const name of ['breaker', 'requests', 'failures', 'consecutive_failures']) assert.equal(now[name], before[name], `${name} ${how}`);
    assert.equal((await call('getMyName')).status, 503);
  };
  const first = await owner();
  assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', first)).code, 0);
  await until(`${first} has no shard left`, async () =>
    (await cluster.status()).nodes.find(({ name }) => name === first).shards === 0, { within: 60_000 });
  assert.notEqual(await owner(), first);
  await same('behind a drain');
  const second = await owner();
  await cluster.kill(second);
  await cluster.settled();
  await same('behind a kill');
});

test('what a 429 forbids is forbidden at every later owner: Telegram is not asked again, behind a drain as behind a kill', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const { bot, chat } = await sandbox.stage('private');
  const owner = async () => (await cluster.owners()).get(shardOf(bot.id));
  assert.equal((await cluster.nodes.n1.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  const call = (method, params = {}) =>
    cluster.all[0].call(bot.token, method, params, { headers: { 'x-troupe-deadline': '8s' } });
  assert.equal((await call('getMyName')).status, 200);
  const before = performance.now();
  await sandbox.fault({ method: 'setMyName', kind: 'status', error_code: 429, retry_after: 120 });
  const said = await call('setMyName', { name: 'x' });
  assert.equal(said.status, 429, said.text);
  await sandbox.clearFaults();
  const asked = () => sandbox.requests('setMyName');
  const times = await asked();
  const held = async (how) => {
    assert.equal((await call('getMyName')).status, 200, how);
    const now = await call('setMyName', { name: 'x' });
    assert.equal(now.status, 429, `${how}: ${now.text}`);
    const left = 120 - (performance.now() - before) / 1000;
    assert.ok(Math.abs(now.json.parameters.retry_after - left) < 5, `${how}: ${now.text}, ${left} s are left`);
    assert.equal(await asked(), times, how);
  };
  await held('at the owner');
  const first = await owner();
  assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', first)).code, 0);
  await until(`${first} has no shard left`, async () =>
    (await cluster.status()).nodes.find(({ name }) => name === first).shards === 0, { within: 60_000 });
  const second = await owner();
  assert.notEqual(second, first);
  await held('behind a drain');
  await cluster.kill(second);
  await cluster.settled();
  await held('behind a kill');
});

test('updates that are with a slow receiver when their bot moves as planned come once', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { options: { 'delivery.allow-private-addresses': true } });
  const tenant = await Tenant.start((incoming, answer) => setTimeout(() => answer.end(), 1000));
  t.after(() => tenant.stop());
  const cast = await Cast.meet(cluster.nodes.n1, sandbox, { delivery: { mode: 'relay', url: tenant.url } });
  const first = (await cluster.owners()).get(shardOf(cast.bot.id));
  await cast.talk('moved', 4);
  await until('some are with the receiver', () => tenant.seen.length >= 2, { every: 5 });
  assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', first)).code, 0);
  await until(`${first} has no shard left`, async () =>
    (await cluster.status()).nodes.find(({ name }) => name === first).shards === 0, { within: 60_000 });
  await cast.heard(() => cluster.nodes.n1, () => tenant.texts);
  assert.equal(tenant.seen.length, cast.said.length);
});

test('what is asked of the control API about bots that move waits for them: nothing is refused', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { options: { 'api.creations-per-minute': 0, 'api.user-rpm': 0 } });
  const bots = [];
  const enrol = async (node) => {
    const { bot } = await sandbox.stage('private');
    const said = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
    bots.push(bot);
    return said;
  };
  for (let i = 0; i < 12; ++i) assert.equal((await enrol(cluster.all[i % 3])).status, 201);
  const wrong = [];
  const counts = {};
  let over = false;
  const client = async (node, kind, ask) => {
    // Nobody else changes the same bot: of two at once one would be told so.
    for (let i = 0; !over; ++i) {
      const said = await ask(node, bots[(3 * i + cluster.all.indexOf(node)) % 12], i);
      counts[kind] = (counts[kind] ?? 0) + 1;
      if (said.status >= 300) wrong.push(`${kind}: ${said.status} ${said.text}`);
      await pause(10);
    }
  };
  const clients = cluster.all.flatMap((node) => [
    client(node, 'change', (to, bot, i) => to.ask('PATCH', `/v1/bots/${bot.id}`, { limits: { rps: 10 + (i % 10) } })),
    client(node, 'updates', (to, bot) => to.ask('GET', `/v1/bots/${bot.id}/updates`)),
    client(node, 'health', (to, bot) => to.ask('GET', `/v1/bots/${bot.id}/health`)),
    client(node, 'register', (to) => enrol(to)),
  ]);
  for (const name of ['n2', 'n3']) {
    assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', name)).code, 0);
    await until(`${name} has no shard left`, async () =>
      (await cluster.status()).nodes.find((x) => x.name === name).shards === 0, { within: 60_000 });
    assert.equal((await cluster.nodes.n1.ctl('cluster', 'drain', name, '--undo')).code, 0);
    await cluster.settled();
  }
  over = true;
  await Promise.all(clients);
  t.diagnostic(JSON.stringify(counts));
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${JSON.stringify(counts)}`);
  assert.ok(Object.values(counts).every((n) => n > 30), JSON.stringify(counts));
});
