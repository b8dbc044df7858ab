import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { request } from '../acceptance/harness/http.mjs';
import { makeNodeCertificate } from '../acceptance/harness/tls.mjs';
import { until } from '../acceptance/harness/wait.mjs';
import { freePort, Program } from '../demo/programs.mjs';

/// One node of the cluster, with a directory of settings like those of configs/cluster.
export class ClusterNode {
  /// `world`: {dir, authority, etcd, database, sandbox}.
  static async make(world, number) {
    const node = new ClusterNode();
    node.name = `node-${number}`;
    node.world = world;
    node.dir = join(world.dir, node.name);
    node.ports = {};
    for (const [what, first] of Object.entries({ api: 8080, gateway: 8081, webhook: 8443, cluster: 7801 }))
      node.ports[what] = await freePort(first + 100 * (number - 1));
    node.writeSettings();
    return node;
  }

  get api() { return `http://127.0.0.1:${this.ports.api}`; }
  get gateway() { return `http://127.0.0.1:${this.ports.gateway}`; }
  get pid() { return this.program.child.pid; }
  get keyFile() { return join(this.dir, 'data', 'operator.key'); }

  writeSettings() {
    const { dir, authority, etcd, database, sandbox } = this.world;
    const tls = makeNodeCertificate(dir, authority, this.name);
    const all = {
      node: { name: this.name, 'data-dir': join(this.dir, 'data') },
      log: { format: 'json' },
      gateway: { port: this.ports.gateway },
      api: { port: this.ports.api, 'user-rpm': 10000, 'creations-per-minute': 1000 },
      webhook: { port: this.ports.webhook },
      'session-pool': { 'api-root': sandbox.url },
      store: { uri: database.uri },
      secrets: { 'master-key-file': join(dir, 'master-key') },
      cluster: { etcd: etcd.urls, 'etcd-ca-file': authority.cert, 'etcd-cert-file': etcd.client.cert, 'etcd-key-file': etcd.client.key,
        port: this.ports.cluster, 'ca-file': authority.cert, 'cert-file': tls.cert, 'key-file': tls.key },
    };
    mkdirSync(join(this.dir, 'config'), { recursive: true });
    for (const [file, settings] of Object.entries(all)) {
      const lines = Object.entries(settings).map(([key, value]) => `  ${key} = ${JSON.stringify(value)}\n`);
      writeFileSync(join(this.dir, 'config', `${file}.conf`), `${file} {\n${lines.join('')}}\n`);
    }
  }

  /// Starts it (again), and waits until it takes work.
  async start(hear, stopping) {
    this.program = new Program('trouped', [`--config-dir=${join(this.dir, 'config')}`], (line) => hear(this, line));
    await until(`${this.name} is ready`, async () => {
      if (stopping() || this.program.end) return true;
      return (await request(`${this.api}/readyz`)).status === 200;
    }, { within: 30_000 });
    if (this.program.end && !stopping()) throw new Error(`${this.name} ended:\n${this.program.tail.join('\n')}`);
  }

  get alive() { return this.program !== undefined && this.program.end === undefined; }

  /// Starts it after its end, whatever that was.
  async again(hear, stopping) {
    await this.program.exited;
    await this.start(hear, stopping);
  }

  /// troupectl, asking this node: its output.
  async ctl(...words) {
    const { stdout } = await promisify(execFile)(join(process.env.TROUPE_BIN, 'troupectl'), [...words, `--url=${this.api}`,
      `--key-file=${this.world.keyFile}`]);
    return stdout;
  }

  /// What it says of the cluster.
  async status() { return JSON.parse(await this.ctl('cluster', 'status', '--json')); }

  /// One call of a bot through its gateway: {status, took (ms)}.
  async call(bot, method = 'getMe') {
    const started = performance.now();
    const { status } = await request(`${this.gateway}/bot${bot.token}/${method}`);
    return { status, took: Math.round(performance.now() - started) };
  }
}

/// The operator's key is written by whichever node found the store empty.
export function keyFileOf(nodes) {
  const file = nodes.map((node) => node.keyFile).find(existsSync);
  if (!file || !readFileSync(file, 'utf8')) throw new Error('no node wrote an operator key');
  return file;
}
