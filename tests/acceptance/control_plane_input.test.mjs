// What a control API is sent that nobody should send, on a real node with its real store.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Node } from './harness/node.mjs';
import { PostgreSql } from './harness/postgresql.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { request } from './harness/http.mjs';

const limit = { timeout: 120_000 };

/// The same sequence in each run.
const random = (() => { let x = 20_260_131; return (n) => Math.floor(((x = (x * 1103515245 + 12345) % 2 ** 31) / 2 ** 31) * n); })();
const pick = (list) => list[random(list.length)];

const words = ['', 'x', '/nonexistent/copy.db', '/etc/passwd', "'; DROP TABLE bots; --", '" OR ""="', "' UNION SELECT token_box FROM bots --", 'ä😀', '../../etc/passwd', '%s%n',
  '${jndi:ldap://x}', '18446744073709551616', 'null', 'active', 'x'.repeat(5000), `7:${'b'.repeat(35)}`, '\u0001\u0002', 'a\u0000b', '\ud800'];
const value = (depth = 0) => {
  switch (random(depth > 4 ? 6 : 8)) {
    case 0: return null;
    case 1: return random(2) === 0;
    case 2: return pick([0, -1, 1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 0.5]);
    case 6: return Array.from({ length: random(4) }, () => value(depth + 1));
    case 7: return Object.fromEntries(Array.from({ length: random(4) }, () => [pick(words), value(depth + 1)]));
    default: return pick(words);
  }
};

/// A body for a route whose document names these members: near to right, or far from it.
function bodyFor(members) {
  const kind = random(12);
  if (kind === 0) return Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]); // No UTF-8.
  if (kind === 1) return '['.repeat(5000);
  if (kind === 2) return `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`;
  if (kind === 3) return JSON.stringify(value()).slice(0, random(40));
  const all = {};
  for (const name of members) if (random(3) > 0) all[name] = value();
  if (kind === 4) all[pick(words)] = value();
  return JSON.stringify(all);
}

for (const store of ['SQLite', 'PostgreSQL']) describe(`the control API of a node with ${store}`, () => {
  let sandbox;
  let database;
  let node;
  before(async () => {
    sandbox = await Sandbox.start();
    if (store === 'PostgreSQL') database = await PostgreSql.start();
    node = await Node.start(sandbox, {
      options: { 'gateway.unknown-tokens': 'reject', 'api.creations-per-minute': 0, 'api.user-rpm': 0 },
      files: database ? { 'store.conf': `store { uri = "${database.uri}" }\n` } : {},
      env: database ? { TROUPE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') } : {},
    });
  });
  after(async () => { await node?.stop(); database?.remove(); await sandbox?.stop(); });

  test('answers whatever it is sent, on every route, with no 500 and nothing of its inside', limit, async () => {
    const { token, id } = await sandbox.createBot();
    assert.equal((await node.ask('POST', '/v1/bots', { token, trusted: true })).status, 201);
    const tenant = (await node.ask('POST', '/v1/tenants', { name: 'T' })).json.id;
    const { key } = (await node.ask('POST', `/v1/tenants/${tenant}/keys`, { name: 'k', role: 'admin' })).json;
    const document = (await node.ask('GET', '/openapi.json', undefined, { key: null })).json;
    const schemaOf = (x) => (x?.$ref ? x.$ref.split('/').slice(1).reduce((at, name) => at?.[name], document) : x);
    const routes = [];
    for (const [path, methods] of Object.entries(document.paths))
      for (const [method, about] of Object.entries(methods)) {
        // A stream that does not end; what is no JSON.
        if (!path.startsWith('/v1/') || path.endsWith('/events')) continue;
        const schema = schemaOf(about.requestBody?.content?.['application/json']?.schema);
        routes.push({ path, method: method.toUpperCase(), members: Object.keys(schema?.properties ?? {}) });
      }
    assert.ok(routes.length > 40, `${routes.length} routes`);
    const argument = (name) => encodeURIComponent(pick(name === 'key' || name === 'tenant'
      ? ['999999', '-1', '0', "1' OR '1'='1", 'x'] : [String(id), String(id), '7', '0', '-1', '1e3', "1' OR '1'='1", 'ä', '\u0000', 'getMe']));
    const query = () => (random(3) > 0 ? '' : `?${pick(['limit', 'cursor', 'days', 'status', 'subject', 'x'])}=${encodeURIComponent(JSON.stringify(value()))}`);
    const seen = {};
    for (let round = 0; round < 12; ++round)
      for (const { path, method, members } of routes) {
        const target = path.replace(/\{(\w+)\}/g, (_, name) => argument(name)) + query();
        const body = method === 'GET' ? undefined : bodyFor(members);
        const answer = await request(`${node.api}${target}`, { method, body,
          headers: { authorization: `Bearer ${pick([node.operatorKey, key])}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) } });
        seen[answer.status] = (seen[answer.status] ?? 0) + 1;
        // 502: the Bot API refused what the methods route was told to send.
        assert.ok(answer.status < 500 || answer.status === 502, `${method} ${target}: ${answer.status} ${answer.text}`);
        if (answer.status >= 400 && answer.headers['content-type'] === 'application/problem+json')
          for (const leak of ['sqlite', 'SQLite', 'postgres', 'libpq', 'soci', 'troupe::', token.split(':')[1]])
            assert.ok(!answer.text.includes(leak), `${method} ${target}: ${answer.text}`);
      }
    assert.ok(seen[400] > 20 && seen[404] > 20, JSON.stringify(seen));
    const rows = (await node.ask('GET', '/v1/bots')).json.bots;
    assert.ok(rows.length <= 1, 'nothing was registered by accident');
    assert.deepEqual(node.events().filter(({ level }) => level === 'critical'), []);
    assert.equal((await node.get('/v1/store')).reachable, true);
  });

  test('makes and removes one bot for many at once: each is told, and it is there or it is not', limit, async () => {
    const { token, id } = await sandbox.createBot();
    for (let round = 0; round < 8; ++round) {
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 === 0
        ? node.ask('POST', '/v1/bots', { token, trusted: true }) : node.ask('DELETE', `/v1/bots/${id}`))
        .then(({ status }) => ({ made: i % 2 === 0, status }))));
      const count = (made, status) => answers.filter((x) => x.made === made && x.status === status).length;
      assert.equal(count(true, 201) + count(true, 409), 6, JSON.stringify(answers));
      assert.equal(count(false, 204) + count(false, 404), 6, JSON.stringify(answers));
      const there = (await node.ask('GET', `/v1/bots/${id}`)).status === 200;
      assert.equal((await node.call(token, 'getMe')).status, there ? 200 : 401);
      if (there) assert.equal((await node.ask('DELETE', `/v1/bots/${id}`)).status, 204);
      // As often as it was made it was removed.
      assert.equal(count(true, 201), count(false, 204) + (there ? 1 : 0));
    }
  });
});
