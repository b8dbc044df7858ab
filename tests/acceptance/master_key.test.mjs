// Another master key for a node that runs: no call and no registration fails meanwhile, and what the
// old key sealed needs it no more.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { PostgreSql } from './harness/postgresql.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
const key = (n) => Buffer.alloc(32, n).toString('base64');

async function rotate(t, files) {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const dir = temporaryDirectory();
  const file = join(dir, 'keys');
  const write = (...keys) => writeFileSync(file, `${keys.map(key).join('\n')}\n`, { mode: 0o600 });
  write(1);
  const start = () => Node.start(sandbox, {
    files: { ...files, 'secrets.conf': `secrets { master-key-file = "${file}" }\n` },
    options: { ...registered, 'node.data-dir': join(dir, 'data'), 'rate-governor.bot-rps': 0 },
  });
  let node = await start();
  const bots = [];
  const register = async () => {
    const bot = await sandbox.createBot();
    const made = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
    assert.equal(made.status, 201, made.text);
    bots.push(bot);
  };
  for (let i = 0; i < 30; ++i) await register();

  let working = true;
  let done = 0;
  const work = Promise.all([
    (async () => { while (working) { await register(); ++done; } })(),
    (async () => { while (working) { assert.equal((await node.call(bots[done % bots.length].token, 'getMe')).status, 200); ++done; } })(),
  ]);
  work.catch(() => {});
  const reload = async (event, ...keys) => {
    const count = node.events(event).length;
    const before = done;
    write(...keys);
    node.program.child.kill('SIGHUP');
    await until(`${event} is logged`, () => node.events(event).length > count);
    await until('work goes on', () => done > before + 10);
    return node.events(event).at(-1);
  };
  await reload('master-key.loaded', 1, 2);
  const renewed = await reload('seals.renewed', 2, 1);
  assert.ok(renewed.seals >= 31, JSON.stringify(renewed)); // Its own key is one, too.
  await reload('master-key.loaded', 2);
  const before = node.events('master-key.loaded').length;
  await reload('master-key.rejected', 3);
  writeFileSync(file, 'nonsense\n');
  node.program.child.kill('SIGHUP');
  await until('that is refused, too', () => node.events('master-key.rejected').length === 2);
  assert.equal(node.events('master-key.loaded').length, before);
  working = false;
  await work;
  for (const n of [1, 2, 3]) assert.ok(!node.program.output.includes(key(n)), 'a key is in the log');
  assert.deepEqual(node.events('seals.unreadable'), []);

  // Everything opens with the new key alone, also what came meanwhile.
  write(2);
  node.program.kill();
  await soon('it is gone', node.program.exited);
  node = await start();
  for (const bot of bots) assert.equal((await node.call(bot.token, 'getMe')).status, 200);
  assert.deepEqual(node.events('seals.unreadable'), []);
  await node.stop();
  assert.ok(readFileSync(join(dir, 'keys'), 'utf8').includes(key(2)));
}

test('a master key is replaced while the node works', limit, (t) => rotate(t, {}));

test('likewise with PostgreSQL', limit, async (t) => {
  const database = await PostgreSql.start();
  t.after(() => database.remove());
  await rotate(t, { 'store.conf': `store { uri = "${database.uri}" }\n` });
});
