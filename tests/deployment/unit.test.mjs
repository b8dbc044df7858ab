import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
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

/// A node at work, traced: what it asked of the kernel, a line each.
async function traced() {
  const real = process.env.TROUPE_BIN;
  const dir = temporary();
  const trace = join(dir, 'trace');
  // -D: the node is our child, and gets our signals.
  writeFileSync(join(dir, 'trouped'), `#!/bin/sh\nexec strace -D -f -qq -e signal=none -o ${trace} ${real}/trouped "$@"\n`);
  chmodSync(join(dir, 'trouped'), 0o755);
  const sandbox = await Sandbox.start();
  const tls = makeCertificates(dir);
  process.env.TROUPE_BIN = dir;
  // The upstream has a name, so that the resolver is asked.
  const node = await Node.start({ url: sandbox.url.replace('127.0.0.1', 'localhost'), tokens: sandbox.tokens }, {
    options: { ...registered, 'webhook.public-url': 'https://localhost:8443', 'webhook.tls-cert': tls.cert, 'webhook.tls-key': tls.key },
  });
  process.env.TROUPE_BIN = real;
  const bot = await sandbox.createBot();
  assert.equal((await node.ask('POST', '/v1/bots', { token: bot.token })).status, 201);
  assert.equal((await node.ask('POST', `/v1/bots/${bot.id}:activate`, { trusted: true })).status, 200);
  assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  assert.equal((await node.ctl('backup', join(node.dataDir, 'copy'))).code, 0);
  node.program.child.kill('SIGHUP');
  assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  await node.stop();
  await sandbox.stop();
  return readFileSync(trace, 'utf8').split('\n');
}

test('what a node at work asks of the kernel is what its unit allows', async () => {
  const lines = await traced();
  const made = new Set(lines.map((line) => /^\d+\s+(\w+)\(/.exec(line)?.[1]).filter(Boolean));
  for (const sure of ['accept4', 'connect', 'clone3', 'fsync', 'unlink'])
    assert.ok([...made].some((name) => name.startsWith(sure.slice(0, 5))), `${sure} is not in the trace`);
  const ok = allowed();
  if (process.getuid() === 0) made.delete('fchown'); // SQLite's, only as root; the unit's user is none.
  assert.deepEqual([...made].filter((name) => !ok.has(name)).sort(), [], 'SystemCallFilter');

  const families = new Set(lines.map((line) => /^\d+\s+socket(?:pair)?\((AF_\w+)/.exec(line)?.[1]).filter(Boolean));
  assert.ok(families.has('AF_INET'));
  assert.deepEqual([...families].filter((name) => !words('RestrictAddressFamilies').includes(name)), [], 'RestrictAddressFamilies');

  assert.deepEqual(values('MemoryDenyWriteExecute'), ['yes']);
  assert.deepEqual(lines.filter((line) => /^\d+\s+(mmap|mprotect|pkey_mprotect)\(/.test(line)
    && (/PROT_WRITE\|PROT_EXEC/.test(line) || /^\d+\s+mprotect\(.*PROT_EXEC/.test(line))), [], 'MemoryDenyWriteExecute');
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
