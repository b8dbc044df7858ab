import assert from 'node:assert/strict';

/// For a node that takes no more of each.
export const bounds = { 'store.max-users': 2, 'store.max-keys': 3, 'store.max-virtual-tokens': 2 };

/// A tenant's admin makes as many users, keys and virtual tokens as there may be, and no more; what is gone
/// makes room. `register(fields, access)`: registers a bot, gives its id.
export async function meetBounds(node, register) {
  const tenant = (await node.ask('POST', '/v1/tenants', { name: 'Bounded' })).json;
  const at = `/v1/tenants/${tenant.id}`;
  const { key } = (await node.ask('POST', `${at}/keys`, { name: 'admin', role: 'admin' })).json;
  const id = await register({}, { key });
  assert.equal((await node.ask('POST', `/v1/bots/${id}:activate`, { trusted: true })).status, 200);
  for (const [path, code, room] of [[`${at}/users`, 'user_limit', 2], [`${at}/keys`, 'key_limit', 2], [`/v1/bots/${id}/tokens`, 'token_limit', 2]]) {
    const make = (n) => node.ask('POST', path, { name: `number ${n}` }, { key });
    const made = [];
    for (let n = 0; n < room; ++n) {
      made.push(await make(n));
      assert.equal(made.at(-1).status, 201, made.at(-1).text);
    }
    const refused = await make(room);
    assert.equal(refused.status, 409, refused.text);
    assert.equal(refused.json.code, code);
    const removed = await node.ask('DELETE', `${path}/${made[0].json.id}`, undefined, { key });
    assert.equal(removed.status, 204, removed.text);
    assert.equal((await make(room)).status, 201);
    assert.equal((await make(room + 1)).status, 409);
  }
  const { entries } = (await node.ask('GET', '/v1/audit?limit=100', undefined, { key })).json;
  assert.ok(entries.some((entry) => entry.action === 'user.add' && entry.outcome === 'too_many'), JSON.stringify(entries));
  for (let n = 0; n < 4; ++n) // Operators are trusted.
    assert.equal((await node.ask('POST', '/v1/keys', { name: `operator ${n}` })).status, 201);
}
