// Overload: a node at half of what its budgets admit, and at ten times as much, in turn; and a tenant
// that calls calmly, alone and beside one that floods. Open loop throughout.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, freePort, listening, median, pairs, seconds, start, stop, until, work } from './parts.mjs';

const budget = Number(process.env.BENCH_OVERLOAD_RPS ?? 500);
const bots = 20;
const calm = 400000; // Numbers of the first bots of each tenant.
const loud = 500000;

/** What bench-load saw; refusals are part of it. */
function load(port, rate, first, deadline, connections = 64) {
  return new Promise((done, fail) => {
    const child = spawn(join(bin, 'bench-load'), [`--port=${port}`, `--rate=${rate}`, `--seconds=${seconds}`, `--bots=${bots}`,
      `--first=${first}`, `--deadline=${deadline}`, `--connections=${connections}`, '--refusals=1']);
    let text = '';
    child.stdout.on('data', (part) => { text += part; });
    child.on('exit', () => (text ? done(JSON.parse(text)) : fail(new Error('bench-load failed'))));
  });
}

async function startNode(upstream, name, options) {
  const [port, api, webhook] = [await freePort(), await freePort(), await freePort()];
  const dir = join(work, name);
  mkdirSync(join(dir, 'config'), { recursive: true });
  const child = start('trouped', join(bin, 'trouped'), [
    `--config-dir=${join(dir, 'config')}`, `--node.data-dir=${join(dir, 'data')}`, `--gateway.port=${port}`, `--api.port=${api}`,
    `--webhook.port=${webhook}`, `--session-pool.api-root=http://127.0.0.1:${upstream}`, '--session-pool.max-connections=256',
    '--session-pool.max-per-host=256', '--rate-governor.bot-rps=0', '--rate-governor.chat-rps=0', '--rate-governor.group-rpm=0',
    '--api.user-rpm=0', '--api.creations-per-minute=0', '--log.level=warning', ...options]);
  await until('trouped is ready', async () => {
    try { return (await fetch(`http://127.0.0.1:${api}/readyz`)).ok; } catch { return false; }
  });
  const key = readFileSync(join(dir, 'data', 'operator.key'), 'utf8').trim();
  const ask = async (path, body) => {
    const said = await fetch(`http://127.0.0.1:${api}${path}`, { method: body ? 'POST' : 'GET', body: body && JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` } });
    if (said.status > 299) throw new Error(`${path}: ${said.status} ${await said.text()}`);
    return said.json();
  };
  return { port, child, ask };
}

/** A tenant with its bots. */
async function tenant(node, name, first) {
  const { id } = await node.ask('/v1/tenants', { name });
  for (let i = 0; i < bots; ++i)
    await node.ask('/v1/bots', { token: `${first + i}:${'a'.repeat(35)}`, trusted: true, tenant: id });
}

const residentMiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** Nothing may be left behind: no lease, nobody who waits. */
const quiet = (node) => until('the node is at rest', async () =>
  (await node.ask('/v1/sessions')).leased === 0 && (await node.ask('/v1/budgets')).waiting === 0);

async function tenfold(node, deadline, connections) {
  const seen = { half: [], tenfold: [] };
  let most = 0;
  await load(node.port, budget / 2, calm, deadline, connections); // Warm.
  for (let i = 0; i < pairs; ++i) {
    for (const which of i % 2 ? ['tenfold', 'half'] : ['half', 'tenfold']) {
      await quiet(node);
      await new Promise((done) => setTimeout(done, 1100)); // The last second's budget is free again.
      seen[which].push(await load(node.port, which === 'half' ? budget / 2 : budget * 10, calm, deadline, connections));
      seen[which].at(-1).resident = residentMiB(node.child.pid);
      most = Math.max(most, seen[which].at(-1).resident);
    }
  }
  await quiet(node);
  const of = (which, what) => median(seen[which].map((x) => x[what]));
  const ratios = seen.half.map((x, i) => seen.tenfold[i].p99_us / x.p99_us);
  return {
    admitted_per_second: of('tenfold', 'requests') / seconds, refused_per_second: of('tenfold', 'refused') / seconds,
    half: { p50_us: of('half', 'p50_us'), p99_us: of('half', 'p99_us'), resident_mib: of('half', 'resident') },
    tenfold: { p50_us: of('tenfold', 'p50_us'), p99_us: of('tenfold', 'p99_us'), resident_mib: most },
    p99_of_half: median(ratios),
    refused: { p50_us: of('tenfold', 'refused_p50_us'), p99_us: of('tenfold', 'refused_p99_us') },
    untold: seen.tenfold.reduce((sum, x) => sum + x.untold, 0),
    errors: [...seen.half, ...seen.tenfold].reduce((sum, x) => sum + x.errors, 0), refused_at_half: of('half', 'refused'),
  };
}

/** A calm tenant's calls, alone and while another one asks for ten times the whole node's budget. */
async function flood(node) {
  const seen = { alone: [], beside: [] };
  const calmly = () => load(node.port, budget / 5, calm, 5000, 16);
  await calmly();
  for (let i = 0; i < pairs; ++i) {
    seen.alone.push(await calmly());
    const flooding = load(node.port, budget * 10, loud, 50);
    seen.beside.push(await calmly());
    await flooding;
    await quiet(node);
  }
  const of = (which, what) => median(seen[which].map((x) => x[what]));
  return {
    alone: { p50_us: of('alone', 'p50_us'), p99_us: of('alone', 'p99_us') },
    beside: { p50_us: of('beside', 'p50_us'), p99_us: of('beside', 'p99_us') },
    p99_of_alone: median(seen.alone.map((x, i) => seen.beside[i].p99_us / x.p99_us)),
    refused: [...seen.alone, ...seen.beside].reduce((sum, x) => sum + x.refused, 0),
    errors: [...seen.alone, ...seen.beside].reduce((sum, x) => sum + x.errors, 0),
  };
}

export async function overload() {
  const upstream = await freePort();
  const sandbox = start('troupe-sandbox', join(bin, 'troupe-sandbox'), [`--port=${upstream}`, '--limits=none', '--accept-any-token']);
  await until('the sandbox listens', () => listening(upstream));
  const results = { budget };
  const node = await startNode(upstream, 'overload', [`--rate-governor.global-rps=${budget}`]);
  await tenant(node, 'calm', calm);
  await tenant(node, 'loud', loud);
  // Callers who do not wait for budget: what is admitted goes out at once.
  results.at_once = await tenfold(node, 0, 64);
  results.flood = await flood(node);
  await stop(node.child);
  // Half of the budget is all that one tenant may use.
  const shared = await startNode(upstream, 'shared', [`--rate-governor.global-rps=${budget}`, `--rate-governor.tenant-rps=${budget / 2}`]);
  await tenant(shared, 'calm', calm);
  await tenant(shared, 'loud', loud);
  results.flood_with_tenant_limit = await flood(shared);
  await stop(shared.child);
  await stop(sandbox);
  return results;
}
