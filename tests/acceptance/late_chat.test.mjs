// A chat that stands behind a large file in a multipart body: too late for the permit, charged when seen.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { Cluster } from './harness/cluster.mjs';
import { shardOf } from './harness/fleet.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 60_000 };
const boundary = 'the-boundary';

/** A document of `size` bytes, then the chat. */
const upload = (chat, size) => Buffer.concat([
  Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n`),
  Buffer.alloc(size, 0x2d), // Dashes, to look like the beginning of a delimiter all the time.
  Buffer.from(`\r\n--${boundary}\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n${chat}\r\n--${boundary}--\r\n`),
]);

const send = (node, bot, chat, headers = {}) => request(`${node.root}/bot${bot.token}/sendDocument`, {
  method: 'POST', body: upload(chat, 300_000),
  headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...headers },
});

/** How many windows a node's governor keeps of chats or groups. */
const windowsOf = async (node, scope) => (await node.get('/v1/budgets')).budgets
  .find((x) => x.scope === scope).windows;

describe('a chat_id behind the file', () => {
  let sandbox;
  let node;
  let bot;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: { 'gateway.unknown-tokens': 'adopt' } });
    bot = await sandbox.createBot();
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  const windows = (scope) => windowsOf(node, scope);

  for (const [name, chat, scope, headers] of [
    ['with a length', 777001, 'chat', {}],
    ['in chunks', -100777002, 'group', { 'transfer-encoding': 'chunked' }]]) {
    test(`is charged to its ${scope} (${name})`, limit, async () => {
      assert.equal(await windows(scope), 0);
      const answer = await send(node, bot, chat, headers);
      assert.notEqual(answer.status, 502, answer.text);
      await until(`the ${scope} has a window`, async () => (await windows(scope)) === 1);
    });
  }

  // Whoever writes long texts in JSON or a form, and the chat behind them.
  for (const [index, [name, type, body]] of [
    ['in JSON', 'application/json', (chat) => `{"text":"${'x'.repeat(300_000)}","chat_id":${chat}}`],
    ['in a form', 'application/x-www-form-urlencoded', (chat) => `text=${'x'.repeat(300_000)}&chat_id=${chat}`]].entries()) {
    test(`is charged when it stands behind a long text (${name})`, limit, async () => {
      const before = await windows('chat');
      const answer = await request(`${node.root}/bot${bot.token}/sendMessage`, {
        method: 'POST', body: body(777010 + index), headers: { 'content-type': type } });
      assert.equal(answer.status, 400, answer.text);
      await until('the chat has a window', async () => (await windows('chat')) === before + 1);
    });
  }
});

test('a chat_id behind the file is charged where the bot is, whichever node the call came to', { timeout: 120_000 }, async (t) => {
  const sandbox = await Sandbox.start();
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox);
  const bot = await sandbox.createBot();
  assert.equal((await cluster.nodes.n1.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status, 201);
  const owner = (await cluster.owners()).get(shardOf(bot.id));
  let chat = 777100;
  for (const node of cluster.all) assert.notEqual((await send(node, bot, ++chat)).status, 502);
  await until(`${owner} has charged three chats`, async () => (await windowsOf(cluster.nodes[owner], 'chat')) === 3);
  for (const [name, node] of Object.entries(cluster.nodes))
    if (name !== owner) assert.equal(await windowsOf(node, 'chat'), 0, `${name} has charged what is not its own`);
});
