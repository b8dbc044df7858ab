// A network that parts a node from etcd, or nodes from each other, under load on every node: whole, of one
// direction, refusing or silent. The clients and the emulated Telegram count.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet } from './harness/fleet.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };
const seconds = (ms) => (ms / 1000).toFixed(2);
const others = (fleet, name) => Object.keys(fleet.cluster.nodes).filter((one) => one !== name);

for (const [who, how] of [['a node', 'refused'], ['a node', 'silent'], ['a node', 'answers lost'], ['the leader', 'silent'], ['the leader', 'answers lost']])
  test(`${who} is cut off from etcd (${how}): it stops before others take over, and joins again`, limit, async (t) => {
    const fleet = await Fleet.start(t, { gated: true });
    const { cluster } = fleet;
    const { leader } = await cluster.status();
    const victim = who === 'the leader' ? leader : others(fleet, leader)[0];
    const rest = others(fleet, victim);
    const cut = performance.now();
    for (const gate of cluster.ways[victim]) gate.cut(how);
    const lost = await cluster.nodes[victim].logged('node.lost');
    const took = await fleet.everyBot(rest, cut);
    t.diagnostic(`every bot answers at the others after ${seconds(took)} s`);
    const left = await cluster.nodes[rest[0]].logged('node.left', ({ peer }) => peer === victim);
    assert.ok(lost.ts <= left.ts, `it stopped at ${lost.ts}, its shards were free at ${left.ts}`);
    assert.equal((await cluster.status(cluster.nodes[victim])).member, false);
    assert.ok(took < 8000, `the last bot answered after ${seconds(took)} s`);
    for (const gate of cluster.ways[victim]) gate.open();
    await cluster.settled();
    await fleet.everyBot([victim]);
    const whole = performance.now();
    await fleet.goesOn();
    // While it is none of the cluster its calls wait, and are refused when their time is over. What is at Telegram
    // in the moment in which its bots end has an unknown outcome.
    await fleet.end(t, { refusals: ({ name, status, at }) => at < whole && (status === 502 || (name === victim && status === 503)) });
  });

/// While the parts of the budget come by way of etcd, some of the calls that may wait 3 s are told to come again: what
/// is asked for is all that there is.
const scarce = (from, to) => ({ status, asked }) => status === 429 && asked >= from - 3000 && asked < to;

/// Whether `one` reaches `other`, as it says itself.
const reaches = async (fleet, one, other) =>
  (await fleet.cluster.status(fleet.cluster.nodes[one])).nodes.find(({ name }) => name === other).reachable;

for (const how of ['refused', 'silent', 'answers lost', 'requests lost'])
  test(`two nodes, one of them the leader, are cut off from each other (${how}): both serve their own bots, and the third one all`, limit, async (t) => {
    const fleet = await Fleet.start(t, { gated: true, deadline: '3s' });
    const { cluster } = fleet;
    const owned = { n1: await fleet.botsOf('n1'), n2: await fleet.botsOf('n2') };
    const cut = performance.now();
    cluster.links.n2.cut(how); // n1 connects to it; n3 is connected to by both.
    await until('they miss each other', async () => !(await reaches(fleet, 'n1', 'n2')) && !(await reaches(fleet, 'n2', 'n1')));
    const parted = performance.now();
    await fleet.everyBot(['n3'], parted);
    for (const name of ['n1', 'n2']) await fleet.everyBot([name], parted, owned[name]);
    await fleet.goesOn(['n3']);
    for (const name of ['n1', 'n2'])
      await until(`calls at ${name} for the other one's bots are refused`, () => fleet.all({ name, since: parted, status: 503 }).length > 0);
    const seen = await cluster.status();
    assert.deepEqual([seen.leader, seen.unowned_shards, seen.moving_shards, seen.nodes.length], ['n1', 0, 0, 3]);
    cluster.links.n2.open();
    await cluster.settled();
    await fleet.everyBot(['n1', 'n2']);
    const whole = performance.now();
    await fleet.goesOn();
    const isOf = (name, id) => owned[name].some((bot) => bot.id === id);
    const short = scarce(cut, whole);
    const { refused } = await fleet.end(t, { unsure: 10, refusals: (one) => short(one) || (one.status === 503 && one.asked >= cut - 3000 && one.asked < whole
      && ((one.name === 'n1' && isOf('n2', one.bot)) || (one.name === 'n2' && isOf('n1', one.bot)))) });
    assert.ok(refused.some(({ status }) => status === 503));
    assert.ok(refused.filter(short).length <= 10, `${refused.filter(short).length} calls found no budget`);
  });

for (const how of ['refused', 'silent'])
  test(`a node is cut off from all others, not from etcd (${how}): it serves its own bots within the one budget`, limit, async (t) => {
    const fleet = await Fleet.start(t, { gated: true, deadline: '3s' });
    const { cluster } = fleet;
    const own = await fleet.botsOf('n3');
    const rest = fleet.bots.filter((bot) => !own.includes(bot));
    const cut = performance.now();
    cluster.links.n3.cut(how);
    await until('it misses both', async () => !(await reaches(fleet, 'n3', 'n1')) && !(await reaches(fleet, 'n3', 'n2')));
    const parted = performance.now();
    const took = await fleet.everyBot(['n3'], parted, own);
    t.diagnostic(`its own bots answer ${seconds(took)} s after it missed the others`);
    await fleet.everyBot(['n1', 'n2'], parted, rest);
    for (const name of ['n1', 'n2', 'n3'])
      await until(`calls at ${name} for bots of the other side are refused`, () => fleet.all({ name, since: parted, status: 503 }).length > 0);
    assert.equal((await cluster.status(cluster.nodes.n3)).member, true);
    cluster.links.n3.open();
    await cluster.settled();
    await fleet.everyBot(['n1', 'n2', 'n3']);
    const whole = performance.now();
    await fleet.goesOn();
    const short = scarce(cut, whole);
    const { refused } = await fleet.end(t, { unsure: 10, refusals: (one) => short(one) || (one.status === 503 && one.asked >= cut - 3000 && one.asked < whole
      && (one.name === 'n3') !== own.some(({ id }) => id === one.bot)) });
    assert.ok(refused.filter(short).length <= 10, `${refused.filter(short).length} calls found no budget`);
  });
