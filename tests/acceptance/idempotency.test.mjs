// Idempotency-Key on the gateway: a send that is safe to repeat.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 60_000 };
let count = 0;
const fresh = () => `key-${++count}`;

describe('a request with an Idempotency-Key', () => {
  let sandbox;
  let node;
  let bot;
  let chat;
  before(async () => {
    sandbox = await Sandbox.start({ args: ['--limits=none'] });
    node = await Node.start(sandbox, { options: { 'rate-governor.chat-rps': 0, 'rate-governor.chat-per-20s': 0 } });
    ({ bot, chat } = await sandbox.stage());
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });
  beforeEach(() => sandbox.clearFaults());

  const send = (text, key, { at = node, method = 'sendMessage', deadline, ...options } = {}) =>
    at.call(bot.token, method, { chat_id: chat.id, text },
      { headers: { 'Idempotency-Key': key, ...(deadline ? { 'X-Troupe-Deadline': deadline } : {}) }, ...options });
  const written = async (text) => (await sandbox.fromBot(chat)).filter((one) => one.text === text).length;

  test('is carried out once; the same again gets the same answer', limit, async () => {
    const key = fresh();
    const first = await send('once', key);
    assert.equal(first.status, 200, first.text);
    for (let i = 0; i < 3; ++i) {
      const again = await send('once', key);
      assert.equal(again.status, 200);
      assert.equal(again.text, first.text);
    }
    assert.equal(await written('once'), 1);
    assert.equal((await send('once', fresh())).status, 200);
    assert.equal(await written('once'), 2);
  });

  test('belongs to its body and its method', limit, async () => {
    const key = fresh();
    assert.equal((await send('mine', key)).status, 200);
    for (const other of [await send('another', key), await send('mine', key, { method: 'sendDice' })]) {
      assert.equal(other.status, 409, other.text);
      assert.equal(other.json.ok, false);
      assert.equal(other.json.error_code, 409);
    }
    assert.equal(await written('another'), 0);
  });

  test('that is under way has the second one wait for its answer', limit, async () => {
    await sandbox.fault({ kind: 'latency', method: 'sendMessage', latency: '700ms', count: 1 });
    const key = fresh();
    const both = await Promise.all([send('together', key), send('together', key), send('together', key)]);
    assert.deepEqual(both.map((one) => one.status), [200, 200, 200]);
    assert.equal(new Set(both.map((one) => one.json.result.message_id)).size, 1);
    assert.equal(await written('together'), 1);
  });

  test('that runs for longer than the second one waits is a conflict', limit, async () => {
    await sandbox.fault({ kind: 'latency', method: 'sendMessage', latency: '2s', count: 1 });
    const key = fresh();
    const first = send('slow', key);
    await until('the first is under way', async () => (await node.get('/v1/sessions')).leased === 1);
    const second = await send('slow', key, { deadline: '300ms' });
    assert.equal(second.status, 409, second.text);
    assert.equal(second.headers['retry-after'], '1');
    assert.equal((await first).status, 200);
  });

  test('keeps refusals of the Bot API, but gives the key of a 429 back', limit, async () => {
    const key = fresh();
    const first = await send('', key);
    assert.equal(first.status, 400, first.text);
    assert.equal((await send('', key)).text, first.text);
    await sandbox.fault({ kind: 'flood', method: 'sendMessage', retry_after: 1, count: 1 });
    const flooded = fresh();
    const refused = await send('flooded', flooded, { deadline: '500ms' });
    assert.equal(refused.status, 429, refused.text);
    assert.ok(refused.json.parameters.retry_after >= 1);
    const later = await send('flooded', flooded);
    assert.equal(later.status, 200, later.text);
    assert.equal(await written('flooded'), 1);
  });

  test('that never reached the Bot API gives the key back', limit, async () => {
    const key = fresh();
    await sandbox.fault({ kind: 'flood', method: 'sendMessage', retry_after: 2, count: 1 });
    assert.equal((await send('held', fresh(), { deadline: '300ms' })).status, 429); // Holds the chat.
    const reached = await sandbox.requests('sendMessage');
    const refused = await send('never', key, { deadline: '300ms' });
    assert.equal(refused.status, 429, refused.text);
    assert.equal(await sandbox.requests('sendMessage'), reached);
    assert.equal((await send('never', key)).status, 200);
    assert.equal(await written('never'), 1);
  });

  test('whose connection broke after it was sent is not sent again', limit, async () => {
    await sandbox.fault({ kind: 'reset_after', method: 'sendMessage', count: 1 });
    const key = fresh();
    const broken = await send('broken', key);
    assert.equal(broken.status, 502, broken.text);
    const again = await send('broken', key);
    assert.equal(again.status, 409, again.text);
    assert.match(again.json.description, /outcome_unknown/);
    assert.equal(await written('broken'), 1);
    assert.equal((await send('broken', fresh())).status, 200); // The caller insists.
  });

  test('whose client left goes on; the next one with the key gets its answer', limit, async () => {
    await sandbox.fault({ kind: 'latency', method: 'sendMessage', latency: '500ms', count: 1 });
    const key = fresh();
    const gone = new AbortController();
    const first = send('left', key, { signal: gone.signal }).catch(() => undefined);
    await until('it is under way', async () => (await node.get('/v1/sessions')).leased === 1);
    gone.abort();
    await first;
    const again = await send('left', key);
    assert.equal(again.status, 200, again.text);
    assert.equal(await written('left'), 1);
    await node.quiet();
  });

  test('keeps an error of the Bot API itself: what may have been done is not done again', limit, async () => {
    await sandbox.fault({ kind: 'status', method: 'sendMessage', error_code: 500, count: 1 });
    const key = fresh();
    const first = await send('failed', key);
    assert.equal(first.status, 500, first.text);
    assert.equal((await send('failed', key)).text, first.text);
    assert.equal(await written('failed'), 0);
  });

  test('with a body that is not held whole is refused', limit, async () => {
    const answer = await send('x'.repeat(200_000), fresh());
    assert.equal(answer.status, 413, answer.text);
    assert.equal(answer.json.ok, false);
  });

  test('has a key of 1 to 256 characters', limit, async () => {
    for (const key of ['', 'x'.repeat(257)]) {
      const answer = await send('long', key);
      assert.equal(answer.status, 400, answer.text);
    }
    assert.equal((await send('long', 'x'.repeat(256))).status, 200);
    assert.equal(await written('long'), 1);
  });

  test('of a node that was killed has an unknown outcome; finished ones are kept', limit, async () => {
    const options = { 'node.data-dir': temporaryDirectory(), 'rate-governor.chat-rps': 0, 'rate-governor.chat-per-20s': 0 };
    const first = await Node.start(sandbox, { options });
    const kept = fresh();
    const lost = fresh();
    const before = await send('kept', kept, { at: first });
    assert.equal(before.status, 200);
    await sandbox.fault({ kind: 'hang', method: 'sendMessage', count: 1 });
    const hangs = send('lost', lost, { at: first }).catch(() => undefined);
    await until('it is under way', async () => (await first.get('/v1/sessions')).leased === 1);
    first.program.kill();
    await soon('it is gone', first.program.exited);
    await hangs;
    await sandbox.clearFaults();
    const second = await Node.start(sandbox, { options });
    try {
      assert.equal(second.events('requests.lost')[0].requests, 1);
      assert.equal((await send('kept', kept, { at: second })).text, before.text);
      const unknown = await send('lost', lost, { at: second });
      assert.equal(unknown.status, 409, unknown.text);
      assert.match(unknown.json.description, /outcome_unknown/);
      assert.equal(await written('kept'), 1);
    } finally {
      await second.stop();
    }
  });

  describe('of a registered bot, on the gateway and on the methods route', () => {
    let row;
    let mine;
    let room;
    before(async () => {
      mine = await sandbox.createBot();
      const user = await sandbox.createUser();
      room = await sandbox.createChat(mine, [user]);
      const made = await node.ask('POST', '/v1/bots', { token: mine.token, trusted: true });
      assert.equal(made.status, 201, made.text);
      row = made.json;
    });
    const heard = async (text) => (await sandbox.fromBot(room)).filter((one) => one.text === text).length;
    const byMethods = (body, key, method = 'sendMessage') =>
      node.ask('POST', `/v1/bots/${row.id}/methods/${method}`, body, { headers: { 'Idempotency-Key': key } });
    const byGateway = (body, key, { type = 'application/json', method = 'sendMessage' } = {}) =>
      request(`${node.root}/bot${mine.token}/${method}`, {
        method: 'POST',
        headers: { 'Idempotency-Key': key, 'content-type': type },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    const encoded = (text) => ({
      json: [{ text, chat_id: String(room.id) }],
      form: [`text=${encodeURIComponent(text)}&chat_id=${room.id}`, { type: 'application/x-www-form-urlencoded' }],
      multipart: [`--a${text}\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n${room.id}\r\n`
        + `--a${text}\r\nContent-Disposition: form-data; name="text"\r\n\r\n${text}\r\n--a${text}--\r\n`,
      { type: `multipart/form-data; boundary=a${text}` }],
    });

    for (const kind of ['json', 'form', 'multipart']) {
      test(`is one request, whichever is used first (${kind})`, limit, async () => {
        for (const gatewayFirst of [true, false]) {
          const key = fresh();
          const text = `both-${kind}-${gatewayFirst}`;
          const gateway = () => byGateway(encoded(text)[kind][0], key, encoded(text)[kind][1]);
          const methods = () => byMethods({ chat_id: room.id, text }, key);
          const first = await (gatewayFirst ? gateway : methods)();
          assert.equal(first.status, 200, first.text);
          const second = await (gatewayFirst ? methods : gateway)();
          assert.equal(second.status, 200, second.text);
          assert.deepEqual(second.json, first.json);
          assert.equal(await heard(text), 1);
        }
      });
    }

    test('is a conflict with another body or method, whichever is used first', limit, async () => {
      const one = { chat_id: room.id, text: 'crossed' };
      const other = { chat_id: room.id, text: 'crossed!' };
      const [first, second] = [fresh(), fresh()];
      assert.equal((await byGateway(one, first)).status, 200);
      assert.equal((await byMethods(other, first)).json.code, 'idempotency_key_reused');
      assert.equal((await byMethods(one, first, 'sendDice')).status, 409);
      assert.equal((await byMethods(one, second)).status, 200);
      assert.equal((await byGateway(other, second)).status, 409);
      assert.equal((await byGateway(one, second, { method: 'sendDice' })).status, 409);
      assert.equal(await heard('crossed'), 2);
      assert.equal(await heard('crossed!'), 0);
    });
  });
});
