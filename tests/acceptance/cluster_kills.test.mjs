// kill -9 of what a cluster consists of, with load on every node, counted at both ends and in the store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet } from './harness/fleet.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 240_000 };
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

for (const which of ['a node', 'the leader'])
  test(`kill -9 of ${which} under load: every bot answers within five seconds, the budget holds, and no bot ever has two owners`, limit, async (t) => {
    const fleet = await Fleet.start(t, { bots: 30 });
    const { cluster } = fleet;
    await fleet.witness();
    const { leader } = await cluster.status();
    const victim = which === 'the leader' ? leader : Object.keys(cluster.nodes).find((name) => name !== leader);
    const moved = new Set((await fleet.botsOf(victim, fleet.scenes.map(({ bot }) => bot))).map(({ id }) => String(id)));
    await until('each owner wrote', async () => (await fleet.owners()).length === fleet.scenes.length);
    const killed = performance.now();
    await fleet.kill(victim);
    const took = await fleet.everyBot(Object.keys(cluster.nodes), killed);
    t.diagnostic(`every bot answers at the others after ${seconds(took)}`);
    assert.ok(took < 5000, seconds(took));
    await cluster.settled();
    await fleet.goesOn();
    await until('who has the lost bots wrote', async () => (await fleet.owners()).every(({ bot, nodes }) => !moved.has(bot) || nodes.length === 2));
    const { refused } = await fleet.end(t, { refusals: ({ asked }) => asked >= killed - 10_000 && asked < killed + 10_000 });
    t.diagnostic(`${fleet.unheard} calls were lost with their node, ${refused.length} refused at others; ${moved.size} of ${fleet.scenes.length} bots that get updates moved`);
    for (const { bot, nodes } of await fleet.owners()) {
      assert.equal(new Set(nodes).size, nodes.length, `of bot ${bot} wrote in turns: ${nodes}`);
      assert.equal(nodes.length, moved.has(bot) ? 2 : 1, `of bot ${bot} wrote: ${nodes}`);
    }
  });

test('kill -9 of the member that leads etcd, under load: no call fails, and nothing moves', limit, async (t) => {
  const fleet = await Fleet.start(t, { members: 3 });
  const { cluster } = fleet;
  await fleet.witness();
  const before = await cluster.status();
  await cluster.etcd.kill(await cluster.etcd.leader());
  await fleet.goesOn(Object.keys(cluster.nodes), 100);
  const after = await cluster.settled();
  const place = ({ nodes }) => nodes.map((x) => [x.name, x.shards, x.joined_revision]);
  assert.deepEqual([after.leader, place(after)], [before.leader, place(before)]);
  await fleet.end(t);
  for (const { bot, nodes } of await fleet.owners()) assert.equal(nodes.length, 1, `of bot ${bot} wrote: ${nodes}`);
});

test('PostgreSQL is gone and comes back, under load: calls go on, and no update is lost', limit, async (t) => {
  const fleet = await Fleet.start(t);
  const { cluster } = fleet;
  await fleet.witness();
  const told = fleet.said.length;
  await cluster.database.stop('SIGQUIT');
  await fleet.goesOn();
  await until('people wrote meanwhile', () => fleet.said.length > told + 30);
  await cluster.database.resume();
  await fleet.goesOn();
  await cluster.settled();
  await fleet.end(t);
  for (const { bot, nodes } of await fleet.owners()) assert.equal(nodes.length, 1, `of bot ${bot} wrote: ${nodes}`);
});
