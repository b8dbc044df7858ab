// What the gateway itself says no to, in the Bot API's words; and which bots it serves.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { request } from './harness/http.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { makeCertificates } from './harness/tls.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 90_000 };
const wrongToken = '424242:wrong-wrong_wrong-wrong_wrong-wrong';
const wellFormed = `424242:${'w'.repeat(35)}`;

/// The Bot API's error shape, in status line, body and headers alike.
function assertRefusal(answer, code, words) {
  assert.equal(answer.status, code, answer.text);
  assert.match(answer.headers['content-type'], /application\/json/);
  const { ok, error_code, description, parameters } = answer.json;
  assert.equal(ok, false);
  assert.equal(error_code, code);
  assert.match(description, words);
  if (code === 429 || code === 503) {
    assert.ok(parameters.retry_after >= 1, answer.text);
    assert.equal(Number(answer.headers['retry-after']), parameters.retry_after);
  }
}

describe('a node that takes only the bots of its tokens file', () => {
  let sandbox;
  let node;
  let known;
  before(async () => {
    sandbox = await Sandbox.start();
    known = await sandbox.createBot();
    const tokens = join(temporaryDirectory(), 'tokens');
    writeFileSync(tokens, `${known.token}\n`, { mode: 0o600 });
    node = await Node.start(sandbox, {
      options: { 'gateway.unknown-tokens': 'reject' },
      files: { 'bot.conf': `bot {\n  tokens-file = "${tokens}"\n}\n` },
    });
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  test('a refusal reaches a client that is still sending megabytes, each time', limit, async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () =>
      request(`${node.root}/bot${wellFormed}/sendPhoto`, {
        method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: randomBytes(3 << 20),
      }).catch((error) => ({ status: error.code }))));
    assert.deepEqual(answers.map(({ status }) => status), Array(10).fill(401));
  });

  test('a bot of the file is served', limit, async () => {
    assert.equal((await node.call(known.token, 'getMe')).json.result.id, Number(known.id));
  });

  test('a token that is not in it gets 401 and nothing reaches the upstream', limit, async () => {
    const stranger = await sandbox.createBot();
    const before = await sandbox.requests('getMe');
    assertRefusal(await node.call(stranger.token, 'getMe'), 401, /Unauthorized/);
    assertRefusal(await node.call(`${known.token.slice(0, -1)}${known.token.endsWith('x') ? 'y' : 'x'}`, 'getMe'),
      401, /Unauthorized/);
    assert.equal(await sandbox.requests('getMe'), before);
  });

  test('what is no token is refused like api.telegram.org refuses it', limit, async () => {
    for (const token of [wrongToken, 'x', '1:2', '%00', `${known.id}`]) {
      const answer = await node.call(token, 'getMe');
      assert.ok([401, 404].includes(answer.status), `${token}: ${answer.status}`);
      assert.equal(answer.json.ok, false);
    }
  });

  test('paths outside the Bot API are 404 in the Bot API\'s shape', limit, async () => {
    for (const path of ['/', '/favicon.ico', '/v1/health', '/metrics', '/file/', `/bot${known.token}`])
      assertRefusal(await request(`${node.root}${path}`), 404, /Not Found/);
  });

  test('close and logOut are answered and never forwarded', limit, async () => {
    for (const method of ['close', 'logOut', 'LOGOUT', 'Close']) {
      const answer = await node.call(known.token, method, {});
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.ok, true);
    }
    // However the method is said: the upstream is not to find one that the node did not.
    const root = `${node.root}/bot${known.token}/`;
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const post = (target, type, body) => request(root + target, { method: 'POST', headers: { 'content-type': type }, body });
    const multipart = (head, value = 'logOut') => `--q\r\n${head}\r\n\r\n${value}\r\n--q--\r\n`;
    const disposition = 'Content-Disposition: form-data; name=';
    const said = [
      request(`${root}?method=logOut&method=getMe`), request(`${root}test/?method=logOut`), request(`${root}log%4fut`),
      request(`${root}?method=logOut`, { method: 'POST', headers: form, body: 'method=getMe' }),
      post('', 'application/json', '{"method":"logOut","method":"getMe"}'),
      post('', 'application/json', `{"a":${'['.repeat(60)}${']'.repeat(60)},"method":"logOut"}`),
      post('', 'application/json', Buffer.from('{"a":"\xff\n","m\\u0065thod":"logOut",}', 'latin1')),
      post('', 'text/application/json', '{"method":"logOut"}'),
      post('', 'multipart/form-data; boundary=q', multipart(`${disposition}"meth%6Fd"`)),
      post('', 'multipart/form-data; boundary=q', multipart(
        `${disposition}a\r\nContent-Type: application/x-www-form-urlencoded`, 'method=logOut')),
      post('', 'multipart/form-data; xboundary =q', multipart(`${disposition}method`)),
    ];
    for (const [index, answer] of (await Promise.all(said)).entries())
      assert.equal(answer.text, '{"ok":true,"result":true}', `${index}`);
    // What the node does not find, because it is too far behind, is no method for the upstream either.
    const far = await post('', 'application/json', `{"a":"${'x'.repeat(1_000_000)}","method":"logOut"}`);
    assertRefusal(far, 404, /method not found/);
    assertRefusal(await request(root), 404, /method not found/);
    assert.equal(await sandbox.requests('close'), 0);
    assert.equal(await sandbox.requests('logOut'), 0);
    assert.equal((await request(`${root}?method=getMe&method=logOut`)).json.result.id, Number(known.id));
    assert.equal((await node.call(known.token, 'getMe')).status, 200);
  });

  test('a body that is not what its type says is a 400, from whoever looks first', limit, async () => {
    const answer = await request(`${node.root}/bot${known.token}/sendMessage`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"chat_id": 1, "text": ',
    });
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.json.ok, false);
  });

  test('absurd chat ids end in a clear error and change nothing else', limit, async () => {
    for (const chat_id of ['99999999999999999999999999', -1e300, '@', '', null, {}, [], true, '0', 'NaN', '-',
      '@'.repeat(70_000)]) {
      const shown = JSON.stringify(chat_id).slice(0, 40);
      const read = await node.call(known.token, 'getChat', { chat_id });
      assert.equal(read.status, 400, `${shown}: ${read.text}`);
      // What may be a group waits for the group budget, which is full when a node has just started.
      const sent = await node.call(known.token, 'sendMessage', { chat_id, text: 'x' },
        { headers: { 'x-troupe-deadline': '2s' } });
      assert.ok([400, 429].includes(sent.status), `${shown}: ${sent.text}`);
    }
    assert.equal((await node.call(known.token, 'getMe')).status, 200);
  });
});

describe('a node that adopts unknown tokens', () => {
  let sandbox;
  let node;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: { 'bot.max-queue': 3, 'bot.max-concurrent': 1 } });
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  test('a bot it never heard of is served from its first call', limit, async () => {
    const { bot, chat } = await sandbox.stage();
    const answer = await node.call(bot.token, 'sendMessage', { chat_id: chat.id, text: 'first' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await sandbox.fromBot(chat)).length, 1);
  });

  test('the upstream\'s 401 for a made-up token passes through and harms no bot of that number', limit, async () => {
    const bot = await sandbox.createBot();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const forged = `${bot.token.split(':')[0]}:${'f'.repeat(35)}`;
    assertRefusal(await node.call(forged, 'getMe'), 401, /Unauthorized/);
    assertRefusal(await node.call(wellFormed, 'getMe'), 401, /Unauthorized/);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  });

  test('a thousand made-up tokens leave neither bots nor memory behind', limit, async () => {
    const bot = await sandbox.createBot();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const resident = node.program.resident();
    const made = Array.from({ length: 1000 }, (_, index) => `${5_000_000 + index}:${randomBytes(26).toString('base64url')}`);
    const statuses = new Set();
    while (made.length) {
      const answers = await Promise.all(made.splice(0, 50).map((token) => node.call(token, 'getMe')));
      answers.forEach((answer) => statuses.add(answer.status));
      assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    }
    for (const status of statuses) assert.ok([401, 429, 503].includes(status), [...statuses].join(' '));
    assert.ok(statuses.has(401));
    const grown = node.program.resident() - resident;
    assert.ok(grown < 12 * 1024, `the node grew by ${grown} KiB`);
  });

  test('a full queue is refused at once, the queued calls are answered', limit, async () => {
    const { bot, chat } = await sandbox.stage();
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    await sandbox.fault({ bot: bot.id, method: 'getChat', kind: 'latency', latency: '1500ms', count: 1 });
    const calls = Array.from({ length: 10 }, () => node.call(bot.token, 'getChat', { chat_id: chat.id }));
    const answers = await Promise.all(calls);
    const refused = answers.filter((answer) => answer.status === 429);
    assert.equal(refused.length, 6, answers.map((answer) => answer.status).join(' '));
    refused.forEach((answer) => assertRefusal(answer, 429, /Too Many Requests/));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 4);
  });
});

describe('an HTTPS upstream whose certificate a private authority signed', () => {
  let sandbox;
  let certificates;
  const dir = temporaryDirectory();
  before(async () => {
    certificates = makeCertificates(dir);
    sandbox = await Sandbox.start({ tls: certificates });
  });
  after(async () => { await sandbox?.stop(); });

  test('is trusted with session-pool.ca-file, and its sessions are kept alive', limit, async () => {
    const node = await Node.start(sandbox, { options: { 'session-pool.ca-file': certificates.ca } });
    const { bot, chat } = await sandbox.stage();
    const opened = (await sandbox.stats()).connections.opened;
    for (let round = 0; round < 5; ++round)
      assert.equal((await node.call(bot.token, 'getChat', { chat_id: chat.id })).status, 200);
    // At most one per I/O thread, and the connection of each look at the statistics.
    const made = (await sandbox.stats()).connections.opened - opened;
    assert.ok(made <= 4, `${made} connections for five calls`);
    await node.stop();
  });

  test('and the gateway itself speaks HTTPS when it has a certificate', limit, async () => {
    const node = await Node.start(sandbox, { options: { 'session-pool.ca-file': certificates.ca,
      'gateway.tls-cert': certificates.cert, 'gateway.tls-key': certificates.key } });
    const bot = await sandbox.createBot();
    const url = `https://127.0.0.1:${node.gatewayPort}/bot${bot.token}/getMe`;
    assert.equal((await request(url, { ca: certificates.caText })).json.result.id, Number(bot.id));
    await assert.rejects(request(url), /certificate/);
    const big = await request(url.replace('getMe', 'sendMessage'), { ca: certificates.caText, method: 'POST',
      headers: { 'content-type': 'application/json' }, body: JSON.stringify({ chat_id: 5, text: 'x'.repeat(300_000) }) });
    assert.equal(big.status, 400, big.text);
    await node.quiet();
    await node.stop();
  });

  test('is refused without it, with a 502 that names no internals', limit, async () => {
    const node = await Node.start(sandbox);
    const { bot } = await sandbox.stage();
    const answer = await node.call(bot.token, 'getMe', undefined, { headers: { 'x-troupe-deadline': '4s' } });
    assertRefusal(answer, answer.status === 504 ? 504 : 502, /Gateway/);
    assert.doesNotMatch(answer.text, /certificate|ssl|asio|127\.0\.0\.1/i);
    await until('the log says why', () => /certificate/i.test(node.program.output));
    await node.stop();
  });

  test('is refused when another authority signed it', limit, async () => {
    const other = makeCertificates(dir, 'other');
    const node = await Node.start(sandbox, { options: { 'session-pool.ca-file': other.ca } });
    const { bot } = await sandbox.stage();
    const answer = await node.call(bot.token, 'getMe', undefined, { headers: { 'x-troupe-deadline': '4s' } });
    assert.ok([502, 504].includes(answer.status), answer.text);
    await node.stop();
  });
});
