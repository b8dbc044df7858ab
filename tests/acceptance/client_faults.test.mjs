// What clients can do to a node, with raw sockets. After each the node serves on and holds nothing for it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawConnection, request } from './harness/http.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
let sandbox;
let node;
let scene;
let baseline;

before(async () => {
  sandbox = await Sandbox.start();
  node = await Node.start(sandbox);
  scene = await sandbox.stage();
  assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
  baseline = node.program.descriptors() + 4; // The sessions that may be kept open, one per I/O thread.
});
after(async () => {
  await node?.stop();
  await sandbox?.stop();
});

const head = (method, extra = '', verb = 'GET') =>
  `${verb} /bot${scene.bot.token}/${method} HTTP/1.1\r\nHost: gateway\r\n${extra}\r\n`;
const post = (method, type, body, extra = '') =>
  `${head(method, `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${extra}`, 'POST')}${body}`;

/// Runs `body`, then checks that the node serves on and is as it was.
const survives = (name, body) => test(name, limit, async () => {
  const opened = [];
  const open = async () => {
    const connection = await RawConnection.open(node.gatewayPort);
    opened.push(connection);
    return connection;
  };
  try {
    await body(open);
    assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
  } finally {
    opened.forEach((connection) => connection.destroy());
  }
  await node.quiet(baseline);
});

describe('requests that are no HTTP', () => {
  const nonsense = {
    'random bytes': '\x00\x01\x02\xff\xfe garbage\r\n\r\n',
    'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a blank in the path': 'GET /bot 1/getMe HTTP/1.1 extra\r\n\r\n',
    'no version': 'GET /\r\n\r\n',
    'a header without colon': 'GET / HTTP/1.1\r\nHost gateway\r\n\r\n',
    'a negative length': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    'a length in words': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n',
    'two lengths': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    'a length and chunks': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'a length beyond 64 bits': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n',
  };
  for (const [what, bytes] of Object.entries(nonsense))
    survives(`${what}: a clear 4xx or the end of the connection, never an upstream call`, async (open) => {
      const before = (await sandbox.stats()).connections.opened;
      const connection = await open();
      connection.write(Buffer.from(bytes, 'latin1'));
      connection.halfClose();
      const statuses = await connection.end();
      assert.ok(statuses.every((status) => status >= 400 && status < 500), connection.text);
      assert.ok((await sandbox.stats()).connections.opened - before <= 2);
    });

  survives('a smuggled second request is never taken for one', async (open) => {
    const before = await sandbox.requests('getMyName');
    const connection = await open();
    connection.write(head('getMe', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'POST')
      + `0\r\n\r\n${head('getMyName')}`);
    connection.halfClose();
    await connection.end();
    assert.equal(await sandbox.requests('getMyName'), before);
  });

  survives('a chunk whose size is no number ends the call, and the upstream keeps no half request', async (open) => {
    const before = (await sandbox.fromBot(scene.chat)).length;
    const connection = await open();
    connection.write(head('sendMessage', 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n', 'POST')
      + '5\r\n{"cha\r\nzz\r\nt_id"\r\n0\r\n\r\n');
    const statuses = await connection.end();
    assert.ok(statuses.every((status) => status === 400), connection.text);
    assert.equal((await sandbox.fromBot(scene.chat)).length, before);
  });

  survives('an oversized head: 431 or 414, not a byte more is kept', async (open) => {
    const resident = node.program.resident();
    for (const bytes of [head('getMe', `X-Long: ${'y'.repeat(1 << 20)}\r\n`),
      `GET /bot${scene.bot.token}/getMe?x=${'z'.repeat(1 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      head('getMe', 'X: y\r\n'.repeat(200_000))]) {
      const connection = await open();
      connection.write(bytes);
      const statuses = await connection.end();
      assert.ok(statuses.length === 0 || [400, 413, 414, 431].includes(statuses[0]), connection.text.slice(0, 200));
      assert.notEqual(statuses[0], 200);
    }
    assert.ok(node.program.resident() - resident < 8 * 1024);
  });
});

describe('senders that dawdle', () => {
  survives('a head that comes one byte a second is cut off; others are served meanwhile', async (open) => {
    const connections = await Promise.all(Array.from({ length: 20 }, open));
    const bytes = head('getMe', 'X-Padding: '.padEnd(500, 'p') + '\r\n');
    let at = 0;
    const drip = setInterval(() => {
      connections.forEach((connection) => connection.write(bytes[at % bytes.length]));
      ++at;
    }, 1000);
    try {
      assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
      for (const connection of connections) {
        const statuses = await connection.end(60_000);
        assert.ok(statuses.every((status) => status === 408 || status === 400), connection.text);
      }
    } finally {
      clearInterval(drip);
    }
  });

  survives('a body that never comes is given up, and its lease with it', async (open) => {
    const connection = await open();
    connection.write(head('sendDocument', 'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n'
      + 'X-Troupe-Deadline: 2s\r\n', 'POST') + '--b\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n');
    const statuses = await connection.end(60_000);
    assert.ok(statuses.every((status) => [400, 408, 504].includes(status)), connection.text);
  });

  survives('idle connections stay open a while and cost no lease', async (open) => {
    for (let index = 0; index < 50; ++index) await open();
    assert.equal((await node.get('/v1/sessions')).leased, 0);
  });
});

describe('clients that leave', () => {
  for (const [how, packet] of [['reset', 'RST'], ['destroy', 'FIN']])
    survives(`while queued, by ${packet}: the upstream never sees the call`, async (open) => {
      const { bot, chat } = await sandbox.stage();
      await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'flood', retry_after: 4, count: 1 });
      const send = (text) => `GET /bot${bot.token}/sendMessage?chat_id=${chat.id}&text=${text} HTTP/1.1\r\nHost: x\r\n\r\n`;
      const stays = await open();
      stays.write(send('stays'));
      await until('the flood holds the chat', async () => (await node.get('/v1/budgets')).holds >= 1);
      const leaves = await open();
      leaves.write(send('leaves'));
      await until('its call waits too', async () => (await node.get('/v1/budgets')).waiting >= 2);
      leaves[how]();
      await until('its place is given up', async () => (await node.get('/v1/budgets')).waiting <= 1);
      await stays.answers(1);
      const texts = (await sandbox.fromBot(chat)).map((message) => message.text);
      assert.deepEqual(texts, ['stays']);
    });

  survives('in the middle of an upload: no half document exists', async (open) => {
    const before = (await sandbox.fromBot(scene.chat)).length;
    const connection = await open();
    connection.write(head('sendDocument', 'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000\r\n', 'POST')
      + `--b\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n${scene.chat.id}\r\n`
      + '--b\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n');
    connection.write('x'.repeat(500_000));
    await until('the upload holds a lease', async () => (await node.get('/v1/sessions')).leased === 1);
    connection.reset();
    await node.quiet();
    assert.equal((await sandbox.fromBot(scene.chat)).length, before);
  });

  survives('that do not read what they download: the node does not buffer it', async (open) => {
    const { bot, chat } = await sandbox.stage();
    const boundary = 'acceptance';
    const size = 18 * 1024 * 1024;
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n${chat.id}\r\n`
        + `--${boundary}\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n`),
      Buffer.alloc(size, 'd'), Buffer.from(`\r\n--${boundary}--\r\n`)]);
    const sent = await request(`${node.root}/bot${bot.token}/sendDocument`, {
      method: 'POST', body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } });
    assert.equal(sent.status, 200, sent.text);
    const { json } = await node.call(bot.token, 'getFile', { file_id: sent.json.result.document.file_id });
    const resident = node.program.resident();
    const connections = await Promise.all(Array.from({ length: 4 }, open));
    for (const connection of connections) {
      connection.socket.pause();
      connection.write(`GET /file/bot${bot.token}/${json.result.file_path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    }
    await until('downloads are under way', async () => (await node.get('/v1/sessions')).leased >= 2);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    const grown = node.program.resident() - resident;
    assert.ok(grown < 12 * 1024, `the node grew by ${grown} KiB`);
    connections.forEach((connection) => connection.socket.resume());
    await until('they read on and get all of it', () =>
      connections.every((connection) => connection.received.length > size), { within: 30_000 });
  });

  survives('during a slow call: the lease comes back', async (open) => {
    await sandbox.fault({ bot: scene.bot.id, method: 'getChat', kind: 'hang', count: 1 });
    const connection = await open();
    connection.write(head(`getChat?chat_id=${scene.chat.id}`));
    await until('the call holds a lease', async () => (await node.get('/v1/sessions')).leased === 1);
    connection.reset();
  });

  survives('a hundred at once, in every stage', async (open) => {
    const bytes = post('sendMessage', 'application/json', JSON.stringify({ chat_id: -1, text: 'x'.repeat(3000) }));
    for (let index = 0; index < 100; ++index) {
      const connection = await open();
      connection.write(bytes.slice(0, Math.floor((bytes.length * index) / 99)));
      connection.reset();
    }
  });

  survives('with a half-close after the request: they still get their answer', async (open) => {
    const connection = await open();
    connection.write(head('getMe'));
    connection.halfClose();
    assert.deepEqual(await connection.answers(1), [200]);
    await connection.end();
  });
});

describe('what looks odd and is allowed', () => {
  survives('ten pipelined requests are answered in order', async (open) => {
    const connection = await open();
    connection.write(Array.from({ length: 10 }, (_, index) =>
      head(index % 2 ? `getChat?chat_id=${scene.chat.id}` : 'getMe')).join(''));
    assert.deepEqual(await connection.answers(10), Array(10).fill(200));
    const kinds = [...connection.text.matchAll(/"(is_bot|type)":/g)].map((hit) => hit[1]);
    assert.equal(kinds.filter((kind) => kind === 'is_bot').length, 5);
  });

  survives('a body in chunks of one byte', async (open) => {
    const { bot, chat } = await sandbox.stage();
    const connection = await open();
    connection.write(`POST /bot${bot.token}/sendMessage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`
      + 'Transfer-Encoding: chunked\r\n\r\n');
    for (const byte of JSON.stringify({ chat_id: chat.id, text: 'tiny' })) connection.write(`1\r\n${byte}\r\n`);
    connection.write('0\r\n\r\n');
    assert.deepEqual(await connection.answers(1), [200]);
    assert.equal((await sandbox.fromBot(chat)).at(-1).text, 'tiny');
  });

  survives('multipart headers without blanks and quotes, from the wire', async (open) => {
    const { bot, chat } = await sandbox.stage();
    const body = `--b\r\ncontent-disposition:form-data;name=chat_id\r\n\r\n${chat.id}\r\n`
      + '--b\r\ncontent-disposition:form-data;name=text\r\n\r\nbare\r\n--b--\r\n';
    const connection = await open();
    connection.write(`POST /bot${bot.token}/sendMessage HTTP/1.1\r\nHost: x\r\n`
      + `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.deepEqual(await connection.answers(1), [200]);
    assert.equal((await sandbox.fromBot(chat)).at(-1).text, 'bare');
  });

  survives('a newer poll ends the older one, and both clients get an answer', async () => {
    const { bot } = await sandbox.stage();
    const poll = () => node.call(bot.token, 'getUpdates', { timeout: 3 });
    const older = poll();
    await until('the older poll is under way', async () => (await node.get('/v1/sessions')).polls === 1);
    const newer = poll();
    assert.ok([200, 409].includes((await older).status));
    assert.equal((await newer).status, 200);
  });

  survives('a client that aborts its poll and goes on', async (open) => {
    const { bot, chat, user } = await sandbox.stage();
    const connection = await open();
    connection.write(`GET /bot${bot.token}/getUpdates?timeout=50 HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until('the poll is under way', async () => (await node.get('/v1/sessions')).polls === 1);
    connection.reset();
    await node.quiet();
    await sandbox.say(chat, user, 'still there?');
    const { json } = await node.call(bot.token, 'getUpdates', { timeout: 5 });
    assert.equal(json.result.at(-1).message.text, 'still there?');
  });

  survives('HEAD is answered without a body, other verbs with an error', async (open) => {
    for (const verb of ['HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
      const connection = await open();
      connection.write(head('getMe', 'Connection: close\r\n', verb));
      const [status] = await connection.end();
      assert.equal(status, 501, `${verb}: ${connection.text}`); // As Telegram's own server says.
      if (verb === 'HEAD') assert.ok(connection.text.endsWith('\r\n\r\n'), connection.text);
    }
  });
});
