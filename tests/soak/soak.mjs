// A node at work for a long time: calls, polls, updates by webhooks and by polling, relayed, pulled and
// answered by rules, people who watch; the upstream and a receiver with faults; bots killed, restarted,
// suspended, registered and removed; every actor of the supervision tree killed or restarted, whole
// supervisors too; reloads. Measured when all is quiet: in the middle and at the end.
import assert from 'node:assert/strict';
import http from 'node:http';
import { Cast } from '../acceptance/harness/cast.mjs';
import { Load } from '../acceptance/harness/load.mjs';
import { freePort, Middleman } from '../acceptance/harness/middleman.mjs';
import { Node } from '../acceptance/harness/node.mjs';
import { Sandbox } from '../acceptance/harness/sandbox.mjs';
import { Tenant } from '../acceptance/harness/tenant.mjs';
import { pause, slowness, until } from '../acceptance/harness/wait.mjs';

const seconds = Number(process.argv[2] ?? 600);
const seed = Number(process.argv[3] ?? 1);
/// Bots that work all the time, and others that somebody needs now and then: of these, only some fit
/// into memory beside the first.
const busy = 12;
const seldom = 8;
const places = busy + 4;
/// Memory may differ by this share between middle and end; short runs are still warming up, and show
/// nothing but large leaks.
const tolerance = seconds >= 300 ? 0.02 : 0.15;
const tell = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

/// The same choices for the same seed (mulberry32); what the machine makes of them differs.
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}
const random = generator(seed);
const one = (list) => list[Math.floor(random() * list.length)];

const sandbox = await Sandbox.start({ args: ['--limits=none'] });
const port = await freePort();
const middleman = await Middleman.start(port);
const node = await Node.start(sandbox, {
  options: {
    'node.demo-faults': 'true',
    'gateway.unknown-tokens': 'reject',
    'delivery.allow-private-addresses': 'true',
    'delivery.idle-timeout': '1s', // So that its connections are gone when it is measured.
    'rate-governor.global-rps': 2000,
    'api.creations-per-minute': 10_000,
    'api.user-rpm': 100_000,
    'supervisor.bot-intensity': 1000, // Kills shall not end in quarantine, ...
    'supervisor.intensity': 1000, // ... nor end the node.
    'bot.shards': 1,
    'bot.max-active': places, // Some leave for others, ...
    'bot.idle-after': '400ms', // ... some since nobody needs them.
    'webhook.port': port,
    'webhook.public-url': middleman.url,
    'webhook.looks-per-second': 100,
  },
});
const heard = new Set(); // What people said, as it arrived.
const receiver = await Tenant.start((request, answer) => {
  const said = receiver.seen.at(-1)?.update?.message?.text;
  receiver.seen.length = 0; // This side must not grow either.
  const fate = random();
  if (fate < 0.02) return request.socket.destroy();
  answer.statusCode = fate < 0.06 ? 500 : 200;
  if (fate >= 0.06) heard.add(said);
  answer.end();
});

const rules = [{ on: { command: '/start' }, reply: 'Hello {first_name}' }, { on: 'text', reply: '{text}' }];
const casts = [];
for (let i = 0; i < busy + seldom; ++i) // Who is polled for is never idle.
  casts.push(await Cast.meet(node, sandbox, { updates: { mode: i % 2 || i >= busy ? 'webhook' : 'polling' }, delivery: i % 3 === 0 ? { mode: 'relay', url: receiver.url }
    : i % 3 === 1 ? { mode: 'rules', rules } : { mode: 'pull' } }, 2));
const counts = { kills: 0, restarts: 0, suspensions: 0, churned: 0, reloads: 0, faults: 0, said: 0, watchers: 0, parts: 0, visits: 0, evictions: 0 };
const killed = {}; // Parts of the tree, by name.
const awaited = new Set(); // What was said to bots whose updates are relayed or pulled.
let oks = 0; // Answers to getChat, which the node never asks for itself.


/// Whether it is called and pulled for without a pause.
const works = (unused, i) => i < busy;

/// A call that kills its bot on the way.
async function kill() {
  const { bot } = one(casts);
  await node.call(bot.token, 'getMe', {}, { headers: { 'x-troupe-crash': one(['bot', 'bot', 'connection']) } }).catch(() => {});
  ++counts.kills;
}

/// The parts of the supervision tree that are no bots, whole supervisors included. Without the API's
/// listener: it is the hand that does this.
function partsOf(tree, found = []) {
  for (const child of tree.strategy === 'bots' ? [] : tree.children ?? []) {
    if (!child.name.includes('api')) found.push(child.name);
    if (child.supervisor) partsOf(child.supervisor, found);
  }
  return found;
}
const parts = partsOf(await node.get('/v1/supervision'));

/// Any actor ends: killed, or asked to. One that is being restarted already is let alone.
async function endPart() {
  const name = one(parts);
  const answer = await node.ask('POST', '/v1/supervision:restart', { name, kill: random() < 0.7 }).catch(() => undefined);
  if (answer?.status !== 202) return;
  ++counts.parts;
  killed[name] = (killed[name] ?? 0) + 1;
}

async function order(which) {
  const path = `/v1/bots/${one(casts).bot.id}`;
  await node.ask('POST', `${path}:${which}`, {});
  if (which !== 'suspend') return void ++counts.restarts;
  await pause(50);
  await node.ask('POST', `${path}:resume`, {});
  ++counts.suspensions;
}

/// A bot comes, works, and goes for good.
async function churn() {
  const bot = await sandbox.createBot();
  await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
  const made = await node.ask('POST', `/v1/bots/${bot.id}/tokens`, { name: 'soak' });
  if (made.json?.token) await node.call(made.json.token, 'getMe').catch(() => {});
  await node.ask('DELETE', `/v1/bots/${bot.id}`);
  ++counts.churned;
}

async function fault() {
  const kind = one(['status', 'reset_before', 'reset_after', 'half_answer', 'latency', 'flood']);
  await sandbox.fault({ kind, bot: one(casts).bot.id, count: 3, ...(kind === 'status' ? { error_code: 502 } : {}),
    ...(kind === 'flood' ? { retry_after: 1 } : {}), ...(kind === 'latency' ? { latency: '300ms' } : {}) });
  ++counts.faults;
}

/// Somebody looks at a bot's events for a moment.
function watch() {
  ++counts.watchers;
  return new Promise((resolve) => {
    const asked = http.get(`${node.api}/v1/bots/${one(casts).bot.id}/events`,
      { headers: { authorization: `Bearer ${node.operatorKey}` } }, (answer) => answer.on('error', () => {}).resume());
    asked.on('error', resolve).on('close', resolve);
    setTimeout(() => asked.destroy(), 100 + random() * 400);
  });
}

async function say() {
  const i = Math.floor(random() * casts.length);
  const person = one(casts[i].people);
  const text = `soak ${++counts.said}`;
  await sandbox.say(person.chat, person.user, text);
  if (i % 3 !== 1) awaited.add(text);
}

/// Bots that few ask for: called all at once, or not for a while.
async function visit() {
  const some = casts.filter((unused, i) => i >= busy && random() < 0.6);
  const answers = await Promise.all(some.map(({ bot }) => node.call(bot.token, 'getMe').catch(() => {})));
  counts.visits += answers.filter((answer) => answer?.status === 200).length;
}

/// Bots that run now.
async function inMemory() {
  const text = (await node.ask('GET', '/metrics')).text;
  return ['active', 'passivating', 'starting'].reduce((sum, phase) =>
    sum + Number(new RegExp(`^troupe_bots\\{phase="${phase}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0), 0);
}

/// A client of a bot whose updates are pulled: takes and confirms.
async function pull(cast, stopped) {
  for (let offset = 0; !stopped();) {
    const answer = await node.call(cast.bot.token, 'getUpdates', { offset, timeout: 1 }).catch(() => undefined);
    for (const { update_id, message } of answer?.json?.result ?? []) {
      offset = Math.max(offset, update_id + 1);
      heard.add(message?.text);
    }
    if (answer?.status !== 200) await pause(200);
  }
}

async function reload() {
  node.program.child.kill('SIGHUP');
  ++counts.reloads;
}

/// Work and trouble for so long, then nothing any more.
async function half(length) {
  const end = performance.now() + length * 1000;
  const over = () => performance.now() >= end;
  const load = new Load(() => node.root, '2s');
  const chats = casts.filter(works).map((cast) => {
    load.add(cast.bot.token, 'getMe');
    return load.add(cast.bot.token, 'getChat', { chat_id: cast.people[0].chat.id });
  });
  const pulls = casts.filter((cast, i) => i % 3 === 2 && works(cast, i)).map((cast) => pull(cast, over));
  while (!over()) {
    const what = random();
    await (what < 0.42 ? say() : what < 0.5 ? visit() : what < 0.65 ? kill() : what < 0.72 ? order('restart') : what < 0.79 ? order('suspend')
      : what < 0.86 ? churn() : what < 0.90 ? fault() : what < 0.95 ? endPart() : what < 0.99 ? watch() : reload())
      .catch((error) => { // The part of the node that was asked may just have been killed.
        if (node.program.child.exitCode !== null) throw error;
      });
    await pause(random() * 40);
  }
  await sandbox.clearFaults();
  await Promise.all([load.stop(), ...pulls]);
  oks += chats.reduce((sum, { ok }) => sum + ok, 0);
  return load.statuses;
}

/// The same number of descriptors for two seconds, connections aside that come and go by themselves;
/// the least memory seen meanwhile.
async function settled() {
  let still = 0;
  let before;
  let resident = Infinity;
  return until('descriptors stay as they are', async () => {
    const { idle, polls } = await node.get('/v1/sessions');
    const descriptors = node.program.descriptors() - idle - polls;
    still = descriptors === before ? still + 1 : 0;
    resident = still === 0 ? Infinity : Math.min(resident, node.program.resident());
    before = descriptors;
    return still >= 40 && { descriptors, resident };
  }, { within: 60_000, every: 50 });
}

async function measured() {
  for (const { bot } of casts)
    await until(`bot ${bot.id} is active`, async () => {
      await node.ask('POST', `/v1/bots/${bot.id}:resume`, {});
      return ['active', 'passive'].includes((await node.get(`/v1/bots/${bot.id}`)).phase);
    }, { within: 60_000 });
  // Who pulls takes what is left.
  let over = false;
  const pulls = casts.filter((unused, i) => i % 3 === 2).map((cast) => pull(cast, () => over));
  await until('everything that was said arrives', () => {
    const missing = [...awaited].filter((text) => !heard.has(text));
    if (missing.length > 0) throw new Error(`${missing.length} of ${awaited.size} are missing: ${missing.slice(0, 5)}`);
    heard.clear();
    awaited.clear();
    return true;
  }, { within: 180_000 });
  over = true;
  await Promise.all(pulls);
  for (const [i, cast] of casts.entries())
    if (i % 3 !== 2)
      await until(`nothing waits for bot ${cast.bot.id}`, async () =>
        (await node.get(`/v1/bots/${cast.bot.id}/updates`)).pending === 0, { within: 180_000 });
  await until('the node holds no lease', async () => {
    const { leased } = await node.get('/v1/sessions');
    const waiting = await node.waiting();
    if (leased === 0 && waiting === 0) return true;
    throw new Error(`leased ${leased}, waiting ${waiting}`);
  }, { within: 120_000 });
  await until('idle bots have left memory', async () => (await inMemory()) <= places);
  return { ...await settled(), bots: (await node.get('/v1/bots?limit=100')).bots.length };
}

tell(`${seconds} s, seed ${seed}`);
await half(Math.min(30, seconds / 10)); // What is made at first use.
tell(`first half: ${JSON.stringify(await half(seconds / 2))}`);
const middle = await measured();
tell(`middle: ${JSON.stringify(middle)}`);
tell(`second half: ${JSON.stringify(await half(seconds / 2))}`);
const last = await measured();
counts.evictions = node.events('bot.evicted').length;
tell(`end: ${JSON.stringify(last)} after ${JSON.stringify(counts)}`);

tell(`parts that ended: ${JSON.stringify(killed)}`);

assert.ok(counts.evictions > 10 && counts.visits > 0, 'bots left memory, and came back');
assert.ok(counts.kills > 0 && counts.said > 0 && counts.churned > 0 && counts.parts > 0, 'there was trouble');
const asked = await sandbox.requests('getChat');
assert.ok(oks > 0 && asked >= oks, `${oks} calls were answered, ${asked} came in at Telegram`);
assert.equal(last.bots, middle.bots, 'bots at both ends');
assert.ok(last.descriptors <= middle.descriptors, `descriptors: ${middle.descriptors}, then ${last.descriptors}:\n${node.program.describeDescriptors()}`);
const growth = slowness > 1 ? 0 : last.resident / middle.resident - 1; // The instruments' own is not judged.
tell(slowness > 1 ? 'resident memory: not judged' : `resident memory: ${(growth * 100).toFixed(2)} % (at most ${tolerance * 100} %)`);
assert.ok(growth <= tolerance, `resident memory grew by ${(growth * 100).toFixed(2)} %`);
await node.stop();
await sandbox.stop();
middleman.stop();
process.exit(0);
