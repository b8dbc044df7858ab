import http from 'node:http';
import { pause } from './wait.mjs';

/// Clients that call as fast as they are answered, over kept connections, until `stop`. What breaks or is
/// refused is tried again after a moment, wherever the node is by then.
export class Load {
  /// `root`: where the gateway is now (a function). `deadline`: of each call, as X-Troupe-Deadline.
  constructor(root, deadline = '1s') {
    this.root = root;
    this.deadline = deadline;
    this.agent = new http.Agent({ keepAlive: true });
    this.loops = [];
    this.statuses = {}; ///< How many answers of each status; `broken` counts those without.
  }

  post(path, body) {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify(body ?? {});
      const outgoing = http.request(this.root() + path, {
        method: 'POST', agent: this.agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text),
          'x-troupe-deadline': this.deadline },
      }, (answer) => {
        answer.on('error', reject).on('end', () => resolve(answer.statusCode)).resume();
      });
      outgoing.setTimeout(30_000, () => outgoing.destroy(new Error('no answer in 30 s')));
      outgoing.on('error', reject).end(text);
    });
  }

  /// Starts `clients` that make this call again and again. Returns what came of them: {ok, other}.
  add(token, method, body, clients = 1) {
    const seen = { ok: 0, other: 0 };
    for (let index = 0; index < clients; ++index) this.loops.push(this.loop(token, method, body, seen));
    return seen;
  }

  async loop(token, method, body, seen) {
    while (!this.stopped) {
      const status = await this.post(`/bot${token}/${method}`, body).catch((error) => {
        this.lastError = error;
        return 'broken';
      });
      this.statuses[status] = (this.statuses[status] ?? 0) + 1;
      ++seen[status === 200 ? 'ok' : 'other'];
      if (status !== 200) await pause(200);
    }
  }

  async stop() {
    this.stopped = true;
    await Promise.all(this.loops);
    this.agent.destroy();
  }
}
