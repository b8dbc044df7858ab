import { spawn } from 'node:child_process';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { soon } from '../acceptance/harness/wait.mjs';

const alive = new Set();
process.on('exit', () => alive.forEach((program) => program.child.kill('SIGKILL')));

/// A program of the demo, out of the terminal's reach: Ctrl-C is for the demo, which stops it in order.
export class Program {
  /// `path`: of a program that is not Troupe's. `by`: the signal that asks it to end. `as`: more for its process.
  constructor(name, args, onLine, { path = `${process.env.TROUPE_BIN}/${name}`, by = 'SIGTERM', as = {} } = {}) {
    this.name = name;
    this.by = by;
    this.tail = [];
    this.child = spawn(path, args, { ...as, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    alive.add(this);
    for (const stream of [this.child.stdout, this.child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        this.tail.push(line);
        if (this.tail.length > 30) this.tail.shift();
        onLine(line);
      });
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => resolve({ error: error.message }));
      this.child.on('close', (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      alive.delete(this);
      this.end = end;
      return end;
    });
  }

  /// Asks it to end and waits; whether it ended well.
  async stop(within = 15_000) {
    if (!this.end) this.child.kill(this.by);
    const end = await soon(`${this.name} ends`, this.exited, within).catch(() => undefined);
    if (!end) this.child.kill('SIGKILL');
    return end?.code === 0 || end?.signal === this.by; // etcd ends by the signal that it was sent.
  }
}

/// `port` if nobody listens there, otherwise a free one.
export async function freePort(port) {
  const attempt = (number) => new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(undefined));
    server.listen(number, '127.0.0.1', () => {
      const got = server.address().port;
      server.close(() => resolve(got));
    });
  });
  return (await attempt(port)) ?? attempt(0);
}
