// Requests that hardly anybody makes, as an nginx before a Bot API server would have them answered. After each the node
// serves on and holds nothing for it; after many rounds of all it has grown no further.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { RawConnection } from './harness/http.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';

const limit = { timeout: 120_000 };
let sandbox;
let node;
let scene;
let baseline;

before(async () => {
  sandbox = await Sandbox.start({ args: ['--limits=none'] });
  node = await Node.start(sandbox, { options: { 'rate-governor.bot-rps': 0, 'rate-governor.global-rps': 0, 'rate-governor.chat-rps': 0 } });
  scene = await sandbox.stage();
  assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
  baseline = node.program.descriptors() + 4; // The sessions that may be kept open, one per I/O thread.
});
after(async () => {
  await node?.stop();
  await sandbox?.stop();
});

const path = (method) => `/bot${scene.bot.token}/${method}`;
const get = (extra = '', { target = path('getMe'), verb = 'GET', version = '1.1' } = {}) =>
  `${verb} ${target} HTTP/${version}\r\nHost: gateway\r\n${extra}\r\n`;
const message = (text = 'odd') => JSON.stringify({ chat_id: scene.chat.id, text });
const post = (body, extra = '', { type = 'application/json', version = '1.1' } = {}) => Buffer.concat([
  Buffer.from(get(`Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n${extra}`, { target: path('sendMessage'), verb: 'POST', version })),
  Buffer.from(body, 'latin1')]);
const chunked = (chunks, extra = '') => get(`Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n${extra}`,
  { target: path('sendMessage'), verb: 'POST' }) + chunks;
const chunk = (text, extension = '') => `${text.length.toString(16)}${extension}\r\n${text}\r\n`;
const part = (fields, content) => `--b\r\nContent-Disposition: form-data; ${fields}\r\n\r\n${content}\r\n`;
const form = (...parts) => post(parts.join(''), '', { type: 'multipart/form-data; boundary=b' });
const chat = () => part('name=chat_id', scene.chat.id);

/// What is sent, and the statuses that come back; `ends`: whether the connection ends by itself.
const cases = {
  'a chunked body with trailers, and a request behind it': () => ({ send: chunked(`${chunk(message())}0\r\nX-Sum: 1\r\nGET: /x\r\n\r\n`) + get(), statuses: [200, 200] }),
  'chunks with extensions': () => ({ send: chunked(`${chunk(message(), ';name="a;b";other')}0\r\n\r\n`), statuses: [200] }),
  'a trailer that would name a length': () => ({ send: chunked(`${chunk(message())}0\r\nContent-Length: 5\r\n\r\n`), statuses: [400], ends: true }),
  'a chunk beyond 64 bits': () => ({ send: chunked('FFFFFFFFFFFFFFFFF\r\nx'), statuses: [400], ends: true }),
  'a chunk that no body has': () => ({ send: chunked('FFFFFFFFFFFFFFFF\r\nx'), statuses: [400], ends: true }),
  'a chunk of negative size': () => ({ send: chunked('-5\r\nhello\r\n0\r\n\r\n'), statuses: [400], ends: true }),
  'chunks in chunks': () => ({ send: chunked('0\r\n\r\n').replace('chunked', 'chunked, chunked'), statuses: [400], ends: true }),
  'Expect: 100-continue with the body at once': () => ({ send: post(message(), 'Expect: 100-continue\r\n'), statuses: [200] }),
  'Expect: 100-continue, and a token that is none': () => ({ send: get('Expect: 100-continue\r\nContent-Length: 5\r\n', { target: '/bot1:x/getMe', verb: 'POST' }), statuses: [401], ends: true }),
  'another expectation': () => ({ send: post(message(), 'Expect: much\r\n'), statuses: [200] }),
  'garbage behind a whole request': () => ({ send: Buffer.concat([post(message()), Buffer.from('GARBAGE\r\n\r\n')]), statuses: [200, 400], ends: true }),
  'empty lines around requests': () => ({ send: `\r\n${get()}\r\n\r\n${get()}\r\n`, statuses: [200, 200] }),
  'one length twice': () => ({ send: post(message(), `Content-Length: ${message().length}\r\n`), statuses: [200] }),
  'a length that no body has': () => ({ send: get('Content-Length: 9223372036854775808\r\n', { verb: 'POST' }), statuses: [413], ends: true }),
  'HTTP/1.0': () => ({ send: get('', { version: '1.0' }), statuses: [200], ends: true }),
  'HTTP/1.0 that keeps its connection': () => ({ send: get('Connection: keep-alive\r\n', { version: '1.0' }).repeat(3), statuses: [200, 200, 200] }),
  'HTTP/1.2 and HTTP/2': () => ({ send: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', statuses: [400], ends: true }),
  'an upgrade to WebSocket': () => ({ send: get('Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n').repeat(2), statuses: [200, 200] }),
  'CONNECT': () => ({ send: 'CONNECT api.telegram.org:443 HTTP/1.1\r\nHost: x\r\n\r\n', statuses: [501], ends: true }),
  'OPTIONS *': () => ({ send: 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', statuses: [501], ends: true }),
  'a token in percent codes': () => ({ send: get('', { target: `/bot${[...scene.bot.token].map((x) => `%${x.charCodeAt(0).toString(16)}`).join('')}/getMe` }), statuses: [200] }),
  'a token in codes of codes': () => ({ send: get('', { target: path('getMe').replace(':', '%253A') }), statuses: [401], ends: true }),
  'a target with its server': () => ({ send: get('', { target: `http://api.telegram.org${path('getMe')}` }), statuses: [200] }),
  'a target with a fragment': () => ({ send: get('', { target: `${path('getMe')}#x?y` }), statuses: [200] }),
  'dots in a path': () => ({ send: get('', { target: `/x/..${path('getMe')}` }), statuses: [404], ends: true }),
  'a field in two lines': () => ({ send: get('X-Folded: a\r\n b\r\n'), statuses: [200] }),
  'a blank before a colon': () => ({ send: get('X-Odd : a\r\n'), statuses: [400], ends: true }),
  'a thousand fields': () => ({ send: get(Array.from({ length: 1000 }, (_, i) => `X-${i}: y\r\n`).join('')), statuses: [200] }),
  'parts within a part': () => ({ send: form('--b\r\nContent-Disposition: form-data; name=text\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nhi\r\n--c--\r\n\r\n', chat(), '--b--\r\n'), statuses: [200] }),
  'a multipart body without its end': () => ({ send: form(chat(), part('name=text', 'x')), statuses: [400] }),
  'a multipart body without a boundary': () => ({ send: post(chat(), '', { type: 'multipart/form-data' }), statuses: [400] }),
  'five thousand parts': () => ({ send: form(...Array.from({ length: 5000 }, (_, i) => part(`name=p${i}`, i)), chat(), part('name=text', 'x'), '--b--'), statuses: [200] }),
  'a hundred thousand parameters': () => ({ send: post(`${Array.from({ length: 100_000 }, (_, i) => `p${i % 10}=`).join('&')}&chat_id=${scene.chat.id}&text=x`, '', { type: 'application/x-www-form-urlencoded' }), statuses: [200] }),
  'a chat twice: the first one counts': () => ({ send: post(`{"chat_id":1,${message().slice(1)}`), statuses: [400] }),
  'JSON in 50,000 brackets': () => ({ send: post(`{"a":${'['.repeat(50_000)}`), statuses: [400] }),
  'gzip of what is none': () => ({ send: post('\x1f\x8bxxxx', 'Content-Encoding: gzip\r\n'), statuses: [400] }),
  'gzip of much': () => ({ send: post(gzipSync(message('x'.repeat(30 << 20))).toString('latin1'), 'Content-Encoding: gzip\r\n'), statuses: [413] }),
  'HEAD of a file, with a body': () => ({ send: get('Content-Length: 2\r\n', { target: `/file/bot${scene.bot.token}/x`, verb: 'HEAD' }) + `zz${get()}`, statuses: [404, 200] }),
};

async function run({ send, statuses, ends = false }) {
  const connection = await RawConnection.open(node.gatewayPort);
  try {
    connection.write(send);
    await connection.answers(statuses.length);
    if (ends) await connection.end();
    assert.deepEqual(connection.statuses.filter((one) => one >= 200), statuses, connection.text.slice(0, 2000));
    if (ends) return;
    connection.write(get()); // It goes on with this very connection.
    await connection.answers(statuses.length + 1);
    assert.equal(connection.statuses.at(-1), 200);
  } finally {
    connection.destroy();
  }
}

for (const [what, make] of Object.entries(cases))
  test(what, limit, async () => {
    await run(make());
    assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
    await node.quiet(baseline);
  });

test('many rounds of all of them leave nothing behind', limit, async () => {
  const all = Object.values(cases).map((make) => make());
  const rounds = async (count) => {
    for (let round = 0; round < count; ++round) await Promise.all(all.map(run));
    await node.quiet(baseline);
    return node.program.resident();
  };
  const before = await rounds(10);
  const later = await rounds(20);
  assert.ok(later - before < 8 * 1024, `${before} KiB, then ${later} KiB`);
});
