// Dead letters are delivered again while other updates come and go, whoever asks for it how often, and whatever is killed meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cast } from './harness/cast.mjs';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { Tenant } from './harness/tenant.mjs';
import { soon, until } from './harness/wait.mjs';

const perChat = 80; ///< Of four chats: more letters than are delivered again with one commit.

test('dead letters that are replayed among others arrive once each; a kill repeats only what was under way', { timeout: 180_000 }, async (t) => {
  const sandbox = await Sandbox.start({ args: ['--limits=none'] });
  t.after(() => sandbox.stop());
  const options = { ...registered, 'delivery.allow-private-addresses': true, 'node.data-dir': temporaryDirectory() };
  let node = await Node.start(sandbox, { options });
  t.after(() => node.stop());
  const taken = [];
  let refused = /^bad/;
  const tenant = await Tenant.start((incoming, answer, text) => {
    const said = JSON.parse(text).message.text;
    const works = !refused?.test(said);
    if (works) taken.push(said);
    setTimeout(() => answer.writeHead(works ? 200 : 500).end(), 1);
  });
  t.after(() => tenant.stop());
  const cast = await Cast.meet(node, sandbox, { delivery: { mode: 'relay', url: tenant.url, attempts: 1 } });
  const waits = () => node.get(`/v1/bots/${cast.bot.id}/updates`);
  const replay = (what) => node.ask('POST', `/v1/bots/${cast.bot.id}/dead-letters:replay`, what);
  const isDead = (count) => until(`${count} are dead`, async () => {
    const { dead_letters: dead, pending } = await waits();
    if (dead === count && pending === 0) return true;
    throw new Error(`${dead} are dead, ${pending} wait, ${taken.length} were taken`);
  }, { within: 60_000 });
  const said = (word) => cast.said.filter((text) => text.startsWith(word));

  // Between two that are refused one is taken: the receiver is not down, it only refuses these.
  const talk = async (word, count) => {
    for (let n = 0; n < count; ++n) await Promise.all(cast.people.map(async (_, i) => {
      await cast.say(i, `${word} ${i}:${n}`);
      await cast.say(i, `beside ${word} ${i}:${n}`);
    }));
  };
  await talk('bad', perChat);
  await isDead(4 * perChat);
  refused = undefined;
  const talking = cast.talk('more', 30);
  const answers = await Promise.all([replay({ all: true }), replay({ all: true }), replay({ all: true })]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.equal(answers.reduce((sum, { json }) => sum + json.replayed, 0), 4 * perChat);
  await talking;
  await until('all have arrived', () => new Set(taken).size === cast.said.length, { within: 60_000 });
  assert.equal(taken.length, cast.said.length, 'each once');
  for (const { said: all } of cast.people)
    for (const word of ['bad', 'beside', 'more']) {
      const mine = all.filter((text) => text.startsWith(word));
      assert.deepEqual(taken.filter((text) => mine.includes(text)), mine);
    }
  await isDead(0);

  // Killed while they are being replayed: they are what they were, or wait. Asked for again, all arrive.
  refused = /^worse/;
  await talk('worse', 20);
  await isDead(said('worse').length);
  refused = undefined;
  const before = taken.length;
  const asked = replay({ all: true }).catch(() => {});
  await until('the first of them is there', () => taken.length > before, { every: 1 });
  node.program.kill();
  await soon('it is gone', node.program.exited);
  await asked;
  node = await Node.start(sandbox, { options });
  assert.equal((await replay({ all: true })).status, 200);
  await until('all have arrived', () => new Set(taken).size === cast.said.length, { within: 60_000 });
  await isDead(0);
  const repeated = taken.length - cast.said.length;
  t.diagnostic(`${cast.said.length} updates, ${repeated} repeated`);
  assert.ok(repeated <= said('worse').length, `${repeated} repeated`);
});
