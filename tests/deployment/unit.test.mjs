import assert from 'node:assert/strict';
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cluster } from '../acceptance/harness/cluster.mjs';
import { Node, registered } from '../acceptance/harness/node.mjs';
import { Sandbox } from '../acceptance/harness/sandbox.mjs';
import { makeCertificates } from '../acceptance/harness/tls.mjs';
import { must, temporary, text } from './parts.mjs';

const unit = text('configs/systemd/troupe.service');
const values = (name) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);
const words = (name) => values(name).join(' ').split(' ');

/// The system calls of a set like @system-service, as this machine's systemd expands it.
function calls(set) {
  return must('systemd-analyze', ['syscall-filter', '--no-pager', set]).split('\n').slice(1)
    .map((line) => line.trim()).filter((line) => line && !line.startsWith('#'))
    .flatMap((name) => (name.startsWith('@') ? calls(name) : [name]));
}

/// What the unit lets through: systemd always adds @default to a list of what is allowed.
function allowed() {
  const filters = values('SystemCallFilter');
  assert.ok(filters.length > 1 && !filters[0].startsWith('~') && filters.slice(1).every((one) => one.startsWith('~')));
  const result = new Set(['@default', ...filters[0].split(' ')].flatMap(calls));
  filters.slice(1).flatMap((one) => one.slice(1).split(' ')).flatMap(calls).forEach((name) => result.delete(name));
  return result;
}

/// What `work` has traced programs called trouped ask of the kernel, a line each; `work` gets a function that
/// ends the tracing of those that are started from then on.
async function traced(work) {
  const real = process.env.TROUPE_BIN;
  const dir = temporary();
  const trace = join(dir, 'trace');
  // -D: the node is our child, and gets our signals.
  writeFileSync(join(dir, 'trouped'), `#!/bin/sh\nexec strace -D -f -qq -e signal=none -o ${trace} ${real}/trouped "$@"\n`);
  chmodSync(join(dir, 'trouped'), 0o755);
  symlinkSync(join(real, 'troupectl'), join(dir, 'troupectl'));
  const untraced = () => { process.env.TROUPE_BIN = real; };
  const sandbox = await Sandbox.start();
  process.env.TROUPE_BIN = dir;
  try {
    // The upstream has a name, so that the resolver is asked.
    await work({ sandbox, upstream: { url: sandbox.url.replace('127.0.0.1', 'localhost'), tokens: sandbox.tokens }, dir, untraced });
  } finally {
    untraced();
    await sandbox.stop();
  }
  return readFileSync(trace, 'utf8').split('\n');
}

/// A bot is registered and called, the node reloads.
async function use(node, sandbox) {
  const bot = await sandbox.createBot();
  const made = await node.ask('POST', '/v1/bots', { token: bot.token });
  assert.equal(made.status, 201, made.text);
  assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:activate`, { trusted: true })).status, 200);
  assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  node.program.child.kill('SIGHUP');
  assert.equal((await node.call(bot.token, 'getMe')).status, 200);
}

function assertAllowed(lines) {
  const made = new Set(lines.map((line) => /^\d+\s+(\w+)\(/.exec(line)?.[1]).filter(Boolean));
  for (const sure of ['accept', 'connect', 'clone', 'openat', 'unlink'])
    assert.ok([...made].some((name) => name.startsWith(sure)), `${sure} is not in the trace`);
  const ok = allowed();
  if (process.getuid() === 0) made.delete('fchown'); // SQLite's, only as root; the unit's user is none.
  assert.deepEqual([...made].filter((name) => !ok.has(name)).sort(), [], 'SystemCallFilter');

  const families = new Set(lines.map((line) => /^\d+\s+socket(?:pair)?\((AF_\w+)/.exec(line)?.[1]).filter(Boolean));
  assert.ok(families.has('AF_INET'));
  assert.deepEqual([...families].filter((name) => !words('RestrictAddressFamilies').includes(name)), [], 'RestrictAddressFamilies');

  assert.deepEqual(values('MemoryDenyWriteExecute'), ['yes']);
  assert.deepEqual(lines.filter((line) => /^\d+\s+(mmap|mprotect|pkey_mprotect)\(/.test(line)
    && (/PROT_WRITE\|PROT_EXEC/.test(line) || /^\d+\s+mprotect\(.*PROT_EXEC/.test(line))), [], 'MemoryDenyWriteExecute');
}

test('what a node at work asks of the kernel is what its unit allows', async () => {
  assertAllowed(await traced(async ({ sandbox, upstream, dir }) => {
    const tls = makeCertificates(dir);
    const node = await Node.start(upstream, {
      options: { ...registered, 'webhook.public-url': 'https://localhost:8443', 'webhook.tls-cert': tls.cert, 'webhook.tls-key': tls.key },
    });
    await use(node, sandbox);
    assert.equal((await node.ctl('backup', join(node.dataDir, 'copy'))).code, 0);
    await node.stop();
  }));
});

test('so it is of a node of a cluster, with etcd, PostgreSQL and another node', async (t) => {
  assertAllowed(await traced(async ({ sandbox, upstream, untraced }) => {
    const cluster = await Cluster.start(t, upstream, { nodes: 1 });
    untraced();
    await use(cluster.nodes.n1, sandbox);
    await cluster.add('n2');
    await cluster.settled();
    for (const node of [cluster.nodes.n1, cluster.nodes.n2]) await node.stop();
  }));
});

test('a node gets the time to drain and to end its actors before it is killed', () => {
  const seconds = (file, key) => Number(new RegExp(`^ {2}${key} = (\\d+)s$`, 'm').exec(text(`configs/${file}.conf`))[1]);
  const drain = seconds('node', 'drain-timeout');
  const shutdown = seconds('supervisor', 'shutdown-deadline');
  // Ingress, bots, services and durable end one after the other.
  assert.ok(Number(values('TimeoutStopSec')[0]) > drain + 4 * shutdown);
});

test('the descriptors are enough for every connection that the defaults allow', () => {
  const limit = (file, key) => Number(new RegExp(`^ {2}${key} = (\\d+)$`, 'm').exec(text(`configs/${file}.conf`))[1]);
  const all = limit('gateway', 'max-connections') + limit('api', 'max-connections') + limit('webhook', 'max-connections')
    + limit('session-pool', 'max-connections') + limit('session-pool', 'max-polls') + limit('delivery', 'max-connections');
  assert.ok(Number(values('LimitNOFILE')[0]) >= 2 * all, `${all} connections`);
});

test('no secret is on a command line, and what is a secret comes from root', () => {
  for (const command of values('Exec\\w+')) assert.doesNotMatch(command, /key|token|uri|secret/i);
  assert.deepEqual(values('EnvironmentFile'), ['-/etc/troupe/environment']);
  const more = text('configs/systemd/troupe.service.d/credentials.conf');
  assert.match(more, /^LoadCredential=master-key:\/etc\/troupe\/keys\/master-key$/m);
});

test('a wrong configuration is not tried again', () => {
  assert.deepEqual(values('RestartPreventExitStatus'), ['2']);
  assert.deepEqual(values('Restart'), ['on-failure']);
});
