// A rolling upgrade: node after node gets another version, under load on every node. TROUPE_OLD_BIN: the folder
// of a release to come from; else the upgrade is one of the version's number alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { Fleet } from './harness/fleet.mjs';
import { binary, runToEnd } from './harness/program.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 300_000 };
const from = process.env.TROUPE_OLD_BIN ? `${process.env.TROUPE_OLD_BIN}/trouped` : binary('trouped');
const to = process.env.TROUPE_OLD_BIN ? binary('trouped') : binary('trouped-next');

test('node after node is drained, stopped, started with another version and takes part again: no call fails', limit, async (t) => {
  const fleet = await Fleet.start(t, { program: from });
  const { cluster } = fleet;
  const old = (await cluster.status()).nodes[0].version;
  // What a next version's migrations may do (tests/store: additive) while this one runs.
  await cluster.database.query(`ALTER TABLE bots ADD COLUMN of_the_next TEXT NOT NULL DEFAULT '';
    ALTER TABLE updates ADD COLUMN of_the_next BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE update_box ADD COLUMN of_the_next BIGINT; CREATE TABLE of_the_next (bot BIGINT PRIMARY KEY)`);
  await fleet.goesOn();
  cluster.program = to;
  const versions = {};
  for (const name of ['n3', 'n2', 'n1']) {
    const other = name === 'n1' ? 'n2' : 'n1';
    const of = async () => (await cluster.status(cluster.nodes[other])).nodes.find((x) => x.name === name);
    assert.equal((await cluster.nodes[other].ctl('cluster', 'drain', name)).code, 0);
    await until(`${name} has no shard left`, async () => (await of()).shards === 0, { within: 60_000 });
    await fleet.takeOut(name);
    const leaving = cluster.nodes[name];
    delete cluster.nodes[name];
    await leaving.stop();
    await cluster.add(name);
    fleet.away.delete(name);
    assert.equal((await cluster.nodes[other].ctl('cluster', 'drain', name, '--undo')).code, 0);
    await until(`${name} serves`, async () => (await of()).shards > 300, { within: 60_000 });
    await cluster.settled();
    await fleet.everyBot(['n1', 'n2', 'n3']);
    await fleet.goesOn();
    const { nodes } = await cluster.status();
    for (const node of nodes) versions[node.name] = node.version;
    const { output } = await cluster.nodes[name].ctl('cluster', 'status');
    for (const node of nodes) assert.match(output, new RegExp(`^${node.name} .*${node.version.replaceAll('.', '\\.')}`, 'm'));
    t.diagnostic(`after ${name}: ${JSON.stringify(versions)}`);
    if (!process.env.TROUPE_OLD_BIN)
      for (const node of nodes) assert.equal(node.version === old, cluster.nodes[node.name].program.name === from, JSON.stringify(versions));
  }
  await fleet.end(t);
});

test('a later node says what this version cannot read: nothing breaks, the connection neither', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const clear = { 'cluster.ca-file': undefined, 'cluster.cert-file': undefined, 'cluster.key-file': undefined };
  const cluster = await Cluster.start(t, sandbox, { nodes: 2, options: clear });
  const bot = await sandbox.createBot();
  assert.equal((await cluster.nodes.n1.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  const before = await cluster.settled();
  for (const { address } of before.nodes) {
    const { code, output } = await runToEnd('troupe-newcomer', [address, 'troupe']);
    t.diagnostic(output.replaceAll('\n', '; '));
    assert.equal(code, 0, output);
  }
  const after = await cluster.settled();
  assert.deepEqual(after.nodes, before.nodes);
  for (const node of cluster.all) assert.equal((await node.call(bot.token, 'getMe')).status, 200);
});
