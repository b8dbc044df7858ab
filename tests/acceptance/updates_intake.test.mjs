// Updates on their way in: from the sandbox's users into the journal of a real node, by webhook and by
// polling, over kills of the node; each once, in order per chat. And Telegram's side of it: webhooks set,
// repaired, left alone, taken over and put back; an owner's proof by "/start CODE".
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { freePort, Middleman } from './harness/middleman.mjs';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { pause, soon, until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

for (const way of ['webhook', 'polling']) {
  describe(`updates by ${way}`, () => {
    let sandbox;
    let node;
    let options;
    let middleman;
    before(async () => {
      sandbox = await Sandbox.start({ args: ['--limits=none'] });
      const port = await freePort();
      middleman = await Middleman.start(port);
      options = {
        ...registered,
        'webhook.looks-per-second': 100,
        'webhook.check-every': '1s',
        'node.data-dir': temporaryDirectory(),
        ...(way === 'webhook' ? { 'webhook.port': port, 'webhook.public-url': middleman.url } : {}),
      };
      node = await Node.start(sandbox, { options });
    });
    after(async () => {
      await node?.stop();
      await sandbox?.stop();
      middleman?.stop();
    });

    const foreign = 'http://127.0.0.1:9/elsewhere';
    const own = (bot) => `${options['webhook.public-url']}/webhook/${bot.id}`;
    const ask = (bot, method, body = {}) => request(`${sandbox.url}/bot${bot.token}/${method}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const info = async (bot) => (await ask(bot, 'getWebhookInfo')).json.result;
    const register = async (bot, fields = {}) => {
      const made = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true, ...fields });
      assert.equal(made.status, 201, made.text);
      return made.json;
    };
    /// Until updates of the bot come in.
    const settled = (bot) => way === 'webhook'
      ? until('the webhook leads to the node', async () => (await info(bot)).url === own(bot))
      : until('the bot is polled', async () => (await node.get('/v1/sessions')).polls > 0);
    const crash = async () => {
      node.program.kill();
      await soon('it is gone', node.program.exited);
      node = await Node.start(sandbox, { options });
      await node.logged('bots.restored'); // Nothing is ordered before.
    };
    /// All that waits for the bot's owner, confirmed.
    const pulled = async (bot, count) => {
      const all = [];
      let offset = 0;
      await until(`${count} updates`, async () => {
        const answer = await node.call(bot.token, 'getUpdates', { offset, limit: 100, timeout: 1 });
        assert.equal(answer.status, 200, answer.text);
        for (const update of answer.json.result) {
          offset = update.update_id + 1;
          all.push(update);
        }
        if (all.length >= count && answer.json.result.length === 0) return true;
        throw new Error(`${all.length} of ${count}`);
      }, { within: 100_000 });
      return all;
    };

    test('each update comes in once and in order, whatever is killed meanwhile', limit, async () => {
      const bot = await sandbox.createBot();
      const users = await Promise.all([1, 2, 3, 4].map(() => sandbox.createUser()));
      const chats = await Promise.all(users.map((user) => sandbox.createChat(bot, [user])));
      await register(bot);
      await settled(bot);
      const each = 60;
      const before = await sandbox.stats();
      const senders = users.map(async (user, index) => {
        for (let n = 0; n < each; ++n) {
          await sandbox.say(chats[index], user, `${index}:${n}`);
          await pause(25);
        }
      });
      for (let kill = 0; kill < 4; ++kill) {
        await pause(150 + Math.random() * 300);
        await crash();
      }
      await Promise.all(senders);
      // It tries again after 2, 4, 8 … seconds; what came late has lower ids than what came before.
      await until('Telegram keeps none of them', async () => (await info(bot)).pending_update_count === 0,
        { within: 100_000 });
      const all = await pulled(bot, users.length * each);
      assert.equal(all.length, users.length * each);
      assert.equal(new Set(all.map((update) => update.update_id)).size, all.length);
      for (const [index] of users.entries()) {
        const texts = all.map(({ message }) => message.text).filter((text) => text.startsWith(`${index}:`));
        assert.deepEqual(texts, Array.from({ length: each }, (_, n) => `${index}:${n}`));
      }
      const { updates } = await sandbox.stats();
      assert.equal(updates.made - before.updates.made, all.length);
    });

    test('an owner proves a bot to be his with /start CODE', limit, async () => {
      const { bot, user, chat } = await sandbox.stage();
      await register(bot, { trusted: false });
      assert.equal((await node.ask('GET', `/v1/bots/${bot.id}`)).json.phase, 'pending');
      if (way === 'webhook') await settled(bot);
      const refused = await node.call(bot.token, 'getMe');
      assert.ok(refused.status >= 400, refused.text);
      const made = await node.ask('POST', `/v1/bots/${bot.id}/verification`, {});
      assert.equal(made.status, 201, made.text);
      await sandbox.say(chat, user, '/start ABCDEFGH23');
      const wrong = await until('an answer', async () => (await sandbox.fromBot(chat))[0], { within: 45_000 });
      assert.match(wrong.text, /not the code/);
      await sandbox.say(chat, user, `/start ${made.json.code}`);
      await until('the bot is active', async () =>
        (await node.ask('GET', `/v1/bots/${bot.id}`)).json.phase === 'active', { within: 45_000 });
      const right = await until('its answer', async () => (await sandbox.fromBot(chat))[1]);
      assert.match(right.text, /is yours/);
      assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    });

    test('a bot that is removed is left as if it had never been there', limit, async () => {
      const bot = await sandbox.createBot();
      await register(bot);
      if (way === 'webhook') await settled(bot);
      assert.equal((await node.ask('DELETE', `/v1/bots/${bot.id}`)).status, 204);
      assert.equal((await info(bot)).url, '');
    });

    test('nor is anything left of one that was suspended when it was removed', limit, async () => {
      const [bot, taken, resting] = await Promise.all([1, 2, 3].map(() => sandbox.createBot()));
      const all = [bot, taken, resting];
      assert.equal((await ask(taken, 'setWebhook', { url: foreign })).status, 200);
      for (const one of all) await register(one, { updates: { take_over: true } });
      if (way === 'webhook')
        for (const one of all) await settled(one);
      else
        await until('it is taken over', async () => (await info(taken)).url === '');
      const order = async (one, what) =>
        assert.equal((await node.ask('POST', `/v1/bots/${one.id}:${what}`, {})).status, 200);
      await order(resting, 'suspend');
      await crash(); // One whose actor never ran in this node.
      await order(bot, 'suspend');
      await order(taken, 'suspend');
      for (const one of all) {
        const refused = await node.call(one.token, 'getMe');
        assert.ok(refused.status >= 400, refused.text);
        assert.equal((await node.ask('DELETE', `/v1/bots/${one.id}`)).status, 204);
      }
      assert.equal((await info(bot)).url, '');
      assert.equal((await info(resting)).url, '');
      assert.equal((await info(taken)).url, foreign);
    });

    test('a webhook elsewhere is taken over only when told to, and put back', limit, async () => {
      const bot = await sandbox.createBot();
      assert.equal((await ask(bot, 'setWebhook', { url: foreign, max_connections: 3 })).status, 200);
      await register(bot);
      await node.logged('alert.raised', (x) => x.bot === bot.id && x.alert === 'webhook.elsewhere');
      assert.equal((await info(bot)).url, foreign);
      const changed = await node.ask('PATCH', `/v1/bots/${bot.id}`, { updates: { take_over: true } });
      assert.equal(changed.status, 200, changed.text);
      await until('it is taken over', async () => (await info(bot)).url === (way === 'webhook' ? own(bot) : ''));
      await node.logged('alert.resolved', (x) => x.bot === bot.id && x.alert === 'webhook.elsewhere');
      await crash(); // What is remembered is stored.
      assert.equal((await node.ask('DELETE', `/v1/bots/${bot.id}`)).status, 204);
      const now = await info(bot);
      assert.equal(now.url, foreign);
      assert.equal(now.max_connections, 3);
    });

    test('a webhook that was taken over is put back, though the bot was changed and somebody set another one', limit, async () => {
      const bot = await sandbox.createBot();
      assert.equal((await ask(bot, 'setWebhook', { url: foreign })).status, 200);
      await register(bot, { updates: { take_over: true } });
      const ours = way === 'webhook' ? own(bot) : '';
      await until('it is taken over', async () => (await info(bot)).url === ours);
      if (way === 'webhook') {
        await node.logged('webhook.set', (x) => x.bot === bot.id);
        await until('it is changed', async () =>
          (await ask(bot, 'setWebhook', { url: foreign.replace('127.0.0.1', '127.0.0.2') })).status === 200, { every: 300 });
        await node.logged('webhook.repaired', (x) => x.bot === bot.id);
      }
      const changed = await node.ask('PATCH', `/v1/bots/${bot.id}`, { updates: { take_over: false } });
      assert.equal(changed.status, 200, changed.text);
      assert.equal((await node.ask('DELETE', `/v1/bots/${bot.id}`)).status, 204);
      assert.equal((await info(bot)).url, foreign);
    });

    if (way === 'webhook') {
      test('a webhook that somebody changes is repaired', limit, async () => {
        const { bot, user, chat } = await sandbox.stage();
        await register(bot);
        await settled(bot);
        for (const change of [['deleteWebhook', {}], ['setWebhook', { url: own(bot), max_connections: 1 }],
          ['setWebhook', { url: own(bot), secret_token: 'another' }]]) {
          // Telegram takes one setWebhook a second.
          await until('it is changed', async () => (await ask(bot, ...change)).status === 200, { every: 300 });
          await sandbox.say(chat, user, change[0]);
        }
        const all = await pulled(bot, 3);
        assert.equal(all.length, 3);
        assert.ok(node.events('webhook.repaired').some((x) => x.bot === bot.id));
        assert.equal((await info(bot)).max_connections, 40);
      });

      test('each update sent twice at once is stored once', limit, async () => {
        const { bot, user, chat } = await sandbox.stage();
        await register(bot);
        await settled(bot);
        middleman.copies = 2;
        for (let n = 0; n < 30; ++n) await sandbox.say(chat, user, String(n));
        await until('Telegram keeps none of them', async () => (await info(bot)).pending_update_count === 0);
        middleman.copies = 1;
        const all = await pulled(bot, 30);
        assert.deepEqual(all.map(({ message }) => message.text), Array.from({ length: 30 }, (_, n) => String(n)));
        const { text } = await node.ask('GET', '/metrics');
        const counted = (outcome) =>
          Number(new RegExp(`^troupe_webhook_requests_total\\{outcome="${outcome}"\\} (\\d+)`, 'm').exec(text)[1]);
        assert.ok(counted('duplicate') >= 30, text);
      });

      test('what Telegram had to send again reaches an owner who confirmed later ones', limit, async () => {
        const bot = await sandbox.createBot();
        const users = await Promise.all([1, 2].map(() => sandbox.createUser()));
        const chats = await Promise.all(users.map((user) => sandbox.createChat(bot, [user])));
        await register(bot);
        await settled(bot);
        let refused = 0;
        middleman.refuses = (body) => body.includes('"late') && ++refused <= 2;
        const seen = [];
        let offset = 0;
        const pull = async () => {
          const answer = await node.call(bot.token, 'getUpdates', { offset, timeout: 1 });
          assert.equal(answer.status, 200, answer.text);
          for (const update of answer.json.result) {
            offset = update.update_id + 1;
            seen.push(update.message.text);
          }
        };
        await sandbox.say(chats[0], users[0], 'late');
        for (let n = 0; n < 5; ++n) {
          await sandbox.say(chats[1], users[1], String(n));
          await pull();
        }
        await until('the late one', async () => {
          await pull();
          return seen.includes('late');
        });
        await pull(); // Confirms.
        await pull();
        assert.deepEqual([...seen].sort(), ['0', '1', '2', '3', '4', 'late']);
        assert.notEqual(seen[0], 'late');
        middleman.refuses = () => false;
      });

      test('without its secret nobody learns whether a bot exists', limit, async () => {
        const bot = await sandbox.createBot();
        await register(bot);
        await settled(bot);
        const send = (id, headers = {}) => request(own({ id }), { method: 'POST', headers, body: '{"update_id":1}' });
        const answers = [await send(bot.id), await send(999_999), await send(bot.id, { 'x-telegram-bot-api-secret-token': 'guessed' })];
        for (const answer of answers) assert.equal(answer.status, 403);
      });
    } else {
      test('with another consumer it steps back, and goes on when that is gone', limit, async () => {
        const { bot, user, chat } = await sandbox.stage();
        await register(bot);
        await settled(bot);
        let fights = true;
        const other = (async () => {
          while (fights) await ask(bot, 'getUpdates', { timeout: 1 });
        })();
        await node.logged('alert.raised', (x) => x.bot === bot.id && x.alert === 'updates.conflict', { within: 30_000 });
        fights = false;
        await other;
        await sandbox.say(chat, user, 'after all');
        const all = await pulled(bot, 1);
        assert.equal(all.at(-1).message.text, 'after all');
        await node.logged('alert.resolved', (x) => x.bot === bot.id && x.alert === 'updates.conflict', { within: 30_000 });
      });
    }
  });
}

test('a bot that fell silent is looked at long before its turn, and its webhook is repaired', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const node = await Node.start(sandbox, { options: {
    ...registered, 'webhook.port': port, 'webhook.public-url': base, 'webhook.check-every': '24h', 'webhook.silent-after': '3s',
  } });
  t.after(async () => {
    await node.stop();
    await sandbox.stop();
  });
  const { bot, user, chat } = await sandbox.stage();
  const made = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
  assert.equal(made.status, 201, made.text);
  const ask = (method, body = {}) => request(`${sandbox.url}/bot${bot.token}/${method}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  const leads = async () => (await ask('getWebhookInfo')).json.result.url;
  await until('the webhook leads to the node', async () => (await leads()) === `${base}/webhook/${bot.id}`);
  const received = async () => (await node.call(bot.token, 'getUpdates', { timeout: 0, limit: 100 })).json.result.length;
  for (let n = 1; n <= 6; ++n) {
    await sandbox.say(chat, user, `${n}`);
    await until(`${n} came`, async () => (await received()) === n);
  }
  await until('somebody takes it away', async () => (await ask('deleteWebhook')).status === 200, { every: 300 });
  await sandbox.say(chat, user, 'nobody hears this');
  assert.equal(await leads(), '');
  await node.logged('webhook.repaired', (x) => x.bot === bot.id, { within: 60_000 });
  await until('what was said meanwhile came, too', async () => (await received()) === 7);
});

test('only Telegram\'s networks are let in when the source is checked, also behind a proxy', limit, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const port = await freePort();
  const middleman = await Middleman.start(port);
  t.after(() => middleman.stop());
  const node = await Node.start(sandbox, { options: {
    'gateway.unknown-tokens': 'reject', 'webhook.port': port, 'webhook.public-url': `${middleman.url}/deep/`,
    'webhook.check-source': true, 'api.trusted-proxies': '127.0.0.1',
  } });
  t.after(() => node.stop());
  const { bot, user, chat } = await sandbox.stage();
  assert.equal((await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  await node.logged('webhook.set', (x) => x.bot === bot.id);
  const counted = async (outcome) => Number(new RegExp(`^troupe_webhook_requests_total\\{outcome="${outcome}"\\} (\\d+)`, 'm')
    .exec((await node.ask('GET', '/metrics')).text)[1]);
  middleman.from = '203.0.113.9';
  await sandbox.say(chat, user, 'hello');
  await until('it is refused', async () => (await counted('wrong_source')) > 0);
  assert.equal(await counted('stored'), 0);
  middleman.from = '203.0.113.9, 149.154.167.50';
  await until('it is stored', async () => (await counted('stored')) === 1, { within: 30_000 });
});
