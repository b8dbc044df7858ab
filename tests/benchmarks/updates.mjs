// Updates: how many a second a node takes over its webhooks, on disk before each 200, against a
// server that only answers 200; how long one takes from there to its tenant; what bots that wait cost.
import { spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { bin, cpu, freePort, listening, median, pairs, seconds, spread, start, stop, until, work } from './parts.mjs';

const few = 1000;
const many = Number(process.env.BENCH_WEBHOOK_BOTS ?? 100000);

/** As much of the Bot API as registering bots takes; remembers their webhooks' secrets. */
async function startTelegram() {
  const secrets = new Map();
  const server = createServer((request, answer) => {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => {
      const [, id, method] = /^\/bot(\d+):[^/]+\/(\w+)/.exec(request.url) ?? [];
      let result = true;
      if (method === 'getMe') result = { id: Number(id), is_bot: true, first_name: 'Bench', username: `bench_${id}_bot` };
      else if (method === 'getWebhookInfo') result = { url: secrets.get(id)?.url ?? '', has_custom_certificate: false, pending_update_count: 0 };
      else if (method === 'setWebhook') secrets.set(id, JSON.parse(body));
      const text = JSON.stringify({ ok: true, result });
      answer.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length });
      answer.end(text);
    });
  });
  server.keepAliveTimeout = 600000;
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { server, secrets, port: server.address().port };
}

async function startNode(telegram, name, extra = []) {
  const [gateway, api, webhook] = [await freePort(), await freePort(), await freePort()];
  const dir = join(work, name);
  mkdirSync(join(dir, 'config'), { recursive: true });
  const child = start('trouped', join(bin, 'trouped'), [
    `--config-dir=${join(dir, 'config')}`, `--node.data-dir=${join(dir, 'data')}`, `--gateway.port=${gateway}`,
    `--api.port=${api}`, `--webhook.port=${webhook}`, '--webhook.public-url=https://bench.example:8443', '--webhook.looks-per-second=1000',
    `--session-pool.api-root=http://127.0.0.1:${telegram.port}`, '--rate-governor.global-rps=0',
    '--journal.max-pending=10000000', '--delivery.allow-private-addresses=true', '--api.user-rpm=0',
    '--api.creations-per-minute=0', '--log.level=warning', ...extra]);
  await until('trouped is ready', async () => {
    try { return (await fetch(`http://127.0.0.1:${api}/readyz`)).ok; } catch { return false; }
  });
  const key = readFileSync(join(dir, 'data', 'operator.key'), 'utf8').trim();
  return { api, webhook, child, key, dir };
}

async function register(node, telegram, count, delivery) {
  let next = 0;
  const body = (id) => JSON.stringify({ token: `${id}:${'b'.repeat(35)}`, trusted: true, updates: { mode: 'webhook' }, delivery });
  const worker = async () => {
    for (let i = next++; i < count; i = next++) {
      const said = await fetch(`http://127.0.0.1:${node.api}/v1/bots`, {
        method: 'POST', body: body(200000 + i), headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${node.key}` } });
      if (said.status !== 201) throw new Error(`a bot was not registered: ${said.status} ${await said.text()}`);
      await said.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  await until('all webhooks are set', () => telegram.secrets.size >= count, 600000);
  const file = join(node.dir, 'bots');
  writeFileSync(file, [...telegram.secrets].map(([id, x]) => `${id} ${x.secret_token}`).join('\n'), { mode: 0o600 });
  return file;
}

function send(port, file, more = []) {
  return new Promise((done, fail) => {
    const child = spawn(join(bin, 'bench-webhooks'), [`--port=${port}`, `--bots=${file}`, `--seconds=${seconds}`, ...more]);
    let text = '';
    let wrong = '';
    child.stdout.on('data', (part) => { text += part; });
    child.stderr.on('data', (part) => { wrong += part; });
    child.on('exit', () => (text ? done(JSON.parse(text)) : fail(new Error(`bench-webhooks failed: ${wrong}`))));
  });
}

/** The disk's own time for what makes a write durable, microseconds. */
function fsyncs(count = 300) {
  const file = openSync(join(work, 'fsync'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times = [];
  for (let i = 0; i < count; ++i) {
    const begin = process.hrtime.bigint();
    writeSync(file, block);
    fdatasyncSync(file);
    times.push(Number(process.hrtime.bigint() - begin) / 1000);
  }
  closeSync(file);
  times.sort((a, b) => a - b);
  return { p50_us: times[Math.floor(count * 0.5)], p99_us: times[Math.floor(count * 0.99)] };
}

/** Durable updates/s, nobody fetching them, against a server that does nothing, in turn. Telegram
 *  opens up to 40 connections for each bot (setWebhook, max_connections): of a thousand bots that
 *  have updates there are more than the larger of these numbers. */
async function intake(telegram, connections) {
  telegram.secrets.clear();
  const node = await startNode(telegram, `intake-${connections}`);
  const file = await register(node, telegram, few, { mode: 'pull' });
  const plain = start('bench-webhooks', join(bin, 'bench-webhooks'), ['--answer']);
  const port = await new Promise((done) => plain.stdout.once('data', (text) => done(JSON.parse(text).port)));
  const seen = { plain: [], troupe: [] };
  const spent = [];
  let errors = 0;
  const more = [`--connections=${connections}`];
  for (const side of [port, node.webhook]) await send(side, file, more);
  for (let i = 0; i < pairs; ++i)
    for (const name of i % 2 ? ['troupe', 'plain'] : ['plain', 'troupe']) {
      const before = cpu(node.child.pid);
      const result = await send(name === 'plain' ? port : node.webhook, file, more);
      seen[name].push(result.rate);
      errors += result.errors;
      if (name === 'troupe') spent.push(((cpu(node.child.pid) - before) / result.sent) * 1e6);
    }
  await stop(plain);
  await stop(node.child);
  return {
    only_answering_per_second: spread(seen.plain), durable_per_second: spread(seen.troupe),
    of_only_answering: spread(seen.troupe.map((x, i) => x / seen.plain[i])), cpu_us_per_update: median(spent), errors,
  };
}

/** From Telegram's request to the tenant's, at half of what goes through when it is pushed. */
async function relay(telegram) {
  telegram.secrets.clear();
  const node = await startNode(telegram, 'relay');
  const tenant = await freePort();
  const file = await register(node, telegram, few, { mode: 'relay', url: `http://127.0.0.1:${tenant}/` });
  const receive = [`--receive=${tenant}`];
  await send(node.webhook, file, [...receive, '--rate=500']);
  const pushed = await send(node.webhook, file, receive);
  const rate = Math.floor(pushed.relay_rate / 2);
  const runs = [];
  for (let i = 0; i < pairs; ++i) runs.push(await send(node.webhook, file, [...receive, `--rate=${rate}`]));
  await stop(node.child);
  const of = (name) => median(runs.map((x) => x[name]));
  return {
    pushed_per_second: pushed.relay_rate, rate, p50_us: of('relay_p50_us'), p99_us: of('relay_p99_us'), max_us: of('relay_max_us'),
    accepted_p99_us: of('p99_us'), lost: [pushed, ...runs].reduce((sum, x) => sum + x.sent - x.errors - x.received, 0),
    repeated: [pushed, ...runs].reduce((sum, x) => sum + x.repeated, 0),
  };
}

/** Memory of a node whose bots have webhooks, a hundredth of them with updates. */
async function waiting(telegram) {
  telegram.secrets.clear();
  const node = await startNode(telegram, 'waiting');
  const file = await register(node, telegram, many, { mode: 'pull' });
  const active = join(node.dir, 'active');
  writeFileSync(active, readFileSync(file, 'utf8').split('\n').slice(0, Math.ceil(many / 100)).join('\n'), { mode: 0o600 });
  const sent = await send(node.webhook, active, ['--rate=1000']);
  const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.child.pid}/status`, 'utf8'))[1]);
  await stop(node.child);
  return { bots: many, active: Math.ceil(many / 100), updates: sent.sent, errors: sent.errors, resident_mib: resident / 1024 };
}

export async function updates() {
  const telegram = await startTelegram();
  try {
    const before = fsyncs();
    const all = { intake: { 64: await intake(telegram, 64), 256: await intake(telegram, 256) }, fsync: before, relay: await relay(telegram), waiting: await waiting(telegram) };
    return all;
  } finally {
    telegram.server.closeAllConnections();
    telegram.server.close();
  }
}
