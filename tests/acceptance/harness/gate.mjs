import net from 'node:net';

/// Stands between a node and what it connects to, on a port of 127.0.0.1, and can be shut: what goes there
/// (`to`), what comes back (`from`) or both are kept until it is open again, as a network does that loses
/// packets; or connections are broken and refused. It can also be slow. `sent`: when each piece went there.
export class Gate {
  /// `target`: a port of 127.0.0.1.
  static async before(target, port = 0) {
    const gate = new Gate();
    Object.assign(gate, { target, shut: { to: false, from: false }, refusing: false, delay: 0, pairs: new Set(), sent: [] });
    gate.server = net.createServer({ allowHalfOpen: true }, (near) => gate.#accept(near));
    gate.server.unref();
    await new Promise((done, fail) => { gate.server.on('error', fail).listen(port, '127.0.0.1', done); });
    gate.port = gate.server.address().port;
    return gate;
  }

  get address() { return `127.0.0.1:${this.port}`; }

  /// `how`: 'refused', 'silent', 'answers lost' or 'requests lost'.
  cut(how) {
    this.refusing = how === 'refused';
    this.shut = { to: how === 'silent' || how === 'requests lost', from: how === 'silent' || how === 'answers lost' };
    if (this.refusing) for (const pair of this.pairs) pair.end();
    this.#go();
  }

  /// Everything passes again, also what was kept.
  open() {
    this.refusing = false;
    this.shut = { to: false, from: false };
    this.#go();
  }

  /// From now on each piece takes so many milliseconds longer, in each direction.
  slow(milliseconds) { this.delay = milliseconds; }

  #go() { for (const pair of this.pairs) pair.go(); }

  #accept(near) {
    if (this.refusing) return void reset(near);
    this.pairs.add(new Pair(this, near));
  }

  close() {
    this.server.close();
    for (const pair of this.pairs) pair.end();
  }
}

/// Ends a connection with a reset. Not one that is being ended already: Node.js 18 would leave its handle open, and
/// turn round for ever when the process ends.
function reset(socket) {
  if (socket.writableEnded || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/// A connection through the gate.
class Pair {
  constructor(gate, near) {
    this.gate = gate;
    this.near = near;
    this.far = net.connect({ port: gate.target, host: '127.0.0.1', allowHalfOpen: true });
    this.kept = { to: [], from: [] };
    for (const [way, socket] of [['to', near], ['from', this.far]]) {
      socket.setNoDelay(true).unref();
      socket.on('data', (piece) => this.#keep(way, piece));
      for (const event of ['end', 'error', 'close']) socket.on(event, () => this.#keep(way, null)); // Told in its turn.
    }
  }

  #keep(way, piece) {
    if (!this.gate.pairs.has(this)) return; // Both ends know.
    this.kept[way].push({ piece, due: performance.now() + this.gate.delay });
    if (this.gate.delay > 0) setTimeout(() => this.go(), this.gate.delay + 1).unref();
    this.go();
  }

  /// Passes on what may go.
  go() {
    for (const [way, source, sink] of [['to', this.near, this.far], ['from', this.far, this.near]]) {
      const kept = this.kept[way];
      if (this.gate.shut[way]) { source.pause(); continue; }
      while (kept.length > 0 && kept[0].due <= performance.now()) {
        const { piece } = kept.shift();
        if (piece && way === 'to') this.gate.sent.push(Date.now());
        if (sink.destroyed || sink.writableEnded) continue;
        if (piece) sink.write(piece);
        else if (source.destroyed) sink.destroy();
        else sink.end();
      }
      source.resume();
    }
    if (this.near.destroyed && this.far.destroyed) this.gate.pairs.delete(this);
  }

  end() {
    reset(this.near);
    reset(this.far);
    this.gate.pairs.delete(this);
  }
}
