// Ten times what the budgets admit, at a real node: every call is answered once, with 200 or with a 429
// that says when to come back; Telegram sees no more than the budget; nothing is left behind. How fast
// refusals are, and what admitted calls feel of it, `make bench` measures.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Node } from './harness/node.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { pause } from './harness/wait.mjs';

const limit = { timeout: 120_000 };

/// Calls that are sent when they are due, whatever became of those before.
class Crowd {
  constructor(node) {
    this.node = node;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 400 });
    this.sent = 0;
  }

  call(token, deadline, method = 'getMe') {
    ++this.sent;
    return new Promise((resolve, reject) => {
      http.get(`${this.node.root}/bot${token}/${method}`, { agent: this.agent, headers: deadline ? { 'x-troupe-deadline': deadline } : {} }, (answer) => {
        let text = '';
        answer.on('data', (part) => { text += part; }).on('error', reject).on('end', () => {
          try {
            resolve({ status: answer.statusCode, retryAfter: Number(answer.headers['retry-after']), json: JSON.parse(text) });
          } catch (error) {
            reject(error);
          }
        });
      }).on('error', reject);
    });
  }

  /// `rate` calls a second for so many seconds, by these bots in turn.
  async run(bots, rate, seconds, deadline) {
    const answers = [];
    const begin = performance.now();
    for (let i = 0; i < rate * seconds;) {
      const due = Math.min(rate * seconds, Math.ceil((performance.now() - begin) * rate / 1000));
      for (; i < due; ++i) answers.push(this.call(bots[i % bots.length].token, deadline));
      await pause(5);
    }
    return Promise.all(answers);
  }

  end() { this.agent.destroy(); }
}

const count = (answers, status) => answers.filter((one) => one.status === status).length;

/// Each refusal says the same twice, in the Bot API's way.
function assertTold(answers) {
  for (const { status, retryAfter, json } of answers.filter((one) => one.status !== 200)) {
    assert.equal(status, 429, JSON.stringify(json));
    assert.ok(retryAfter >= 1);
    assert.equal(json.parameters.retry_after, retryAfter);
  }
}

describe('at ten times its budget, a node', () => {
  const rps = 40;
  let sandbox;
  let node;
  let bots;
  let descriptors;
  before(async () => {
    sandbox = await Sandbox.start({ args: ['--limits=none', `--global-rps=${rps}`] });
    node = await Node.start(sandbox, { options: { 'gateway.unknown-tokens': 'reject', 'api.creations-per-minute': 1000,
      'rate-governor.global-rps': rps, 'gateway.threads': 1 } });
    bots = [];
    for (const name of ['calm', 'loud']) {
      const { id } = (await node.ask('POST', '/v1/tenants', { name })).json;
      for (let i = 0; i < 4; ++i) {
        const bot = await sandbox.createBot();
        const made = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true, tenant: id, updates: { mode: 'none' } });
        assert.equal(made.status, 201, made.text);
        bots.push(bot);
      }
    }
    await node.call(bots[0].token, 'getMe');
    descriptors = node.program.descriptors();
  });
  after(async () => {
    await node?.stop();
    await sandbox?.stop();
  });

  test('answers every call once, passes on what the budget allows, and refuses the rest', limit, async () => {
    const crowd = new Crowd(node);
    const before = await sandbox.requests('getMe');
    const budgets = await node.get('/v1/budgets');
    const resident = node.program.resident();
    const answers = await crowd.run(bots, 10 * rps, 5, '1s');
    const [admitted, refused] = [count(answers, 200), count(answers, 429)];
    assert.equal(answers.length, crowd.sent);
    assert.equal(admitted + refused, crowd.sent);
    assertTold(answers);
    assert.ok(admitted >= 5 * rps, `${admitted} were admitted`);
    assert.equal(await sandbox.requests('getMe') - before, admitted);
    const now = await node.get('/v1/budgets');
    assert.equal(now.granted_total - budgets.granted_total, admitted);
    assert.equal((await sandbox.violations()).limits.global.violations, 0);
    const most = answers.reduce((largest, { retryAfter }) => Math.max(largest, retryAfter || 0), 0);
    assert.ok(most <= 3, `somebody was sent away for ${most} s`);
    crowd.end();
    await node.quiet(descriptors);
    const grown = node.program.resident() - resident;
    assert.ok(grown < 48 * 1024, `it grew by ${grown} KiB`);
  });

  test('lets those in who come back when they were told to', limit, async () => {
    const crowd = new Crowd(node);
    const burst = await Promise.all(bots.flatMap(({ token }) => Array.from({ length: 40 }, () => crowd.call(token, '500ms')
      .then((answer) => ({ ...answer, token })))));
    const refused = burst.filter(({ status }) => status !== 200);
    assertTold(burst);
    assert.ok(refused.length > 0);
    const { token, retryAfter } = refused.at(-1);
    await pause(retryAfter * 1000); // What is tested is this time.
    assert.equal((await crowd.call(token, '500ms')).status, 200);
    crowd.end();
    await node.quiet(descriptors);
  });

  test('refuses a calm tenant nothing while another one floods it', limit, async () => {
    const crowd = new Crowd(node);
    const [calm, loud] = await Promise.all([crowd.run(bots.slice(0, 4), rps / 4, 5, '3s'), crowd.run(bots.slice(4), 10 * rps, 5, '1s')]);
    assert.equal(count(calm, 200), calm.length, JSON.stringify(calm.find(({ status }) => status !== 200)));
    assertTold(loud);
    assert.ok(count(loud, 200) >= 2 * rps);
    crowd.end();
    await node.quiet(descriptors);
  });

  test('tells who finds a bot\'s queue full how long its budget takes', limit, async () => {
    const crowd = new Crowd(node);
    await node.quiet();
    // A queue of 100 behind 30 requests a second, which those before may have used up.
    const burst = await Promise.all(Array.from({ length: 300 }, () => crowd.call(bots[0].token)));
    const refused = burst.filter(({ status }) => status !== 200);
    assertTold(burst);
    assert.ok(refused.length >= 100 && refused.length <= 200, `${refused.length} were refused`);
    assert.ok(refused.every(({ retryAfter }) => retryAfter >= 2 && retryAfter <= 5), JSON.stringify(refused.map(({ retryAfter }) => retryAfter)));
    crowd.end();
    await node.quiet(descriptors);
  });
});
