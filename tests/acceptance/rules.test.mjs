// Bots without a program: rules from a file in the node's folder, and from a bot's own settings, which
// answer people in the sandbox; changed while the node runs, and kept when it is killed.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { runToEnd } from './harness/program.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { soon, until } from './harness/wait.mjs';

const limit = { timeout: 120_000 };
const folder = temporaryDirectory();
let sandbox;
let node;
let options;

before(async () => {
  sandbox = await Sandbox.start({ args: ['--limits=none'] });
  writeFileSync(join(folder, 'shop.json'), JSON.stringify({
    rate: { per_minute: 8, reply: 'One moment, please.' },
    rules: [
      { on: { command: ['/start', '/help'] }, reply: 'Hello <b>{first_name}</b>, this is {chat_id}.', parse_mode: 'HTML',
        buttons: [[{ text: 'Hours', data: 'info:hours' }], [{ text: 'Buy', data: 'buy:7' }]] },
      { on: { keyword: ['opening hours', 'öffnungszeiten'] }, reply: '9 to 18' },
      { on: { callback: 'info:hours' }, answer: 'Monday to Friday', alert: true },
      { on: { callback: 'buy:*' }, reply: 'You want number {args}.' },
      { on: 'text', chats: 'private', reply: 'Passed on: {text}' },
    ],
  }));
  options = {
    'gateway.unknown-tokens': 'reject', 'rate-governor.global-rps': 0, 'delivery.rules-dir': folder,
    'rate-governor.chat-rps': 0, 'rate-governor.chat-per-20s': 0, 'node.data-dir': temporaryDirectory(),
  };
  node = await Node.start(sandbox, { options });
});
after(async () => { await node?.stop(); await sandbox?.stop(); });

async function stage(rules) {
  const scene = await sandbox.stage();
  const answer = await node.ask('POST', '/v1/bots',
    { token: scene.bot.token, trusted: true, delivery: { mode: 'rules', rules } });
  assert.equal(answer.status, 201, answer.text);
  return scene;
}

const texts = async (scene) => (await sandbox.fromBot(scene.chat)).map(({ text }) => text);
const answers = (scene, count) => until(`${count} answers`, async () => {
  const all = await texts(scene);
  if (all.length >= count) return all;
  throw new Error(JSON.stringify(all));
}, { within: 60_000 });

test('a file\'s rules answer commands, keywords, buttons and everything else', limit, async () => {
  const scene = await stage('shop');
  const say = (text) => sandbox.say(scene.chat, scene.user, text);
  await say('/help');
  const [hello] = await answers(scene, 1);
  assert.match(hello, new RegExp(`Ada.*, this is ${scene.chat.id}\\.`));
  await say('Eure ÖFFNUNGSZEITEN?');
  assert.equal((await answers(scene, 2))[1], '9 to 18');
  const [{ message_id }] = await sandbox.fromBot(scene.chat);
  const { id } = await sandbox.tap(scene.chat, scene.user, message_id, 'info:hours');
  await until('the tap is answered', async () => (await sandbox.callback(id)).answered);
  await sandbox.tap(scene.chat, scene.user, message_id, 'buy:7');
  assert.equal((await answers(scene, 3))[2], 'You want number 7.');
  await say('<anything> & {else}');
  assert.equal((await answers(scene, 4))[3], 'Passed on: <anything> & {else}');
});

test('who floods is told once, then nothing; others are answered', limit, async () => {
  const scene = await stage('shop');
  const other = await sandbox.createUser('Bob');
  const chat = await sandbox.createChat(scene.bot, [other]);
  for (let n = 0; n < 15; ++n) await sandbox.say(scene.chat, scene.user, `flood ${n}`);
  await sandbox.say(chat, other, 'hello');
  await until('the other one is answered', async () => (await sandbox.fromBot(chat)).length === 1, { within: 60_000 });
  await until('nothing waits', async () => (await node.get(`/v1/bots/${scene.bot.id}/updates`)).pending === 0);
  assert.deepEqual(await texts(scene),
    [...Array.from({ length: 8 }, (_, n) => `Passed on: flood ${n}`), 'One moment, please.']);
});

test('rules in a bot\'s settings change at once, and hold after a kill', limit, async () => {
  const own = (word) => [{ on: { command: 'hi' }, reply: `${word} {args}` }];
  const scene = await stage(own('first'));
  await sandbox.say(scene.chat, scene.user, '/hi a');
  assert.deepEqual(await answers(scene, 1), ['first a']);
  const changed = await node.ask('PATCH', `/v1/bots/${scene.bot.id}`, { delivery: { mode: 'rules', rules: own('second') } });
  assert.equal(changed.status, 200, changed.text);
  await sandbox.say(scene.chat, scene.user, '/hi b');
  assert.deepEqual(await answers(scene, 2), ['first a', 'second b']);
  node.program.kill();
  await soon('it is gone', node.program.exited);
  await sandbox.say(scene.chat, scene.user, '/hi c');
  node = await Node.start(sandbox, { options });
  const all = await until('the last one is answered', async () => {
    const now = await texts(scene);
    return now.includes('second c') && now;
  }, { within: 60_000 });
  // That the second was answered was perhaps not on disk yet: then it is answered again.
  assert.deepEqual([...new Set(all)], ['first a', 'second b', 'second c']);
  assert.ok(all.length <= 4, `${all}`);
});

test('what is wrong with rules is said with its place', limit, async () => {
  const bot = await sandbox.createBot();
  const register = (rules) => node.ask('POST', '/v1/bots', { token: bot.token, trusted: true, delivery: { mode: 'rules', rules } });
  const unknown = await register('no-such-file');
  assert.equal(unknown.status, 400, unknown.text);
  assert.match(unknown.text, /no-such-file/);
  const wrong = await register([{ on: { command: 'a' }, reply: '{firstname}' }]);
  assert.equal(wrong.status, 400, wrong.text);
  assert.match(wrong.text, /firstname/);
  const faulty = temporaryDirectory();
  writeFileSync(join(faulty, 'broken.json'), '{"rules": [{"on": "nothing"}]}');
  const config = join(faulty, 'config');
  mkdirSync(config);
  const end = await runToEnd('trouped', [`--config-dir=${config}`, `--delivery.rules-dir=${faulty}`,
    `--node.data-dir=${faulty}`, '--api.port=0', '--gateway.port=0', '--webhook.port=0']);
  assert.equal(end.code, 2, end.output);
  assert.match(end.output, /delivery\.rules-dir.*broken\.json/);
});
