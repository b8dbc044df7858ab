import { request } from '../acceptance/harness/http.mjs';
import { until } from '../acceptance/harness/wait.mjs';
import { good, tell } from './screen.mjs';

/// The acts of the demo. Each makes something go wrong and waits until the node has dealt with it.
export class Story {
  /// `stage`: {sandbox, users, bots, gateway (URL), events (what the node logged so far)}.
  constructor(stage) {
    Object.assign(this, stage);
  }

  bot(kind) { return this.bots.find((bot) => bot.kind === kind); }

  /// Waits for an event about `bot` that was logged after the first `since` ones.
  event(name, bot, since, within = 20_000) {
    return until(`${name} of bot ${bot.id}`, () => this.events.slice(since).find((event) =>
      event.event === name && (event.bot === undefined || Number(event.bot) === Number(bot.id))), { within });
  }

  /// One call through the gateway: {status, json, took (ms)}.
  async call(bot, method, fields = {}, headers = {}) {
    const started = performance.now();
    const answer = await request(`${this.gateway}/bot${bot.token}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(fields),
    });
    return { status: answer.status, json: answer.json, took: Math.round(performance.now() - started) };
  }

  async crash() {
    const bot = this.bot('quiz');
    const entry = this.users.of('quiz');
    tell('Act 1. The quiz bot crashes. Its supervisor notices, starts it anew, takes back what it held.');
    const since = this.events.length;
    await this.call(bot, 'getMe', {}, { 'x-troupe-crash': 'bot' }).catch(() => {});
    await this.event('child.crashed', bot, since);
    await this.event('child.restarted', bot, since);
    const { status, took } = await this.call(bot, 'getMe');
    if (status !== 200) throw new Error(`the quiz bot answers ${status} after its crash`);
    good(`its next call was answered in ${took} ms; no other bot noticed`);
    await this.users.read(entry, true);
    await this.users.write(entry, 'are you back?');
    await until('the quiz bot talks again', async () => (await this.users.read(entry)).length > 0);
    good('and it talks to its users again');
  }

  async breaker() {
    const bot = this.bot('menu');
    const entry = this.users.of('menu');
    const other = this.users.of('echo');
    tell('Act 2. Telegram fails for the menu bot. After five failures in a row its breaker opens.');
    const since = this.events.length;
    const send = () => this.call(bot, 'sendMessage', { chat_id: entry.chat.id, text: 'Specials?' });
    await this.sandbox.fault({ bot: bot.id, kind: 'status', error_code: 500 });
    await until('five failures', async () => {
      await send();
      return this.events.slice(since).some((event) => event.event === 'breaker.opened');
    });
    await this.event('breaker.opened', bot, since);
    const refused = await send();
    if (refused.status !== 503) throw new Error(`the open breaker answers ${refused.status}`);
    good(`refused in ${refused.took} ms without asking Telegram: ${refused.json.description}`);
    await this.users.read(other, true);
    await this.users.write(other, 'is it only the menu bot?');
    await until('the echo bot answers', async () => (await this.users.read(other)).length > 0);
    good('the other bots go on');
    await this.sandbox.clearFaults();
    tell('Telegram is well again. Probes go through one at a time; two successes close the breaker.');
    await until('the breaker closes', async () => {
      await this.call(bot, 'getMe');
      return this.events.slice(since).some((event) => event.event === 'breaker.closed');
    }, { within: 30_000, every: 500 });
    await this.event('breaker.closed', bot, since);
    good('closed');
  }

  async budget() {
    const bot = this.bot('news');
    const entry = this.users.of('news');
    const other = this.users.all('news').at(-1);
    tell('Act 3. The news bot sends eight messages at once to one user, and Telegram answers "retry after 3".');
    const since = this.events.length;
    const started = performance.now();
    const send = (one, text) => this.call(bot, 'sendMessage', { chat_id: one.chat.id, text });
    await this.sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'flood', retry_after: 3, count: 1 });
    const burst = Array.from({ length: 8 }, (_, index) => send(entry, `Headline ${index + 1}`));
    await this.event('budget.held', bot, since);
    const aside = await send(other, 'Good morning');
    if (aside.status === 200 && aside.took < 1000)
      good(`only that chat is held: ${other.name}'s message took ${aside.took} ms`);
    const refused = (await Promise.all(burst)).filter((answer) => answer.status !== 200);
    if (refused.length) throw new Error(`${refused.length} headlines were refused: ${refused[0].json.description}`);
    const { limits } = await this.sandbox.violations();
    good(`all eight arrived after ${((performance.now() - started) / 1000).toFixed(1)} s, three a second; `
      + `limits broken: ${limits.chat.violations}`);
    await this.users.read(entry, true);
  }

  /// Needs a node that is older than a minute: a new one treats the group's last minute as used up.
  async group() {
    const bot = this.bot('news');
    const users = [...new Set(this.users.chats.map((entry) => entry.user))];
    const chat = await this.sandbox.createChat(bot, users, 'group');
    tell('Act 4. It sends 25 messages to one group: twenty a minute may go, the rest learns how long to wait.');
    const answers = await Promise.all(Array.from({ length: 25 }, (_, index) =>
      this.call(bot, 'sendMessage', { chat_id: chat.id, text: `Bulletin ${index + 1}` })));
    const sent = answers.filter((answer) => answer.status === 200).length;
    const refused = answers.find((answer) => answer.status === 429);
    good(`${sent} sent${refused ? `, the others refused at once: ${refused.json.description}` : ''}`);
  }
}
