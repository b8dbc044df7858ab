import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makePackage, must, root, run, temporary, text } from './parts.mjs';

const file = makePackage();
const field = (name) => must('dpkg-deb', ['-f', file, name]).trim();
const contents = temporary();
must('dpkg-deb', ['-x', file, contents]);
const control = temporary();
must('dpkg-deb', ['-e', file, control]);

test('the package says what it is', () => {
  assert.equal(field('Package'), 'troupe');
  assert.equal(field('Version'), must(join(contents, 'usr/bin/trouped'), ['--version']).split(' ')[1].trim());
  assert.equal(field('Architecture'), must('dpkg', ['--print-architecture']).trim());
});

test('it depends on the libraries that its programs are linked with, by version', () => {
  const depends = field('Depends');
  for (const name of ['libc6', 'libssl3', 'libsoci-core4.0', 'libsoci-postgresql4.0', 'libsoci-sqlite3-4.0', 'libcurl4', 'libboost-json1.81.0',
    'libmimalloc2.0'])
    assert.match(depends, new RegExp(`(^|, )${name.replaceAll('.', '\\.')} \\(>= `), name);
  assert.match(depends, /(^|, )adduser(,|$)/);
  assert.match(depends, /(^|, )ca-certificates(,|$)/);
  assert.doesNotMatch(depends, /-dev/);
});

test('the settings are conffiles, all with their defaults, but that data is in /var/lib/troupe', () => {
  const names = readdirSync(join(root, 'configs')).filter((name) => name.endsWith('.conf')).sort();
  assert.deepEqual(readFileSync(join(control, 'conffiles'), 'utf8').trim().split('\n').sort(), names.map((name) => `/etc/troupe/${name}`));
  assert.deepEqual(readdirSync(join(contents, 'etc/troupe')).sort(), names);
  for (const name of names) {
    const wanted = text(`configs/${name}`).replace('data-dir = "troupe-data"', 'data-dir = "/var/lib/troupe"');
    assert.equal(readFileSync(join(contents, 'etc/troupe', name), 'utf8'), wanted, name);
  }
  must(join(contents, 'usr/bin/trouped'), [`--config-dir=${join(contents, 'etc/troupe')}`, '--check-config']);
});

test('its maintainer scripts are right for every POSIX shell', () => {
  for (const name of ['postinst', 'prerm', 'postrm']) {
    must('sh', ['-n', join(control, name)]);
    assert.match(readFileSync(join(control, name), 'utf8'), /^#!\/bin\/sh\n(#.*\n)*set -e\n/, name);
  }
});

// There are no manual pages (--help tells), and who distributes the package has to name a maintainer.
const known = ['bogus-mail-host', 'bogus-mail-host-in-debian-changelog', 'no-manual-page', 'no-manual-page'];

test('lintian has nothing to say but what is known', () => {
  const { out } = run('lintian', ['--allow-root', '--no-tag-display-limit', file]);
  assert.deepEqual([...out.matchAll(/^[EW]: troupe: (\S+)/gm)].map(([, tag]) => tag).sort(), known, out);
});
