import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { soon, until } from './wait.mjs';

/// One request on a connection of its own: {status, headers, body (Buffer), text, json}.
export function request(url, { method = 'GET', headers = {}, body, ca, timeout = 30_000 } = {}) {
  const secure = url.startsWith('https:');
  return new Promise((resolve, reject) => {
    const outgoing = (secure ? https : http).request(url, { method, headers, ca, agent: false });
    outgoing.setTimeout(timeout, () => outgoing.destroy(new Error(`no answer in ${timeout} ms`)));
    outgoing.on('error', reject);
    outgoing.on('response', (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: answer.statusCode,
          headers: answer.headers,
          body: whole,
          get text() { return whole.toString('utf8'); },
          get json() { return JSON.parse(whole.toString('utf8')); },
        });
      });
    });
    outgoing.end(body);
  });
}

/// Sends JSON, expects JSON with a 2xx status.
export async function exchangeJson(url, method, body, options = {}) {
  const answer = await request(url, {
    ...options,
    method,
    headers: { ...options.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`${method} ${new URL(url).pathname}: ${answer.status} ${answer.text}`);
  return answer.body.length ? answer.json : undefined;
}

/// A TCP connection driven by hand, or TLS on one.
export class RawConnection {
  /// `ca`: the authority to trust, as PEM text, for TLS.
  constructor(port, ca) {
    this.chunks = [];
    this.closed = false;
    this.transport = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket = ca ? tls.connect({ socket: this.transport, ca, servername: 'localhost' }) : this.transport;
    this.socket.on('data', (chunk) => { this.chunks.push(chunk); });
    this.socket.on('end', () => { this.ended = true; });
    this.socket.on('close', () => { this.closed = this.ended = true; });
    this.socket.on('error', (error) => { this.error = error; });
    this.connected = new Promise((resolve, reject) => {
      this.socket.once(ca ? 'secureConnect' : 'connect', resolve);
      this.socket.once('error', reject);
    });
  }

  static async open(port, ca) {
    const connection = new RawConnection(port, ca);
    await soon(`connect to port ${port}`, connection.connected);
    return connection;
  }

  get received() {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0] ?? Buffer.alloc(0);
  }

  get text() { return this.received.toString('latin1'); }
  get statuses() { return [...this.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((hit) => Number(hit[1])); }

  write(text) { if (!this.socket.destroyed) this.socket.write(text); }
  halfClose() { this.socket.end(); }
  destroy() { this.socket.destroy(); }
  /// Ends the connection with RST instead of FIN.
  reset() { this.transport.resetAndDestroy(); }

  /// Waits for `count` answers' status lines.
  async answers(count = 1, within = 15_000) {
    return until(`${count} answers`, () => this.statuses.length >= count && this.statuses, { within });
  }

  /// Waits until the peer has ended its side.
  async end(within = 15_000) {
    await until('the peer ends the connection', () => this.ended, { within });
    return this.statuses;
  }
}
