import http from 'node:http';
import { once } from 'node:events';

/// A tenant's web server on a port of its own, for relayed updates. `behave(request, response, text)`
/// says what it does; every whole request is noted in `seen` ({headers, text, update, at}).
export class Tenant {
  static async start(behave = Tenant.ok, { port = 0 } = {}) {
    const tenant = new Tenant();
    tenant.behave = behave;
    tenant.seen = [];
    tenant.sockets = new Set();
    tenant.server = http.createServer(async (incoming, answer) => {
      const chunks = [];
      try {
        for await (const chunk of incoming) chunks.push(chunk);
      } catch {
        return; // The node went away.
      }
      const text = Buffer.concat(chunks).toString('utf8');
      tenant.seen.push({ headers: incoming.headers, text, update: JSON.parse(text), at: performance.now() });
      tenant.behave(incoming, answer, text);
    });
    tenant.server.on('connection', (socket) => {
      tenant.sockets.add(socket);
      socket.on('close', () => tenant.sockets.delete(socket));
    });
    tenant.server.listen(port, '127.0.0.1');
    await once(tenant.server, 'listening');
    tenant.port = tenant.server.address().port;
    return tenant;
  }

  /// One that runs a library's own request handler.
  static async serving(handler) {
    const tenant = new Tenant();
    tenant.sockets = new Set();
    tenant.server = http.createServer(handler);
    tenant.server.on('connection', (socket) => {
      tenant.sockets.add(socket);
      socket.on('close', () => tenant.sockets.delete(socket));
    });
    tenant.server.listen(0, '127.0.0.1');
    await once(tenant.server, 'listening');
    tenant.port = tenant.server.address().port;
    return tenant;
  }

  get url() { return `http://127.0.0.1:${this.port}/hook`; }

  /// The texts of the messages it got, in order, repetitions left out.
  get texts() { return [...new Set(this.seen.map(({ update }) => update.message?.text))]; }

  static ok(incoming, answer) { answer.end(); }
  static hang() {}
  static error(incoming, answer) { answer.writeHead(500).end('no'); }
  static half(incoming, answer) {
    answer.writeHead(200, { 'content-length': 100 });
    answer.write('half');
    setImmediate(() => answer.destroy());
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
