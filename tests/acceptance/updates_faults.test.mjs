// What goes wrong between Telegram and a bot's owner while a real node stands between them: kills under
// load, receivers that are away, updates that come twice, out of order, or with ids that begin anew.
// Counted at both ends: nothing is lost, chats keep their order, and only kills make repetitions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cast } from './harness/cast.mjs';
import { freePort, Middleman } from './harness/middleman.mjs';
import { Node, registered, temporaryDirectory } from './harness/node.mjs';
import { Renumbering } from './harness/renumbering.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { Tenant } from './harness/tenant.mjs';
import { pause, soon, until } from './harness/wait.mjs';

const limit = { timeout: 180_000 };
let sandbox;
let node;
let middleman;
let options;

before(async () => {
  sandbox = await Sandbox.start({ args: ['--limits=none'] });
  const port = await freePort();
  middleman = await Middleman.start(port);
  options = {
    ...registered, 'delivery.allow-private-addresses': true,
    'webhook.looks-per-second': 100, 'webhook.port': port, 'webhook.public-url': middleman.url,
    'node.data-dir': temporaryDirectory(),
  };
  node = await Node.start(sandbox, { options });
});
after(async () => {
  await node?.stop();
  await sandbox?.stop();
  middleman?.stop();
});

/// @returns when the next one was about to start: what the one before sent to `tenants` has been read
/// by then, since all its connections are closed
async function restart(...tenants) {
  node.program.kill();
  await soon('it is gone', node.program.exited);
  for (let quiet = 0; quiet < 5; ++quiet) {
    await pause(5);
    if (tenants.some(({ sockets }) => sockets.size > 0)) quiet = 0;
  }
  const at = performance.now();
  node = await Node.start(sandbox, { options });
  await node.logged('bots.restored');
  return at;
}

const relay = (url, more = {}) => ({ delivery: { mode: 'relay', url, ...more } });
const deadLetters = async (bot) => (await node.get(`/v1/bots/${bot.id}/dead-letters`)).dead_letters;
const webhookSet = (bot) => until('Telegram knows the webhook', async () =>
  (await (await fetch(`${sandbox.url}/bot${bot.token}/getWebhookInfo`)).json()).result.url !== '');

test('behind webhooks, killed again and again under load', limit, async (t) => {
  const slow = (incoming, answer) => setTimeout(() => answer.end(), 2 + 10 * Math.random());
  const tenants = await Promise.all([1, 2].map(() => Tenant.start(slow)));
  t.after(() => Promise.all(tenants.map((tenant) => tenant.stop())));
  const casts = [];
  for (const tenant of tenants) casts.push(await Cast.meet(node, sandbox, relay(tenant.url)));
  for (const { bot } of casts) await webhookSet(bot);
  const talking = Promise.all(casts.map((cast) => cast.talk('word', 80, { every: 30 })));
  const restarts = [];
  for (let kill = 0; kill < 6; ++kill) {
    await pause(100 + 400 * Math.random());
    restarts.push(await restart(...tenants));
  }
  await talking;
  let repeated = 0;
  for (const [i, cast] of casts.entries()) {
    await cast.heard(() => node, () => tenants[i].texts);
    const last = new Map();
    for (const { update, at, headers } of tenants[i].seen) {
      const before = last.get(update.update_id);
      last.set(update.update_id, at);
      if (before === undefined) continue;
      ++repeated;
      assert.ok(restarts.some((start) => before <= start && start <= at),
        `update ${update.update_id} came at ${before.toFixed()} and ${at.toFixed()} ms, attempt `
        + `${headers['x-troupe-attempt']}, and no start between: ${restarts.map((start) => start.toFixed())}`);
    }
    assert.equal(last.size, cast.said.length);
    assert.equal((await deadLetters(cast.bot)).length, 0);
  }
  t.diagnostic(`${casts.flatMap((cast) => cast.said).length} updates, ${restarts.length} kills, ${repeated} repeated`);
});

test('a node that is stopped as planned ends what is with receivers first: nothing comes twice', limit, async (t) => {
  const slow = (incoming, answer) => setTimeout(() => answer.end(), 1000);
  const tenant = await Tenant.start(slow);
  t.after(() => tenant.stop());
  const cast = await Cast.meet(node, sandbox, relay(tenant.url));
  await cast.talk('planned', 3);
  await until('the first are with the receiver', () => tenant.seen.length >= 2);
  await node.stop();
  assert.ok(tenant.seen.length < cast.said.length);
  node = await Node.start(sandbox, { options });
  await cast.heard(() => node, () => tenant.texts);
  assert.equal(tenant.seen.length, cast.said.length);
});

describe('a receiver', () => {
  test('that is away for long gets all of it, in order and once; others notice nothing', limit, async (t) => {
    const gone = await Tenant.start();
    await gone.stop();
    const fine = await Tenant.start();
    t.after(() => fine.stop());
    const patient = await Cast.meet(node, sandbox, relay(`http://127.0.0.1:${gone.port}/hook`, { attempts: 1 }));
    const other = await Cast.meet(node, sandbox, relay(fine.url));
    await patient.talk('early', 5);
    await node.logged('delivery.failing', (x) => x.bot === patient.bot.id);
    const delays = [];
    for (let n = 0; n < 40; ++n) { // Some seconds, in which it is tried again and again.
      const at = performance.now();
      await other.say(n % 4, `other ${n}`);
      await patient.say(n % 4, `late ${n}`);
      await until('the other one has it', () => fine.texts.includes(`other ${n}`), { every: 5 });
      delays.push(performance.now() - at);
      await pause(100);
    }
    const shown = await node.get(`/v1/bots/${patient.bot.id}/updates`);
    assert.equal(shown.pending, patient.said.length);
    assert.equal((await deadLetters(patient.bot)).length, 0, 'who cannot be reached has not failed');
    const back = await Tenant.start(Tenant.ok, { port: gone.port });
    t.after(() => back.stop());
    await patient.heard(() => node, () => back.texts);
    await other.heard(() => node, () => fine.texts);
    assert.equal(back.seen.length, patient.said.length);
    assert.equal(fine.seen.length, other.said.length);
    await node.logged('delivery.recovered', (x) => x.bot === patient.bot.id);
    delays.sort((a, b) => a - b);
    t.diagnostic(`the other's updates took ${delays[20].toFixed()} ms, at most ${delays.at(-1).toFixed()} ms`);
  });

  test('that refuses for long finds the rest in its dead letters', limit, async (t) => {
    const taken = [];
    let works = false;
    const tenant = await Tenant.start((incoming, answer, text) => {
      if (works) taken.push(JSON.parse(text).message.text);
      answer.writeHead(works ? 200 : 500).end();
    });
    t.after(() => tenant.stop());
    const cast = await Cast.meet(node, sandbox, relay(tenant.url, { attempts: 2 }));
    await cast.talk('hello', 10);
    const dead = await until('some are dead', async () => {
      const found = await deadLetters(cast.bot);
      return found.length >= 3 && found;
    }, { within: 60_000 });
    for (const letter of dead) {
      assert.match(letter.reason, /answered 500/);
      assert.equal(letter.attempts, 2);
    }
    // What waits and what is dead is all that was said, wherever it is.
    const { pending } = await node.get(`/v1/bots/${cast.bot.id}/updates`);
    assert.ok(pending > 0 && pending < cast.said.length, `${pending} wait`);
    await restart(); // Both are on disk.
    works = true;
    await until('the rest arrives', async () =>
      taken.length + (await deadLetters(cast.bot)).length === cast.said.length, { within: 60_000 });
    const letters = (await deadLetters(cast.bot)).map(({ update }) => update.message.text);
    const lost = cast.said.filter((text) => !taken.includes(text) && !letters.includes(text));
    assert.deepEqual(lost, []);
    const inOrder = (texts) => {
      for (const { said } of cast.people)
        assert.deepEqual(texts.filter((text) => said.includes(text)), said.filter((text) => texts.includes(text)));
    };
    inOrder(taken);
    const before = taken.length;
    const replay = await node.ask('POST', `/v1/bots/${cast.bot.id}/dead-letters:replay`, { all: true });
    assert.equal(replay.json.replayed, letters.length, replay.text);
    await until('they arrive, too', () => taken.length === cast.said.length, { within: 30_000 });
    inOrder(taken.slice(before));
    assert.equal(new Set(taken).size, cast.said.length);
    assert.equal((await deadLetters(cast.bot)).length, 0);
  });
});

describe('update ids', () => {
  const message = (cast, update_id, text) => {
    const { chat, user } = cast.people[0];
    return { update_id, message: { message_id: update_id % 1000, date: 1_700_000_000, text,
      chat: { id: chat.id, type: 'private', first_name: 'U0' },
      from: { id: user.id, is_bot: false, first_name: 'U0' } } };
  };
  /// The bot's secret is known once Telegram has sent something.
  const meet = async (settings) => {
    const cast = await Cast.meet(node, sandbox, settings, 1);
    await webhookSet(cast.bot);
    await cast.say(0, 'first');
    await until('it came by', () => middleman.secrets[`/webhook/${cast.bot.id}`]);
    return cast;
  };

  test('that come twice and out of order are delivered once each, also over a kill', limit, async (t) => {
    const tenant = await Tenant.start();
    t.after(() => tenant.stop());
    const cast = await meet(relay(tenant.url));
    await cast.heard(() => node, () => tenant.texts);
    const base = tenant.seen[0].update.update_id + 10;
    const post = async (...ids) => {
      for (const id of ids)
        assert.equal(await middleman.post(cast.bot, message(cast, base + id, `id ${id}`)), 200);
    };
    await post(5, 3, 4, 3, 5, 1);
    await Promise.all([post(7), post(7), post(7), post(6), post(6)]);
    await until('all came', () => tenant.texts.length === 1 + 6);
    await restart();
    await post(5, 8, 3, 7, 2, 4);
    await until('the new ones came', () => tenant.texts.length === 1 + 8);
    // Nothing waits, so nothing is under way that would still show a repetition.
    await until('nothing waits', async () => (await node.get(`/v1/bots/${cast.bot.id}/updates`)).pending === 0);
    const seen = tenant.seen.slice(1).map(({ update }) => update.update_id - base);
    assert.deepEqual(seen.slice(0, 4), [5, 3, 4, 1]);
    assert.deepEqual(seen.slice(4, 6).sort(), [6, 7]);
    assert.deepEqual(seen.slice(6).filter((id) => id === 8 || id === 2), [8, 2]);
    // Those of before the kill whose end was not on disk yet come again: ends are written some at a
    // time, so it may be the last two, once each. All others came once.
    const times = (id) => seen.filter((one) => one === id).length;
    for (const id of [1, 2, 3, 4, 5, 8]) assert.equal(times(id), 1, `${seen}`);
    for (const id of [6, 7]) assert.ok(times(id) <= 2, `${seen}`);
  });

  test('that begin anew, lower, are delivered by relay', limit, async (t) => {
    const tenant = await Tenant.start();
    t.after(() => tenant.stop());
    const cast = await meet(relay(tenant.url));
    const post = async (id) =>
      assert.equal(await middleman.post(cast.bot, message(cast, id, `id ${id}`)), 200);
    for (const id of [900_000_001, 900_000_002, 900_000_003, 17, 18, 19]) await post(id);
    await until('all came', () => tenant.texts.length === 7);
    await restart();
    for (const id of [18, 20, 900_000_002, 21]) await post(id);
    await until('all came', () => tenant.texts.length === 9);
    assert.deepEqual(tenant.texts.slice(1),
      [900_000_001, 900_000_002, 900_000_003, 17, 18, 19, 20, 21].map((id) => `id ${id}`));
  });

  test('that begin anew, lower, reach a client that pulls', limit, async () => {
    const cast = await meet({});
    const seen = [];
    let offset = 0;
    const pull = async (count) => until(`${count} were pulled`, async () => {
      const answer = await node.call(cast.bot.token, 'getUpdates', { offset, timeout: 1 });
      assert.equal(answer.status, 200, answer.text);
      for (const update of answer.json.result) {
        offset = update.update_id + 1;
        seen.push(update.message.text);
      }
      return seen.length >= count;
    });
    await pull(1);
    const post = async (id) =>
      assert.equal(await middleman.post(cast.bot, message(cast, id, `id ${id}`)), 200);
    for (const id of [900_000_001, 900_000_002]) await post(id);
    await pull(3);
    await pull(3); // Confirms.
    for (const id of [17, 18]) await post(id);
    await pull(5);
    for (const id of [19, 20]) await post(id);
    await pull(7);
    const last = await node.call(cast.bot.token, 'getUpdates', { offset, timeout: 0 });
    assert.deepEqual(last.json.result, []);
    assert.deepEqual(seen, ['first', ...[900_000_001, 900_000_002, 17, 18, 19, 20].map((id) => `id ${id}`)]);
  });

  test('that begin anew, lower, are polled', limit, async (t) => {
    const upstream = await Renumbering.start(sandbox);
    t.after(() => upstream.stop());
    const tenant = await Tenant.start();
    t.after(() => tenant.stop());
    const polling = await Node.start(upstream, { options: { ...options, 'webhook.port': 0,
      'webhook.public-url': undefined, 'node.data-dir': temporaryDirectory() } });
    t.after(() => polling.stop());
    const cast = await Cast.meet(polling, sandbox, relay(tenant.url));
    await cast.talk('high', 5);
    await cast.heard(() => polling, () => tenant.texts);
    upstream.shift = 50_000_000; // All that was is confirmed: Telegram may choose ids anew.
    await cast.talk('low', 5);
    await cast.heard(() => polling, () => tenant.texts);
    assert.equal(tenant.seen.length, cast.said.length, 'each came once');
    const ids = tenant.seen.map(({ update }) => update.update_id);
    assert.ok(Math.max(...ids.slice(20)) < Math.min(...ids.slice(0, 20)));
  });
});
