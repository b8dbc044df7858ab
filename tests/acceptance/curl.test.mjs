// curl, the way people use it in scripts: every way to hand over parameters.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { noisePng } from './harness/png.mjs';
import { Sandbox } from './harness/sandbox.mjs';

const limit = { timeout: 60_000 };
const dir = temporaryDirectory();
let sandbox;
let node;

before(async () => {
  sandbox = await Sandbox.start();
  node = await Node.start(sandbox);
  writeFileSync(join(dir, 'noise.png'), noisePng(400, 250));
  writeFileSync(join(dir, 'two.bin'), randomBytes(2 * 1024 * 1024));
});
after(async () => {
  await node?.stop();
  await sandbox?.stop();
});

/// Runs curl: {status, headers (text), text, json}.
async function curl(...args) {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-i', '--max-time', '30', ...args],
    { maxBuffer: 64 << 20, cwd: dir });
  // Interim answers (100 Continue) come first; the last head counts.
  const heads = stdout.split('\r\n\r\n');
  const last = heads.findLastIndex((head) => head.startsWith('HTTP/1.1 '));
  const text = heads.slice(last + 1).join('\r\n\r\n');
  return {
    status: Number(heads[last].slice(9, 12)),
    interim: heads.slice(0, last),
    headers: heads[last].toLowerCase(),
    text,
    get json() { return JSON.parse(text); },
  };
}

/// Runs curl: the body alone.
async function plain(...args) {
  return (await promisify(execFile)('curl', ['-sS', '--max-time', '30', ...args])).stdout;
}

for (const via of ['sandbox', 'gateway'])
  describe(`curl through the ${via}`, () => {
    const root = () => (via === 'gateway' ? node.root : sandbox.url);
    const stage = async () => {
      const scene = await sandbox.stage();
      return { ...scene, url: (method) => `${root()}/bot${scene.bot.token}/${method}` };
    };
    const sends = async (scene, text, ...args) => {
      const { status, json } = await curl(...args);
      assert.equal(status, 200, JSON.stringify(json));
      assert.equal(json.result.text, text);
      assert.equal((await sandbox.fromBot(scene.chat)).at(-1).text, text);
    };

    test('GET with everything in the query', limit, async () => {
      const scene = await stage();
      await sends(scene, 'a b&c', `${scene.url('sendMessage')}?chat_id=${scene.chat.id}&text=a%20b%26c`);
    });

    test('POST urlencoded, JSON, multipart', limit, async () => {
      const scene = await stage();
      const url = scene.url('sendMessage');
      await sends(scene, 'form & more', url, '-d', `chat_id=${scene.chat.id}`, '--data-urlencode', 'text=form & more');
      await sends(scene, 'json', url, '-H', 'Content-Type: application/json',
        '-d', JSON.stringify({ chat_id: scene.chat.id, text: 'json' }));
      await sends(scene, 'multipart', url, '-F', `chat_id=${scene.chat.id}`, '-F', 'text=multipart');
    });

    test('POST with an empty body and with no body, all in the query', limit, async () => {
      const scene = await stage();
      const url = `${scene.url('sendMessage')}?chat_id=${scene.chat.id}&text=`;
      await sends(scene, 'empty', `${url}empty`, '-X', 'POST', '-d', '');
      await sends(scene, 'none', `${url}none`, '-X', 'POST');
    });

    test('chat in the query, text in the body', limit, async () => {
      const scene = await stage();
      await sends(scene, 'mixed', `${scene.url('sendMessage')}?chat_id=${scene.chat.id}`, '-F', 'text=mixed');
    });

    test('method names in any case, the colon escaped, a method as parameter', limit, async () => {
      const scene = await stage();
      assert.equal((await curl(scene.url('GETME'))).json.result.id, Number(scene.bot.id));
      assert.equal((await curl(scene.url('getme').replace(/:(?=[\w-]{35})/, '%3A'))).json.result.id,
        Number(scene.bot.id));
      const bare = `${root()}/bot${scene.bot.token}/?method=getMe`;
      assert.equal((await curl(bare)).json.result.id, Number(scene.bot.id));
    });

    test('a request line of 60 KB', limit, async () => {
      const scene = await stage();
      const text = 'ж'.repeat(4096);
      const query = `chat_id=${scene.chat.id}&text=${encodeURIComponent(text)}&extra=${'x'.repeat(35_000)}`;
      await sends(scene, text, `${scene.url('sendMessage')}?${query}`);
    });

    test('a photo, with Content-Length and chunked', limit, async () => {
      const scene = await stage();
      for (const extra of [[], ['-H', 'Transfer-Encoding: chunked']]) {
        const { json } = await curl(scene.url('sendPhoto'), ...extra, '-F', 'photo=@noise.png;type=image/png',
          '-F', `chat_id=${scene.chat.id}`);
        assert.equal(json.ok, true, JSON.stringify(json));
        assert.equal(json.result.photo.at(-1).file_size, readFileSync(join(dir, 'noise.png')).length);
      }
    });

    test('an upload that waits for 100 Continue', limit, async () => {
      const scene = await stage();
      const { interim, json } = await curl(scene.url('sendDocument'), '-H', 'Expect: 100-continue',
        '--expect100-timeout', '25', '-F', 'document=@two.bin', '-F', `chat_id=${scene.chat.id}`);
      assert.equal(json.result.document.file_size, 2 * 1024 * 1024);
      assert.ok(interim.some((head) => head.startsWith('HTTP/1.1 100')), 'no 100 Continue came');
    });

    test('a file comes down, and HTTP/1.0 is understood', limit, async () => {
      const scene = await stage();
      const sent = await curl(scene.url('sendDocument'), '-F', 'document=@noise.png', '-F', `chat_id=${scene.chat.id}`);
      const { file_path } = (await curl(`${scene.url('getFile')}?file_id=${sent.json.result.document.file_id}`)).json.result;
      const target = join(dir, `down-${via}`);
      await plain('-o', target, `${root()}/file/bot${scene.bot.token}/${file_path}`);
      assert.ok(readFileSync(target).equals(readFileSync(join(dir, 'noise.png'))));
      assert.match(await plain('--http1.0', scene.url('getMe')), /"ok":true/);
    });

    test('two requests share one connection', limit, async () => {
      const scene = await stage();
      const url = scene.url('getMe');
      const { stdout } = await promisify(execFile)('curl',
        ['-sS', '-o', '/dev/null', '-w', '%{num_connects} %{http_code}\n', url, '-o', '/dev/null', url]);
      assert.deepEqual(stdout.trim().split('\n'), ['1 200', '0 200']);
    });

    test('the test environment is reached under /test/', limit, async () => {
      const scene = await stage();
      assert.equal((await curl(scene.url('test/getMe'))).status, 200);
    });
  });

describe('what the gateway adds for curl', () => {
  test('headers that say how often it tried and how long it waited', limit, async () => {
    const { bot, chat } = await sandbox.stage();
    await sandbox.fault({ bot: bot.id, method: 'getChat', kind: 'status', error_code: 502, count: 1 });
    const { status, headers } = await curl(`${node.root}/bot${bot.token}/getChat?chat_id=${chat.id}`);
    assert.equal(status, 200);
    assert.match(headers, /x-troupe-attempts: 2/);
    assert.match(headers, /x-troupe-waited: \d/);
  });

  test('a deadline that bounds the wait', limit, async () => {
    const { bot, chat } = await sandbox.stage();
    await sandbox.fault({ bot: bot.id, method: 'sendMessage', kind: 'flood', retry_after: 30, count: 1 });
    const url = `${node.root}/bot${bot.token}/sendMessage?chat_id=${chat.id}&text=x`;
    assert.equal((await curl(url)).status, 429);
    const started = performance.now();
    const held = await curl(url, '-H', 'X-Troupe-Deadline: 1s');
    assert.equal(held.status, 429);
    assert.ok(performance.now() - started < 3000);
    assert.ok(held.json.parameters.retry_after >= 25);
    assert.match(held.headers, /retry-after: \d+/);
  });
});
