// A receiver to which nothing would be delivered is refused when it is set; the switch changes live.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Node, registered } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { until } from './harness/wait.mjs';

test('URLs that delivery would refuse are refused when they are set, but for development', { timeout: 60_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const node = await Node.start(sandbox, { options: registered });
  t.after(() => node.stop());
  const bot = await sandbox.createBot();
  const relayTo = (url) => ({ updates: { mode: 'polling' }, delivery: { mode: 'relay', url } });
  const register = (url) => node.ask('POST', '/v1/bots', { token: bot.token, trusted: true, ...relayTo(url) });
  const change = (url) => node.ask('PATCH', `/v1/bots/${bot.id}`, { delivery: relayTo(url).delivery });
  const byGateway = (url) => node.call(bot.token, 'setWebhook', { url });
  const forbidden = { 'http://example.org/hook': /must begin with https/, 'https://127.0.0.1/hook': /loopback/,
    'https://169.254.169.254/latest': /may not be used/, 'https://10.0.0.7:8443/': /private/, 'https://[::1]/': /loopback/,
    'https://localhost/hook': /loopback/, 'https://example.org:0/': /no valid port/, 'https://example.org:70000/': /no valid port/ };

  for (const [url, said] of Object.entries(forbidden)) {
    const refused = await register(url);
    assert.equal(refused.status, 400, `${url}: ${refused.text}`);
    assert.equal(refused.json.code, 'invalid_field');
    assert.equal(refused.json.field, 'delivery.url');
    assert.match(refused.json.detail, said);
  }
  assert.equal((await register('https://no-such-name.invalid/hook')).status, 201); // Who knows what it leads to later.
  const isRefused = async () => {
    for (const [url, said] of Object.entries(forbidden)) {
      const patched = await change(url);
      assert.equal(patched.status, 400, `${url}: ${patched.text}`);
      assert.match(patched.json.detail, said);
      const set = await byGateway(url);
      assert.equal(set.status, 400, `${url}: ${set.text}`);
      assert.match(set.json.description, /^Bad Request: bad webhook: delivery\.url: /);
      assert.match(set.json.description, said);
    }
  };
  await isRefused();
  assert.equal((await node.ask('GET', `/v1/bots/${bot.id}`)).json.delivery.url, 'https://no-such-name.invalid/hook');

  const allow = async (allowed) => {
    const before = node.events('config.reloaded').length;
    writeFileSync(join(node.dir, 'config', 'delivery.conf'), `delivery { allow-private-addresses = ${allowed} }\n`);
    node.program.child.kill('SIGHUP');
    await until('the settings are read', () => node.events('config.reloaded').length > before);
  };
  await allow(true);
  assert.equal((await change('http://127.0.0.1:9/hook')).status, 200);
  assert.equal((await byGateway('https://localhost/hook')).status, 200);
  await allow(false);
  await isRefused();
  assert.equal((await node.ask('PATCH', `/v1/bots/${bot.id}`, { name: 'other' })).status, 200); // Delivery judges what is there.

  // A name is looked up when something is delivered: its owner is told then, and the update waits.
  await node.ask('PATCH', `/v1/bots/${bot.id}`, { updates: { mode: 'polling' } });
  const user = await sandbox.createUser();
  await sandbox.say(await sandbox.createChat(bot, [user]), user, 'hello');
  const info = async () => (await node.call(bot.token, 'getWebhookInfo')).json.result;
  await until('who set it is told', async () => /may not be used \(loopback\)/.test((await info()).last_error_message));
  assert.equal((await info()).pending_update_count, 1);
  await byGateway('');
  const polled = await node.call(bot.token, 'getUpdates', { timeout: 10 });
  assert.deepEqual(polled.json.result.map(({ message }) => message.text), ['hello']);
});
