// What the upstream can do to a node. After each fault the node serves on and holds nothing for it.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
const quickBreaker = { 'health.open-timeout': '1s', 'health.success-threshold': 2 };

describe('an upstream that misbehaves', () => {
  let sandbox;
  let node;
  let baseline;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: { ...quickBreaker, 'session-pool.request-timeout': '1s' } });
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  /// Runs `body` with a bot of its own, then checks that the node is as it was.
  const survives = (name, body) => test(name, limit, async () => {
    const scene = await sandbox.stage();
    assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
    baseline ??= node.program.descriptors() + 4; // As many sessions as there may be I/O threads, kept open.
    const call = (method, fields = {}, options) =>
      node.call(scene.bot.token, method, { chat_id: scene.chat.id, ...fields }, options);
    await body({ ...scene, call, fault: (fields) => sandbox.fault({ bot: scene.bot.id, ...fields }) });
    await sandbox.clearFaults();
    const healthy = await sandbox.stage();
    assert.equal((await node.call(healthy.bot.token, 'getMe')).status, 200);
    await node.quiet(baseline);
  });
  const within = (span) => ({ headers: { 'x-troupe-deadline': span } });

  survives('hangs: 504 after the request timeout, and the session is not used again', async ({ call, fault }) => {
    await fault({ method: 'getChat', kind: 'hang' });
    const started = performance.now();
    const answer = await call('getChat', {}, within('1500ms'));
    assert.equal(answer.status, 504, answer.text);
    assert.equal(answer.json.error_code, 504);
    const took = performance.now() - started;
    assert.ok(took > 1000 && took < 4000, `${took} ms`);
  });

  survives('resets before it read a request: the read is repeated until it succeeds', async ({ chat, call, fault }) => {
    await fault({ method: 'getChat', kind: 'reset_before', count: 2 });
    const answer = await call('getChat');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-troupe-attempts'], '3');
    assert.equal((await sandbox.fromBot(chat)).length, 0);
  });

  survives('resets after a send: it is not sent twice, the client learns that it is unknown', async ({ chat, call, fault }) => {
    await fault({ method: 'sendMessage', kind: 'reset_after', count: 1 });
    const answer = await call('sendMessage', { text: 'once' });
    assert.equal(answer.status, 502, answer.text);
    assert.equal((await sandbox.fromBot(chat)).length, 1);
  });

  survives('resets after a send whose caller accepts doubles: it is repeated', async ({ chat, call, fault }) => {
    await fault({ method: 'sendMessage', kind: 'reset_after', count: 1 });
    const answer = await call('sendMessage', { text: 'twice' }, { headers: { 'x-troupe-retry': 'always' } });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await sandbox.fromBot(chat)).length, 2);
  });

  survives('resets after a read: the read is repeated', async ({ call, fault }) => {
    await fault({ method: 'getChat', kind: 'reset_after', count: 1 });
    const answer = await call('getChat');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-troupe-attempts'], '2');
  });

  survives('sends half an answer to a send: a whole error, and no second message', async ({ chat, call, fault }) => {
    await fault({ method: 'sendMessage', kind: 'half_answer', count: 1 });
    const answer = await call('sendMessage', { text: 'half' });
    assert.equal(answer.status, 502, answer.text);
    assert.equal((await sandbox.fromBot(chat)).length, 1);
  });

  survives('sends half an answer to a read: the read is repeated', async ({ call, fault }) => {
    await fault({ method: 'getChat', kind: 'half_answer', count: 1 });
    const answer = await call('getChat');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-troupe-attempts'], '2');
  });

  survives('answers 500: a read is tried four times, then its answer passes', async ({ call, fault }) => {
    await fault({ method: 'getChat', kind: 'status', error_code: 500 });
    const answer = await call('getChat', {}, within('30s'));
    assert.equal(answer.status, 500, answer.text);
    assert.equal(answer.headers['x-troupe-attempts'], '4');
  });

  survives('answers 500 to a send: it is not repeated', async ({ chat, call, fault }) => {
    await fault({ method: 'sendMessage', kind: 'status', error_code: 500, count: 1 });
    const answer = await call('sendMessage', { text: 'x' });
    assert.equal(answer.status, 500, answer.text);
    assert.equal((await sandbox.fromBot(chat)).length, 0);
  });

  survives('fails five times: this bot\'s breaker opens, lets probes through, closes', async ({ bot, call, fault }) => {
    await fault({ method: 'sendMessage', kind: 'status', error_code: 503 });
    const of = (state) => (event) => Number(event.bot) === Number(bot.id) && event.event === `breaker.${state}`;
    for (let attempt = 0; attempt < 5; ++attempt) await call('sendMessage', { text: `try ${attempt}` });
    await node.logged('breaker.opened', of('opened'));
    const refused = await call('getChat');
    assert.equal(refused.status, 503, refused.text);
    assert.ok(refused.json.parameters.retry_after >= 1);
    await sandbox.clearFaults();
    await until('two probes succeed and the breaker closes', async () => {
      await call('getChat');
      return node.events('breaker.closed').some(of('closed'));
    }, { every: 100 });
    assert.equal((await call('getChat')).status, 200);
  });

  survives('floods one chat: another chat of the bot goes on', async ({ bot, chat, call, fault }) => {
    const other = await sandbox.createChat(bot, [await sandbox.createUser('Grace')]);
    await fault({ method: 'sendMessage', kind: 'flood', retry_after: 40, count: 1 });
    assert.equal((await call('sendMessage', { text: 'x' })).status, 429);
    assert.equal((await call('sendMessage', { chat_id: other.id, text: 'free' })).status, 200);
    const held = await call('sendMessage', { text: 'y' });
    assert.equal(held.status, 429);
    assert.ok(held.json.parameters.retry_after > 20);
    assert.equal((await sandbox.fromBot(chat)).length, 0);
  });
});

describe('an upstream that is killed and comes back', () => {
  test('502 or 503 while it is away, service again when it is back', limit, async () => {
    let sandbox = await Sandbox.start({ args: ['--accept-any-token'] });
    const node = await Node.start(sandbox, { options: quickBreaker });
    const { bot } = await sandbox.stage();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const { port, tokens } = sandbox;
    sandbox.program.kill();
    await soon('the sandbox ends', sandbox.program.exited);
    const seen = new Set();
    await until('the breaker answers 503 at once', async () => {
      const answer = await node.call(bot.token, 'sendMessage', { chat_id: 1, text: 'x' },
        { headers: { 'x-troupe-deadline': '1s' } });
      assert.ok(answer.status >= 502 && answer.status <= 504, answer.text);
      seen.add(answer.status);
      return answer.status === 503;
    }, { within: 30_000 });
    assert.ok(seen.has(502) || seen.has(504), [...seen].join(' '));
    await node.logged('breaker.opened');
    sandbox = await Sandbox.start({ port, args: ['--accept-any-token'] });
    sandbox.tokens.push(...tokens);
    await until('the bot is served again', async () =>
      (await node.call(bot.token, 'getMe')).status === 200, { within: 20_000, every: 100 });
    await until('the breakers are closed again', async () => {
      await node.call(bot.token, 'getMe');
      return node.events('breaker.closed').length > 0;
    }, { every: 100 });
    await node.quiet();
    await node.stop();
    await sandbox.stop();
  });

  test('an upstream that accepts and says nothing is 504, and nothing is left of it', limit, async () => {
    const sockets = new Set();
    const silent = net.createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket)).resume();
    });
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const token = `7777777:${'S'.repeat(35)}`;
    const node = await Node.start({ url: `http://127.0.0.1:${silent.address().port}`, tokens: [token] },
      { options: { 'session-pool.request-timeout': '1s' } });
    const before = node.program.descriptors();
    const answers = await Promise.all(Array.from({ length: 5 }, () =>
      node.call(token, 'getMe', undefined, { headers: { 'x-troupe-deadline': '1s' } })));
    for (const answer of answers) assert.equal(answer.status, 504, answer.text);
    await node.quiet(before);
    await until('the upstream sees its connections closed', () => sockets.size === 0);
    await node.stop();
    silent.close();
  });

  test('an upstream that speaks nonsense is 502', limit, async () => {
    const answers = ['SSH-2.0-OpenSSH_9.2\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n', '\0\0\0\0\r\n\r\n',
      `HTTP/1.1 200 OK\r\n${'X-Long: '.padEnd(1 << 20, 'y')}\r\n\r\n`];
    const server = net.createServer((socket) => {
      socket.on('error', () => {}).on('data', () => socket.end(answers[0]));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const token = `7777777:${'N'.repeat(35)}`;
    const node = await Node.start({ url: `http://127.0.0.1:${server.address().port}`, tokens: [token] },
      { options: { 'health.failure-threshold': 100 } });
    while (answers.length) {
      const answer = await node.call(token, 'sendMessage', { chat_id: 1, text: 'x' });
      assert.equal(answer.status, 502, `${answers[0].slice(0, 40)}: ${answer.text}`);
      answers.shift();
    }
    await node.quiet();
    await node.stop();
    server.close();
  });
});
