// More connections than the gateway takes: those there are served on, the others are told.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawConnection, request } from './harness/http.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 60_000 };
const most = 4;

describe('connections beyond gateway.max-connections', () => {
  let sandbox;
  let node;
  let bot;
  let descriptors;
  let held = [];
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: { 'gateway.max-connections': most, 'gateway.threads': 1 } });
    bot = await sandbox.createBot();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    descriptors = node.program.descriptors() + 2;
    await until('the first one is gone', async () => {
      const all = await Promise.all(Array.from({ length: most }, () => RawConnection.open(node.gatewayPort)));
      all.forEach((connection) => connection.write(get()));
      await Promise.all(all.map((connection) => connection.answers(1)));
      if (all.every((connection) => connection.statuses[0] === 200)) return (held = all);
      all.forEach((connection) => connection.destroy());
      return false;
    });
  });
  after(async () => {
    held.forEach((connection) => connection.destroy());
    await node?.stop();
    await sandbox?.stop();
  });
  const get = () => `GET /bot${bot.token}/getMe HTTP/1.1\r\nHost: x\r\n\r\n`;

  test('are answered 503 with Retry-After in the Bot API\'s shape, then closed', limit, async () => {
    for (const body of [undefined, Buffer.alloc(1 << 16, 'x')]) {
      const answer = await request(`${node.root}/bot${bot.token}/getMe`, { method: body ? 'POST' : 'GET', body });
      assert.equal(answer.status, 503, answer.text);
      assert.equal(answer.headers['retry-after'], '1');
      assert.equal(answer.headers.connection, 'close');
      assert.equal(answer.json.ok, false);
      assert.equal(answer.json.error_code, 503);
      assert.equal(answer.json.parameters.retry_after, 1);
    }
    const connection = await RawConnection.open(node.gatewayPort);
    connection.write(get());
    assert.deepEqual(await connection.end(), [503]);
    assert.equal(connection.error, undefined);
  });

  test('are closed after a moment when they ask for nothing', limit, async () => {
    const connection = await RawConnection.open(node.gatewayPort);
    assert.deepEqual(await connection.end(10_000), []);
  });

  test('take nothing from those that were there before', limit, async () => {
    const crowd = await Promise.all(Array.from({ length: 500 }, () => RawConnection.open(node.gatewayPort)));
    crowd.forEach((connection) => connection.write(get()));
    held.forEach((connection) => connection.write(get()));
    await Promise.all(held.map((connection) => connection.answers(2)));
    assert.ok(held.every((connection) => connection.statuses.at(-1) === 200));
    assert.ok(node.program.descriptors() < descriptors + most + 300);
    await until('all the others are gone', () => crowd.every((connection) => connection.ended));
    assert.ok(crowd.every(({ statuses }) => statuses.length === 0 || statuses[0] === 503));
    assert.ok(crowd.filter(({ statuses }) => statuses[0] === 503).length >= 200);
    crowd.forEach((connection) => connection.destroy());
    await node.quiet(descriptors + most);
  });

  test('are served as soon as another one ends', limit, async () => {
    held.pop().destroy();
    await until('the next one is served', async () => (await node.call(bot.token, 'getMe')).status === 200);
  });
});

describe('a token that the upstream does not know', () => {
  let sandbox;
  let node;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox);
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });
  const bots = async () => {
    const { text } = await request(`${node.api}/metrics`);
    return [...text.matchAll(/^troupe_bots\{phase="\w+"\} (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
  };

  for (const headers of [{}, { 'Idempotency-Key': 'one' }])
    test(`leaves no bot behind (${Object.keys(headers)[0] ?? 'plain'})`, limit, async () => {
      const token = `${123456 + Object.keys(headers).length}:${'A'.repeat(35)}`;
      const answer = await node.call(token, 'sendMessage', { chat_id: 1, text: 'x' }, { headers });
      assert.equal(answer.status, 401, answer.text);
      await until('its bot is gone', async () => (await bots()) === 0);
    });
});
