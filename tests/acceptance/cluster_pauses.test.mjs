// Nodes that stand still or are slow, under load on every node. A node that wakes up after a minute believes to
// be what it was: it must write nothing and begin nothing before it has looked.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Fleet } from './harness/fleet.mjs';
import { pause, until } from './harness/wait.mjs';

const limit = { timeout: 240_000 };
const lanes = 2; // Threads that send: of each, one request at most may be between its last check and the network.

describe('nodes that stand still or are slow', { concurrency: 2 }, () => {
  test('a node stands still for a minute: it writes nothing fenced and begins no call until it has joined again', limit, async (t) => {
    const fleet = await Fleet.start(t, { gated: true, options: { 'node.threads': lanes } });
    const { cluster } = fleet;
    const { n2 } = cluster.nodes;
    const ours = await fleet.botsOf('n2');
    const own = ours.length;
    await fleet.witness();
    assert.equal((await n2.ask('PATCH', `/v1/bots/${ours[0].id}`, { limits: { rps: 20 } })).status, 200);
    await until('it writes what it owns', async () => (await fleet.written('n2', new Date(0), new Date())).length > 0);
    n2.program.child.kill('SIGSTOP');
    const stopped = performance.now();
    const took = await fleet.everyBot(['n1', 'n3'], stopped);
    t.diagnostic(`every bot answers at the others after ${(took / 1000).toFixed(2)} s`);
    assert.ok(took < 8000);
    await until('a minute is over', () => performance.now() - stopped > 60_000, { within: 70_000, every: 200 });
    const woken = new Date();
    n2.program.child.kill('SIGCONT');
    await n2.logged('node.lost');
    const joined = await n2.logged('node.joined', ({ ts, peer }) => !peer && new Date(ts) > woken);
    const back = new Date(joined.ts);
    await cluster.settled();
    await fleet.everyBot(['n2']);
    const whole = performance.now();
    await fleet.goesOn();
    assert.deepEqual(await fleet.written('n2', woken, back), []);
    const late = (await cluster.status(n2)).late_calls_total;
    const sent = cluster.exits.n2.sent.filter((at) => at >= woken.getTime() && at < back.getTime()).length;
    t.diagnostic(`${sent} pieces sent between waking up and joining again, ${late} requests counted as late`);
    assert.ok(late <= lanes, `${late} late calls`);
    assert.ok(sent <= late, `${sent} pieces were sent, ${late} late requests counted`);
    assert.match(await metrics(n2), new RegExp(`^troupe_late_calls_total ${late}(\\.0+)?( |$)`, 'm'));
    // What its kernel took while it stood still waited for too long. When its clients are back at once, all of them
    // want more for a moment than the budget has.
    await fleet.end(t, { unsure: late, conflicts: own + fleet.scenes.length, refusals: ({ name, status, asked }) =>
      asked < whole && (name === 'n2' || (status === 429 && asked >= stopped + 60_000)) });
  });

  test('a node that everything reaches a tenth of a second later stays what it is, and no call fails', limit, async (t) => {
    const fleet = await Fleet.start(t, { gated: true });
    const { cluster } = fleet;
    const before = await cluster.status();
    for (const gate of [cluster.links.n2, ...cluster.ways.n2, cluster.exits.n2, cluster.links.n3]) gate.slow(100);
    await fleet.everyBot(['n1', 'n2', 'n3']);
    await fleet.goesOn(undefined, 60);
    const after = await cluster.settled();
    const lives = ({ nodes }) => nodes.map((x) => [x.name, x.shards, x.joined_revision]);
    assert.deepEqual([after.leader, lives(after)], [before.leader, lives(before)]);
    await fleet.end(t);
  });

  test('a node that gets a quarter of the time, in turns, stays what it is, and no call fails', limit, async (t) => {
    const fleet = await Fleet.start(t, { gated: true });
    const { cluster } = fleet;
    const { child } = cluster.nodes.n2.program;
    const before = await cluster.status();
    const starved = { over: false, stops: 0 };
    t.after(() => { starved.over = true; child.kill('SIGCONT'); });
    starved.done = (async () => {
      while (!starved.over) {
        child.kill('SIGSTOP');
        ++starved.stops;
        await pause(300);
        child.kill('SIGCONT');
        await pause(100);
      }
    })();
    const began = performance.now();
    await until('ten seconds of it', () => performance.now() - began > 10_000, { within: 15_000, every: 100 });
    await fleet.everyBot(['n1', 'n2', 'n3']);
    starved.over = true;
    await starved.done;
    const after = await cluster.settled();
    assert.deepEqual(after.nodes.map((x) => [x.name, x.shards]), before.nodes.map((x) => [x.name, x.shards]));
    // What stands between its permit and the network while the node does arrives that much later: docs/cluster.md.
    await fleet.end(t, { delayed: starved.stops });
  });
});

async function metrics(node) {
  return (await node.ask('GET', '/metrics')).text;
}
