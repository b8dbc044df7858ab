import { Program } from './program.mjs';
import { exchangeJson } from './http.mjs';
import { until } from './wait.mjs';

/// The emulated Telegram, and its control routes (POST /sandbox/…).
export class Sandbox {
  /// `tls`: {ca, cert, key} of harness/tls.mjs. `port`: 0 for a free one.
  static async start({ args = [], tls, port = 0 } = {}) {
    const sandbox = new Sandbox();
    sandbox.ca = tls?.caText;
    sandbox.tokens = [];
    sandbox.program = new Program('troupe-sandbox', [
      `--port=${port}`, ...(tls ? [`--tls-cert=${tls.cert}`, `--tls-key=${tls.key}`] : []), ...args]);
    sandbox.url = await sandbox.program.line('prints its URL', (line) =>
      /https?:\/\/[\w.]+:\d+/.exec(line)?.[0]);
    if (tls) sandbox.url = sandbox.url.replace(/^http:/, 'https:');
    sandbox.port = Number(new URL(sandbox.url).port);
    await until('the sandbox answers', () => sandbox.stats());
    return sandbox;
  }

  control(method, path, body) {
    return exchangeJson(`${this.url}/sandbox${path}`, method, body, { ca: this.ca });
  }

  async createBot(fields = {}) {
    const bot = await this.control('POST', '/bots', fields);
    this.tokens.push(bot.token);
    return bot;
  }

  createUser(first_name = 'Ada') { return this.control('POST', '/users', { first_name }); }

  /// {id, bot}: a private chat's id is its user's, so that only both together name it.
  async createChat(bot, users, type = 'private') {
    const { id } = await this.control('POST', '/chats', { type, bot: bot.id, users: users.map((user) => user.id) });
    return { id, bot: bot.id };
  }

  /// A bot with one user in a private chat: what most tests need.
  async stage(type = 'private') {
    const bot = await this.createBot();
    const user = await this.createUser();
    return { bot, user, chat: await this.createChat(bot, [user], type) };
  }

  say(chat, user, text) {
    return this.control('POST', `/chats/${chat.id}/messages`, { bot: chat.bot, user: user.id, text });
  }

  tap(chat, user, message_id, data) {
    return this.control('POST', `/chats/${chat.id}/callbacks`, { bot: chat.bot, user: user.id, message_id, data });
  }

  callback(id) { return this.control('GET', `/callbacks/${id}`); }

  /// What bots wrote into the chat, oldest first.
  async fromBot(chat) {
    const answer = await this.control('GET', `/chats/${chat.id}/messages?from=bot&bot=${chat.bot}`);
    return Array.isArray(answer) ? answer : answer.messages;
  }

  fault(fields) { return this.control('POST', '/faults', fields); }
  clearFaults() { return this.control('DELETE', '/faults'); }
  stats() { return this.control('GET', '/stats'); }
  violations() { return this.control('GET', '/violations'); }

  /// The requests from the `from`-th on, long polls aside, as [bot, microseconds] on the machine's monotonic clock:
  /// {next, arrivals}. Needs --keep-arrivals.
  arrivals(from = 0) { return this.control('GET', `/arrivals?from=${from}`); }

  /// Requests of a method that reached the sandbox, over all bots.
  async requests(method) {
    const { methods } = await this.stats();
    const name = Object.keys(methods).find((key) => key.toLowerCase() === method.toLowerCase());
    return name ? methods[name].requests : 0;
  }

  async stop() { return this.program.stop(); }
}
