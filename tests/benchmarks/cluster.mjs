// Nodes as one service: calls/s over one, two and three of them, what a call for another node's bot
// costs more than one for its own, how fast shards move.
import { bin, bots, cpu, load, median, pairs, seconds, until, wrk } from './parts.mjs';

const connections = 63; // Of three clients, whatever they speak to.
const rate = 2000;      // Of calls for one's own bots and for another's.

/** The acceptance tests' cluster: etcd, PostgreSQL, TLS between the nodes; every policy on, budgets
 *  that are never what is measured, the global one by slices. */
async function startCluster(ends) {
  process.env.TROUPE_BIN = bin; // Where the harness looks for the programs.
  const { Cluster } = await import('../acceptance/harness/cluster.mjs');
  const { Sandbox } = await import('../acceptance/harness/sandbox.mjs');
  const sandbox = await Sandbox.start({ args: ['--limits=none', '--accept-any-token'] });
  ends.push(() => sandbox.stop());
  const most = { 'session-pool.max-connections': 256, 'session-pool.max-per-host': 256, 'session-pool.max-per-bot': 64, 'bot.max-concurrent': 64 };
  const budgets = { 'rate-governor.global-rps': 200000, 'rate-governor.bot-rps': 20000, 'rate-governor.chat-rps': 10000, 'rate-governor.chat-per-20s': 100000 };
  const cluster = await Cluster.start({ after: (end) => ends.unshift(end) }, sandbox, { nodes: 1, options: { ...most, ...budgets, 'log.level': 'info' } });
  for (let i = 0; i < bots; ++i) {
    const made = await cluster.all[0].ask('POST', '/v1/bots', { token: `${100000 + i}:${'a'.repeat(35)}`, trusted: true });
    if (made.status !== 201) throw new Error(`a bot was not registered: ${made.text}`);
  }
  return cluster;
}

/** After a move a chat's window may count as full for a while (docs/cluster.md): waits until each bot's call goes at once. */
async function ready(cluster) {
  await cluster.settled();
  for (let i = 0; i < bots; ++i)
    await until(`bot ${i} sends messages`, async () => {
      const said = await cluster.all[0].call(`${100000 + i}:${'a'.repeat(35)}`, 'sendMessage', { chat_id: 1000 + i, text: 'ready?' });
      return said.status === 200;
    }, 90000);
}

/** Three clients, each at one node. */
async function throughput(nodes) {
  const once = async () => {
    const all = await Promise.all([0, 1, 2].map((i) => wrk(nodes[i % nodes.length].gatewayPort, connections / 3)));
    return { rps: all.reduce((sum, x) => sum + x.rps, 0), errors: all.reduce((sum, x) => sum + x.errors, 0) };
  };
  await once(); // Warm up.
  const seen = [];
  for (let i = 0; i < pairs; ++i) seen.push(await once());
  return { per_second: median(seen.map((x) => x.rps)), errors: seen.reduce((sum, x) => sum + x.errors, 0) };
}

const shardsOf = async (cluster, asked, name) => (await cluster.status(asked)).nodes.find((node) => node.name === name).shards;

/** All shards of `name` go to the others, and back. @returns shards per second of both ways */
async function moves(cluster, name) {
  const asked = cluster.nodes.n1;
  const had = await shardsOf(cluster, asked, name);
  const way = async (more, there) => {
    const begin = performance.now();
    const { code, output } = await asked.ctl('cluster', 'drain', name, ...more);
    if (code !== 0) throw new Error(output);
    await until(`the shards of ${name} have moved`, async () => there(await shardsOf(cluster, asked, name)), 60000);
    return had / ((performance.now() - begin) / 1000);
  };
  const away = await way([], (count) => count === 0);
  const back = await way(['--undo'], (count) => count >= had - 1);
  await cluster.settled();
  return { shards: had, away_per_second: away, back_per_second: back };
}

/** One node has all bots, the other none: the same calls through each, in turn. */
async function forwarded(cluster) {
  const { n1: owner, n2: other } = cluster.nodes;
  const { code, output } = await owner.ctl('cluster', 'drain', 'n2');
  if (code !== 0) throw new Error(output);
  await until('n2 has no shard', async () => (await shardsOf(cluster, owner, 'n2')) === 0, 60000);
  await ready(cluster);
  const seen = { local: [], forwarded: [] };
  const spent = { local: [], forwarded: [] };
  const both = () => cpu(owner.program.pid) + cpu(other.program.pid);
  for (let i = 0; i < pairs; ++i)
    for (const [name, node] of [['local', owner], ['forwarded', other]]) {
      const before = both();
      const result = await load(node.gatewayPort, rate);
      spent[name].push(((both() - before) / (rate * seconds)) * 1e6);
      seen[name].push(result);
      if (result.errors > 0) throw new Error(`${result.errors} ${name} calls failed`);
    }
  const of = (name) => ({ p50_us: median(seen[name].map((x) => x.p50_us)), p99_us: median(seen[name].map((x) => x.p99_us)), cpu_us_per_call: median(spent[name]) });
  await owner.ctl('cluster', 'drain', 'n2', '--undo');
  return { rate, local: of('local'), forwarded: of('forwarded') };
}

export async function cluster() {
  const ends = [];
  try {
    const all = await startCluster(ends);
    const result = { calls_per_second: {}, errors: 0 };
    for (const n of [1, 2, 3]) {
      if (n > 1) await all.add(`n${n}`);
      await ready(all);
      const seen = await throughput(all.all);
      result.calls_per_second[`${n}_nodes`] = seen.per_second;
      result.errors += seen.errors;
      if (n === 2) Object.assign(result, await forwarded(all));
    }
    return { ...result, moves: await moves(all, 'n3') };
  } finally {
    for (const end of ends) await end();
  }
}
