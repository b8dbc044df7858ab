import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { makeAuthority } from '../acceptance/harness/tls.mjs';
import { Sandbox } from '../acceptance/harness/sandbox.mjs';
import { until } from '../acceptance/harness/wait.mjs';
import { freePort, Program } from '../demo/programs.mjs';
import { bad, bold, dim, good, logLine, say, tell } from '../demo/screen.mjs';
import { ClusterNode, keyFileOf } from './nodes.mjs';
import { startEtcd, startPostgresql } from './services.mjs';

const seconds = Number(process.argv.find((argument) => argument.startsWith('--seconds='))?.slice(10) ?? 0);
const dir = mkdtempSync(join(tmpdir(), 'troupe-cluster-'));
chmodSync(dir, 0o711); // PostgreSQL's user passes through.
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));

const started = performance.now();
const age = () => (performance.now() - started) / 1000;
const running = []; // What to stop, in reverse order of start: {name, stop}.
let stopping = false;
let wake = () => {};
const asked = new Promise((resolve) => { wake = resolve; });
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    if (stopping) process.exit(1); // Asked twice.
    stopping = true;
    wake();
  });
const isStopping = () => stopping;

/// Waits, but not beyond the wish to stop.
const pause = (ms) => Promise.race([asked, new Promise((resolve) => setTimeout(resolve, ms))]);

/// What has to go on for all of it to go on.
function watch(program) {
  program.exited.then((end) => {
    if (stopping) return;
    bad(`${program.name} ended by itself: ${JSON.stringify(end)}`);
    program.tail.forEach((line) => say(dim(`    ${line}`)));
    process.exitCode = 1;
    stopping = true;
    wake();
  });
  running.push({ name: program.name, stop: () => program.stop() });
}

const told = /^(node|leader|trust|config)\./;

/// The log of a node: what is about nodes, and what went wrong.
function hear(node, line) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    return say(dim(`  ${node.name}  ${line}`));
  }
  if (told.test(event.event ?? '') || event.level === 'error') logLine({ ...event, actor: node.name });
  return undefined;
}

async function startSandbox() {
  const sandbox = new Sandbox();
  sandbox.tokens = [];
  sandbox.url = `http://127.0.0.1:${await freePort(8090)}`;
  watch(new Program('troupe-sandbox', [`--port=${new URL(sandbox.url).port}`], () => {}));
  await until('the sandbox answers', () => stopping || sandbox.stats());
  return sandbox;
}

/// A node that ended is started again, as systemd would do it, but late enough to see the others take over.
function keep(node, world) {
  node.program.exited.then(async (end) => {
    if (stopping) return;
    tell(`${node.name} ended (${end.signal ?? end.code}); the others take its bots over. It starts again in 10 s.`);
    await pause(10_000);
    if (stopping) return;
    await node.start(hear, isStopping).catch((error) => bad(error.message));
    keep(node, world);
  });
}

async function startNodes(world) {
  const nodes = [];
  for (let i = 1; i <= 3 && !stopping; ++i) { // One after the other: the first one makes the schema.
    const node = await ClusterNode.make(world, i);
    running.push({ name: node.name, stop: async () => !node.alive || node.program.stop() });
    await node.start(hear, isStopping);
    keep(node, world);
    nodes.push(node);
  }
  if (!stopping) world.keyFile = keyFileOf(nodes);
  return nodes;
}

/// Waits until every node that lives says the same: so many members, all reachable, every shard somebody's.
function settled(nodes, count, within = 30_000) {
  return until(`${count} nodes are one cluster`, async () => {
    if (stopping) return true;
    const alive = nodes.filter((node) => node.alive);
    for (const seen of await Promise.all(alive.map((node) => node.status())))
      if (!seen.member || !seen.leader || seen.unowned_shards || seen.moving_shards || seen.nodes.length !== count
          || !seen.nodes.every(({ reachable }) => reachable)) throw new Error(JSON.stringify(seen));
    return alive.length >= count;
  }, { within, every: 200 });
}

/// Bots that are registered by one node, called through every one.
async function makeBots(world, nodes) {
  const bots = [];
  for (let i = 1; i <= 12 && !stopping; ++i) {
    const bot = await world.sandbox.createBot({ username: `number_${i}_bot`, first_name: `Number ${i}` });
    const file = join(dir, 'token');
    writeFileSync(file, bot.token, { mode: 0o600 });
    await nodes[i % 3].ctl('bot', 'add', `--token-file=${file}`, '--trusted');
    rmSync(file);
    bots.push(bot);
  }
  return bots;
}

function introduce(world, nodes, bots) {
  const ctl = relative(process.cwd(), join(process.env.TROUPE_BIN, 'troupectl'));
  const where = `--url=${nodes[0].api} --key-file=${world.keyFile}`;
  say('');
  say(bold('Three nodes serve as one.'));
  for (const node of nodes)
    say(`  ${node.name}   gateway ${node.gateway}   control API and dashboard ${node.api}   pid ${node.pid}   settings ${join(node.dir, 'config')}`);
  say(`  sandbox  ${world.sandbox.url}   etcd ${world.etcd.urls}   PostgreSQL ${world.database.uri}`);
  say('');
  say(bold('Try, in another terminal:'));
  say(`  ${ctl} cluster status ${where}`);
  say(`  curl ${nodes[0].gateway}/bot${bots[0].token}/getMe      (and the same at ${nodes[1].gateway}, ${nodes[2].gateway}: any node answers)`);
  say(`  ${ctl} cluster drain ${nodes[2].name} ${where}      (then cluster status; --undo)`);
  say(`  kill -9 ${nodes[1].pid}      (${nodes[1].name} crashes: its bots answer at the others)`);
  say(dim('  These tokens are the sandbox\'s own. Ctrl-C ends all of it.'));
  say('');
}

/// Some calls through all nodes, so that there is something to disturb; told are those that fail.
async function work(nodes, bots, counts) {
  for (let i = 0; !stopping; ++i) {
    const node = nodes[i % nodes.length];
    if (node.alive) {
      const status = await node.call(bots[i % bots.length]).then((answer) => answer.status, () => 0);
      ++counts.calls;
      if (status !== 200 && !stopping && node.alive) {
        ++counts.failed;
        say(dim(`          a call through ${node.name}: ${status || 'no answer'}`));
      }
    }
    await pause(250);
  }
}

async function everyBotAnswers(nodes, bots, within) {
  await until('every bot answers through every node', async () => {
    if (stopping) return true;
    const answers = await Promise.all(nodes.filter((node) => node.alive).flatMap((node) => bots.map((bot) => node.call(bot))));
    const wrong = answers.filter(({ status }) => status !== 200);
    if (wrong.length) throw new Error(`${wrong.length} of ${answers.length}: ${JSON.stringify(wrong[0])}`);
    return true;
  }, { within, every: 500 });
}

/// What `--seconds` asks for: they are one, lose a node, and are one again.
async function check(nodes, bots) {
  const seen = await nodes[1].status();
  good(`cluster status: ${seen.nodes.map(({ name, shards }) => `${name} ${shards}`).join(', ')} of 1024 shards`);
  if (seen.nodes.length !== 3 || seen.nodes.reduce((sum, { shards }) => sum + shards, 0) !== 1024) throw new Error(JSON.stringify(seen));
  await everyBotAnswers(nodes, bots, 15_000);
  good(`${bots.length} bots answer through each of 3 nodes`);
  tell(`${nodes[1].name} is killed.`);
  nodes[1].program.child.kill('SIGKILL');
  await nodes[1].program.exited;
  const lost = performance.now();
  await settled(nodes, 2);
  await everyBotAnswers(nodes, bots, 15_000);
  good(`all bots answer at the others after ${((performance.now() - lost) / 1000).toFixed(1)} s`);
  await settled(nodes, 3, 40_000);
  await everyBotAnswers(nodes, bots, 15_000);
  good('three nodes again');
}

/// Stops everything, last started first; whether all of it ended well.
async function stopAll() {
  stopping = true;
  wake();
  say('');
  say(bold('Stopping.'));
  let well = true;
  while (running.length) {
    const { name, stop } = running.pop();
    const ended = await stop();
    well &&= ended;
    (ended ? good : bad)(`${name} ${ended ? 'ended' : 'did not end as asked'}`);
  }
  return well;
}

async function main() {
  const world = { dir, authority: makeAuthority(dir) };
  writeFileSync(join(dir, 'master-key'), randomBytes(32).toString('base64'), { mode: 0o600 });
  say(dim('starting etcd (3 members), PostgreSQL, the sandbox and 3 nodes …'));
  world.etcd = await startEtcd(dir, world.authority, 3);
  world.etcd.programs.forEach(watch);
  world.database = await startPostgresql(dir);
  world.database.programs.forEach(watch);
  world.sandbox = await startSandbox();
  const nodes = await startNodes(world);
  await settled(nodes, 3);
  if (stopping) return stopAll();
  const bots = await makeBots(world, nodes);
  if (stopping) return stopAll();
  introduce(world, nodes, bots);
  const counts = { calls: 0, failed: 0 };
  const working = work(nodes, bots, counts);
  let fine = true;
  if (seconds)
    await check(nodes, bots).catch((error) => {
      fine = false;
      bad(error.message);
    });
  await (seconds ? pause(Math.max(0, seconds - age()) * 1000) : asked);
  const well = await stopAll();
  await Promise.race([working, new Promise((resolve) => setTimeout(resolve, 2000))]);
  say(`${counts.calls} calls, ${counts.failed} failed`);
  return well && fine;
}

main().then((well) => process.exit(well && !process.exitCode ? 0 : 1), async (error) => {
  if (!stopping) bad(error.message);
  const wanted = stopping && !process.exitCode;
  process.exit((await stopAll()) && wanted ? 0 : 1);
});
