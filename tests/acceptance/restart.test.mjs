// What a node may not know after a crash it must treat as used up.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon } from './harness/wait.mjs';

const limit = { timeout: 60_000 };

describe('a node that was killed', () => {
  let sandbox;
  let bot;
  before(async () => {
    sandbox = await Sandbox.start();
    bot = await sandbox.createBot();
  });
  after(async () => { await sandbox?.stop(); });

  const toGroup = (node) => node.call(bot.token, 'sendMessage', { chat_id: -100200300, text: 'hello' },
    { headers: { 'X-Troupe-Deadline': '1s' } });

  test('treats the last minute of its groups as full when it comes back', limit, async () => {
    const options = { 'node.data-dir': temporaryDirectory() };
    const first = await Node.start(sandbox, { options });
    assert.notEqual((await toGroup(first)).status, 429); // A first start has no past.
    first.program.kill();
    await soon('it is gone', first.program.exited);
    const second = await Node.start(sandbox, { options });
    try {
      const refused = await toGroup(second);
      assert.equal(refused.status, 429, refused.text);
      const wait = refused.json.parameters.retry_after;
      assert.ok(wait > 40 && wait <= 61, `retry_after ${wait}`);
      assert.equal((await second.call(bot.token, 'getMe')).status, 200);
    } finally {
      await second.stop();
    }
  });
});
