// Telegram's webhooks over a cluster: a balancer brings each update to any node, the bot's owner has it soon.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { shardOf } from './harness/fleet.mjs';
import { Middleman } from './harness/middleman.mjs';
import { freePorts } from './harness/ports.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { pause, until } from './harness/wait.mjs';

/// A client that polls at one node after the other, and notes when it saw each text first.
class Client {
  constructor(cluster, scene) {
    Object.assign(this, { cluster, scene, offset: 0, seen: new Map(), stop: false, again: 0 });
    this.over = this.#run();
  }

  async #run() {
    for (let i = 0; !this.stop && this.cluster.all.length > 0; ++i) {
      let said;
      try {
        said = await this.cluster.all[i % this.cluster.all.length]
          .call(this.scene.bot.token, 'getUpdates', { offset: this.offset, timeout: 2 });
      } catch { continue; } // The node was killed under it.
      for (const update of said.json?.result ?? []) {
        const { text } = update.message;
        if (this.seen.has(text)) ++this.again;
        else this.seen.set(text, performance.now());
        this.offset = update.update_id + 1; // As libraries do. A late one may have a lower number.
      }
    }
  }
}

test('updates that come to any node are at their client within a second, and none is lost with a node', { timeout: 180_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const ports = await freePorts(3);
  let balancer;
  const alive = new Set(ports);
  balancer = await Middleman.start(ports[0]);
  t.after(() => balancer.stop());
  let turn = 0;
  balancer.refuses = () => { balancer.port = [...alive][turn++ % alive.size]; };
  const only = Object.fromEntries(ports.map((port, i) => [`n${i + 1}`, { 'webhook.port': port }]));
  const cluster = await Cluster.start(t, sandbox, { only, options: { 'webhook.public-url': balancer.url, 'webhook.looks-per-second': 100 } });
  const scenes = [];
  for (let i = 0; i < 9; ++i) {
    const scene = await sandbox.stage();
    const made = await cluster.all[i % 3].ask('POST', '/v1/bots', { token: scene.bot.token, trusted: true,
      updates: { mode: 'webhook' }, delivery: { mode: 'pull' } });
    assert.equal(made.status, 201, made.text);
    scenes.push(scene);
  }
  await until('every webhook is set', async () => (await sandbox.requests('setWebhook')) >= scenes.length);
  const clients = scenes.map((scene) => new Client(cluster, scene));
  const said = new Map();
  const say = async (from, to) => {
    for (let n = from; n < to; ++n) {
      await Promise.all(scenes.map((scene) => {
        said.set(`${n} to ${scene.bot.id}`, performance.now());
        return sandbox.say(scene.chat, scene.user, `${n} to ${scene.bot.id}`);
      }));
      await pause(500);
    }
  };
  const arrived = (from, to) => until('every update is at its client', () => clients.every((client) => {
    for (let n = from; n < to; ++n)
      if (!client.seen.has(`${n} to ${client.scene.bot.id}`)) throw new Error(`${n} to ${client.scene.bot.id} is missing`);
    return true;
  }), { within: 60_000 });
  await say(0, 12);
  await arrived(0, 12);
  const times = clients.flatMap(({ seen }) => [...seen].map(([text, at]) => at - said.get(text))).sort((a, b) => a - b);
  const at = (part) => Math.round(times[Math.floor((times.length - 1) * part)]);
  t.diagnostic(`from the user to the client: median ${at(0.5)} ms, three of four within ${at(0.75)} ms, worst ${at(1)} ms`);
  assert.ok(at(0.75) < 1000, `three of four within ${at(0.75)} ms`);
  assert.deepEqual(Object.keys(balancer.statuses), ['200'], JSON.stringify(balancer.statuses));

  const victim = (await cluster.status()).nodes.find((node) => !node.leader).name;
  alive.delete(ports[Number(victim.slice(1)) - 1]); // The balancer notices.
  await cluster.kill(victim);
  const again = () => clients.reduce((sum, x) => sum + x.again, 0);
  assert.equal(again(), 0, 'nothing came twice while all nodes lived');
  await say(12, 20);
  await arrived(12, 20);
  for (const client of clients) client.stop = true;
  await Promise.all(clients.map((client) => client.over));
  t.diagnostic(`answers to Telegram: ${JSON.stringify(balancer.statuses)}; given again, as what was confirmed at the lost node may be: ${again()}`);
  assert.deepEqual(Object.keys(balancer.statuses), ['200'], 'updates are taken throughout');
  assert.ok(again() <= clients.length, `${again()} came again`);
});

test('a node that loses its lease says of none of its bots that it was removed', { timeout: 180_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const [port] = await freePorts(1);
  const balancer = await Middleman.start(port);
  t.after(() => balancer.stop());
  const cluster = await Cluster.start(t, sandbox, { gated: true, only: { n2: { 'webhook.port': port } },
    options: { 'webhook.public-url': balancer.url, 'webhook.looks-per-second': 100 } });
  const scenes = [];
  for (let i = 0; i < 90; ++i) {
    const scene = await sandbox.stage();
    const made = await cluster.all[i % 3].ask('POST', '/v1/bots', { token: scene.bot.token, trusted: true, updates: { mode: 'webhook' } });
    assert.equal(made.status, 201, made.text);
    scenes.push(scene);
  }
  const owners = await cluster.owners();
  const ours = scenes.filter(({ bot }) => owners.get(shardOf(bot.id)) === 'n2');
  for (const { bot, chat, user } of ours) await until('its secret went by', async () => {
    await sandbox.say(chat, user, 'x');
    return balancer.secrets[`/webhook/${bot.id}`];
  }, { every: 100, within: 20_000 });
  balancer.statuses = {};
  let id = 1_000_000;
  let stop = false;
  const over = Promise.all(Array.from({ length: 8 }, async (_, at) => {
    for (let i = at; !stop; ++i) {
      const { bot, chat, user } = ours[i % ours.length];
      await balancer.post(bot, { update_id: ++id, message: { message_id: id, date: 1, text: 'y',
        chat: { id: chat.id, type: 'private' }, from: { id: user.id, is_bot: false, first_name: 'A' } } });
    }
  }));
  for (let round = 0; round < 3; ++round) {
    for (const gate of cluster.ways.n2) gate.cut('refused');
    await until('it has lost its lease', () => cluster.nodes.n2.events('node.lost').length > round);
    await pause(300);
    for (const gate of cluster.ways.n2) gate.open();
    await cluster.settled();
  }
  stop = true;
  await over;
  t.diagnostic(`answers to Telegram at the node: ${JSON.stringify(balancer.statuses)}`);
  assert.equal(balancer.statuses[410], undefined, JSON.stringify(balancer.statuses));
});
