// Unmodified client libraries: each scenario once straight to the sandbox, which checks the sandbox,
// and once through the gateway, which must make no difference that a library can see.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { grammy, telegraf } from './harness/libraries.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { noisePng } from './harness/png.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { makeCertificates } from './harness/tls.mjs';
import { until } from './harness/wait.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const limit = { timeout: 60_000 };
const paths = ['sandbox', 'gateway', 'gateway over HTTPS'];
const worlds = {}; // By path: {sandbox, node?}.
let bigFile;
const bigSize = 30 * 1024 * 1024;

before(async () => {
  const dir = temporaryDirectory();
  const tls = makeCertificates(dir);
  const plain = await Sandbox.start();
  worlds.sandbox = { sandbox: plain };
  worlds.gateway = { sandbox: plain, node: await Node.start(plain) };
  const secure = await Sandbox.start({ tls });
  worlds['gateway over HTTPS'] = {
    sandbox: secure, node: await Node.start(secure, { options: { 'session-pool.ca-file': tls.ca } }) };
  bigFile = join(dir, 'big.bin');
  writeFileSync(bigFile, randomBytes(bigSize));
});
after(async () => {
  for (const { node } of Object.values(worlds)) await node?.stop();
  for (const sandbox of new Set(Object.values(worlds).map((world) => world.sandbox))) await sandbox.stop();
});

/// A bot on stage, driven by `library` through `via`.
async function stage(library, via, type) {
  const { sandbox, node } = worlds[via];
  const scene = await sandbox.stage(type);
  return { ...scene, sandbox, node, client: library.create(scene.bot.token, node?.root ?? sandbox.url) };
}

/// The library's error for `attempt`, which must fail.
async function failureOf(client, attempt) {
  const error = await attempt.then(() => assert.fail('the call succeeded'), (failure) => failure);
  assert.ok(!(error instanceof assert.AssertionError), error.message);
  return client.failure(error);
}

async function hears(scene, text, answer) {
  const { chat, user, sandbox } = scene;
  await sandbox.say(chat, user, text);
  return until(`the bot answers "${answer}"`, async () =>
    (await sandbox.fromBot(chat)).find((message) => message.text === answer));
}

for (const library of [grammy, telegraf])
  for (const via of paths)
    describe(`${library.name} through the ${via}`, () => {
      test('getMe says who the bot is', limit, async () => {
        const { bot, client } = await stage(library, via);
        const me = await client.getMe();
        assert.equal(me.id, Number(bot.id));
        assert.equal(me.is_bot, true);
        assert.ok(me.username);
      });

      test('a polling bot hears its users, answers each once and stops cleanly', limit, async () => {
        const scene = await stage(library, via);
        scene.client.onText((text) => `echo: ${text}`);
        await scene.client.run();
        await hears(scene, 'first', 'echo: first');
        await hears(scene, 'second', 'echo: second');
        await scene.client.stop();
        const answers = (await scene.sandbox.fromBot(scene.chat)).map((message) => message.text);
        assert.deepEqual(answers, ['echo: first', 'echo: second']);
      });

      test('text of 4096 characters in any script arrives unchanged', limit, async () => {
        const { sandbox, client, chat } = await stage(library, via);
        const text = 'Grüße, мир, 世界, 🙂 & <b>"\\'.padEnd(4095, 'ü') + '!';
        const sent = await client.send(chat.id, text);
        assert.equal(sent.text, text);
        assert.equal((await sandbox.fromBot(chat)).at(-1).text, text);
      });

      test('a photo goes up as multipart and comes down byte for byte', limit, async () => {
        const { client, chat } = await stage(library, via);
        const png = noisePng(400, 300);
        const sent = await client.photo(chat.id, png, 'noise');
        assert.equal(sent.caption, 'noise');
        const largest = sent.photo.at(-1);
        const file = await request(await client.fileUrl(largest.file_id));
        assert.equal(file.status, 200);
        assert.equal(sha256(file.body), sha256(png));
      });

      test('a document of 30 MB streams up without being held in memory', limit, async () => {
        const { node, client, chat } = await stage(library, via);
        await client.send(chat.id, 'before');
        const resident = node?.program.resident();
        const sent = await client.document(chat.id, bigFile);
        assert.equal(sent.document.file_size, bigSize);
        if (node) {
          const grown = node.program.resident() - resident;
          assert.ok(grown < 12 * 1024, `the node grew by ${grown} KiB`);
        }
      });

      test('a message is edited and deleted', limit, async () => {
        const { sandbox, client, chat } = await stage(library, via);
        const { message_id } = await client.send(chat.id, 'draft');
        assert.equal((await client.edit(chat.id, message_id, 'final')).text, 'final');
        const shown = () => sandbox.fromBot(chat);
        assert.equal((await shown()).find((message) => message.message_id === message_id).text, 'final');
        assert.equal(await client.remove(chat.id, message_id), true);
        assert.ok(!(await shown()).some((message) => message.message_id === message_id));
      });

      test('a tap on an inline button reaches the bot, which answers it', limit, async () => {
        const { sandbox, client, chat, user } = await stage(library, via);
        client.onTap('thank you');
        await client.run();
        const { message_id } = await client.send(chat.id, 'choose', client.keyboard('Yes', 'yes'));
        const { id } = await sandbox.tap(chat, user, message_id, 'yes');
        await until('the callback query is answered', async () => (await sandbox.callback(id)).answered);
        await client.stop();
      });

      test('errors keep their code and their words', limit, async () => {
        const { client } = await stage(library, via);
        const failure = await failureOf(client, client.send(999_999_999, 'nobody'));
        assert.equal(failure.code, 400);
        assert.match(failure.text, /chat not found/);
      });

      test('a method that does not exist is the upstream\'s 404', limit, async () => {
        const { client } = await stage(library, via);
        const failure = await failureOf(client, client.raw('makeCoffee', {}));
        assert.equal(failure.code, 404);
      });

      test('a long flood wait comes back as an honest 429', limit, async () => {
        const { sandbox, bot, client, chat } = await stage(library, via);
        await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'flood', retry_after: 120, count: 1 });
        const failure = await failureOf(client, client.send(chat.id, 'held'));
        assert.equal(failure.code, 429);
        assert.ok(failure.parameters.retry_after > 100, JSON.stringify(failure));
      });
    });

for (const library of [grammy, telegraf])
  describe(`${library.name} through the gateway alone`, () => {
    test('a short flood wait is waited out, not shown', limit, async () => {
      const { sandbox, bot, client, chat } = await stage(library, 'gateway');
      await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'flood', retry_after: 1, count: 1 });
      const started = performance.now();
      assert.equal((await client.send(chat.id, 'patience')).text, 'patience');
      assert.ok(performance.now() - started >= 1000, 'it did not wait');
    });

    test('a burst into one chat is paced: every message arrives and no limit is broken', limit, async () => {
      const { sandbox, client, chat } = await stage(library, 'gateway');
      const texts = Array.from({ length: 8 }, (_, index) => `message ${index}`);
      await Promise.all(texts.map((text) => client.send(chat.id, text)));
      const arrived = (await sandbox.fromBot(chat)).map((message) => message.text);
      assert.deepEqual(new Set(arrived), new Set(texts));
      assert.equal(arrived.length, texts.length);
      const { limits } = await sandbox.violations();
      assert.equal(limits.chat.violations, 0, JSON.stringify(limits.chat));
    });

    test('a burst into one chat does not hold up the bot\'s other chats', limit, async () => {
      const { sandbox, bot, client, chat } = await stage(library, 'gateway');
      const other = await sandbox.createChat(bot, [await sandbox.createUser('Grace')]);
      await client.send(other.id, 'warm');
      const burst = Array.from({ length: 20 }, (_, index) => client.send(chat.id, `message ${index}`));
      await until('the burst is under way', async () => (await sandbox.fromBot(chat)).length >= 3);
      const started = performance.now();
      await client.send(other.id, 'not held');
      const took = performance.now() - started;
      await Promise.all(burst);
      assert.ok(took < 1000, `it took ${took.toFixed()} ms`);
    });
  });
