// A node under load that is killed, or stopped, and started again: no window ever holds more than its
// limit, as the upstream counts it.
import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Load } from './harness/load.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 240_000 };
const globalRps = 60;
/// Arrivals that a busy machine holds up look too close together; what a restart forgets is far more.
const tolerance = '400ms';

const token = (id) => `${id}:${String(id).padEnd(35, 'T')}`;
const bots = Array.from({ length: 8 }, (_, index) => 5_000_001 + index);

/// A sandbox that watches every published limit and the global one, and a node that may be started again.
async function stage(options = {}) {
  const sandbox = await Sandbox.start({
    args: ['--accept-any-token', `--global-rps=${globalRps}`, `--jitter-tolerance=${tolerance}`] });
  sandbox.tokens.push(...bots.map(token));
  const data = temporaryDirectory();
  const start = () => Node.start(sandbox,
    { options: { 'node.data-dir': data, 'rate-governor.global-rps': globalRps, ...options } });
  return { sandbox, data, start };
}

/// Every bot writes to two private chats and a group; the first is in a hurry besides.
function work(load) {
  const groups = [];
  bots.forEach((id, index) => {
    for (const chat of [1, 2])
      load.add(token(id), 'sendMessage', { chat_id: 7_000_000 + 10 * index + chat, text: 'to a person' }, 2);
    groups.push(load.add(token(id), 'sendMessage', { chat_id: -(100_200_000 + index), text: 'to a group' }, 3));
    if (index === 0) load.add(token(id), 'getMe', undefined, 20);
  });
  return groups;
}

/// Waits until every kind of window is full: from here on a grant too many would show.
const loaded = (sandbox) => until('every window is full', async () => {
  const { limits } = await sandbox.violations();
  const slack = Object.entries(limits).filter(([name, seen]) =>
    !['paid', 'polls'].includes(name) && seen.largest < seen.limit);
  if (slack.length === 0) return true;
  throw new Error(JSON.stringify(Object.fromEntries(slack)));
}, { within: 40_000, every: 200 });

async function assertNoViolation(sandbox) {
  const { limits, enforced } = await sandbox.violations();
  assert.equal(enforced, true);
  const broken = Object.entries(limits).filter(([, seen]) => seen.violations > 0);
  assert.deepEqual(Object.fromEntries(broken), {}, JSON.stringify(limits));
}

const ended = (node) => soon('it is gone', node.program.exited, 30_000);

async function killed(node) {
  node.program.kill();
  await ended(node);
}

/// The next node, once many calls have gone through it; not one before a second of its life has passed.
async function restarted(start) {
  const spawned = performance.now();
  const node = await start();
  const granted = async (count) => (await node.get('/v1/budgets')).granted_total >= count;
  await until('the first call is granted', () => granted(1), { within: 30_000 });
  const after = performance.now() - spawned;
  assert.ok(after >= 1000, `the first call was granted ${after} ms after the start`);
  await until('calls go through again', () => granted(100), { within: 30_000 });
  return node;
}

describe('a node under load', () => {
  test('killed with -9 three times and started again at once: 0 violations, and all are served again', limit, async () => {
    const { sandbox, start } = await stage();
    let node = await start();
    const load = new Load(() => node.root);
    const groups = work(load);
    await loaded(sandbox);
    for (let kills = 0; kills < 3; ++kills) {
      await killed(node);
      node = await restarted(start);
      await assertNoViolation(sandbox);
    }
    const before = groups.map((seen) => seen.ok);
    await until('every group is written to again', () => groups.every((seen, index) => seen.ok > before[index]),
      { within: 90_000, every: 100 });
    await load.stop();
    await assertNoViolation(sandbox);
    assert.ok(load.statuses.broken > 0, 'no call was under way when the node was killed');
    const odd = Object.keys(load.statuses).filter((status) => !['200', '429', '503', 'broken'].includes(status));
    assert.deepEqual(odd, [], JSON.stringify(load.statuses));
    await node.quiet();
    await node.stop();
    await sandbox.stop();
  });

  test('stopped with SIGTERM and started again within every window: 0 violations', limit, async () => {
    const { sandbox, start } = await stage();
    let node = await start();
    const load = new Load(() => node.root);
    work(load);
    await loaded(sandbox);
    for (let stops = 0; stops < 3; ++stops) {
      await node.stop();
      node = await restarted(start);
      await assertNoViolation(sandbox);
    }
    await load.stop();
    await assertNoViolation(sandbox);
    await node.quiet();
    await node.stop();
    await sandbox.stop();
  });

  test('without its mark it knows nothing of its past, and the upstream says so', limit, async () => {
    // Shows that the two tests above would see a window that is used twice.
    const { sandbox, data, start } = await stage();
    let node = await start();
    const load = new Load(() => node.root);
    work(load);
    await loaded(sandbox);
    await assertNoViolation(sandbox);
    await killed(node);
    rmSync(join(data, 'last-active'));
    node = await start();
    await until('groups have more than their share', async () => {
      const { group, chat_long: chat } = (await sandbox.violations()).limits;
      return group.violations > 0 && chat.violations > 0;
    });
    await load.stop();
    await node.stop();
    await sandbox.stop();
  });
});

describe('a node that drains', () => {
  test('keeps its mark, so that its successor knows until when it was at work', limit, async () => {
    const { sandbox, data, start } = await stage({ 'node.drain-timeout': '60s', 'session-pool.request-timeout': '50s' });
    const first = await start();
    const toGroup = (node) => node.call(token(bots[0]), 'sendMessage', { chat_id: -100_200_300, text: 'hello' },
      { headers: { 'x-troupe-deadline': '1s' } });
    assert.equal((await toGroup(first)).status, 200);
    await sandbox.fault({ method: 'getChat', kind: 'hang', count: 1 });
    const slow = first.call(token(bots[0]), 'getChat', { chat_id: 7_000_001 }).catch((error) => error);
    await until('the call hangs', async () => (await first.get('/v1/sessions')).leased === 1);
    const asked = Date.now();
    first.program.child.kill('SIGTERM');
    await first.logged('node.draining');
    await until('the mark is made anew in the drain, for six seconds', () =>
      statSync(join(data, 'last-active')).mtimeMs > asked + 6000, { within: 15_000 });
    await killed(first);
    await slow;
    const started = performance.now();
    const second = await start();
    const refused = await toGroup(second);
    const since = (performance.now() - started) / 1000;
    assert.equal(refused.status, 429, refused.text);
    const wait = refused.json.parameters.retry_after;
    // A mark from before the drain would have let go four seconds of the minute.
    assert.ok(wait <= 60 && wait > 60 - since - 1.5, `retry_after ${wait}, ${since} s after the start`);
    await second.stop();
    await sandbox.stop();
  });
});
