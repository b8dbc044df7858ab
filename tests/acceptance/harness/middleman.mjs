import http from 'node:http';
import net from 'node:net';
import { request } from './http.mjs';

/// A port that is free just now: Telegram must find a restarted node under the same URL.
export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/// Stands between Telegram and a listener: passes each request on, twice at once when told to, or not
/// at all; counts the answers, and knows the secrets, so that tests can post updates of their own.
export class Middleman {
  static async start(port) {
    const middleman = new Middleman();
    middleman.port = port;
    middleman.copies = 1;
    middleman.statuses = {}; ///< How many answers of each status the node gave.
    middleman.secrets = {}; ///< By path.
    middleman.refuses = () => false; ///< Of a request's body.
    middleman.server = http.createServer((incoming, outgoing) => {
      const chunks = [];
      incoming.on('data', (chunk) => chunks.push(chunk)).on('end', async () => {
        const { host, connection, ...headers } = incoming.headers;
        middleman.secrets[incoming.url] = headers['x-telegram-bot-api-secret-token'];
        const body = Buffer.concat(chunks);
        if (middleman.refuses(body.toString())) {
          outgoing.writeHead(502).end();
          return;
        }
        const send = () => middleman.#send(incoming.url, body,
          { ...headers, ...(middleman.from ? { 'x-forwarded-for': middleman.from } : {}) });
        const answers = await Promise.all(Array.from({ length: middleman.copies }, send));
        const worst = answers.reduce((one, other) => (other.status > one.status ? other : one));
        const retry = worst.headers?.['retry-after'];
        outgoing.writeHead(worst.status, retry ? { 'retry-after': retry } : {}).end();
      });
    });
    await new Promise((resolve) => middleman.server.listen(0, '127.0.0.1', resolve));
    middleman.url = `http://127.0.0.1:${middleman.server.address().port}`;
    return middleman;
  }

  async #send(path, body, headers) {
    try {
      const answer = await request(`http://127.0.0.1:${this.port}${path}`, { method: 'POST', body, headers });
      this.statuses[answer.status] = (this.statuses[answer.status] ?? 0) + 1;
      return answer;
    } catch {
      return { status: 502 };
    }
  }

  /// Posts an update as Telegram would, once the bot's secret went by here. @returns the status
  async post(bot, update) {
    const path = `/webhook/${bot.id}`;
    const answer = await this.#send(path, Buffer.from(JSON.stringify(update)),
      { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': this.secrets[path] });
    return answer.status;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
