// `make bench`: everything is measured in one run, pairs in turn, so that a machine that drifts does
// so for both sides. Prints a table, writes build/bench/results.json. See README.md beside this file.
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import {
  bin, bots, children, cpu, finish, freePort, idleShare, listening, load, median, out, pairs, run, seconds, spread, start, stop, until, work, wrk,
} from './parts.mjs';
import { cluster } from './cluster.mjs';
import { overload } from './overload.mjs';
import { updates } from './updates.mjs';
import { PostgreSql } from '../acceptance/harness/postgresql.mjs';

const results = {};

async function startUpstream() {
  const port = await freePort();
  start('troupe-sandbox', join(bin, 'troupe-sandbox'), [`--port=${port}`, '--limits=none', '--accept-any-token']);
  await until('the sandbox listens', () => listening(port));
  return port;
}

async function startNginx(upstream) {
  const port = await freePort();
  const dir = join(work, 'nginx');
  mkdirSync(dir);
  writeFileSync(join(dir, 'nginx.conf'), `
daemon off; worker_processes 2; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  keepalive_requests 1000000000;
  upstream api { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} reuseport backlog=4096;
    location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}`);
  const child = start('nginx', 'nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')]);
  await until('nginx listens', () => listening(port));
  return { port, child };
}

async function startNode(upstream, name = 'node', extra = []) {
  const port = await freePort();
  const api = await freePort();
  const tokens = Array.from({ length: bots }, (_, i) => `${100000 + i}:${'a'.repeat(35)}`).join('\n');
  mkdirSync(join(work, name, 'config'), { recursive: true });
  writeFileSync(join(work, name, 'tokens'), tokens, { mode: 0o600 });
  // Every policy is on; the budgets are large enough never to be what is measured.
  const child = start('trouped', join(bin, 'trouped'), [
    `--config-dir=${join(work, name, 'config')}`, `--node.data-dir=${join(work, name, 'data')}`,
    `--gateway.port=${port}`, `--api.port=${api}`, `--bot.tokens-file=${join(work, name, 'tokens')}`,
    `--session-pool.api-root=http://127.0.0.1:${upstream}`, '--session-pool.max-connections=256',
    '--session-pool.max-per-host=256', '--rate-governor.global-rps=200000', '--rate-governor.bot-rps=20000',
    '--rate-governor.chat-rps=10000', '--rate-governor.chat-per-20s=100000', '--bot.max-concurrent=64', '--session-pool.max-per-bot=64', '--log.level=warning', ...extra]);
  await until('trouped is ready', async () => {
    try { return (await fetch(`http://127.0.0.1:${api}/readyz`)).ok; } catch { return false; }
  });
  return { port, api, child };
}

async function throughput(upstream, nginx, node) {
  const sides = { direct: { port: upstream }, nginx, troupe: node };
  const seen = Object.fromEntries(Object.keys(sides).map((x) => [x, { rps: [], cpu: [] }]));
  for (const [name, side] of Object.entries(sides)) await wrk(side.port); // Warm up.
  let errors = 0;
  for (let i = 0; i < pairs; ++i) {
    for (const name of i % 2 ? ['troupe', 'nginx', 'direct'] : ['direct', 'nginx', 'troupe']) {
      const { port, child } = sides[name];
      const before = child ? cpu(child.pid) : 0;
      const result = await wrk(port);
      seen[name].rps.push(result.rps);
      if (child) seen[name].cpu.push(((cpu(child.pid) - before) / result.total) * 1e6);
      errors += result.errors;
      if (result.socket) console.error(`${name}: socket errors: ${result.socket}`);
    }
  }
  const ratio = seen.troupe.rps.map((x, i) => x / seen.nginx.rps[i]);
  results.gateway = {
    requests_per_second: { direct: spread(seen.direct.rps), nginx: spread(seen.nginx.rps), troupe: spread(seen.troupe.rps) },
    of_nginx: spread(ratio), of_direct: median(seen.troupe.rps) / median(seen.direct.rps),
    cpu_us_per_request: { nginx: spread(seen.nginx.cpu), troupe: spread(seen.troupe.cpu) },
    not_200: errors, pairs, seconds,
  };
}

/** Latency at a part of what trouped can do, open loop, through each side in turn. */
async function latency(upstream, nginx, node, part) {
  const rate = Math.floor(results.gateway.requests_per_second.troupe.median * part);
  const ports = { direct: upstream, nginx: nginx.port, troupe: node.port };
  const seen = Object.fromEntries(Object.keys(ports).map((name) => [name, []]));
  let errors = 0;
  for (let i = 0; i < pairs; ++i)
    for (const name of Object.keys(ports)) {
      const result = await load(ports[name], rate);
      errors += result.errors;
      seen[name].push(result);
    }
  const of = (name, q) => median(seen[name].map((x) => x[q]));
  const quantiles = (name) => ({ p50_us: of(name, 'p50_us'), p90_us: of(name, 'p90_us'), p99_us: of(name, 'p99_us') });
  return {
    rate, errors, direct: quantiles('direct'), nginx: quantiles('nginx'), troupe: quantiles('troupe'),
    p99_added_us: { nginx: of('nginx', 'p99_us') - of('direct', 'p99_us'), troupe: of('troupe', 'p99_us') - of('direct', 'p99_us') },
  };
}

/** A call that kills its own bot when it comes in, against the same call without: what a crash costs a caller. */
async function crashes(upstream) {
  const node = await startNode(upstream, 'crashing', ['--node.demo-faults=true']);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const call = (i, headers) => new Promise((done, fail) => {
    const begin = process.hrtime.bigint();
    get({ port: node.port, agent, headers, path: `/bot${100000 + i}:${'a'.repeat(35)}/getMe` }, (answer) => {
      answer.resume().on('end', () => {
        if (answer.statusCode === 200) done(Number(process.hrtime.bigint() - begin) / 1000);
        else fail(new Error(`a call whose bot crashed was answered with ${answer.statusCode}`));
      });
    }).on('error', fail);
  });
  const seen = { undisturbed: [], crashed: [] };
  for (let i = 0; i < bots; ++i) { // Once each: a second crash within a minute waits for its backoff.
    seen.undisturbed.push(await call(i, {}));
    seen.crashed.push(await call(i, { 'X-Troupe-Crash': 'bot' }));
  }
  agent.destroy();
  await stop(node.child);
  const at = (values, q) => [...values].sort((a, b) => a - b)[Math.floor(values.length * q)];
  results.crash_to_answered_call = {
    crashes: seen.crashed.length, undisturbed_p50_us: at(seen.undisturbed, 0.5), undisturbed_p99_us: at(seen.undisturbed, 0.99),
    crashed_p50_us: at(seen.crashed, 0.5), crashed_p99_us: at(seen.crashed, 0.99),
  };
}

/** What a program measured, as rows: nested names joined with a dot. */
const rowsOf = (prefix, value) => (typeof value === 'object' && value !== null
  ? Object.entries(value).flatMap(([name, x]) => rowsOf(`${prefix}${prefix.endsWith(' ') ? '' : '.'}${name}`, x))
  : [[prefix, typeof value === 'number' ? Number(value.toFixed(2)) : value]]);

function print(rows) {
  const width = Math.max(...rows.map(([what]) => what.length));
  for (const [what, value, goal] of rows)
    console.log(`  ${what.padEnd(width)}  ${String(value).padStart(14)}${goal ? `   goal ${goal}` : ''}`);
}

async function storeOnPostgresql() {
  const server = await PostgreSql.start({ durable: true });
  try {
    return run('bench-store', [`--bots=${process.env.BENCH_POSTGRESQL_BOTS ?? 20000}`, `--uri=${server.uri}`]);
  } finally {
    server.remove();
  }
}

/** wrk → X → sandbox, X being nothing, nginx and trouped; then what a crash costs. */
async function gateway() {
  const upstream = await startUpstream();
  const nginx = await startNginx(upstream);
  const node = await startNode(upstream);
  await throughput(upstream, nginx, node);
  results.latency_at_quarter_load = await latency(upstream, nginx, node, 0.25);
  results.latency_at_half_load = await latency(upstream, nginx, node, 0.5);
  await crashes(upstream);
  for (const child of [...children].reverse()) await stop(child);
}

/** The gateway's figures, with their goals. */
function gatewayRows() {
  const g = results.gateway;
  const q = results.latency_at_quarter_load;
  const l = results.latency_at_half_load;
  const c = results.crash_to_answered_call;
  return [
    ['requests/s direct', Math.round(g.requests_per_second.direct.median)],
    ['requests/s nginx', Math.round(g.requests_per_second.nginx.median)],
    ['requests/s troupe', Math.round(g.requests_per_second.troupe.median)],
    ['of nginx (pairs: min, median, max)', `${g.of_nginx.min.toFixed(2)} ${g.of_nginx.median.toFixed(2)} ${g.of_nginx.max.toFixed(2)}`, '>= 0.8'],
    ['CPU per request nginx, us', g.cpu_us_per_request.nginx.median.toFixed(1)],
    ['CPU per request troupe, us', g.cpu_us_per_request.troupe.median.toFixed(1)],
    [`p99 added at ${q.rate}/s nginx, us`, Math.round(q.p99_added_us.nginx)],
    [`p99 added at ${q.rate}/s troupe, us`, Math.round(q.p99_added_us.troupe)],
    [`p99 added at ${l.rate}/s nginx, us`, Math.round(l.p99_added_us.nginx)],
    [`p99 added at ${l.rate}/s troupe, us`, Math.round(l.p99_added_us.troupe), '< 1000'],
    ['a call, p50 / p99, us', `${Math.round(c.undisturbed_p50_us)} / ${Math.round(c.undisturbed_p99_us)}`],
    ['a call whose bot crashes under it, us', `${Math.round(c.crashed_p50_us)} / ${Math.round(c.crashed_p99_us)}`],
    ['answers that were no 200', g.not_200 + q.errors + l.errors, '0'],
  ];
}

/** What is measured, in this order. */
const parts = {
  gateway,
  overload: async () => { results.overload = await overload(); },
  updates: async () => { results.updates = await updates(); },
  journal: () => { results.journal = run('bench-journal', []); },
  governor: () => { results.governor = run('bench-governor', []); },
  bots: () => { results.bots = run('bench-bots', []); },
  passivation: () => { results.passivation = run('bench-passivation', []); },
  store: () => { results.store = run('bench-store', [`--bots=${process.env.BENCH_STORE_BOTS ?? 100000}`]); },
  postgresql: async () => { results.postgresql = await storeOnPostgresql(); },
  cluster: async () => { results.cluster = await cluster(); },
  shards: () => { results.shards = run('bench-shards', []); },
};

async function main() {
  const wanted = process.env.BENCH_PARTS?.split(',') ?? Object.keys(parts);
  for (const name of wanted)
    if (!(name in parts)) throw new Error(`BENCH_PARTS: no part is called "${name}"; there are ${Object.keys(parts).join(', ')}`);
  results.idle_before = await idleShare();
  for (const [name, measure] of Object.entries(parts))
    if (wanted.includes(name)) await measure();
  console.log('\nTroupe, measured on this machine in this run (medians)\n');
  print([
    ['idle before the start, %', Math.round(results.idle_before * 100), '>= 95: else others distort all of this'],
    ...(wanted.includes('gateway') ? gatewayRows() : []),
    ...wanted.filter((name) => name !== 'gateway').flatMap((name) => rowsOf(`${name}: `, results[name])),
  ]);
  console.log(`\nwritten: ${join(out, 'results.json')}`);
}

try {
  await main();
} finally { // What was measured before something failed stays.
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  await finish();
}
