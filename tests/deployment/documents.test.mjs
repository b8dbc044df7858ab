import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { must, root, run, temporary, text } from './parts.mjs';

const document = text('docs/deployment.md');
const blocks = (heading) => [...document.split(`## ${heading}\n`)[1].split('\n## ')[0].matchAll(/```\n([^]*?)```/g)].map(([, block]) => block);

test('every file that the page explains is there', () => {
  for (const [, path] of document.matchAll(/`((?:configs|docs)\/[\w./-]+)`/g)) assert.ok(existsSync(join(root, path)), path);
  for (const [, path] of document.matchAll(/\]\(([\w./-]+\.md)\)/g)) assert.ok(existsSync(join(root, 'docs', path)), path);
});

test('its commands make certificates that are good for both sides of a connection, and for their names alone', () => {
  const dir = temporary();
  must('bash', ['-e', '-c', `cd "$1"\n${blocks('Certificates')[0]}`, 'bash', dir]);
  const verify = (...options) => run('openssl', ['verify', '-CAfile', join(dir, 'ca.crt'), ...options, join(dir, 'node-2.crt')]).code;
  assert.equal(verify('-purpose', 'sslserver', '-verify_hostname', 'node-2.example.org'), 0);
  assert.equal(verify('-purpose', 'sslclient'), 0);
  assert.notEqual(verify('-purpose', 'sslserver', '-verify_hostname', 'node-1.example.org'), 0);
});

test('its other commands are shell', () => {
  const all = [...document.matchAll(/```\n([^]*?)```/g)].map(([, block]) => block);
  assert.ok(all.length > 4);
  for (const block of all) must('bash', ['-n'], { input: block });
});

test('the secrets that it makes are those that the manifest mounts', () => {
  const made = new Set([...document.matchAll(/create secret (?:generic|tls) (\S+)/g)].map(([, name]) => name));
  const used = new Set([...text('configs/kubernetes/troupe.yaml').matchAll(/secretName: ([\w-]+)|secret:\n\s+name: (\S+)/g)].map(([, one, other]) => one ?? other));
  assert.deepEqual([...made].sort(), [...used].sort());
});
