// A disk that gets full under a running node, with updates coming in: what is not on disk is not
// acknowledged, Telegram keeps it, and all of it arrives once when there is space again.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cast } from './harness/cast.mjs';
import { request } from './harness/http.mjs';
import { freePort, Middleman } from './harness/middleman.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { SmallDisk } from './harness/small_disk.mjs';
import { Tenant } from './harness/tenant.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

for (const way of ['webhook', 'polling']) {
  describe(`a full disk, updates by ${way}`, () => {
    let disk;
    let sandbox;
    let node;
    let tenant;
    let middleman;
    before(async () => {
      disk = SmallDisk.make(48);
      sandbox = await Sandbox.start({ args: ['--limits=none'] });
      tenant = await Tenant.start();
      const port = await freePort();
      middleman = await Middleman.start(port);
      node = await Node.start(sandbox, { options: {
        'gateway.unknown-tokens': 'reject', 'delivery.allow-private-addresses': true,
        'rate-governor.global-rps': 0, 'node.data-dir': disk.dir,
        ...(way === 'webhook' ? { 'webhook.port': port, 'webhook.public-url': middleman.url } : {}),
      } });
    });
    after(async () => {
      disk?.free();
      await node?.stop();
      await sandbox?.stop();
      await tenant?.stop();
      middleman?.stop();
      disk?.unmount();
    });

    /// Updates are refused: by an answer, or a poll brings them and the next one does not confirm them.
    const refused = async (cast) => {
      if (way === 'webhook') return middleman.statuses[503] > 0;
      const kept = await cast.pendingAtTelegram();
      const polls = await sandbox.requests('getUpdates');
      await until('it polls again', async () => (await sandbox.requests('getUpdates')) >= polls + 2);
      return kept > 0 && (await cast.pendingAtTelegram()) >= kept;
    };

    test('refuses updates until there is space, and loses none', limit, async (t) => {
      const cast = await Cast.meet(node, sandbox, { delivery: { mode: 'relay', url: tenant.url } });
      await cast.talk('before', 5);
      await cast.heard(() => node, () => tenant.texts);
      // What is there already may take some more; then nothing does.
      let round = 0;
      await until('an update is refused', async () => {
        disk.fill();
        await cast.talk(`full ${round++}`, 5, { size: 3500 });
        return refused(cast);
      }, { within: 60_000, every: 200 });
      await cast.talk('refused', 5, { size: 3500 });
      const kept = await until('Telegram keeps updates', () => cast.pendingAtTelegram());
      // It lives on, says how it is, and calls pass.
      assert.equal((await request(`${node.api}/healthz`)).status, 200);
      assert.equal((await node.ask('GET', `/v1/bots/${cast.bot.id}`)).status, 200);
      assert.equal((await node.call(cast.bot.token, 'getMe')).status, 200);
      if (way === 'polling') { // It waits longer and longer, and asks for nothing meanwhile.
        const polls = await sandbox.requests('getUpdates');
        const began = performance.now();
        await until('it tries again, twice', async () => (await sandbox.requests('getUpdates')) >= polls + 2,
          { within: 60_000 });
        const seconds = (performance.now() - began) / 1000;
        assert.ok(seconds > 0.5, `two polls in ${seconds} s`);
      }
      const there = tenant.seen.length;
      assert.ok(there < cast.said.length, 'what was refused has not come');
      disk.free();
      await cast.heard(() => node, () => tenant.texts);
      t.diagnostic(`${cast.said.length} said, ${kept} kept by Telegram when it was full, ${there} had been delivered`);
      assert.equal(tenant.seen.length, cast.said.length, 'each came once');
      assert.equal((await node.get(`/v1/bots/${cast.bot.id}/dead-letters`)).dead_letters.length, 0);
      // And what is ordered is stored again.
      const name = await node.ask('PATCH', `/v1/bots/${cast.bot.id}`, { name: 'still here' });
      assert.equal(name.status, 200, name.text);
    });
  });
}
