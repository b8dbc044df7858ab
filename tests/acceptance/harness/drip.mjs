import net from 'node:net';

/// An upstream written by hand: `serve(socket, requestLine)` is called for each request's head and writes
/// what it likes; bytes after the head are dropped unless `paused`, then nothing is read at all.
export class Upstream {
  static async start(serve, { paused = false } = {}) {
    const upstream = new Upstream();
    upstream.sockets = new Set();
    upstream.server = net.createServer((socket) => {
      upstream.sockets.add(socket);
      let head = '';
      socket.on('error', () => {}).on('close', () => upstream.sockets.delete(socket)).on('data', (bytes) => {
        head += bytes.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        const line = head.slice(0, head.indexOf('\r\n'));
        head = '';
        if (paused) socket.pause();
        serve(socket, line);
      });
    });
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}`;
    upstream.tokens = [];
    return upstream;
  }

  stop() {
    this.sockets.forEach((socket) => socket.destroy());
    this.server.close();
  }
}

/// Calls `step(n)` every `every` milliseconds, `times` times.
export function drip(times, every, step) {
  return new Promise((resolve) => {
    let n = 0;
    const timer = setInterval(() => {
      step(n);
      if (++n < times) return;
      clearInterval(timer);
      resolve();
    }, every);
  });
}
