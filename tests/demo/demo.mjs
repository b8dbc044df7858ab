import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from '../acceptance/harness/http.mjs';
import { Sandbox } from '../acceptance/harness/sandbox.mjs';
import { until } from '../acceptance/harness/wait.mjs';
import { programs as kinds, startBot } from './bots.mjs';
import { freePort, Program } from './programs.mjs';
import { bad, bold, dim, good, logLine, say, tell } from './screen.mjs';
import { Story } from './story.mjs';
import { Users } from './users.mjs';

const seconds = Number(process.argv.find((argument) => argument.startsWith('--seconds='))?.slice(10) ?? 0);
const promised = ['child.crashed', 'child.restarted', 'breaker.opened', 'breaker.closed', 'budget.held'];
const configuration = fileURLToPath(new URL('../../configs/demo', import.meta.url));
const data = mkdtempSync(join(tmpdir(), 'troupe-demo-'));
process.on('exit', () => rmSync(data, { recursive: true, force: true }));

const started = performance.now();
const age = () => (performance.now() - started) / 1000;
const running = []; // What to stop, in reverse order of start: {name, stop}.
const events = [];
let stopping = false;
let wake = () => {};
const asked = new Promise((resolve) => { wake = resolve; });
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    if (stopping) process.exit(1); // Asked twice.
    stopping = true;
    wake();
  });

/// Waits, but not beyond the wish to stop.
const pause = (ms) => Promise.race([asked, new Promise((resolve) => setTimeout(resolve, ms))]);

async function port(wanted, purpose) {
  const got = await freePort(wanted);
  if (got !== wanted) say(bold(`Port ${wanted} is taken: the ${purpose} uses ${got}.`));
  return got;
}

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

async function startSandbox() {
  const sandbox = new Sandbox();
  sandbox.tokens = [];
  sandbox.url = `http://127.0.0.1:${await port(8090, 'sandbox')}`;
  watch(new Program('troupe-sandbox', [`--port=${new URL(sandbox.url).port}`], () => {}));
  await until('the sandbox answers', () => stopping || sandbox.stats());
  return sandbox;
}

function hear(line) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    event = undefined;
  }
  if (!event?.event) return say(dim(`          ${line}`));
  events.push(event);
  return logLine(event);
}

async function startNode(sandbox) {
  const ports = { api: await port(8080, 'control API'), gateway: await port(8081, 'gateway'),
    webhook: await port(8443, 'webhook listener') };
  watch(new Program('trouped', [`--config-dir=${configuration}`, `--node.data-dir=${data}`,
    `--session-pool.api-root=${sandbox.url}`, '--log.format=json',
    ...Object.entries(ports).map(([name, number]) => `--${name}.port=${number}`)], hear));
  const url = (name) => `http://127.0.0.1:${ports[name]}`;
  await until('the node is ready', async () =>
    stopping || (await request(`${url('api')}/readyz`)).status === 200, { within: 30_000 });
  return { gateway: url('gateway'), api: url('api'), key: join(data, 'operator.key') };
}

function introduce(sandbox, node, bots) {
  const first = bots[0];
  say('');
  say(bold('Troupe is playing.'));
  say(`  gateway       ${node.gateway}   what your bot library calls instead of https://api.telegram.org`);
  say(`  control API   ${node.api}   dashboard at /; /v1/health  /v1/supervision  /v1/sessions  /v1/budgets  /metrics`);
  say(`  sandbox       ${sandbox.url}   the emulated Telegram: /sandbox/bots, /sandbox/stats, …`);
  say('');
  say(bold('Try, in another terminal:'));
  const ctl = relative(process.cwd(), join(process.env.TROUPE_BIN, 'troupectl'));
  const where = node.api.endsWith(':8080') ? '' : ` --url=${node.api}`;
  say(`  curl ${node.gateway}/bot${first.token}/getMe`);
  say(`  export TROUPE_KEY=$(cat ${node.key})      (the operator's key; the dashboard asks for it)`);
  say(`  ${ctl} tree${where}      (also: health, sessions, budgets, bot list, audit; --help)`);
  say(`  curl -H "Authorization: Bearer $TROUPE_KEY" ${node.api}/v1/budgets`);
  say(`  curl -d '{"bot": ${bots[1].id}, "kind": "status", "error_code": 500, "count": 20}' ${sandbox.url}/sandbox/faults`);
  say(dim('  These tokens are the sandbox\'s own; real ones are never shown. Ctrl-C ends all of it.'));
  say('');
}

/// Users talk until the demo stops.
async function chatter(users) {
  while (!stopping) {
    await users.act().catch((error) => stopping || bad(`a user failed: ${error.message}`));
    await pause(1500);
  }
}

async function play(story) {
  let failed = 0;
  for (const act of ['crash', 'breaker', 'budget', 'group']) {
    await pause(act === 'group' ? Math.max(0, 75 - age()) * 1000 : 3000);
    if (stopping) return failed;
    await story[act]().catch((error) => {
      if (stopping) return;
      ++failed;
      bad(error.message);
    });
  }
  tell('That was the story. The bots go on; the log shows what happens to them.');
  return failed;
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

function verdict(failed) {
  const missing = promised.filter((name) => !events.some((event) => event.event === name));
  missing.forEach((name) => bad(`${name} did not appear within ${seconds} s`));
  if (failed) bad(`${failed} act${failed > 1 ? 's' : ''} went wrong`);
  if (!missing.length && !failed) good(`the whole story appeared: ${promised.join(', ')}`);
  return missing.length === 0 && failed === 0;
}

async function main() {
  const sandbox = await startSandbox();
  const node = await startNode(sandbox);
  const bots = await Promise.all(Object.keys(kinds).map(async (kind) =>
    ({ kind, ...(await sandbox.createBot({ username: `${kind}_bot`, first_name: kind })) })));
  const users = new Users(sandbox);
  await users.meet(bots);
  if (stopping) return stopAll();
  introduce(sandbox, node, bots);
  // A handler whose call was refused (the breaker's act) is part of the play.
  const clients = await Promise.all(bots.map((bot) =>
    startBot(bot.kind, bot.token, node.gateway, (error) => say(dim(`          ${bot.kind} bot: ${error.message}`)))));
  running.push({ name: `${clients.length} bots`, stop: async () => {
    await Promise.race([Promise.all(clients.map((client) => client.stop())), new Promise((resolve) => setTimeout(resolve, 3000))]);
    return true;
  } });
  const talk = chatter(users);
  let failed = 0;
  const told = play(new Story({ sandbox, users, bots, gateway: node.gateway, events }))
    .then((count) => { failed = count; });
  await (seconds ? pause(seconds * 1000 - age() * 1000) : asked);
  const fine = !seconds || verdict(failed);
  const well = await stopAll();
  await Promise.race([Promise.all([talk, told]), new Promise((resolve) => setTimeout(resolve, 2000))]);
  return well && fine;
}

main().then((well) => process.exit(well && !process.exitCode ? 0 : 1), async (error) => {
  if (!stopping) bad(error.message);
  const asked = stopping && !process.exitCode;
  process.exit((await stopAll()) && asked ? 0 : 1);
});
