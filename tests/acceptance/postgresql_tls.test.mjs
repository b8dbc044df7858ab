// PostgreSQL over TLS, as an operator's URI asks for it: server and node each show a certificate that the other
// one's authority signed. Everything else is refused, with a sentence that says why.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chmodSync } from 'node:fs';
import { Node, temporaryDirectory } from './harness/node.mjs';
import { PostgreSql } from './harness/postgresql.mjs';
import { Sandbox } from './harness/sandbox.mjs';
import { makeAuthority, makeNodeCertificate } from './harness/tls.mjs';

const limit = { timeout: 120_000 };

describe('PostgreSQL that is reached over TLS alone', { concurrency: 7 }, () => {
  let sandbox;
  let database;
  let files;
  const dir = temporaryDirectory();
  const certificate = (authority, name) => {
    const made = makeNodeCertificate(dir, authority, name);
    chmodSync(made.key, 0o600); // libpq takes no key that others can read.
    return { ca: authority.cert, ...made };
  };
  before(async () => {
    sandbox = await Sandbox.start({ args: ['--limits=none'] });
    const authority = makeAuthority(dir, 'database');
    files = certificate(authority, 'troupe');
    const foreign = makeAuthority(dir, 'foreign');
    files.foreignAuthority = foreign.cert;
    files.foreign = certificate(foreign, 'stranger');
    files.other = certificate(authority, 'somebody');
    database = await PostgreSql.start({ tls: certificate(authority, 'server') });
  });
  after(async () => {
    database?.remove();
    await sandbox?.stop();
  });

  const settings = (uri) => ({
    files: { 'store.conf': `store { uri = "${uri}" }\n` },
    env: { TROUPE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') },
    options: { 'gateway.unknown-tokens': 'reject' },
  });

  test('a node serves with its store there, and no connection of its is in the clear', limit, async (t) => {
    const node = await Node.start(sandbox, settings(database.secureUri(files)));
    t.after(() => node.program.kill());
    const bot = await sandbox.createBot();
    const made = await node.ask('POST', '/v1/bots', { token: bot.token, trusted: true });
    assert.equal(made.status, 201, made.text);
    assert.equal((await node.call(bot.token, 'getMe')).status, 200);
    assert.equal(await database.query('SELECT count(*) FROM bots'), '1');
    const seen = (await database.query(`SELECT ssl, version, client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)).split('\n');
    assert.ok(seen.length > 0 && seen.every((line) => /^t\|TLSv1\.[23]\|\/CN=troupe$/.test(line)), seen.join('\n'));
    await node.stop();
  });

  for (const [what, uri, words] of [
    ['whose certificate another authority signed', () => database.secureUri({ ...files, ca: files.foreignAuthority }), /certificate verify failed/],
    ['whose certificate is for another host', () => database.secureUri(files, 'localhost'), /server certificate for .* does not match host name/],
    ['that it shows no certificate', () => database.secureUri({ ca: files.ca }), /requires a valid client certificate/],
    ['that it shows a certificate of another authority', () => database.secureUri({ ...files.foreign, ca: files.ca }), /unknown ca|certificate/],
    ['that it shows somebody else\'s certificate', () => database.secureUri({ ...files.other, ca: files.ca }), /authentication failed/],
    ['that it speaks to in the clear', () => database.secureUri(files).replace('verify-full', 'disable'), /no pg_hba.conf entry .*no encryption/],
  ])
    test(`no node starts with one ${what}, and says why`, limit, async (t) => {
      const node = await Node.start(sandbox, settings(uri())).then((started) => {
        t.after(() => started.program.kill());
        throw new Error('it started');
      }, (error) => error.message);
      assert.match(node, words);
      assert.match(node, /node\.failed/);
    });
});
