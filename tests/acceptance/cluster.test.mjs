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
