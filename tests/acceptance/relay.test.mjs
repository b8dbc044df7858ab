// Updates from Telegram to tenants' web servers: unmodified libraries, receivers that fail in every
// way, and a node that is killed in the middle. Counted at both ends.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Bot as GrammyBot, webhookCallback } from 'grammy';
import { Telegraf } from 'telegraf';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { Tenant } from './harness/tenant.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
const options = (extra = {}) => ({ 'gateway.unknown-tokens': 'reject', 'api.creations-per-minute': 1000,
  'api.user-rpm': 100_000, 'webhook.public-url': 'http://127.0.0.1:0', 'delivery.allow-private-addresses': true,
  'rate-governor.chat-rps': 0, 'rate-governor.chat-per-20s': 0, ...extra });

/// A registered bot whose updates go to `url`, and two users who talk to it.
async function stage(node, sandbox, url, more = {}) {
  const bot = await sandbox.createBot();
  const users = [await sandbox.createUser('Ada'), await sandbox.createUser('Bob')];
  const chats = [];
  for (const user of users) chats.push(await sandbox.createChat(bot, [user]));
  const answer = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true,
    delivery: { mode: 'relay', url, secret_token: 's3cret', ...more } });
  assert.equal(answer.status, 201, answer.text);
  return { bot, users, chats };
}

/// `count` messages, alternately from both users. @returns their texts, by chat
async function talk(sandbox, { users, chats }, count, word = 'hello') {
  const texts = [[], []];
  for (let i = 0; i < count; ++i) {
    const text = `${word} ${i}`;
    await sandbox.say(chats[i % 2], users[i % 2], text);
    texts[i % 2].push(text);
  }
  return texts;
}

const waiting = async (node, bot) => (await node.get(`/v1/bots/${bot.id}/updates`)).pending;
const deadLetters = async (node, bot) => (await node.get(`/v1/bots/${bot.id}/dead-letters`)).dead_letters;

/// Nothing waits any more, neither at the sandbox nor at the node.
async function done(node, staged, tenant, expected) {
  const all = expected.flat();
  await until('the tenant has everything', () => {
    const got = new Set(tenant.texts);
    const missing = all.filter((text) => !got.has(text));
    if (missing.length === 0) return true;
    throw new Error(`${missing.length} of ${all.length} are missing: ${missing.slice(0, 5)}`);
  }, { within: 60_000 });
  await until('nothing waits', async () => (await waiting(node, staged.bot)) === 0, { within: 30_000 });
  // Each chat in its order: of each message the first time it came.
  for (const texts of expected)
    assert.deepEqual(tenant.texts.filter((text) => texts.includes(text)), texts);
}

describe('relayed updates', () => {
  let sandbox;
  let node;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: options() });
  });
  after(async () => { await node?.stop(); await sandbox?.stop(); });

  test('are posted as Telegram would, signed, in the order of their chat, once each', limit, async () => {
    const tenant = await Tenant.start();
    try {
      const staged = await stage(node, sandbox, tenant.url);
      await done(node, staged, tenant, await talk(sandbox, staged, 40));
      assert.equal(tenant.seen.length, 40);
      const key = (await node.get(`/v1/bots/${staged.bot.id}/signing-key`)).signing_key;
      for (const { headers, text, update } of tenant.seen) {
        assert.equal(Object.keys(update)[0], 'update_id');
        assert.equal(headers['content-type'], 'application/json');
        assert.equal(headers['x-telegram-bot-api-secret-token'], 's3cret');
        assert.equal(headers['x-troupe-bot'], String(staged.bot.id));
        assert.equal(headers['x-troupe-attempt'], '1');
        const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['x-troupe-signature']);
        assert.equal(v1, createHmac('sha256', key).update(`${t}.${text}`).digest('hex'));
        assert.ok(Math.abs(Date.now() / 1000 - t) < 60);
        assert.ok(text.startsWith('{"update_id":'));
      }
    } finally {
      await tenant.stop();
    }
  });

  test('reach grammY\'s webhook callback, which answers through the gateway and in its reply', limit, async () => {
    const staged = {};
    let direct = 0;
    const made = await sandbox.createBot();
    const bot = new GrammyBot(made.token, { client: { apiRoot: node.root,
      canUseWebhookReply: (method) => method === 'sendMessage' && direct++ % 2 === 0 } });
    bot.on('message:text', (context) => context.reply(`grammY: ${context.message.text}`));
    const tenant = await Tenant.serving(webhookCallback(bot, 'http', { secretToken: 's3cret' }));
    try {
      const answer = await node.ask('POST', '/v1/bots', { token: made.token, trusted: true,
        delivery: { mode: 'relay', url: tenant.url, secret_token: 's3cret' } });
      assert.equal(answer.status, 201, answer.text);
      staged.users = [await sandbox.createUser('Ada'), await sandbox.createUser('Bob')];
      staged.chats = [];
      for (const user of staged.users) staged.chats.push(await sandbox.createChat(made, [user]));
      const texts = await talk(sandbox, staged, 10);
      for (const i of [0, 1]) {
        const wanted = texts[i].map((text) => `grammY: ${text}`).sort();
        await until('the answers are there', async () =>
          (await sandbox.fromBot(staged.chats[i])).length >= wanted.length, { within: 30_000 });
        assert.deepEqual((await sandbox.fromBot(staged.chats[i])).map(({ text }) => text).sort(), wanted);
      }
    } finally {
      await tenant.stop();
    }
  });

  test('reach Telegraf\'s webhook callback, which answers in its reply', limit, async () => {
    const made = await sandbox.createBot();
    const bot = new Telegraf(made.token, { telegram: { apiRoot: node.root, webhookReply: true } });
    bot.on('message', (context) => context.reply(`Telegraf: ${context.message.text}`));
    const tenant = await Tenant.serving(bot.webhookCallback('/hook', { secretToken: 's3cret' }));
    try {
      const answer = await node.ask('POST', '/v1/bots', { token: made.token, trusted: true,
        delivery: { mode: 'relay', url: tenant.url, secret_token: 's3cret' } });
      assert.equal(answer.status, 201, answer.text);
      const user = await sandbox.createUser('Ada');
      const chat = await sandbox.createChat(made, [user]);
      for (let i = 0; i < 10; ++i) await sandbox.say(chat, user, `hi ${i}`);
      await until('the answers are there', async () => (await sandbox.fromBot(chat)).length >= 10, { within: 30_000 });
      assert.deepEqual((await sandbox.fromBot(chat)).map(({ text }) => text).sort(),
        Array.from({ length: 10 }, (_, i) => `Telegraf: hi ${i}`).sort());
    } finally {
      await tenant.stop();
    }
  });

  test('of tenants that fail do not disturb the others; what cannot be delivered is listed and replayed', limit, async () => {
    const quick = { timeout: 1, attempts: 2 };
    const good = await Tenant.start();
    const hanging = await Tenant.start(Tenant.hang);
    const failing = await Tenant.start(Tenant.error);
    const half = await Tenant.start(Tenant.half);
    const down = await Tenant.start();
    const downPort = down.port;
    await down.stop();
    let back;
    try {
      const bad = [];
      for (const tenant of [hanging, failing, half]) bad.push(await stage(node, sandbox, tenant.url, quick));
      const lost = await stage(node, sandbox, `http://127.0.0.1:${downPort}/hook`, { attempts: 2 });
      const fine = await stage(node, sandbox, good.url);
      for (const one of bad) await talk(sandbox, one, 6, 'bad');
      const patient = await talk(sandbox, lost, 20, 'later');
      await done(node, fine, good, await talk(sandbox, fine, 60));
      assert.equal(good.seen.length, 60);
      // All of them end, with a reason each.
      for (const [i, reason] of [[0, /no answer in time/], [1, /answered 500/], [2, /ended within the answer/]]) {
        const letters = await until('its updates are dead letters', async () => {
          const found = await deadLetters(node, bad[i].bot);
          return found.length === 6 && found;
        }, { within: 60_000 });
        for (const letter of letters) {
          assert.match(letter.reason, reason);
          assert.equal(letter.attempts, 2);
          assert.match(letter.update.message.text, /^bad \d$/);
        }
        assert.equal(await waiting(node, bad[i].bot), 0);
      }
      // Who could not be reached has not failed: it gets everything when it is back.
      assert.equal((await deadLetters(node, lost.bot)).length, 0);
      back = await Tenant.start(Tenant.ok, { port: downPort });
      await done(node, lost, back, patient);
      assert.equal(back.seen.length, 20);
      // Repaired, it gets what was dead.
      failing.behave = Tenant.ok;
      failing.seen.length = 0;
      const replay = await node.ask('POST', `/v1/bots/${bad[1].bot.id}/dead-letters:replay`, { all: true });
      assert.equal(replay.status, 200, replay.text);
      assert.equal(replay.json.replayed, 6);
      await until('they come', () => failing.seen.length === 6, { within: 30_000 });
      assert.equal((await deadLetters(node, bad[1].bot)).length, 0);
      // No URL's path and no secret in the log.
      assert.ok(!node.program.output.includes('s3cret'));
      assert.ok(!node.program.output.includes('/hook'));
    } finally {
      for (const tenant of [good, hanging, failing, half, back]) await tenant?.stop();
    }
  });

  test('are counted', limit, async () => {
    const text = (await node.ask('GET', '/metrics')).text;
    const value = (name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1]);
    const labelled = (name, labels) => Number(new RegExp(`^${name}\\{${labels}\\} (\\S+)`, 'm').exec(text)?.[1]);
    assert.ok(labelled('troupe_updates_total', 'stage="delivered"') >= 120, text);
    assert.ok(labelled('troupe_updates_total', 'stage="acknowledged"') >= 120);
    assert.ok(labelled('troupe_deliveries_total', 'mode="relay",result="dead"') >= 18);
    assert.ok(value('troupe_update_lag_seconds_count') >= 120);
    assert.equal(value('troupe_journal_pending'), 0);
    assert.equal(value('troupe_dead_letters'), 12);
  });
});

describe('a node that is killed while it delivers', () => {
  test('loses nothing, keeps the order, and repeats only what was under way', limit, async () => {
    const sandbox = await Sandbox.start();
    const dir = temporaryDirectory();
    let node = await Node.start(sandbox, { options: options({ 'node.data-dir': dir,
      'webhook.public-url': undefined }) });
    const slow = (incoming, answer) => setTimeout(() => answer.end(), 5);
    const tenant = await Tenant.start(slow);
    try {
      const staged = await stage(node, sandbox, tenant.url);
      const talking = talk(sandbox, staged, 120);
      for (const at of [20, 60]) {
        await until(`${at} have come`, () => tenant.texts.length >= at, { within: 60_000 });
        node.program.kill();
        await soon('it is gone', node.program.exited);
        node = await Node.start(sandbox, { options: options({ 'node.data-dir': dir,
          'webhook.public-url': undefined }) });
      }
      await done(node, staged, tenant, await talking);
      // Of each chat one was under way at a kill, or delivered and not yet on disk.
      const repeated = tenant.seen.length - 120;
      assert.ok(repeated >= 0 && repeated <= 60, `${repeated} were repeated`);
      assert.equal((await deadLetters(node, staged.bot)).length, 0);
    } finally {
      await tenant.stop();
      await node.stop();
      await sandbox.stop();
    }
  });
});
