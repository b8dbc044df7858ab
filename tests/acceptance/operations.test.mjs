// What operators see while bots are at work, and how a node ends.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawConnection, request } from './harness/http.mjs';
import { grammy } from './harness/libraries.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 90_000 };
let sandbox;
before(async () => { sandbox = await Sandbox.start(); });
after(async () => { await sandbox?.stop(); });

describe('a node under use', () => {
  let node;
  let scene;
  let client;
  let talking = true;
  let talk;
  const failures = [];
  before(async () => {
    node = await Node.start(sandbox);
    scene = await sandbox.stage();
    client = grammy.create(scene.bot.token, node.root);
    client.onText((text) => `heard ${text}`);
    await client.run();
    talk = (async () => {
      while (talking)
        await client.raw('getChat', { chat_id: scene.chat.id }).catch((error) => failures.push(error));
    })();
  });
  after(async () => {
    talking = false;
    await talk;
    await client?.stop();
    await node?.stop();
    assert.deepEqual(failures, []);
  });

  test('/healthz and /readyz answer 200', limit, async () => {
    for (const path of ['/healthz', '/readyz'])
      assert.equal((await request(`${node.api}${path}`)).status, 200);
  });

  test('/v1/health knows the upstream and its requests', limit, async () => {
    const health = await until('the upstream has a success', async () => {
      const seen = await node.get('/v1/health');
      return seen.upstream.requests > 0 && seen;
    });
    assert.equal(health.upstream.status, 'healthy');
    assert.equal(health.upstream.failures, 0);
  });

  test('/v1/supervision shows the tree with the bot in it', limit, async () => {
    const text = JSON.stringify(await node.get('/v1/supervision'));
    for (const name of ['services', 'ingress', 'bots', 'health', 'session-pool', 'rate-governor', 'gateway-0', 'api'])
      assert.ok(text.includes(`"troupe.${name}"`), `${name} is missing in ${text.slice(0, 400)}`);
    assert.ok(text.includes(String(scene.bot.id)), 'the bot is missing');
  });

  test('/v1/sessions counts the leases, the poll apart', limit, async () => {
    const sessions = await until('the poll is seen', async () => {
      const seen = await node.get('/v1/sessions');
      return seen.polls === 1 && seen;
    });
    assert.ok(sessions.leases_total > 0);
    assert.equal(sessions.max_connections, 100);
    assert.equal(sessions.max_per_host, 30);
  });

  test('/v1/budgets shows each budget with its limit and use', limit, async () => {
    const { budgets, granted_total } = await node.get('/v1/budgets');
    const scopes = Object.fromEntries(budgets.map((budget) => [budget.scope, budget]));
    assert.equal(scopes.global.limit, 500);
    assert.equal(scopes.bot.limit, 30);
    assert.ok(scopes.bot.used <= 30);
    assert.ok(granted_total > 0);
  });

  test('/metrics names what the contract names and holds no token and no label per bot', limit, async () => {
    const { status, text } = await request(`${node.api}/metrics`);
    assert.equal(status, 200);
    for (const name of ['troupe_calls_total', 'troupe_call_seconds_bucket', 'troupe_permit_wait_seconds_bucket',
      'troupe_throttled_total', 'troupe_sessions', 'troupe_leases', 'troupe_leases_reclaimed_total', 'troupe_bots',
      'troupe_restarts_total', 'troupe_breakers'])
      assert.match(text, new RegExp(`^${name}[{ ]`, 'm'), name);
    assert.match(text, /^troupe_calls_total\{[^}]*method="getChat"[^}]*\} [1-9]/m);
    assert.match(text, /^troupe_bots\{phase="active"\} 1( |$)/m);
    node.assertNoTokenIn(text, '/metrics');
    assert.ok(!text.includes(String(scene.bot.id)), 'a bot id is a label');
  });

  test('troupectl says the same in tables and in JSON', limit, async () => {
    for (const command of ['health', 'tree', 'sessions', 'budgets']) {
      const table = await node.ctl(command);
      assert.equal(table.code, 0, `${command}: ${table.output}`);
      assert.ok(table.output.length > 40, table.output);
      const json = await node.ctl(command, '--json');
      assert.equal(json.code, 0, `${command} --json: ${json.output}`);
      assert.equal(typeof JSON.parse(json.output), 'object');
      node.assertNoTokenIn(table.output + json.output, `troupectl ${command}`);
    }
  });

  test('troupectl tells failure (1) and bad usage (2) apart', limit, async () => {
    assert.equal((await node.ctl('dance')).code, 2);
    const nobody = { api: 'http://127.0.0.1:1', ctl: node.ctl };
    assert.equal((await nobody.ctl('health')).code, 1);
  });

  test('an unknown route is a problem document', limit, async () => {
    const { status, headers, json } = await request(`${node.api}/v1/nonsense`);
    assert.equal(status, 404);
    assert.match(headers['content-type'], /application\/problem\+json/);
    assert.ok(json.code);
  });

  test('no token is visible in /proc: not in the environment, not on the command line', limit, async () => {
    for (const file of ['cmdline', 'environ'])
      node.assertNoTokenIn(readFileSync(`/proc/${node.program.pid}/${file}`, 'utf8'), file);
  });
});

describe('a bot that crashes in the middle of a call', () => {
  test('loses its lease to the pool, is started again and serves on', limit, async () => {
    const node = await Node.start(sandbox, { options: { 'node.demo-faults': 'true' } });
    const { bot, chat } = await sandbox.stage();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'hang', count: 1 });
    const slow = node.call(bot.token, 'sendMessage', { chat_id: chat.id, text: 'lost?' });
    await until('the call hangs', async () => (await node.get('/v1/sessions')).leased === 1);
    await node.call(bot.token, 'getMe', undefined, { headers: { 'x-troupe-crash': 'bot' } });
    const of = (event) => Number(event.bot) === Number(bot.id);
    for (const name of ['lease.reclaimed', 'child.crashed', 'child.restarted']) await node.logged(name, of);
    const answer = await slow;
    assert.equal(answer.status, 502, answer.text);
    assert.equal(answer.json.ok, false);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    await node.quiet();
    assert.ok((await node.get('/v1/sessions')).reclaimed_total >= 1);
    await sandbox.clearFaults();
    await node.stop();
  });
});

describe('SIGTERM', () => {
  test('lets a slow call finish, refuses new ones, ends with 0', limit, async () => {
    const node = await Node.start(sandbox);
    const { bot, chat } = await sandbox.stage();
    const kept = await RawConnection.open(node.gatewayPort);
    const get = `GET /bot${bot.token}/getMe HTTP/1.1\r\nHost: x\r\n\r\n`;
    kept.write(get);
    let asked = 1;
    await kept.answers(1);
    await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'latency', latency: '2500ms', count: 1 });
    const slow = node.call(bot.token, 'sendMessage', { chat_id: chat.id, text: 'slow' });
    await until('the slow call has its lease', async () => (await node.get('/v1/sessions')).leased === 1);
    node.program.child.kill('SIGTERM');
    await until('the drain is logged', () => /drain/.test(node.program.output));
    // The line comes first; the gateway's threads hear of it a moment later.
    await until('the kept connection is told', () => {
      if (kept.ended || kept.statuses.at(-1) === 503) return true;
      if (kept.statuses.length === asked) {
        kept.write(get);
        ++asked;
      }
      return false;
    });
    assert.ok(kept.statuses.slice(0, -1).every((status) => status === 200));
    assert.equal((await slow).status, 200);
    assert.equal((await sandbox.fromBot(chat)).at(-1).text, 'slow');
    await node.stop();
    kept.destroy();
  });

  test('ends an idle node within a second or two, idle clients or not', limit, async () => {
    const node = await Node.start(sandbox);
    const idle = await RawConnection.open(node.gatewayPort);
    const started = performance.now();
    await node.stop();
    assert.ok(performance.now() - started < 4000);
    idle.destroy();
  });

  test('does not wait for a long poll', limit, async () => {
    const node = await Node.start(sandbox);
    const { bot } = await sandbox.stage();
    const poll = node.call(bot.token, 'getUpdates', { timeout: 50 }).catch((error) => error);
    await until('the poll is under way', async () => (await node.get('/v1/sessions')).polls === 1);
    const started = performance.now();
    await node.stop();
    assert.ok(performance.now() - started < 8000);
    await poll;
  });

  /// A node with a call under way that the upstream answers after `latency`, or never.
  async function withSlowCall(latency) {
    const node = await Node.start(sandbox);
    const { bot, chat } = await sandbox.stage();
    await sandbox.fault({ bot: bot.id, method: 'getChat', count: 1,
      ...(latency ? { kind: 'latency', latency } : { kind: 'hang' }) });
    const call = node.call(bot.token, 'getChat', { chat_id: chat.id }).catch((error) => error);
    await until('the call is under way', async () => (await node.get('/v1/sessions')).leased === 1);
    return { node, call };
  }
  const signal = (node, name) => node.program.child.kill(name);
  const ended = async (node, within) => (await soon('it ends', node.program.exited, within)).code;

  for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGTERM', 'SIGINT'], ['SIGINT', 'SIGTERM']])
    test(`a second one stops at once (${first}, then ${second})`, limit, async () => {
      const { node, call } = await withSlowCall();
      signal(node, first);
      await node.logged('node.draining');
      signal(node, second);
      assert.equal(await ended(node, 3000), 0);
      assert.match((await call).message, /hang up|reset/);
      assert.deepEqual(node.events('node.stopping').map(({ calls }) => calls), [1]);
    });

  test('is not cut short by a SIGHUP: the drain goes on and ends, the slow call with it', limit, async () => {
    const { node, call } = await withSlowCall('2500ms');
    signal(node, 'SIGTERM');
    await node.logged('node.draining');
    let answered = false;
    call.then(() => { answered = true; });
    await until('the call ends, while SIGHUPs come', () => {
      signal(node, 'SIGHUP');
      return answered;
    }, { every: 50 });
    assert.equal((await call).status, 200);
    assert.equal(await ended(node, 10_000), 0);
    assert.deepEqual(node.events('node.stopping').map(({ calls }) => calls), [0]);
    assert.equal(node.events('node.stopped').length, 1);
  });

  test('given twice with SIGHUPs between stops at once all the same', limit, async () => {
    const { node, call } = await withSlowCall();
    signal(node, 'SIGTERM');
    await node.logged('node.draining');
    for (let count = 0; count < 5; ++count) signal(node, 'SIGHUP');
    signal(node, 'SIGTERM');
    assert.equal(await ended(node, 3000), 0);
    assert.ok((await call) instanceof Error);
  });

  test('ends a drain whose calls never end when its time is over', limit, async () => {
    const node = await Node.start(sandbox, { options: { 'node.drain-timeout': '1s' } });
    const { bot, chat } = await sandbox.stage();
    await sandbox.fault({ bot: bot.id, method: 'getChat', kind: 'hang', count: 1 });
    const call = node.call(bot.token, 'getChat', { chat_id: chat.id }).catch((error) => error);
    await until('the call hangs', async () => (await node.get('/v1/sessions')).leased === 1);
    signal(node, 'SIGTERM');
    await node.logged('node.draining');
    signal(node, 'SIGHUP');
    assert.equal(await ended(node, 10_000), 0);
    assert.deepEqual(node.events('node.stopping').map(({ calls }) => calls), [1]);
    await call;
  });
});

describe('SIGHUP', () => {
  const budget = (rps) => `rate-governor {\n  global-rps = ${rps}\n}\n`;
  const granted = async (node) => (await node.get('/v1/budgets')).granted_total;

  /// Seconds until `count` more requests were granted.
  async function timeFor(node, count) {
    const [before, started] = [await granted(node), performance.now()];
    await until(`${count} more requests are granted`, async () => await granted(node) >= before + count,
      { within: 30_000 });
    return (performance.now() - started) / 1000;
  }

  /// Writes a config file anew, and waits until the running node has said what it did about it.
  async function reload(node, file, text, event, key) {
    const seen = node.events(event).length;
    writeFileSync(join(node.dir, 'config', file), text);
    node.program.child.kill('SIGHUP');
    await until(`${event} is logged`, () => node.events(event).slice(seen).some((entry) => entry.key === key));
  }

  test('changes a budget while calls wait for it: throughput follows, up and down', limit, async () => {
    const node = await Node.start(sandbox, {
      options: { 'rate-governor.global-rps': undefined },
      files: { 'rate-governor.conf': budget(5) },
    });
    const bots = [];
    for (let count = 0; count < 3; ++count) bots.push((await sandbox.stage()).bot);
    let talking = true;
    const failures = [];
    const talk = Array.from({ length: 30 }, async (_, index) => {
      while (talking) {
        const answer = await node.call(bots[index % 3].token, 'getMe', undefined, { headers: { 'x-troupe-deadline': '20s' } });
        if (answer.status !== 200) failures.push(answer.text);
      }
    });
    await until('calls wait', async () => await node.waiting() > 10);
    const slow = await timeFor(node, 15);
    assert.ok(slow > 1.9, `15 requests at 5/s took ${slow} s`);
    await reload(node, 'rate-governor.conf', budget(50), 'config.reloaded', 'rate-governor.global-rps');
    const fast = await timeFor(node, 100);
    assert.ok(fast < 10, `100 requests at 50/s took ${fast} s`);
    await reload(node, 'rate-governor.conf', budget(10), 'config.reloaded', 'rate-governor.global-rps');
    const slower = await timeFor(node, 30);
    assert.ok(slower > 1.9, `30 requests at 10/s took ${slower} s`);
    assert.equal((await node.get('/v1/budgets')).budgets.find(({ scope }) => scope === 'global').limit, 10);
    talking = false;
    await Promise.all(talk);
    assert.deepEqual(failures, []);
    await node.stop();
  });

  test('changes quotas while they are used: requests of a user, bots of an address', limit, async () => {
    const quotas = (requests, bots) => `api {\n  user-rpm = ${requests}\n  creations-per-minute = ${bots}\n}\n`;
    const node = await Node.start(sandbox, { files: { 'api.conf': quotas(5, 1) } });
    const tenant = (await node.ask('POST', '/v1/tenants', { name: 'T' })).json;
    const { key } = (await node.ask('POST', `/v1/tenants/${tenant.id}/keys`, { name: 'k' })).json;
    const listed = async (count) => {
      const statuses = [];
      for (let i = 0; i < count; ++i) statuses.push((await node.ask('GET', '/v1/bots', undefined, { key })).status);
      return statuses.filter((x) => x === 200).length;
    };
    const registered = async () => {
      const { token } = await sandbox.createBot();
      return (await node.ask('POST', '/v1/bots', { token, trusted: true })).status;
    };
    assert.equal(await listed(7), 5);
    assert.deepEqual([await registered(), await registered()], [201, 429]);
    await reload(node, 'api.conf', quotas(9, 3), 'config.reloaded', 'api.user-rpm');
    assert.equal(await listed(7), 4); // Those of before count in the same minute.
    assert.deepEqual([await registered(), await registered(), await registered()], [201, 201, 429]);
    await reload(node, 'api.conf', quotas(2, 1), 'config.reloaded', 'api.user-rpm');
    assert.equal(await listed(3), 0);
    assert.equal(await registered(), 429);
    await node.stop();
  });

  test('names what needs a restart, and rejects what is wrong as a whole', limit, async () => {
    const node = await Node.start(sandbox);
    await reload(node, 'node.conf', 'node {\n  drain-timeout = 7s\n}\n', 'config.needs-restart', 'node.drain-timeout');
    writeFileSync(join(node.dir, 'config', 'bot.conf'), 'bot {\n  max-queue = -1\n}\n');
    await reload(node, 'session-pool.conf', 'session-pool {\n  max-connections = 40\n}\n', 'config.rejected');
    assert.equal((await node.get('/v1/sessions')).max_connections, 100);
    await reload(node, 'bot.conf', 'bot {\n  max-queue = 7\n}\n', 'config.reloaded', 'bot.max-queue');
    await until('the pool has the new limit', async () => (await node.get('/v1/sessions')).max_connections === 40);
    await node.stop();
  });
});

describe('the command line', () => {
  const cases = [
    ['an unknown key in a file', 'bot.conf', 'bot {\n  max-quee = 3\n}\n', /bot\.conf.*max-quee/s],
    ['a wrong type in a file', 'bot.conf', 'bot {\n  max-queue = "many"\n}\n', /bot\.conf.*max-queue.*many/s],
    ['a value out of range', 'bot.conf', 'bot {\n  max-queue = -1\n}\n', /bot\.conf.*max-queue.*-1/s],
  ];
  for (const [what, file, text, words] of cases)
    test(`${what} is exit code 2 and a message that names it`, limit, async () => {
      const failure = await Node.start(sandbox, { files: { [file]: text } }).then(() => undefined, (error) => error);
      assert.match(failure?.message ?? 'it started', /"code":2/);
      assert.match(failure.message, words);
    });
});
