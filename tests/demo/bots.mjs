import { Bot, InlineKeyboard, InputFile } from 'grammy';
import { noisePng } from '../acceptance/harness/png.mjs';

/// The bots of the demo, written as for api.telegram.org: only `apiRoot` differs.

function echo(bot) {
  bot.on('message:text', (context) => context.reply(`You said: ${context.message.text}`));
}

function menu(bot) {
  const dishes = ['Soup', 'Pasta', 'Cake'];
  const keyboard = InlineKeyboard.from([dishes.map((dish) => InlineKeyboard.text(dish, dish))]);
  bot.on('message:text', (context) => context.reply('What would you like?', { reply_markup: keyboard }));
  bot.on('callback_query:data', async (context) => {
    await context.answerCallbackQuery({ text: 'Coming' });
    await context.editMessageText(`One ${context.callbackQuery.data}, please.`);
  });
}

function quiz(bot) {
  const waiting = new Map(); // Chat id → the right answer.
  bot.on('message:text', (context) => {
    const right = waiting.get(context.chat.id);
    const [a, b] = [2 + Math.floor(Math.random() * 8), 2 + Math.floor(Math.random() * 8)];
    waiting.set(context.chat.id, String(a * b));
    const verdict = right === undefined ? '' : context.message.text === right ? 'Right! ' : `No, ${right}. `;
    return context.reply(`${verdict}What is ${a} × ${b}?`);
  });
}

function photo(bot) {
  bot.on('message:text', (context) =>
    context.replyWithPhoto(new InputFile(noisePng(160, 120), 'noise.png'), { caption: context.message.text }));
}

function news(bot) {
  bot.on('message:text', (context) => context.reply('Subscribed.'));
}

export const programs = { echo, menu, quiz, photo, news };

/// Starts one of them; resolves once it polls. `failed` hears what goes wrong in its handlers.
export async function startBot(kind, token, apiRoot, failed) {
  const bot = new Bot(token, { client: { apiRoot } });
  programs[kind](bot);
  bot.catch((failure) => failed(failure.error));
  let ended;
  await new Promise((resolve, reject) => {
    ended = bot.start({ onStart: resolve });
    ended.catch(reject);
  });
  return {
    api: bot.api,
    stop: async () => {
      await bot.stop().catch(() => {});
      await ended.catch(() => {});
    },
  };
}
