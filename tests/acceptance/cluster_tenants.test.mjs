// A tenant's rate holds over three nodes together: counted where the calls arrive.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { shardOf } from './harness/fleet.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { pause, until } from './harness/wait.mjs';

const second = 1_000_000;
/// What the emulated Telegram forgives as well: two calls do not take the same time on their way.
const tolerance = 50_000;
/// The clock that the emulated Telegram notes arrivals by, in microseconds.
const now = () => Number(process.hrtime.bigint() / 1000n);

/// A tenant with bots that were registered through one node after the other, and the calls on them.
class Tenant {
  static async with(cluster, sandbox, name, count) {
    const tenant = new Tenant();
    const made = await cluster.all[0].ask('POST', '/v1/tenants', { name });
    assert.equal(made.status, 201, made.text);
    Object.assign(tenant, { id: made.json.id, cluster, sandbox, bots: [], answers: [], refused: [], stopped: false, loops: [] });
    for (let i = 0; i < count; ++i) {
      const bot = await sandbox.createBot();
      const said = await cluster.all[i % cluster.all.length].ask('POST', '/v1/bots', { token: bot.token, tenant: tenant.id, trusted: true });
      assert.equal(said.status, 201, said.text);
      tenant.bots.push(bot);
    }
    return tenant;
  }

  /// Through every node so many calls at once, each `every` milliseconds after the last one's answer.
  call(loops, every = 0) {
    for (const name of Object.keys(this.cluster.nodes))
      for (let i = 0; i < loops; ++i) this.loops.push(this.#loop(name, i * 5, every));
  }

  async #loop(name, offset, every) {
    for (let i = offset; !this.stopped && this.cluster.nodes[name]; ++i) {
      const asked = now();
      let answer;
      try {
        answer = await this.cluster.nodes[name].call(this.bots[i % this.bots.length].token, 'getMe', undefined,
          { headers: { 'x-troupe-deadline': '30s' }, timeout: 60_000 });
      } catch (error) {
        answer = { text: error.message };
      }
      if (answer.status === 200) this.answers.push({ name, asked, at: now() });
      else this.refused.push({ name, asked, status: answer.status, text: answer.text });
      await pause(answer.status === 200 ? every : 100);
    }
  }

  async stop() {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  /// Answers a second from now on, over so many seconds, and how long half of the calls took at most.
  async measure(seconds) {
    const from = now();
    await pause(seconds * 1000);
    const to = now();
    const seen = this.answers.filter(({ at }) => at >= from && at < to);
    const times = seen.map(({ asked, at }) => (at - asked) / 1000).sort((a, b) => a - b);
    return { rate: seen.length / ((to - from) / second), median: times[times.length >> 1], worst: times.at(-1) };
  }

  change(node, fields) {
    return node.ask('PATCH', `/v1/tenants/${this.id}`, fields).then((said) => assert.equal(said.status, 200, said.text));
  }

  /// When its calls arrived at Telegram, from a time on.
  async arrivals(from) {
    const seen = await this.sandbox.arrivals();
    assert.ok(!seen.lost);
    const mine = new Set(this.bots.map(({ id }) => id));
    return seen.arrivals.filter(([bot, at]) => mine.has(bot) && at >= from).map(([, at]) => at);
  }
}

/// The most arrivals in any sliding window of this length.
function largest(arrivals, length = second - tolerance) {
  let most = 0;
  for (let begin = 0, end = 0; end < arrivals.length; ++end) {
    while (arrivals[end] - arrivals[begin] >= length) ++begin;
    most = Math.max(most, end - begin + 1);
  }
  return most;
}

/// The first moment from which on three seconds have 95 % of a rate.
function used(arrivals, rate, from) {
  return [from, ...arrivals].find((at) =>
    at >= from && arrivals.filter((x) => x >= at && x < at + 3 * second).length >= 0.95 * 3 * rate);
}

test("a tenant's rate, set while it calls: never exceeded over three nodes, and used, also when the leader is killed and when it changes", { timeout: 240_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=telegram', '--global-rps=1000', '--keep-arrivals=1000000'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, { options: { 'rate-governor.global-rps': 1000 } });
  const ada = await Tenant.with(cluster, sandbox, 'Ada', 24);
  const bea = await Tenant.with(cluster, sandbox, 'Bea', 6);
  t.after(() => { ada.stopped = bea.stopped = true; });
  const owners = await cluster.owners();
  const spread = ada.bots.map(({ id }) => owners.get(shardOf(id)));
  t.diagnostic(`Ada's bots are at ${Object.keys(cluster.nodes).map((name) => `${name}: ${spread.filter((x) => x === name).length}`).join(', ')}`);
  assert.equal(new Set(spread).size, 3);

  bea.call(2, 50);
  await bea.measure(1); // Connections are made, slices found.
  const alone = await bea.measure(4);
  ada.call(16);
  await until('Ada is called without a rate', () => ada.answers.length > 200);
  await ada.change(cluster.nodes.n2, { rps: 20 });
  await pause(3000); // What the nodes are told takes no longer, and then a window passes.
  const since = now();
  const show = (who, { rate, median, worst }) => `${who}: ${rate.toFixed(1)} calls/s, each ${median.toFixed(0)} ms, ${worst.toFixed(0)} ms at worst`;
  const [steady, beside] = await Promise.all([ada.measure(12), bea.measure(12)]);
  t.diagnostic(`Ada may 20/s: ${show('Ada', steady)}; ${show('Bea', beside)}; ${show('Bea alone', alone)}`);
  const early = await ada.arrivals(since);
  assert.ok(early.length / ((now() - since) / second) >= 0.95 * 20, `${early.length} in ${(now() - since) / second} s`);
  assert.ok(beside.rate >= 0.9 * alone.rate && beside.median < alone.median + 20, show('Bea', beside));
  for (const name of Object.keys(cluster.nodes))
    assert.ok(ada.answers.some((x) => x.name === name && x.asked >= since), `Ada's calls are answered at ${name}`);
  assert.deepEqual([...ada.refused, ...bea.refused].slice(0, 5), []);

  const { leader } = await cluster.status();
  const killed = now();
  await cluster.kill(leader);
  await cluster.settled();
  await pause(6000);
  const [again, beaAgain] = await Promise.all([ada.measure(8), bea.measure(8)]);
  const fore = await ada.arrivals(since);
  const back = used(fore, 20, killed);
  t.diagnostic(`the leader ${leader} is killed: ${show('Ada', again)}; ${show('Bea', beaAgain)}; `
    + `the rate is used again after ${back === undefined ? 'never' : ((back - killed) / second).toFixed(1)} s`);
  t.diagnostic(`refused meanwhile: Ada ${ada.refused.length}, Bea ${bea.refused.length}`);

  const changed = now();
  await ada.change(cluster.all[0], { rps: 40 });
  await pause(4000);
  const [more, beaMore] = await Promise.all([ada.measure(10), bea.measure(10)]);
  const end = await ada.arrivals(since);
  const faster = used(end, 40, changed);
  t.diagnostic(`Ada may 40/s: ${show('Ada', more)}; ${show('Bea', beaMore)}; `
    + `used after ${faster === undefined ? 'never' : ((faster - changed) / second).toFixed(1)} s`);
  await Promise.all([ada.stop(), bea.stop()]);

  const before = end.filter((at) => at < changed);
  const after = (await ada.arrivals(changed));
  t.diagnostic(`most of Ada's calls in a second: ${largest(before)} of 20, then ${largest(after)} of 40 `
    + `(with 10 ms for their ways: ${largest(before, second - 10_000)}, ${largest(after, second - 10_000)}; by the letter: ${largest(before, second)}, ${largest(after, second)})`);
  assert.ok(largest(before) <= 20, `${largest(before)} in a second`);
  assert.ok(largest(after) <= 40, `${largest(after)} in a second`);
  assert.ok(back !== undefined && back - killed < 8 * second, 'the rate is used again after the leader was killed');
  assert.ok(faster !== undefined && faster - changed < 5 * second, 'a larger rate is used');
  for (const [name, { rate }, may] of [['steady', steady, 20], ['after the leader', again, 20], ['changed', more, 40]])
    assert.ok(rate >= 0.95 * may, `${name}: ${rate} of ${may}`);
  for (const [name, { rate, median }] of [['after the leader', beaAgain], ['changed', beaMore]]) // Its loops at the lost node are gone.
    assert.ok(rate >= 0.9 * alone.rate * 2 / 3 && median < alone.median + 20, `Bea, ${name}: ${rate}, ${median} ms`);
  const wrong = [...ada.refused, ...bea.refused].filter(({ name, status }) => name !== leader && ![429, 503].includes(status));
  assert.deepEqual(wrong.slice(0, 5), []);
  const { limits } = await sandbox.violations();
  for (const name of ['global', 'bot']) assert.equal(limits[name].violations, 0, JSON.stringify(limits[name]));
});
