// Clients that end their connection with RST while bytes of theirs are still unread: the next request, sent
// while the first is under way. At each stage of a call, over TCP and over TLS, everything it held comes back.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Upstream } from './harness/drip.mjs';
import { RawConnection } from './harness/http.mjs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { makeCertificates } from './harness/tls.mjs';
import { pause, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
const certificates = makeCertificates(temporaryDirectory());
const transports = {
  'over TCP': { options: {} },
  'over TLS': {
    options: { 'gateway.tls-cert': certificates.cert, 'gateway.tls-key': certificates.key },
    ca: certificates.caText,
  },
};

const get = (token, method, fields = '') => `GET /bot${token}/${method} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;
const leased = (node, count) => until(`${count} leases are out`, async () =>
  (await node.get('/v1/sessions')).leased === count);
const waiting = (node, count) => until(`${count} calls wait`, async () => (await node.waiting()) === count);

for (const [over, { options, ca }] of Object.entries(transports))
  describe(`a reset with unread bytes ${over}`, () => {
    let sandbox;
    let node;
    let descriptors;
    before(async () => {
      sandbox = await Sandbox.start();
      node = await Node.start(sandbox, { options: {
        ...options, 'bot.max-concurrent': 1, 'rate-governor.chat-per-20s': 1 } });
      const { token } = await sandbox.createBot();
      assert.equal(await status(get(token, 'getMe')), 200);
      descriptors = node.program.descriptors() + 4; // As many sessions as there may be I/O threads, kept open.
    });
    after(async () => {
      await node?.stop();
      await sandbox?.stop();
    });

    const open = () => RawConnection.open(node.gatewayPort, ca);

    /// The status of one request's answer, on a connection of its own.
    async function status(request, within) {
      const connection = await open();
      connection.write(request);
      const [first] = await connection.answers(1, within);
      connection.destroy();
      return first;
    }

    /// A client that has sent `request`.
    async function asks(request) {
      const connection = await open();
      connection.write(request);
      return connection;
    }

    /// Each sends its next request while the gateway is at work on the first, and resets. The gateway looks at
    /// who waits every 50 ms; the pause lets it see the bytes before the reset, which is the harder case.
    async function reset(...clients) {
      clients.forEach((connection) => connection.write('GET /next HTTP/1.1\r\nHost: x\r\n\r\n'));
      await pause(200);
      clients.forEach((connection) => connection.reset());
    }

    test('while its call waits for budget: the budget is not spent', limit, async () => {
      const { bot, chat } = await sandbox.stage();
      const send = (text, deadline) =>
        get(bot.token, `sendMessage?chat_id=${chat.id}&text=${text}`, `X-Troupe-Deadline: ${deadline}\r\n`);
      const started = performance.now();
      assert.equal(await status(send('first', '1s')), 200); // The chat's budget of 20 s.
      const { granted_total: before } = await node.get('/v1/budgets');
      // Two: the later one would wait for the earlier one's end of 20 s.
      const clients = [await asks(send('second', '60s')), await asks(send('third', '60s'))];
      await waiting(node, 2);
      await reset(...clients);
      await waiting(node, 0);
      await node.quiet(descriptors);
      assert.equal((await node.get('/v1/budgets')).granted_total, before);
      assert.equal(await status(send('fourth', '30s'), 40_000), 200); // Refused at once, were it not its turn next.
      const took = performance.now() - started;
      assert.ok(took < 35_000, `${took} ms`);
      assert.deepEqual((await sandbox.fromBot(chat)).map(({ text }) => text), ['first', 'fourth']);
      await node.quiet(descriptors);
    });

    test('while its call waits for its bot\'s session: nobody waits any more', limit, async () => {
      const { bot, chat } = await sandbox.stage();
      await sandbox.fault({ bot: bot.id, method: 'getChat', kind: 'hang', count: 1 });
      const busy = await open();
      busy.write(get(bot.token, `getChat?chat_id=${chat.id}`));
      await leased(node, 1);
      const clients = [];
      for (let count = 0; count < 5; ++count) clients.push(await asks(get(bot.token, 'getMe')));
      await waiting(node, 5);
      await reset(...clients);
      await waiting(node, 0);
      await reset(busy);
      await node.quiet(descriptors);
      assert.equal(await status(get(bot.token, 'getMe')), 200);
    });

    test('while the upstream is at work on its call: the lease comes back', limit, async () => {
      const { bot, chat } = await sandbox.stage();
      await sandbox.fault({ bot: bot.id, method: 'getChat', kind: 'hang' });
      const connection = await asks(get(bot.token, `getChat?chat_id=${chat.id}`));
      await leased(node, 1);
      await reset(connection);
      await node.quiet(descriptors, { within: 5000 }); // The default request timeout is far away.
      assert.equal(await status(get(bot.token, 'getMe')), 200);
      await sandbox.clearFaults();
    });

    test('while its long poll waits: the poll ends', limit, async () => {
      const { bot } = await sandbox.stage();
      const connection = await asks(get(bot.token, 'getUpdates?timeout=50'));
      await until('the poll is under way', async () => (await node.get('/v1/sessions')).polls === 1);
      await reset(connection);
      await node.quiet(descriptors, { within: 5000 });
    });

    test('in the middle of its upload: the lease comes back', limit, async () => {
      const { bot, chat } = await sandbox.stage();
      const connection = await open();
      connection.write(`POST /bot${bot.token}/sendDocument?chat_id=${chat.id} HTTP/1.1\r\nHost: x\r\n`
        + `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${1 << 20}\r\n\r\n`);
      connection.write(Buffer.alloc(1 << 18, 'x'));
      await leased(node, 1);
      connection.reset();
      await node.quiet(descriptors, { within: 5000 });
      assert.equal((await sandbox.fromBot(chat)).length, 0);
      assert.equal(await status(get(bot.token, 'getMe')), 200);
    });

    test('with half of its answer unread: the lease comes back', limit, async () => {
      const token = `7777777:${'R'.repeat(35)}`;
      const size = 64 << 20;
      const upstream = await Upstream.start((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        socket.write(Buffer.alloc(size, 'z'));
      });
      const other = await Node.start({ url: upstream.url, tokens: [token] }, { options });
      const before = other.program.descriptors() + 1; // The connection of the API's last answer.
      const connection = await RawConnection.open(other.gatewayPort, ca);
      connection.write(`GET /file/bot${token}/large HTTP/1.1\r\nHost: x\r\n\r\n`);
      await connection.answers(1);
      connection.socket.pause();
      await until('the gateway cannot write on', async () => {
        const sent = [...upstream.sockets][0].bytesWritten - [...upstream.sockets][0].writableLength;
        const still = sent === connection.lastSent;
        connection.lastSent = sent;
        return still;
      }, { every: 300 });
      await leased(other, 1);
      await reset(connection);
      await other.quiet(before, { within: 5000 });
      await until('the upstream sees its connection closed', () => upstream.sockets.size === 0);
      await other.stop();
      upstream.stop();
    });

    test('a hundred at once, at every stage', limit, async () => {
      const { bot, chat } = await sandbox.stage();
      await sandbox.fault({ bot: bot.id, method: 'getChat', kind: 'latency', latency: '50ms' });
      const requests = ['getMe', `getChat?chat_id=${chat.id}`, `sendMessage?chat_id=${chat.id}&text=x`];
      const clients = await Promise.all(Array.from({ length: 100 }, (_, index) =>
        asks(get(bot.token, requests[index % requests.length]) + get(bot.token, 'getMyName'))));
      for (const connection of clients) {
        connection.reset();
        await node.get('/v1/sessions'); // Meanwhile the others get on.
      }
      await sandbox.clearFaults();
      await node.quiet(descriptors);
      assert.equal(await status(get(bot.token, 'getMe')), 200);
    });
  });
