// A disk that gets full under a node of a cluster. What is kept is in PostgreSQL; of the node's own files one
// matters: whom it trusts. With load on every node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet } from './harness/fleet.mjs';
import { SmallDisk } from './harness/small_disk.mjs';
import { pause, until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

test('a node\'s disk is full: it serves on; who joins meanwhile is its peer when there is space again', limit, async (t) => {
  const disk = SmallDisk.make(8);
  t.after(() => disk.unmount());
  const fleet = await Fleet.start(t, { only: { n2: { 'node.data-dir': disk.dir } } });
  const { cluster } = fleet;
  const before = await cluster.status();
  disk.fill();
  await fleet.everyBot(['n1', 'n2', 'n3']);
  await fleet.goesOn();
  const lives = ({ nodes }) => nodes.map((x) => [x.name, x.shards, x.joined_revision]);
  assert.deepEqual(lives(await cluster.settled()), lives(before));

  const leaving = cluster.nodes.n3; // Comes back with another certificate.
  const gone = performance.now();
  await fleet.takeOut('n3');
  delete cluster.nodes.n3;
  await leaving.stop();
  await cluster.add('n3');
  fleet.away.delete('n3');
  await cluster.nodes.n2.logged('trust.failed');
  await until('n1 reaches it, n2 does not', async () => {
    const sees = async (name) => (await cluster.status(cluster.nodes[name])).nodes.find((x) => x.name === 'n3').reachable;
    return await sees('n1') && !(await sees('n2'));
  });
  await until('no shard is moving: nothing changes any more', async () => {
    const { moving_shards, unowned_shards, nodes } = await cluster.status();
    return moving_shards === 0 && unowned_shards === 0 && nodes.every(({ shards }) => shards > 300);
  }, { within: 30_000 });
  await fleet.everyBot(['n1']);
  // That these two do not find each other is nothing to the third one.
  const broken = () => cluster.nodes.n1.program.lines.filter((line) => line.includes('node.unreachable')).length;
  const times = broken();
  await pause(3000);
  assert.equal(broken(), times);
  disk.free();
  await cluster.settled();
  await fleet.everyBot(['n2', 'n3']);
  const whole = performance.now();
  await fleet.goesOn();
  // n2 and n3 do not find each other's bots meanwhile.
  await fleet.end(t, { refusals: ({ name, asked }) => name !== 'n1' && asked >= gone - 10_000 && asked < whole });
});
