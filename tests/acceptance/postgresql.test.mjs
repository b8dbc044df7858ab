// A node whose store is PostgreSQL: the same life of bots, over kills of the node and of the database.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bounds, meetBounds } from './harness/bounds.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { PostgreSql } from './harness/postgresql.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };

describe('a node with PostgreSQL', () => {
  let sandbox;
  let database;
  let node;
  let start;
  before(async () => {
    sandbox = await Sandbox.start();
    database = await PostgreSql.start();
    const dir = temporaryDirectory();
    start = () => Node.start(sandbox, {
      options: { 'gateway.unknown-tokens': 'reject', 'api.creations-per-minute': 1000, 'node.data-dir': dir, ...bounds },
      // A URI may hold a password: it is not taken from the command line.
      files: { 'store.conf': `store { uri = "${database.uri}" }\n` },
      env: { TROUPE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') },
    });
    node = await start();
  });
  after(async () => {
    await node?.stop();
    database?.remove();
    await sandbox?.stop();
  });
  const register = (bot) => node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });

  test('has bots that outlive its kill', limit, async () => {
    const bot = await sandbox.createBot();
    const made = await register(bot);
    assert.equal(made.status, 201, made.text);
    const token = await node.ask('POST', `/v1/bots/${bot.id}/tokens`, { name: 'ci' });
    assert.equal(token.status, 201, token.text);
    node.program.kill();
    await soon('it is gone', node.program.exited);
    node = await start();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    assert.equal((await node.call(token.json.token, 'getMe')).status, 200);
    assert.equal((await node.ask('GET', `/v1/bots/${bot.id}`)).json.phase, 'active');
  });

  test('serves its bots while the database is away, and changes them again when it is back', limit, async () => {
    const bot = await sandbox.createBot();
    assert.equal((await register(bot)).status, 201);
    await database.stop('SIGQUIT');
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const refused = await node.ask('POST', `/v1/bots/${bot.id}:suspend`, {});
    assert.equal(refused.status, 503, refused.text);
    assert.ok(!/postgres|libpq|socket/i.test(refused.text), refused.text);
    await node.logged('alert.raised', (event) => event.alert === 'store.failing');
    await database.resume();
    await until('the order is carried out', async () =>
      (await node.ask('POST', `/v1/bots/${bot.id}:suspend`, {})).status === 200, { within: 30_000 });
    assert.notEqual((await node.call(bot.token, 'getMe')).status, 200);
    await node.logged('alert.resolved', (event) => event.alert === 'store.failing');
    assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:resume`, {})).status, 200);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });

  test('has no more users, keys and virtual tokens than it may', limit, () => meetBounds(node, async (fields, access) => {
    const bot = await sandbox.createBot();
    const made = await node.ask('POST', '/v1/bots', { token: bot.token, ...fields }, access);
    assert.equal(made.status, 201, made.text);
    return bot.id;
  }));

  test('is not backed up by the node', limit, async () => {
    const answer = await node.ask('POST', '/v1/backups', { path: '/tmp/troupe-none.db' });
    assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
  });
});
