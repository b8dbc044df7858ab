import { execFile, execFileSync, spawn } from 'node:child_process';
import { chownSync, copyFileSync, chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './ports.mjs';
import { soon, until } from './wait.mjs';

/// Others' work goes on in this process meanwhile.
const run = promisify(execFile);
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
  /// `durable`: as one is run that is measured; tests need no disk to be waited for. `tls`: {ca, cert, key},
  /// files: it can be reached by TCP, over TLS alone and with a certificate of that authority alone.
  static async start({ durable = false, tls } = {}) {
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
    await run(program('initdb'), ['-D', server.data, '-U', 'troupe', '-A', 'trust', '-E', 'UTF8',
      '--locale=C', '--no-sync', '--no-instructions'], server.as);
    if (tls) await server.#takeTls(tls);
    await server.resume();
    await run(program('createdb'), ['-h', server.dir, ...server.#on, '-U', 'troupe', 'bots'], server.as);
    return server;
  }

  get #on() { return this.port ? ['-p', String(this.port)] : []; }

  async #takeTls(tls) {
    [this.port] = await freePorts(1);
    const own = (file, name) => {
      const at = join(this.data, name);
      copyFileSync(file, at);
      chmodSync(at, 0o600);
      if (this.as.uid !== undefined) chownSync(at, this.as.uid, this.as.gid);
    };
    for (const part of ['ca', 'cert', 'key']) own(tls[part], `tls-${part}.pem`);
    writeFileSync(join(this.dir, 'hba'), 'local all all trust\nhostssl all all 127.0.0.1/32 cert\n');
    own(join(this.dir, 'hba'), 'pg_hba.conf');
    this.settings.push('ssl=on', 'ssl_ca_file=tls-ca.pem', 'ssl_cert_file=tls-cert.pem', 'ssl_key_file=tls-key.pem', `port=${this.port}`);
  }

  /// By TCP. `files`: {ca, cert, key} of a client; `host`: as the URI names it.
  secureUri({ ca, cert, key }, host = '127.0.0.1') {
    const client = cert ? `&sslcert=${cert}&sslkey=${key}` : '';
    return `postgresql://troupe@${host}:${this.port}/bots?sslmode=verify-full&sslrootcert=${ca}${client}`;
  }

  /// What a query says, a row a line, asked by the Unix socket.
  async query(sql) {
    const { stdout } = await run(program('psql'), ['-h', this.dir, ...this.#on, '-U', 'troupe', '-d', 'bots', '-AtXq', '-c', sql], this.as);
    return stdout.trim();
  }

  get uri() { return `postgresql://troupe@/bots?host=${this.dir}`; }

  /// Starts it (again), and waits until it takes connections.
  async resume() {
    this.child = spawn(program('postgres'), ['-D', this.data, '-k', this.dir, '-c', `listen_addresses=${this.port ? '127.0.0.1' : ''}`,
      '-c', 'max_connections=40', ...this.settings.flatMap((setting) => ['-c', setting])], this.as);
    this.child.unref();
    this.exited = new Promise((resolve) => { this.child.on('exit', resolve); });
    await until('PostgreSQL takes connections', async () => {
      await run(program('pg_isready'), ['-h', this.dir, ...this.#on, '-U', 'troupe', '-d', 'postgres'], this.as);
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
