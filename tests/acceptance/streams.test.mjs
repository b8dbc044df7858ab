// Uploads and downloads that take longer than every timeout: what moves goes on, what stands still is ended.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Upstream, drip } from './harness/drip.mjs';
import { RawConnection } from './harness/http.mjs';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
const short = {
  'session-pool.request-timeout': '1500ms',
  'session-pool.connect-timeout': '1s',
  'gateway.header-timeout': '1500ms',
  'bot.lease-timeout': '2s',
};
/// The streams below move every 100 ms and take twice as long as the longest of these.
const steps = 50;
const every = 100;

const leased = (node, count) => until(`${count} leases are out`, async () =>
  (await node.get('/v1/sessions')).leased === count);

describe('an upload', () => {
  let sandbox;
  let node;
  let descriptors;
  before(async () => {
    sandbox = await Sandbox.start();
    node = await Node.start(sandbox, { options: short });
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  const boundary = 'the-boundary';
  const piece = Buffer.alloc(8 * 1024, 'x');
  const parts = (chat) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n${chat}\r\n`
    + `--${boundary}\r\nContent-Disposition: form-data; name="document"; filename="long.bin"\r\n\r\n`,
    `\r\n--${boundary}--\r\n`];

  /// Ways to say how long the body is: how the head tells it, how a piece is written.
  const framings = {
    'with a length': {
      field: (length) => `Content-Length: ${length}`,
      frame: (bytes) => bytes,
      end: '',
      half: 'xxxx',
    },
    'in chunks': {
      field: () => 'Transfer-Encoding: chunked',
      frame: (bytes) => Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), Buffer.from(bytes), Buffer.from('\r\n')]),
      end: '0\r\n\r\n',
      half: '20', // Half a chunk's head.
    },
  };

  /// Begins an upload of `steps` pieces on a connection of its own, so many of which are sent at once.
  async function begin(how, atOnce) {
    const scene = await sandbox.stage();
    assert.equal((await node.call(scene.bot.token, 'getMe')).status, 200);
    descriptors ??= node.program.descriptors() + 4; // As many sessions as there may be I/O threads, kept open.
    const [first, last] = parts(scene.chat.id);
    const connection = await RawConnection.open(node.gatewayPort);
    const length = first.length + steps * piece.length + last.length;
    connection.write(`POST /bot${scene.bot.token}/sendDocument HTTP/1.1\r\nHost: x\r\n`
      + `Content-Type: multipart/form-data; boundary=${boundary}\r\n${how.field(length)}\r\n\r\n`);
    connection.write(how.frame(Buffer.from(first)));
    for (let count = 0; count < atOnce; ++count) connection.write(how.frame(piece));
    await leased(node, 1);
    return { ...scene, connection, finish: () => connection.write(Buffer.concat([how.frame(Buffer.from(last)), Buffer.from(how.end)])) };
  }

  for (const [name, how] of Object.entries(framings)) {
    test(`that moves goes on for longer than every timeout (${name})`, limit, async () => {
      const { connection, chat, finish } = await begin(how, 10);
      const started = performance.now();
      await drip(steps - 10, every, () => connection.write(how.frame(piece)));
      assert.ok(performance.now() - started > 3500);
      finish();
      assert.deepEqual(await connection.answers(1), [200], connection.text);
      assert.equal((await sandbox.fromBot(chat)).length, 1);
      connection.destroy();
      await node.quiet(descriptors);
      assert.equal(node.events('call.lost').length, 0);
    });

    test(`that stands still is ended, and its lease comes back (${name})`, limit, async () => {
      const { connection, chat, bot } = await begin(how, 20);
      connection.write(how.half);
      const started = performance.now();
      const statuses = await connection.end(10_000);
      const took = performance.now() - started;
      assert.ok(took > 1000 && took < 8000, `ended after ${took} ms`);
      assert.ok(statuses.every((status) => [408, 504].includes(status)), connection.text);
      await node.quiet(descriptors);
      assert.equal((await sandbox.fromBot(chat)).length, 0);
      assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    });
  }

  test('that stands still says nothing about the upstream: no breaker opens', limit, async () => {
    const { bot, chat } = await sandbox.stage();
    const uploads = await Promise.all(Array.from({ length: 6 }, async () => {
      const connection = await RawConnection.open(node.gatewayPort);
      connection.write(`POST /bot${bot.token}/sendDocument?chat_id=${chat.id} HTTP/1.1\r\nHost: x\r\n`
        + `Content-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${1 << 20}\r\n\r\n`);
      connection.write(Buffer.alloc(1 << 18));
      return connection;
    }));
    await Promise.all(uploads.map((connection) => connection.end(10_000)));
    assert.equal((await node.get('/v1/health')).upstream.failures, 0);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    await node.quiet(descriptors);
  });

  test('that the upstream takes no more of is ended, and its lease comes back', limit, async () => {
    const token = `7777777:${'U'.repeat(35)}`;
    const upstream = await Upstream.start(() => {}, { paused: true });
    const other = await Node.start({ url: upstream.url, tokens: [token] }, { options: short });
    const before = other.program.descriptors();
    const connection = await RawConnection.open(other.gatewayPort);
    connection.write(`POST /bot${token}/sendDocument HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n`
      + `Content-Length: ${64 << 20}\r\n\r\n`);
    connection.write(Buffer.alloc(64 << 20));
    await leased(other, 1);
    const statuses = await connection.end(15_000);
    assert.ok(statuses.every((status) => [502, 504].includes(status)), connection.text);
    connection.destroy();
    await other.quiet(before);
    await until('the upstream sees its connection closed', () => {
      upstream.sockets.forEach((socket) => socket.resume());
      return upstream.sockets.size === 0;
    });
    await other.stop();
    upstream.stop();
  });
});

describe('a download', () => {
  const token = `7777777:${'D'.repeat(35)}`;
  const piece = Buffer.alloc(4 * 1024, 'y');
  const large = 32 << 20;
  let upstream;
  let node;
  let descriptors;
  let dripping = [];

  /// What the upstream serves, by the last part of the path.
  const files = {
    'slow': (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${steps * piece.length}\r\n\r\n`);
      dripping.push(drip(steps, every, () => socket.write(piece)));
    },
    'slow-chunks': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      dripping.push(drip(steps, every, (n) => {
        socket.write(`${piece.length.toString(16)}\r\n`);
        socket.write(piece);
        socket.write(n + 1 < steps ? '\r\n' : '\r\n0\r\n\r\n');
      }));
    },
    'stuck': (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${steps * piece.length}\r\n\r\n`);
      socket.write(piece);
    },
    'stuck-chunks': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf');
    },
    'large': (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${large}\r\n\r\n`);
      socket.write(Buffer.alloc(large, 'z'));
    },
  };

  before(async () => {
    upstream = await Upstream.start((socket, line) => {
      const file = /\/file\/[^/]+\/(\S+)/.exec(line);
      if (file) return files[file[1]](socket);
      const body = '{"ok":true,"result":{}}';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    upstream.tokens.push(token);
    node = await Node.start(upstream, { options: short });
    assert.equal((await node.call(token, 'getMe')).status, 200);
    descriptors = node.program.descriptors() + 4;
  });
  after(async () => {
    await Promise.all(dripping);
    await node?.stop();
    upstream?.stop();
  });

  async function begin(name) {
    const connection = await RawConnection.open(node.gatewayPort);
    connection.write(`GET /file/bot${token}/${name} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return connection;
  }
  /// The body's bytes so far, without its framing's when it came with a length.
  const bodyOf = (connection) => connection.received.subarray(connection.received.indexOf('\r\n\r\n') + 4);

  test('that moves goes on for longer than every timeout (with a length)', limit, async () => {
    const connection = await begin('slow');
    await until('all of it is here', () => bodyOf(connection).length === steps * piece.length, { within: 30_000 });
    assert.deepEqual(connection.statuses, [200]);
    assert.ok(bodyOf(connection).every((byte) => byte === 0x79));
    connection.destroy();
    await node.quiet(descriptors);
    assert.equal(node.events('call.lost').length, 0);
  });

  test('that moves goes on for longer than every timeout (in chunks)', limit, async () => {
    const connection = await begin('slow-chunks');
    await until('its last chunk is here', () => connection.text.endsWith('\r\n0\r\n\r\n'), { within: 30_000 });
    assert.deepEqual(connection.statuses, [200]);
    assert.equal(connection.text.match(/y/g).length, steps * piece.length);
    connection.destroy();
    await node.quiet(descriptors);
    assert.equal(node.events('call.lost').length, 0);
  });

  for (const [name, whole] of [['stuck', /y{4096}$/], ['stuck-chunks', /half$/]])
    test(`that stands still is ended, and its lease comes back (${name})`, limit, async () => {
      const connection = await begin(name);
      await connection.answers(1);
      const started = performance.now();
      await connection.end(10_000);
      const took = performance.now() - started;
      assert.ok(took > 1000 && took < 8000, `ended after ${took} ms`);
      assert.match(connection.text, whole); // What came was passed on, and nothing made up behind it.
      await node.quiet(descriptors);
      assert.equal((await node.call(token, 'getMe')).status, 200);
    });

  test('whose client reads slowly goes on for longer than every timeout', limit, async () => {
    const connection = await begin('large');
    const started = performance.now();
    let taken = 0;
    connection.socket.on('data', (bytes) => { // A pause after each MiB.
      taken += bytes.length;
      if (taken < 1 << 20) return;
      taken = 0;
      connection.socket.pause();
      setTimeout(() => connection.socket.resume(), 150);
    });
    await until('all of it is here', () => bodyOf(connection).length >= large, { within: 60_000, every: 500 });
    assert.ok(performance.now() - started > 4000, `${performance.now() - started} ms`);
    connection.destroy();
    await node.quiet(descriptors);
    assert.equal(node.events('call.lost').length, 0);
  });

  test('whose client reads no more is ended, and its lease comes back', limit, async () => {
    const connection = await begin('large');
    await connection.answers(1);
    connection.socket.pause();
    await node.quiet(undefined, { within: 10_000 });
    connection.socket.resume();
    await connection.end();
    assert.ok(bodyOf(connection).length < large);
    await node.quiet(descriptors);
    assert.equal((await node.call(token, 'getMe')).status, 200);
  });
});
