// Updates over a cluster whose nodes die: each that Telegram gave away reaches its client, from whatever node it asks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };
const bots = 10;
const messages = 20; // To each bot.

/// A client that polls for updates, at another node with each poll, and notes what it saw.
class Client {
  constructor(cluster, scene, number) {
    Object.assign(this, { cluster, scene, number, offset: 0, seen: new Map(), stop: false, again: 0 });
    this.over = this.#run();
  }

  async #run() {
    for (let i = this.number; !this.stop; ++i) {
      const alive = this.cluster.all;
      if (alive.length === 0) return; // The test is over.
      const node = alive[i % alive.length];
      let said;
      try {
        said = await node.call(this.scene.bot.token, 'getUpdates', { offset: this.offset, timeout: 1 });
      } catch { continue; } // The node was killed under it.
      for (const update of said.json?.result ?? []) {
        if (update.update_id < this.offset) ++this.again; // It was confirmed, and the node answered since.
        const text = update.message?.text;
        this.seen.set(text, (this.seen.get(text) ?? 0) + 1);
        this.offset = Math.max(this.offset, update.update_id + 1);
      }
    }
  }
}

for (const how of ['kill -9', 'draining'])
  test(`${how} of a node while updates come: none is lost, and none that was confirmed comes again`, limit, async (t) => {
    const sandbox = await Sandbox.start({ args: ['--limits=none'] });
    t.after(() => sandbox.stop());
    const cluster = await Cluster.start(t, sandbox);
    const scenes = [];
    for (let i = 0; i < bots; ++i) {
      const scene = await sandbox.stage();
      const made = await cluster.all[i % 3].ask('POST', '/v1/bots', { token: scene.bot.token, trusted: true });
      assert.equal(made.status, 201, made.text);
      scenes.push(scene);
    }
    const clients = scenes.map((scene, i) => new Client(cluster, scene, i));
    const send = async (from, to) => {
      for (let n = from; n < to; ++n)
        await Promise.all(scenes.map((scene) => sandbox.say(scene.chat, scene.user, `message ${n}`)));
    };
    await send(0, messages / 2);
    const victim = (await cluster.status()).nodes.find((node) => !node.leader).name;
    if (how === 'kill -9') await cluster.kill(victim);
    else assert.equal((await cluster.all[0].ctl('cluster', 'drain', victim)).code, 0);
    await send(messages / 2, messages);
    await until('every client saw every message', () => clients.every((client) => {
      for (let n = 0; n < messages; ++n)
        if (!client.seen.has(`message ${n}`)) throw new Error(`client ${client.number} misses message ${n}`);
      return true;
    }), { within: 60_000 });
    for (const client of clients) client.stop = true;
    await Promise.all(clients.map((client) => client.over));
    const twice = clients.flatMap((client) => [...client.seen.values()]).filter((count) => count > 1).length;
    t.diagnostic(`${bots * messages} updates, ${twice} of them given more than once`);
    assert.equal(clients.reduce((sum, client) => sum + client.again, 0), 0);
    if (how === 'draining') assert.equal(twice, 0);
  });
