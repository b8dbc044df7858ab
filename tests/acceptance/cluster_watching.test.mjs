// Who watches a bot sees what happens to it, whichever node he asks, wherever the bot is, and whichever node takes a call.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { shardOf } from './harness/fleet.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

class Stream {
  static async of(node, bot) {
    const answer = await fetch(`${node.api}/v1/bots/${bot.id}/events`, { headers: { authorization: `Bearer ${node.operatorKey}` } });
    assert.equal(answer.status, 200);
    return Object.assign(new Stream(answer.body), { node });
  }

  constructor(body) {
    Object.assign(this, { text: '', ended: false });
    this.over = (async () => {
      for await (const piece of body) this.text += Buffer.from(piece).toString();
    })().catch(() => {}).then(() => { this.ended = true; });
  }

  events() {
    return [...this.text.matchAll(/^event: (\S+)\ndata: (.*)$/gm)].map(([, type, data]) => ({ type, ...JSON.parse(data) }));
  }

  of(type) { return this.events().filter((one) => one.type === type).length; }

  /// The node calls other methods by itself.
  get calls() { return this.events().filter(({ type, data }) => type === 'call' && data.method === 'getMe').length; }
}

test('a bot is watched from every node: nothing is missed from the answer on, also when its node dies', { timeout: 180_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const scene = await sandbox.stage();
  const { bot } = scene;
  const made = await cluster.all[0].ask('POST', '/v1/bots', { token: bot.token, trusted: true,
    updates: { mode: 'polling' }, delivery: { mode: 'pull' } });
  assert.equal(made.status, 201, made.text);
  const owner = (await cluster.owners()).get(shardOf(bot.id));
  await until('the bot is served', async () => (await cluster.all[0].call(bot.token, 'getMe')).status === 200);

  const streams = [];
  for (const node of cluster.all) {
    streams.push(await Stream.of(node, bot));
    // At once: the first thing that happens after the answer.
    assert.equal((await cluster.nodes[owner].call(bot.token, 'getMe')).status, 200);
  }
  await until('each stream has the calls since it was answered', () => {
    const seen = streams.map(({ calls }) => calls);
    if (seen.join() === '3,2,1') return true;
    throw new Error(`${seen} calls: ${streams.map(({ text }) => text).join('---')}`);
  });
  await sandbox.say(scene.chat, scene.user, 'hello');
  await until('the update shows everywhere', () => streams.every((one) => one.of('update.received') === 1));
  let said;
  await until('it is polled', async () => {
    said = await cluster.all[1].call(bot.token, 'getUpdates', { timeout: 1 });
    return said.json.result.length === 1;
  });
  await cluster.all[2].call(bot.token, 'getUpdates', { offset: said.json.result[0].update_id + 1, timeout: 0 });
  await until('its delivery, too', () => streams.every((one) => one.of('update.delivered') === 1));
  assert.ok(streams.every((one) => one.of('missed') === 0));

  // Calls that any node takes, each once in each stream, however they end.
  for (const node of cluster.all) {
    for (let i = 0; i < 5; ++i) assert.equal((await node.call(bot.token, 'getMyName')).status, 200);
    assert.equal((await node.call(bot.token, 'getChat', { chat_id: 4711 })).status, 400);
  }
  const named = (one, method, outcome) => one.events().filter(({ type, data }) => type === 'call' && data.method === method && data.outcome === outcome).length;
  const shown = () => streams.map((one) => `${named(one, 'getMyName', 'ok')}+${named(one, 'getChat', 'client_error')}`).join();
  await until('calls that other nodes took show everywhere', () => {
    if (shown() === '15+3,15+3,15+3') return true;
    throw new Error(shown());
  });

  await cluster.kill(owner);
  const left = streams.filter(({ node }) => cluster.all.includes(node));
  assert.equal(left.length, 2);
  const before = left.map(({ calls }) => calls);
  await until('calls show again, at both nodes that are left', async () => {
    for (const node of cluster.all) await node.call(bot.token, 'getMe').catch(() => {}); // One has the bot.
    return left.every((one, i) => one.calls > before[i]);
  }, { within: 60_000 });
  // What a node took for another's bot does not come again when the bot is its own.
  assert.ok(left.every((one) => named(one, 'getMyName', 'ok') === 15), shown());

  const removed = await cluster.all[1].ask('DELETE', `/v1/bots/${bot.id}`);
  assert.equal(removed.status, 204, removed.text);
  await until('both end with the bot', () => left.every(({ ended }) => ended), { within: 30_000 });
  assert.ok(left.every((one) => !one.text.includes(bot.token)));
});
