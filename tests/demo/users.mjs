import { until } from '../acceptance/harness/wait.mjs';
import { chat as show } from './screen.mjs';

const names = ['Ada', 'Grace', 'Linus', 'Margaret', 'Dennis', 'Barbara'];
const phrases = ['hello', 'how are you?', 'what can you do?', 'again, please', 'thank you', '42', '7', 'good night'];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

/// Simulated users, each with a private chat with every bot; they write and tap now and then.
export class Users {
  constructor(sandbox) {
    this.sandbox = sandbox;
    this.chats = []; // {user, name, bot, kind, chat, read}
    this.answers = 0;
  }

  async meet(bots) {
    for (const name of names) {
      const user = await this.sandbox.createUser(name);
      for (const bot of bots) {
        const chat = await this.sandbox.createChat(bot, [user]);
        this.chats.push({ user, name, bot, kind: bot.kind, chat, read: 0 });
      }
    }
  }

  all(kind) { return this.chats.filter((entry) => entry.kind === kind); }
  of(kind) { return this.all(kind)[0]; }

  /// Writes into a chat.
  async write(entry, text) {
    show(entry.name, entry.bot.kind, text);
    await this.sandbox.say(entry.chat, entry.user, text);
  }

  /// Reads what the bot wrote since the last look; shows it unless `quiet`.
  async read(entry, quiet = false) {
    const messages = await this.sandbox.fromBot(entry.chat);
    const fresh = messages.slice(entry.read);
    entry.read = messages.length;
    this.answers += fresh.length;
    if (!quiet)
      for (const message of fresh)
        show(entry.bot.kind, entry.name, message.text ?? `[photo] ${message.caption ?? ''}`);
    return fresh;
  }

  /// One small thing that a user does: writes, waits a moment for the answer, taps a button if it has some.
  async act() {
    const entry = pick(this.chats.filter((one) => one.kind !== 'news'));
    await this.read(entry);
    await this.write(entry, pick(phrases));
    const fresh = await until('an answer', async () => {
      const heard = await this.read(entry);
      return heard.length > 0 && heard;
    }, { within: 1500, every: 50 }).catch(() => []);
    const menu = fresh.find((message) => message.reply_markup?.inline_keyboard);
    if (!menu) return;
    const button = pick(menu.reply_markup.inline_keyboard.flat());
    show(entry.name, entry.bot.kind, `[taps ${button.text}]`);
    await this.sandbox.tap(entry.chat, entry.user, menu.message_id, button.callback_data);
  }
}
