import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd } from './etcd.mjs';
import { Gate } from './gate.mjs';
import { Node, registered, temporaryDirectory } from './node.mjs';
import { freePorts } from './ports.mjs';
import { PostgreSql } from './postgresql.mjs';
import { makeAuthority, makeNodeCertificate } from './tls.mjs';
import { soon, until } from './wait.mjs';

/// Nodes on one etcd and one PostgreSQL, which speak to each other over TLS.
export class Cluster {
  /// `members`: of etcd. `options`: of every node; `only`: by node, of some. `gated`: a gate stands before each
  /// node, and between each node and each member of etcd, and Telegram; see `links`, `ways` and `exits`. `program`: what each node that is added runs, if no usual trouped.
  static async start(t, upstream, { nodes = 3, members = 1, options = {}, only = {}, gated = false, program } = {}) {
    const cluster = new Cluster();
    t.after(() => cluster.remove());
    cluster.upstream = upstream;
    Object.assign(cluster, { options, only, program });
    cluster.dir = temporaryDirectory();
    cluster.authority = makeAuthority(cluster.dir);
    [cluster.etcd, cluster.database] = await Promise.all([Etcd.start(members), PostgreSql.start()]);
    cluster.nodes = {};
    cluster.gated = gated;
    cluster.links = {}; ///< The gate before each node: those whose names come before its own connect to it.
    cluster.ways = {}; ///< The gates between each node and etcd.
    cluster.exits = {}; ///< The gate between each node and Telegram.
    for (let i = 1; i <= nodes; ++i) await cluster.add(`n${i}`); // The first one makes the schema.
    await cluster.settled();
    return cluster;
  }

  /// Starts a node (again). `more`: settings of its own.
  async add(name, more = {}) {
    const tls = makeNodeCertificate(this.dir, this.authority, name);
    const node = await Node.start(this.upstream, {
      program: this.program,
      env: { TROUPE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') },
      options: {
        ...registered,
        'node.name': name,
        'node.data-dir': join(this.dir, name),
        'store.uri': `${this.database.uri}&application_name=${name}`,
        'cluster.etcd': this.etcd.urls,
        'cluster.port': 0,
        'cluster.ca-file': this.authority.cert,
        'cluster.cert-file': tls.cert,
        'cluster.key-file': tls.key,
        ...(this.gated ? await this.#gates(name) : {}),
        ...this.options,
        ...this.only[name],
        ...more,
      },
    });
    this.key ??= node.operatorKey;
    Object.defineProperty(node, 'operatorKey', { get: () => this.key, configurable: true });
    this.nodes[name] = node;
    return node;
  }

  async #gates(name) {
    this.ports ??= {};
    if (!this.links[name]) {
      [this.ports[name]] = await freePorts(1);
      this.links[name] = await Gate.before(this.ports[name]);
      this.ways[name] = await Promise.all(this.etcd.members.map(({ url }) => Gate.before(Number(new URL(url).port))));
      this.exits[name] = await Gate.before(Number(new URL(this.upstream.url).port));
    }
    return {
      'session-pool.api-root': `http://${this.exits[name].address}`,
      'cluster.port': this.ports[name],
      'cluster.address': this.links[name].address,
      'cluster.etcd': this.ways[name].map(({ address }) => `http://${address}`).join(','),
    };
  }

  /// Which node has which shard, as etcd says it: names by shard.
  async owners() {
    const keys = await this.etcd.range('/troupe/shards/');
    return new Map(keys.map(({ key, value }) => [Number(key.slice(-4)), value]));
  }

  get all() { return Object.values(this.nodes); }

  /// GET /v1/cluster, of the first node unless another one is asked.
  status(node = this.all[0]) { return node.get('/v1/cluster'); }

  /// Waits until each node sees the same members, all reachable, every shard owned and none moving.
  settled(names = Object.keys(this.nodes), options = { within: 30_000 }) {
    return until(`the cluster of ${names.join(', ')} is settled`, async () => {
      const seen = await Promise.all(names.map((name) => this.status(this.nodes[name])));
      for (const one of seen) {
        const there = one.nodes.filter(({ reachable }) => reachable).map(({ name }) => name).sort();
        if (!one.member || !one.leader || one.unowned_shards !== 0 || one.moving_shards !== 0
            || there.join() !== [...names].sort().join() || one.nodes.length !== names.length)
          throw new Error(JSON.stringify(one));
      }
      return seen[0];
    }, options).catch((error) => {
      const logs = names.map((name) => `--- ${name}:\n${this.nodes[name].program.lines.slice(-15).join('\n')}`);
      throw new Error(`${error.message}\n${logs.join('\n')}`);
    });
  }

  /// kill -9, and the node is no part of this any more.
  async kill(name) {
    const node = this.nodes[name];
    delete this.nodes[name];
    node.program.kill();
    await soon(`${name} is gone`, node.program.exited);
    return node;
  }

  async remove() {
    for (const name of Object.keys(this.nodes ?? {})) await this.kill(name);
    for (const gates of [this.links, this.ways, this.exits]) for (const gate of Object.values(gates ?? {}).flat()) gate.close();
    this.etcd?.remove();
    this.database?.remove();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
