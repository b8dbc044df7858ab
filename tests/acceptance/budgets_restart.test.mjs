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

/// A sandbox that watches every published limit and the global one; a node that may be started again and
/// again on the same data directory; a load that follows it.
class Stage {
  static async make(context, options = {}) {
    const made = new Stage();
    context.after(() => made.clear());
    made.options = { 'node.data-dir': temporaryDirectory(), 'rate-governor.global-rps': globalRps, ...options };
    made.mark = join(made.options['node.data-dir'], 'last-active');
    made.sandbox = await Sandbox.start({
      args: ['--accept-any-token', `--global-rps=${globalRps}`, `--jitter-tolerance=${tolerance}`] });
    made.sandbox.tokens.push(...bots.map(token));
    await made.start();
    return made;
  }

  async start() { this.node = await Node.start(this.sandbox, { options: this.options }); }

  async kill() {
    this.node.program.kill();
    await soon('it is gone', this.node.program.exited, 30_000);
  }

  /// Every bot writes to two private chats and a group; the first is in a hurry besides. Returns when every
  /// kind of window is full: from then on a grant too many would show.
  async work() {
    this.load = new Load(() => this.node.root);
    this.groups = bots.map((id, index) => {
      for (const chat of [1, 2])
        this.load.add(token(id), 'sendMessage', { chat_id: 7_000_000 + 10 * index + chat, text: 'to a person' }, 2);
      if (index === 0) this.load.add(token(id), 'getMe', undefined, 20);
      return this.load.add(token(id), 'sendMessage', { chat_id: -(100_200_000 + index), text: 'to a group' }, 3);
    });
    await until('every window is full', async () => {
      const { limits } = await this.sandbox.violations();
      const slack = Object.entries(limits).filter(([name, seen]) =>
        !['paid', 'polls'].includes(name) && seen.largest < seen.limit);
      if (slack.length === 0) return true;
      throw new Error(JSON.stringify(Object.fromEntries(slack)));
    }, { within: 40_000, every: 200 });
  }

  /// Starts the next node and waits until many calls have gone through it; none may before it is a second old.
  async restart() {
    const spawned = performance.now();
    await this.start();
    const granted = async (count) => (await this.node.get('/v1/budgets')).granted_total >= count;
    await until('the first call is granted', () => granted(1), { within: 30_000 });
    const after = performance.now() - spawned;
    assert.ok(after >= 1000, `the first call was granted ${after} ms after the start`);
    await until('calls go through again', () => granted(100), { within: 30_000 });
  }

  async assertNoViolation() {
    const { limits, enforced } = await this.sandbox.violations();
    assert.equal(enforced, true);
    const broken = Object.entries(limits).filter(([, seen]) => seen.violations > 0);
    assert.deepEqual(Object.fromEntries(broken), {}, JSON.stringify(limits));
  }

  async end() {
    await this.load?.stop();
    await this.node.quiet();
    await this.node.stop();
    await this.sandbox.stop();
  }

  /// Whatever a failed test has left.
  async clear() {
    await this.load?.stop();
    this.node?.program.kill();
    this.sandbox?.program.kill();
  }
}

describe('a node under load', () => {
  test('killed with -9 three times and started again at once: 0 violations, and all are served again', limit, async (t) => {
    const stage = await Stage.make(t);
    await stage.work();
    for (let kills = 0; kills < 3; ++kills) {
      await stage.kill();
      await stage.restart();
      await stage.assertNoViolation();
    }
    const before = stage.groups.map((seen) => seen.ok);
    await until('every group is written to again', () =>
      stage.groups.every((seen, index) => seen.ok > before[index]), { within: 90_000, every: 100 });
    await stage.load.stop();
    await stage.assertNoViolation();
    const { statuses } = stage.load;
    assert.ok(statuses.broken > 0, 'no call was under way when the node was killed');
    const odd = Object.keys(statuses).filter((status) => !['200', '429', '503', 'broken'].includes(status));
    assert.deepEqual(odd, [], JSON.stringify(statuses));
    await stage.end();
  });

  test('stopped with SIGTERM and started again within every window: 0 violations', limit, async (t) => {
    const stage = await Stage.make(t);
    await stage.work();
    for (let stops = 0; stops < 3; ++stops) {
      await stage.node.stop();
      await stage.restart();
      await stage.assertNoViolation();
    }
    await stage.end();
  });

  test('without its mark it knows nothing of its past, and the upstream says so', limit, async (t) => {
    // Shows that the two tests above would see a window that is used twice.
    const stage = await Stage.make(t);
    await stage.work();
    await stage.assertNoViolation();
    await stage.kill();
    rmSync(stage.mark);
    await stage.start();
    await until('groups and chats have more than their share', async () => {
      const { group, chat_long: chat } = (await stage.sandbox.violations()).limits;
      return group.violations > 0 && chat.violations > 0;
    }, { within: 20_000 });
    await stage.end();
  });
});

describe('a node that drains', () => {
  test('keeps its mark, so that its successor knows until when it was at work', limit, async (t) => {
    const stage = await Stage.make(t, { 'node.drain-timeout': '60s', 'session-pool.request-timeout': '50s' });
    const toGroup = () => stage.node.call(token(bots[0]), 'sendMessage', { chat_id: -100_200_300, text: 'hello' },
      { headers: { 'x-troupe-deadline': '1s' } });
    assert.equal((await toGroup()).status, 200);
    await stage.sandbox.fault({ method: 'getChat', kind: 'hang', count: 1 });
    const slow = stage.node.call(token(bots[0]), 'getChat', { chat_id: 7_000_001 }).catch((error) => error);
    await until('the call hangs', async () => (await stage.node.get('/v1/sessions')).leased === 1);
    const asked = Date.now();
    stage.node.program.child.kill('SIGTERM');
    await stage.node.logged('node.draining');
    await until('the mark is made anew in the drain, for six seconds', () =>
      statSync(stage.mark).mtimeMs > asked + 6000, { within: 15_000 });
    await stage.kill();
    await slow;
    const started = performance.now();
    await stage.start();
    const refused = await toGroup();
    const since = (performance.now() - started) / 1000;
    assert.equal(refused.status, 429, refused.text);
    const wait = refused.json.parameters.retry_after;
    // A mark from before the drain would have let go four seconds of the minute.
    assert.ok(wait <= 60 && wait > 60 - since - 1.5, `retry_after ${wait}, ${since} s after the start`);
    await stage.end();
  });
});
