import http from 'node:http';
import { request } from './http.mjs';

/// An upstream in front of a sandbox that gives its updates lower ids, as Telegram does when a bot had
/// none for a week: by `shift`, which may change once everything is confirmed.
export class Renumbering {
  static async start(sandbox) {
    const upstream = new Renumbering();
    upstream.tokens = sandbox.tokens;
    upstream.shift = 0;
    upstream.server = http.createServer((incoming, outgoing) => {
      const chunks = [];
      incoming.on('data', (chunk) => chunks.push(chunk)).on('end', async () => {
        const { host, connection, 'content-length': length, 'transfer-encoding': coding, ...headers } = incoming.headers;
        const polls = /\/getupdates$/i.test(incoming.url);
        let body = Buffer.concat(chunks);
        try {
          if (polls) {
            const asked = JSON.parse(body.toString() || '{}');
            if (asked.offset) asked.offset += upstream.shift;
            body = Buffer.from(JSON.stringify(asked));
          }
          const answer = await request(sandbox.url + incoming.url, { method: incoming.method, body,
            headers: { ...headers, 'content-length': body.length }, timeout: 60_000 });
          const said = polls ? answer.json : undefined;
          for (const update of said?.result ?? []) update.update_id -= upstream.shift;
          outgoing.writeHead(answer.status, { 'content-type': 'application/json' });
          outgoing.end(said ? JSON.stringify(said) : answer.body);
        } catch {
          outgoing.destroy();
        }
      });
    });
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}`;
    return upstream;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
