import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './ports.mjs';
import { request } from './http.mjs';
import { soon, until } from './wait.mjs';

const running = new Set();
process.on('exit', () => running.forEach((cluster) => cluster.remove()));

/// Members of etcd on 127.0.0.1, of one cluster, with a directory of their own.
export class Etcd {
  static async start(count = 1) {
    const etcd = new Etcd();
    etcd.dir = mkdtempSync(join(tmpdir(), 'troupe-acceptance-etcd-'));
    running.add(etcd);
    const ports = await freePorts(2 * count);
    etcd.members = Array.from({ length: count }, (_, i) => ({
      name: `m${i}`, url: `http://127.0.0.1:${ports[2 * i]}`, peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
    }));
    etcd.members.forEach((_, i) => etcd.resume(i));
    await Promise.all(etcd.members.map((member) => etcd.healthy(member)));
    return etcd;
  }

  get urls() { return this.members.map(({ url }) => url).join(','); }

  healthy({ url, name }) {
    return until(`etcd's member ${name} is healthy`, async () => (await request(`${url}/health`)).json?.health === 'true');
  }

  /// Starts a member (again), with the data it had.
  resume(i) {
    const { name, url, peer } = this.members[i];
    const child = spawn('etcd', ['--name', name, '--data-dir', join(this.dir, name), '--listen-client-urls', url,
      '--advertise-client-urls', url, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
      '--initial-cluster', this.members.map((one) => `${one.name}=${one.peer}`).join(','),
      '--heartbeat-interval', '50', '--election-timeout', '500', '--log-level', 'error', '--logger', 'zap',
      '--log-outputs', 'stderr'], { stdio: 'ignore' });
    child.unref();
    this.members[i].child = child;
    this.members[i].exited = new Promise((resolve) => { child.on('exit', resolve); });
  }

  /// The number of the member that leads.
  async leader() {
    for (const [i, { url }] of this.members.entries()) {
      const said = await request(`${url}/v3/maintenance/status`, { method: 'POST', body: '{}' }).catch(() => null);
      if (said?.json && said.json.leader === said.json.header?.member_id) return i;
    }
    throw new Error('no member of etcd leads');
  }

  /// All keys that begin so: {key, value}.
  async range(prefix) {
    const encode = (text) => Buffer.from(text).toString('base64');
    const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
    const body = JSON.stringify({ key: encode(prefix), range_end: encode(end) });
    const said = await request(`${this.members[0].url}/v3/kv/range`, { method: 'POST', body });
    const text = (base64) => Buffer.from(base64 ?? '', 'base64').toString();
    return (said.json.kvs ?? []).map(({ key, value }) => ({ key: text(key), value: text(value) }));
  }

  async erase(key) {
    const body = JSON.stringify({ key: Buffer.from(key).toString('base64') });
    await request(`${this.members[0].url}/v3/kv/deleterange`, { method: 'POST', body });
  }

  /// As a crash ends it.
  async kill(i) {
    this.members[i].child.kill('SIGKILL');
    await soon('a member of etcd ends', this.members[i].exited);
  }

  remove() {
    for (const { child } of this.members ?? []) child?.kill('SIGKILL');
    running.delete(this);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
