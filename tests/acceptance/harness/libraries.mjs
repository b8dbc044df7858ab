/// One adapter per client library: the same few verbs, each said the way that library's users say it.
import { Bot as GrammyBot, InlineKeyboard, InputFile } from 'grammy';
import { Markup, Telegraf } from 'telegraf';
import { callbackQuery, message } from 'telegraf/filters';

export const grammy = {
  name: 'grammY',
  create(token, root) {
    const bot = new GrammyBot(token, { client: { apiRoot: root } });
    bot.catch(() => {});
    let ended;
    return {
      getMe: () => bot.api.getMe(),
      send: (chat, text, extra) => bot.api.sendMessage(chat, text, extra),
      photo: (chat, bytes, caption) => bot.api.sendPhoto(chat, new InputFile(bytes, 'noise.png'), { caption }),
      document: (chat, path) => bot.api.sendDocument(chat, new InputFile(path)),
      edit: (chat, id, text) => bot.api.editMessageText(chat, id, text),
      remove: (chat, id) => bot.api.deleteMessage(chat, id),
      fileUrl: async (id) => `${root}/file/bot${token}/${(await bot.api.getFile(id)).file_path}`,
      raw: (method, payload) => bot.api.raw[method](payload),
      keyboard: (label, data) => ({ reply_markup: new InlineKeyboard().text(label, data) }),
      onText: (reply) => bot.on('message:text', (context) => context.reply(reply(context.message.text))),
      onTap: (text) => bot.on('callback_query:data', (context) => context.answerCallbackQuery({ text })),
      failure: (error) => ({ code: error.error_code, text: error.description, parameters: error.parameters }),
      run: () => new Promise((resolve, reject) => {
        ended = bot.start({ onStart: resolve });
        ended.catch(reject);
      }),
      stop: async () => {
        await bot.stop();
        await ended;
      },
    };
  },
};

export const telegraf = {
  name: 'Telegraf',
  create(token, root) {
    const bot = new Telegraf(token, { telegram: { apiRoot: root } });
    bot.catch(() => {});
    let ended;
    return {
      getMe: () => bot.telegram.getMe(),
      send: (chat, text, extra) => bot.telegram.sendMessage(chat, text, extra),
      photo: (chat, bytes, caption) => bot.telegram.sendPhoto(chat, { source: bytes, filename: 'noise.png' }, { caption }),
      document: (chat, path) => bot.telegram.sendDocument(chat, { source: path }),
      edit: (chat, id, text) => bot.telegram.editMessageText(chat, id, undefined, text),
      remove: (chat, id) => bot.telegram.deleteMessage(chat, id),
      fileUrl: async (id) => String(await bot.telegram.getFileLink(id)),
      raw: (method, payload) => bot.telegram.callApi(method, payload),
      keyboard: (label, data) => Markup.inlineKeyboard([Markup.button.callback(label, data)]),
      onText: (reply) => bot.on(message('text'), (context) => context.reply(reply(context.message.text))),
      onTap: (text) => bot.on(callbackQuery('data'), (context) => context.answerCbQuery(text)),
      failure: (error) => ({ code: error.code, text: error.description, parameters: error.parameters }),
      run: () => new Promise((resolve, reject) => {
        ended = bot.launch(resolve);
        ended.catch(reject);
      }),
      stop: async () => {
        bot.stop('end of test');
        await ended;
      },
    };
  },
};
