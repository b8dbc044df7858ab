// What changes of a bot at the node that owns it is true at every node when that is answered, whatever
// the others were told of the bot before.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Cluster } from './harness/cluster.mjs';

const limit = { timeout: 120_000 };

/// A Bot API that knows every token, also two of one bot, but those in `revoked`. `asked`: its requests.
async function botApi(t) {
  const api = { revoked: new Set(), asked: [], tokens: [] };
  const server = http.createServer((from, to) => {
    const [, token, method] = /^\/bot([^/]*)\/(\w+)/.exec(from.url) ?? [];
    const chunks = [];
    from.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      api.asked.push({ token, method, body: Buffer.concat(chunks).toString() });
      const known = !api.revoked.has(token);
      const result = { getMe: { id: Number(token.split(':')[0]), is_bot: true, first_name: 'B', username: 'b_bot' },
        getWebhookInfo: { url: '', has_custom_certificate: false, pending_update_count: 0 }, getUpdates: [] }[method] ?? true;
      const answer = () => to.writeHead(known ? 200 : 401, { 'content-type': 'application/json' })
        .end(JSON.stringify(known ? { ok: true, result } : { ok: false, error_code: 401, description: 'Unauthorized' }));
      method === 'getUpdates' ? setTimeout(answer, 200) : answer();
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => { server.closeAllConnections(); server.close(); });
  api.url = `http://127.0.0.1:${server.address().port}`;
  return api;
}

const tokenOf = (id, letter) => `${id}:${letter.repeat(35)}`;

/// Three nodes and some bots, each of which was called at every node.
async function known(t, fields = {}) {
  const api = await botApi(t);
  const cluster = await Cluster.start(t, api);
  const bots = [];
  for (let i = 0; i < 9; ++i) {
    const id = 8_000_000 + i;
    const said = await cluster.all[i % 3].ask('POST', '/v1/bots', { token: tokenOf(id, 'A'), trusted: true, ...fields });
    assert.equal(said.status, 201, said.text);
    bots.push(id);
  }
  await everywhere(cluster, bots, (node, id) => node.call(tokenOf(id, 'A'), 'getMe'), 200);
  return { api, cluster, bots };
}

async function everywhere(cluster, bots, ask, status) {
  for (const id of bots)
    for (const [name, node] of Object.entries(cluster.nodes)) {
      const said = await ask(node, id);
      assert.equal(said.status, status, `bot ${id} at ${name}: ${said.text}`);
    }
}

test('a virtual token that is revoked is good at no node any more', limit, async (t) => {
  const { cluster, bots } = await known(t);
  const made = new Map();
  for (const id of bots) {
    const said = await cluster.nodes.n1.ask('POST', `/v1/bots/${id}/tokens`, { name: 'one', methods: ['getMe'] });
    assert.equal(said.status, 201, said.text);
    made.set(id, said.json);
  }
  const call = (node, id) => node.call(made.get(id).token, 'getMe');
  await everywhere(cluster, bots, call, 200);
  for (const id of bots)
    assert.equal((await cluster.nodes.n2.ask('DELETE', `/v1/bots/${id}/tokens/${made.get(id).id}`)).status, 204);
  await everywhere(cluster, bots, call, 401);
  await everywhere(cluster, bots, (node, id) => node.call(tokenOf(id, 'A'), 'getMe'), 200);
});

test("a bot's token that was replaced is good at no node any more, and does the bot no harm", limit, async (t) => {
  const { api, cluster, bots } = await known(t);
  for (const id of bots) {
    const said = await cluster.nodes.n3.ask('POST', `/v1/bots/${id}:rotateToken`, { token: tokenOf(id, 'B') });
    assert.equal(said.status, 200, said.text);
    api.revoked.add(tokenOf(id, 'A'));
  }
  api.asked = [];
  await everywhere(cluster, bots, (node, id) => node.call(tokenOf(id, 'A'), 'getMe'), 401);
  assert.deepEqual(api.asked.filter(({ token }) => token.endsWith('A')), [], 'the old token went to Telegram');
  await everywhere(cluster, bots, (node, id) => node.call(tokenOf(id, 'B'), 'getMe'), 200);
  for (const id of bots) assert.equal((await cluster.nodes.n1.get(`/v1/bots/${id}`)).phase, 'active');
});

test('whose updates Troupe receives from now on has its webhook set by no client, at any node', limit, async (t) => {
  const { api, cluster, bots } = await known(t, { updates: { mode: 'none' } });
  for (const id of bots) {
    const said = await cluster.nodes.n1.ask('PATCH', `/v1/bots/${id}`, { updates: { mode: 'polling' }, delivery: { mode: 'pull' } });
    assert.equal(said.status, 200, said.text);
  }
  await everywhere(cluster, bots, (node, id) => node.call(tokenOf(id, 'A'), 'getWebhookInfo'), 200);
  await everywhere(cluster, bots, (node, id) => node.call(tokenOf(id, 'A'), 'deleteWebhook', { drop_pending_updates: true }), 200);
  const dropped = api.asked.filter(({ method, body }) => method === 'deleteWebhook' && body.includes('drop_pending_updates":true'));
  assert.deepEqual(dropped, [], 'what waited at Telegram was dropped for a client');
});
