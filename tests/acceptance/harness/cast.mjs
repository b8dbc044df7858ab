import assert from 'node:assert/strict';
import { pause, until } from './wait.mjs';

/// A registered bot and people who each talk to it in a chat of their own; what they said is kept, so
/// that it can be compared with what arrived.
export class Cast {
  /// `settings`: of the registration, beside the token.
  static async meet(node, sandbox, settings = {}, people = 4) {
    const cast = new Cast();
    cast.sandbox = sandbox;
    cast.bot = await sandbox.createBot();
    cast.people = [];
    for (let i = 0; i < people; ++i) {
      const user = await sandbox.createUser(`U${i}`);
      cast.people.push({ user, chat: await sandbox.createChat(cast.bot, [user]), said: [] });
    }
    const answer = await node.ask('POST', '/v1/bots', { token: cast.bot.token, trusted: true, ...settings });
    assert.equal(answer.status, 201, answer.text);
    return cast;
  }

  get said() { return this.people.flatMap(({ said }) => said); }

  /// Each of them says `count` things, all at the same time, with pauses of about `every` milliseconds.
  async talk(word, count, { every = 0, size = 0 } = {}) {
    await Promise.all(this.people.map(async (one, i) => {
      for (let n = 0; n < count; ++n) {
        await this.say(i, `${word} ${i}:${n} ${'x'.repeat(size)}`);
        if (every > 0) await pause(every * (0.5 + Math.random()));
      }
    }));
  }

  async say(i, text) {
    const one = this.people[i];
    await this.sandbox.say(one.chat, one.user, text.trim());
    one.said.push(text.trim());
  }

  async pendingAtTelegram() {
    const { url } = this.sandbox;
    const answer = await fetch(`${url}/bot${this.bot.token}/getWebhookInfo`);
    return (await answer.json()).result.pending_update_count;
  }

  /// Until all that was said has arrived (`texts()` tells what did, in order) and nothing waits on the
  /// way. Then each chat's are in their order: of each the first time it came.
  async heard(node, texts, { within = 100_000 } = {}) {
    await until(`the updates of bot ${this.bot.id} arrive`, () => {
      const got = new Set(texts());
      const missing = this.said.filter((text) => !got.has(text));
      if (missing.length === 0) return true;
      throw new Error(`${missing.length} of ${this.said.length} are missing: ${missing.slice(0, 3).map((x) => x.slice(0, 40))}`);
    }, { within });
    await until('nothing waits at Telegram', async () => (await this.pendingAtTelegram()) === 0, { within });
    await until('nothing waits at the node', async () =>
      (await node().get(`/v1/bots/${this.bot.id}/updates`)).pending === 0, { within });
    const firsts = [...new Set(texts())];
    for (const { said } of this.people) {
      const ours = new Set(said);
      assert.deepEqual(firsts.filter((text) => ours.has(text)), said);
    }
    assert.equal(firsts.length, this.said.length, 'nothing came that nobody said');
  }
}
