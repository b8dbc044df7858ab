// What goes wrong around a cluster's nodes: etcd, PostgreSQL, the links between nodes, a node that stands still.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';
import { shardOf } from './harness/fleet.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { makeAuthority, makeNodeCertificate } from './harness/tls.mjs';
import { pause, soon, until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };

async function start(t, options) {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const cluster = await Cluster.start(t, sandbox, options);
  const bots = [];
  for (let i = 0; i < 30; ++i) {
    const bot = await sandbox.createBot();
    const made = await cluster.all[i % cluster.all.length].ask('POST', '/v1/bots', { token: bot.token, trusted: true });
    assert.equal(made.status, 201, made.text);
    bots.push(bot);
  }
  return { sandbox, cluster, bots };
}

const patient = { headers: { 'x-troupe-deadline': '20s' } };

/// Every bot answers at every node given.
async function allAnswer(nodes, bots) {
  for (const node of nodes)
    await Promise.all(bots.map(async (bot) => {
      const said = await node.call(bot.token, 'getMe', undefined, patient);
      assert.equal(said.status, 200, said.text);
    }));
}

test('the member that leads etcd is killed: the cluster goes on as it was', limit, async (t) => {
  const { cluster, bots } = await start(t, { members: 3 });
  const before = await cluster.status();
  await cluster.etcd.kill(await cluster.etcd.leader());
  await allAnswer(cluster.all, bots);
  const after = await cluster.settled();
  assert.equal(after.leader, before.leader);
  assert.deepEqual(after.nodes.map((x) => [x.name, x.shards, x.joined_revision]),
    before.nodes.map((x) => [x.name, x.shards, x.joined_revision]));
});

test('PostgreSQL restarts: calls go on, and so does registering', limit, async (t) => {
  const { cluster, bots, sandbox } = await start(t);
  await cluster.database.stop('SIGQUIT');
  await allAnswer(cluster.all, bots);
  await cluster.database.resume();
  const bot = await sandbox.createBot();
  await until('a bot can be registered', async () =>
    (await cluster.nodes.n2.ask('POST', '/v1/bots', { token: bot.token, trusted: true })).status === 201, { within: 30_000 });
  await allAnswer(cluster.all, [...bots, bot]);
});

test('a node stands still for longer than its lease: it serves nothing of what others took over, and joins anew', limit, async (t) => {
  const { cluster, bots, sandbox } = await start(t);
  const { n1, n2, n3 } = cluster.nodes;
  n2.program.child.kill('SIGSTOP');
  await until('the others have all shards', async () => {
    const seen = await cluster.status(n1);
    return seen.nodes.length === 2 && seen.unowned_shards === 0;
  }, { within: 30_000 });
  await allAnswer([n1, n3], bots);
  const waiting = bots.map((bot) => n2.call(bot.token, 'getMe', undefined, patient)); // Accepted by its kernel.
  const { requests: before } = (await sandbox.stats()).methods?.getMe ?? { requests: 0 };
  n2.program.child.kill('SIGCONT');
  await n2.logged('node.lost');
  for (const said of await Promise.all(waiting)) assert.equal(said.status, 200, said.text);
  const { requests: after } = (await sandbox.stats()).methods?.getMe ?? { requests: 0 };
  assert.ok(after - before <= bots.length, `${after - before} requests for ${bots.length} calls`);
  await cluster.settled();
  await allAnswer(cluster.all, bots);
});

test('a node with a certificate of another authority is neither spoken to nor listened to', limit, async (t) => {
  const { cluster, bots } = await start(t, { nodes: 2 });
  const foreign = makeAuthority(cluster.dir, 'foreign');
  const tls = makeNodeCertificate(cluster.dir, foreign, 'intruder');
  const intruder = await cluster.add('n3', { 'cluster.ca-file': foreign.cert, 'cluster.cert-file': tls.cert, 'cluster.key-file': tls.key });
  await cluster.nodes.n1.logged('node.untrusted', (event) => event.peer === 'n3');
  await intruder.logged('node.untrusted', (event) => event.peer === 'n1');
  const seen = await cluster.status(cluster.nodes.n1);
  assert.equal(seen.nodes.find((node) => node.name === 'n3').reachable, false);
  assert.equal((await cluster.status(intruder)).nodes.filter((node) => node.reachable).length, 1);
  await cluster.kill('n3');
  await until('its shards are the others\'', async () => (await cluster.status()).nodes.length === 2, { within: 30_000 });
  await cluster.settled();
  await allAnswer(cluster.all, bots);
});

test('who shows no registered certificate gets no connection between nodes', limit, async (t) => {
  const { cluster } = await start(t, { nodes: 2 });
  // Of the right authority, and registered nowhere.
  const stolen = makeNodeCertificate(cluster.dir, cluster.authority, 'nobody');
  const [host, port] = (await cluster.status()).nodes[0].address.split(':');
  const ending = (own) => new Promise((done) => {
    const socket = connectTls({ host, port, ca: readFileSync(cluster.authority.cert), checkServerIdentity: () => undefined, ...own });
    socket.on('data', () => done('data')).on('error', (error) => done(error.code)).on('close', () => done('closed'));
  });
  assert.notEqual(await ending({}), 'data');
  assert.notEqual(await ending({ cert: readFileSync(stolen.cert), key: readFileSync(stolen.key) }), 'data');
  const registered = { cert: readFileSync(join(cluster.dir, 'n2.pem')), key: readFileSync(join(cluster.dir, 'n2.key')) };
  assert.equal(await ending(registered), 'data'); // The test sees what it looks for.
});

test('strangers at the port between nodes break no connection of theirs', limit, async (t) => {
  const { cluster, bots } = await start(t);
  const foreign = makeAuthority(cluster.dir, 'foreign');
  const tls = makeNodeCertificate(cluster.dir, foreign, 'stranger');
  const own = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) };
  const ports = (await cluster.status()).nodes.map(({ address }) => Number(address.split(':')[1]));
  const knocks = [
    (port) => { const socket = connect(port, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\n\r\n')); return socket; },
    (port) => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }),
    (port) => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...own }),
  ];
  const broken = () => cluster.all.flatMap(({ program }) => program.lines.filter((line) => line.includes('node.unreachable')));
  assert.deepEqual(broken(), []);
  for (let i = 0; i < 90; ++i) {
    const sockets = ports.map((port) => knocks[i % 3](port));
    await Promise.all(sockets.map((socket) => new Promise((done) => { socket.on('error', done).on('close', done).on('data', () => {}); })));
  }
  const said = await Promise.all(cluster.all.flatMap((node) => bots.map((bot) => node.call(bot.token, 'getMe', undefined, patient))));
  assert.ok(said.every(({ status }) => status === 200));
  await pause(1500); // A heartbeat is looked at twice a second.
  assert.deepEqual(broken(), []);
});

test('who connects to a node and says nothing, or half of what he must, is sent away', limit, async (t) => {
  const { cluster } = await start(t, { nodes: 2 });
  const port = Number((await cluster.status()).nodes[0].address.split(':')[1]);
  let closed = 0;
  const began = performance.now();
  for (let i = 0; i < 60; ++i) {
    const socket = connect(port, '127.0.0.1', () => { if (i % 2) socket.write(Buffer.from([0x16, 3, 1])); });
    socket.on('error', () => {}).on('close', () => ++closed);
    t.after(() => socket.destroy());
  }
  await until('all are sent away', () => closed === 60, { within: 15_000 });
  assert.ok(performance.now() - began > 4000, 'who is slow has some time');
  assert.ok(cluster.all.every(({ program }) => !program.lines.some((line) => line.includes('node.unreachable'))));
});

test('a certificate is renewed while the node runs', limit, async (t) => {
  const { cluster, bots } = await start(t);
  const work = { stop: false, failed: [] };
  work.over = (async () => {
    for (let i = 0; !work.stop; ++i) {
      const node = cluster.nodes[i % 2 ? 'n1' : 'n3']; // The other one is killed.
      if (!node) return; // The test is over.
      const said = await node.call(bots[i % bots.length].token, 'getMe', undefined, patient);
      if (said.status !== 200) work.failed.push(said.text);
    }
  })();
  for (const name of ['n1', 'n2', 'n3']) {
    makeNodeCertificate(cluster.dir, cluster.authority, name);
    cluster.nodes[name].program.child.kill('SIGHUP');
    await cluster.nodes[name].logged('certificate.renewed');
  }
  // Whoever comes anew is let in by the new ones, and only so.
  const lost = await cluster.kill('n2');
  assert.ok(lost);
  await until('n2 is gone', async () => (await cluster.status()).nodes.length === 2, { within: 30_000 });
  work.stop = true;
  await work.over;
  await cluster.add('n2');
  await cluster.settled();
  await allAnswer(cluster.all, bots);
  assert.deepEqual(work.failed, []);
});

/// With leases that outlast it, etcd refuses the node's connections for longer than a write is tried.
const patientLeases = { gated: true, options: { 'cluster.lease-ttl': '10s' } };
async function withoutEtcd(cluster, name, meanwhile) {
  for (const gate of cluster.ways[name]) gate.cut('refused');
  await meanwhile();
  await pause(2500);
  for (const gate of cluster.ways[name]) gate.open();
}

test('a node is told to stop in a moment in which it cannot write that down: it gives its bots away all the same, and no call fails', limit, async (t) => {
  const { cluster, bots } = await start(t, patientLeases);
  const { n2: leaving, ...others } = cluster.nodes;
  const work = { stop: false, failed: [] };
  work.over = Promise.all(Object.values(others).map(async (node) => {
    for (let i = 0; !work.stop; ++i) {
      const said = await node.call(bots[i % bots.length].token, 'getMe', undefined, patient);
      if (said.status !== 200) work.failed.push(said.text);
    }
  }));
  const began = performance.now();
  await withoutEtcd(cluster, 'n2', () => leaving.program.child.kill('SIGTERM'));
  assert.equal((await soon('n2 has stopped', leaving.program.exited, 60_000)).code, 0);
  const took = (performance.now() - began) / 1000;
  delete cluster.nodes.n2;
  await cluster.settled();
  work.stop = true;
  await work.over;
  t.diagnostic(`it stopped after ${took.toFixed(1)} s`);
  assert.ok(took < 15, `${took} s`); // Not by `node.drain-timeout`.
  assert.deepEqual(leaving.events('node.lost'), []);
  assert.deepEqual(work.failed, []);
});

test('a certificate is renewed in a moment in which that cannot be written down: the others learn it all the same', limit, async (t) => {
  const { cluster, bots } = await start(t, patientLeases);
  await withoutEtcd(cluster, 'n2', async () => {
    makeNodeCertificate(cluster.dir, cluster.authority, 'n2');
    cluster.nodes.n2.program.child.kill('SIGHUP');
    await cluster.nodes.n2.logged('certificate.renewed');
  });
  const now = readFileSync(join(cluster.dir, 'n2.pem'), 'utf8').trim();
  await until('etcd has the new one', async () =>
    JSON.parse((await cluster.etcd.range('/troupe/nodes/n2'))[0].value).certificate.includes(now));
  assert.deepEqual(cluster.nodes.n2.events('node.lost'), []);
  await allAnswer(cluster.all, bots);
});

test("a shard's key is taken away under its owner: the node stops serving before anybody else has it, and all bots answer again", limit, async (t) => {
  const { cluster, bots } = await start(t);
  const owners = await cluster.owners();
  const shard = shardOf(bots[0].id);
  const owner = cluster.nodes[owners.get(shard)];
  await cluster.etcd.erase(`/troupe/shards/${String(shard).padStart(4, '0')}`);
  await owner.logged('node.lost');
  await cluster.settled();
  await allAnswer(cluster.all, bots);
});
