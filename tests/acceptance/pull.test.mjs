// Updates of registered bots: received by the node, kept, and pulled by unmodified polling libraries,
// by several workers, through redeploys and kills; or dealt with by rules and native handlers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { grammy, telegraf } from './harness/libraries.mjs';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { Program } from './harness/program.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { pause, soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
let sandbox;
let node;
let options;

before(async () => {
  sandbox = await Sandbox.start({ args: ['--limits=none'] });
  options = {
    ...registered,
    'node.data-dir': temporaryDirectory(),
  };
  node = await Node.start(sandbox, { options });
});
after(async () => { await node?.stop(); await sandbox?.stop(); });

async function restart() {
  node.program.kill();
  await soon('it is gone', node.program.exited);
  node = await Node.start(sandbox, { options });
  await node.logged('bots.restored');
}

/// A registered bot with one user in a private chat.
async function stage(settings = {}) {
  const scene = await sandbox.stage();
  const answer = await node.ask('POST', '/v1/bots', { token: scene.bot.token, trusted: true, ...settings });
  assert.equal(answer.status, 201, answer.text);
  return scene;
}

const answered = (scene, text) => until(`the bot answers "${text}"`, async () =>
  (await sandbox.fromBot(scene.chat)).find((message) => message.text === text), { within: 60_000 });
const hears = async (scene, text, answer = text) => {
  await sandbox.say(scene.chat, scene.user, text);
  return answered(scene, answer);
};

async function virtualToken(bot, methods) {
  const made = await node.ask('POST', `/v1/bots/${bot.id}/tokens`, { name: 'worker', ...(methods && { methods }) });
  assert.equal(made.status, 201, made.text);
  return made.json.token;
}

/// A polling client of the plainest kind, as its libraries' authors write them: notes what it saw.
class Poller {
  constructor(token, seen) {
    Object.assign(this, { token, seen, offset: 0, conflicts: 0, batches: 0 });
    this.done = this.#run();
  }

  async #run() {
    while (!this.stopped) {
      this.abort = new AbortController();
      try {
        const answer = await fetch(`${node.root}/bot${this.token}/getUpdates?timeout=2&offset=${this.offset}`,
          { signal: this.abort.signal });
        if (answer.status === 409) this.conflicts += 1;
        const { result } = await answer.json();
        for (const update of result ?? []) {
          this.seen.push(update.message);
          this.offset = update.update_id + 1;
        }
        this.batches += 1;
      } catch {
        await new Promise((resolve) => setImmediate(resolve)); // The node is away, or this client was killed.
      }
    }
  }

  async stop() {
    this.stopped = true;
    this.abort.abort();
    await this.done;
  }
}

describe('polling libraries', () => {
  for (const library of [grammy, telegraf])
    test(`${library.name}'s runner is served unmodified`, limit, async () => {
      const scene = await stage();
      await sandbox.say(scene.chat, scene.user, 'before');
      const client = library.create(scene.bot.token, node.root);
      client.onText((text) => `you said ${text}`);
      client.onTap('tapped');
      await client.run();
      await answered(scene, 'you said before');
      for (const word of ['one', 'two', 'three']) await hears(scene, word, `you said ${word}`);
      const sent = (await sandbox.fromBot(scene.chat)).map((message) => message.text);
      assert.deepEqual(sent, ['you said before', 'you said one', 'you said two', 'you said three']);
      await client.stop();
    });

  test('a redeploy takes over without a conflict and without a gap', limit, async () => {
    const scene = await stage();
    const seen = [];
    const older = new Poller(scene.bot.token, seen);
    await until('the older one polls', () => older.batches > 0 || seen.length > 0);
    const newer = new Poller(scene.bot.token, seen);
    await until('the newer one was served', () => newer.batches > 0);
    await older.stop();
    await sandbox.say(scene.chat, scene.user, 'after');
    await until('it is seen', () => seen.some((message) => message.text === 'after'));
    await newer.stop();
    assert.equal(older.conflicts + newer.conflicts, 0);
  });
});

test('workers with virtual tokens share by chat, each chat in order', limit, async () => {
  const bot = await sandbox.createBot();
  assert.equal((await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  const chats = [];
  for (let i = 0; i < 12; ++i) {
    const user = await sandbox.createUser(`U${i}`);
    chats.push({ user, chat: await sandbox.createChat(bot, [user]) });
  }
  const workers = [];
  for (let i = 0; i < 3; ++i) workers.push(new Poller(await virtualToken(bot), []));
  await until('all poll', () => workers.every((worker) => worker.batches > 0));
  for (let n = 0; n < 10; ++n)
    for (const { user, chat } of chats) await sandbox.say(chat, user, String(n));
  const all = () => workers.flatMap((worker) => worker.seen);
  await until('all is seen', () => all().length >= 120, { within: 30_000 });
  for (const worker of workers) await worker.stop();
  assert.equal(all().length, 120);
  for (const { chat } of chats) {
    const having = workers.filter((worker) => worker.seen.some((message) => message.chat.id === chat.id));
    assert.equal(having.length, 1, `chat ${chat.id} is with one worker`);
    const texts = having[0].seen.filter((message) => message.chat.id === chat.id).map((message) => message.text);
    assert.deepEqual(texts, Array.from({ length: 10 }, (_, n) => String(n)));
  }
  assert.ok(workers.filter((worker) => worker.seen.length > 0).length >= 2, 'more than one works');
});

test('nothing is lost though node and client are killed again and again', limit, async (t) => {
  const scene = await stage();
  const seen = [];
  let client = new Poller(scene.bot.token, seen);
  let said = 0;
  const total = 200;
  const talk = (async () => {
    for (; said < total; ++said) {
      await sandbox.say(scene.chat, scene.user, `m${said}`);
      await pause(10);
    }
  })();
  for (let round = 0; round < 6; ++round) {
    await until('some more are seen', () => new Set(seen.map((x) => x.text)).size >= (round + 1) * 20 || said === total,
      { within: 30_000 });
    await pause(300 * Math.random()); // Wherever they are just then.
    if (round % 2 === 0) {
      await restart();
    } else {
      await client.stop();
      client = new Poller(scene.bot.token, seen); // It knows nothing of its predecessor's offset.
    }
  }
  await talk;
  await until('all are seen', () => new Set(seen.map((x) => x.text)).size === total, { within: 40_000 });
  await client.stop();
  assert.ok(seen.length >= total);
  t.diagnostic(`${total} updates, six kills of node or client, ${seen.length - total} repeated`);
  // In order: each for the first time after all before it.
  const firsts = [...new Set(seen.map((x) => x.text))];
  assert.deepEqual(firsts, Array.from({ length: total }, (_, n) => `m${n}`));
});

test('the webhook methods steer the delivery, with the words of the Bot API', limit, async () => {
  const scene = await stage();
  const { token } = scene.bot;
  const call = async (method, body) => (await node.call(token, method, body)).json;
  assert.deepEqual(await call('deleteWebhook'), { ok: true, result: true, description: 'Webhook is already deleted' });
  const url = 'https://tenant.invalid/hook';
  assert.equal((await call('setwebhook', { url, secret_token: 'abc', max_connections: 7 })).description, 'Webhook was set');
  assert.equal((await call('setWebhook', { url, secret_token: 'abc', max_connections: 7 })).description, 'Webhook is already set');
  const info = await call('getWebhookInfo');
  assert.equal(info.result.url, url);
  assert.equal(info.result.max_connections, 7);
  const conflict = await node.call(token, 'getUpdates');
  assert.equal(conflict.status, 409);
  assert.match(conflict.json.description, /^Conflict: can't use getUpdates method while webhook is active/);
  const refused = await node.call(token, 'setWebhook', { url: 'ftp://x' });
  assert.equal(refused.status, 400);
  assert.match(refused.json.description, /^Bad Request: bad webhook: /);
  const shown = await node.ask('GET', `/v1/bots/${scene.bot.id}`);
  assert.ok(!shown.text.includes('"abc"'), 'the secret is not shown');
  assert.equal((await call('deleteWebhook', { drop_pending_updates: true })).description, 'Webhook was deleted');
  assert.equal((await call('getWebhookInfo')).result.url, '');
  assert.deepEqual((await call('getUpdates')).result, []);
  const limited = await virtualToken(scene.bot, ['sendMessage']);
  assert.equal((await node.call(limited, 'getUpdates')).status, 403);
});

test('a poll that is aborted takes no update with it', limit, async () => {
  const scene = await stage();
  for (let i = 0; i < 5; ++i) {
    const abort = new AbortController();
    const poll = fetch(`${node.root}/bot${scene.bot.token}/getUpdates?timeout=30`, { signal: abort.signal }).catch(() => {});
    abort.abort();
    await poll;
  }
  await sandbox.say(scene.chat, scene.user, 'still here');
  const answer = await node.call(scene.bot.token, 'getUpdates', { timeout: 20 });
  assert.equal(answer.json.result.length, 1);
  assert.equal(Object.keys(answer.json.result[0])[0], 'update_id');
});

test('a drain ends polls with an empty result', limit, async () => {
  const other = await Node.start(sandbox, { options: { ...options, 'node.data-dir': temporaryDirectory() } });
  const bot = await sandbox.createBot();
  assert.equal((await other.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  const polls = [1, 2].map(() => request(`${other.root}/bot${bot.token}/getUpdates?timeout=50`));
  await Promise.race(polls); // The newer one won: it waits.
  await other.stop();
  for (const answer of await soon('both end', Promise.all(polls)))
    assert.deepEqual(answer.json, { ok: true, result: [] });
});

test('what happens to a bot can be watched as it happens', limit, async () => {
  const scene = await stage();
  const abort = new AbortController();
  const answer = await fetch(`${node.api}/v1/bots/${scene.bot.id}/events`,
    { signal: abort.signal, headers: { authorization: `Bearer ${node.operatorKey}` } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  let text = '';
  const reading = (async () => {
    for await (const piece of answer.body) text += Buffer.from(piece).toString();
  })().catch(() => {});
  const tail = new Program('troupectl', ['bot', 'tail', String(scene.bot.id), `--url=${node.api}`],
    { env: { TROUPE_KEY: node.operatorKey } });
  await until('both watch', () => text.startsWith(': events of bot'));
  await sandbox.say(scene.chat, scene.user, 'secret words');
  const seen = (type, fits = () => true) => until(`${type} is told`, async () => {
    await node.call(scene.bot.token, 'getMe');
    return text.split('\n\n').map((one) => /^event: (.*)\ndata: (.*)$/m.exec(one))
      .filter((one) => one?.[1] === type).map((one) => JSON.parse(one[2])).find(fits);
  }, { within: 60_000 });
  await seen('call', (one) => one.data.method === 'getMe'); // The node itself may call something before.
  assert.equal((await seen('update.received')).data.kind, 'message');
  const { result } = (await node.call(scene.bot.token, 'getUpdates', { timeout: 20 })).json;
  await node.call(scene.bot.token, 'getUpdates', { offset: result[0].update_id + 1 });
  await seen('update.delivered');
  // What operators order shows, too.
  for (const order of ['suspend', 'resume', 'restart'])
    assert.equal((await node.ask('POST', `/v1/bots/${scene.bot.id}:${order}`, {})).status, 200);
  const orders = await until('the orders are told', () => {
    const told = text.split('\n\n').map((one) => /^event: phase\ndata: (.*)$/m.exec(one)).filter(Boolean)
      .map((one) => JSON.parse(one[1]).data).filter((data) => data.order);
    return told.length >= 3 && told;
  });
  assert.deepEqual(orders.map(({ phase, order }) => `${order}: ${phase}`),
    ['suspend: suspended', 'resume: active', 'restart: active']);
  assert.ok(!text.includes('secret words'), 'bodies are not shown');
  node.assertNoTokenIn(text, 'the events');
  await until('troupectl shows them', () => tail.lines.some((line) => line.includes('  call  ')));
  tail.kill();
  abort.abort();
  await reading;
  assert.equal((await node.ask('GET', '/v1/bots/1/events')).status, 404);
});

describe('without a client', () => {
  test('rules answer', limit, async () => {
    const scene = await stage({ delivery: { mode: 'rules', rules: [
      { on: { command: 'help' }, reply: 'Hello <b>{first_name}</b>', parse_mode: 'HTML',
        buttons: [[{ text: 'More', data: 'more' }]] },
      { on: { callback: 'more' }, answer: 'There is no more.' },
      { on: { keyword: 'öffnungszeiten' }, reply: '9 to 18' }] } });
    await sandbox.say(scene.chat, scene.user, '/help');
    // The node begins to poll for some bots a minute, not for all at once.
    const help = await until('it answers', async () => (await sandbox.fromBot(scene.chat))[0], { within: 60_000 });
    assert.match(help.text, /Ada/);
    const { id } = await sandbox.tap(scene.chat, scene.user, help.message_id, 'more');
    await until('the tap is answered', async () => (await sandbox.callback(id)).answered);
    await hears(scene, 'Eure ÖFFNUNGSZEITEN?', '9 to 18');
  });

  test('a native handler answers', limit, async () => {
    const scene = await stage({ delivery: { mode: 'native', handler: 'echo' } });
    await hears(scene, 'hello native');
  });
});
