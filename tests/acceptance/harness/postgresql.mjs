import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { soon, until } from './wait.mjs';

const running = new Set();
process.on('exit', () => running.forEach((server) => server.remove()));

/// Where the programs are: Debian keeps them out of PATH, by version.
function program(name) {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort() : [];
  const found = versions.map((version) => join('/usr/lib/postgresql', version, 'bin', name)).filter(existsSync).pop();
  return found ?? name;
}

/// A PostgreSQL of its own, reached by a Unix socket in a temporary directory. Not as root: it refuses that.
export class PostgreSql {
  /// `durable`: as one is run that is measured; tests need no disk to be waited for.
  static async start({ durable = false } = {}) {
    const server = new PostgreSql();
    server.settings = durable ? ['shared_buffers=256MB', 'max_wal_size=4GB'] : ['fsync=off', 'shared_buffers=32MB'];
    server.dir = mkdtempSync('/tmp/troupe-acceptance-pg-'); // A socket's path must be short.
    running.add(server);
    server.as = { cwd: '/', stdio: 'ignore' };
    if (process.getuid() === 0) {
      const id = (what) => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }));
      Object.assign(server.as, { uid: id('-u'), gid: id('-g') });
      chownSync(server.dir, server.as.uid, server.as.gid);
    }
    server.data = join(server.dir, 'data');
    execFileSync(program('initdb'), ['-D', server.data, '-U', 'troupe', '-A', 'trust', '-E', 'UTF8',
      '--locale=C', '--no-sync', '--no-instructions'], server.as);
    await server.resume();
    execFileSync(program('createdb'), ['-h', server.dir, '-U', 'troupe', 'bots'], server.as);
    return server;
  }

  get uri() { return `postgresql://troupe@/bots?host=${this.dir}`; }

  /// Starts it (again), and waits until it takes connections.
  async resume() {
    this.child = spawn(program('postgres'), ['-D', this.data, '-k', this.dir, '-c', 'listen_addresses=',
      '-c', 'max_connections=40', ...this.settings.flatMap((setting) => ['-c', setting])], this.as);
    this.child.unref();
    this.exited = new Promise((resolve) => { this.child.on('exit', resolve); });
    await until('PostgreSQL takes connections', () => {
      execFileSync(program('pg_isready'), ['-h', this.dir, '-U', 'troupe', '-d', 'postgres'], this.as);
      return true;
    });
  }

  /// SIGQUIT: all connections are dropped at once, as in a crash. SIGINT: orderly.
  async stop(signal = 'SIGINT') {
    this.child.kill(signal);
    await soon('PostgreSQL ends', this.exited);
  }

  remove() {
    this.child?.kill('SIGQUIT');
    running.delete(this);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
