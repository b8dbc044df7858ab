import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { install, must, root, run, withStandIns } from './parts.mjs';

const dir = install('/usr/local');
const at = (path) => join(dir, 'usr/local', path);
const examples = 'share/doc/troupe/examples';

test('make install installs what these tests install, below DESTDIR and PREFIX', () => {
  const said = must('make', ['-n', '-C', root, 'install', 'PREFIX=/opt/there', 'DESTDIR=/some/where']);
  assert.match(said, /DESTDIR="\/some\/where" cmake --install \S+ --prefix "\/opt\/there" --component program --strip/);
});

test('everything is below the prefix', () => {
  assert.deepEqual(readdirSync(dir), ['usr']);
  assert.deepEqual(readdirSync(join(dir, 'usr')), ['local']);
});

test('the installed programs run and say one version', () => {
  for (const name of ['trouped', 'troupectl']) {
    assert.equal(statSync(at(`bin/${name}`)).mode & 0o777, 0o755);
    assert.match(must(at(`bin/${name}`), ['--version']), new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\\n$`));
  }
});

test('the installed node accepts the settings that are installed with it, and no wrong ones', () => {
  const profiles = readdirSync(at(examples), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  for (const wanted of ['single', 'demo', 'cluster']) assert.ok(profiles.includes(wanted), wanted);
  const check = (dir) => run(at('bin/trouped'), [`--config-dir=${dir}`, '--check-config']);
  for (const profile of ['.', ...profiles]) {
    const { dir, files } = withStandIns(at(`${examples}/${profile}`), ['/etc/troupe/tls', '/run/credentials/troupe.service']);
    const { code, out } = check(dir);
    assert.equal(code, 0, `${profile}: ${out}`);
    if (files.length === 0) continue;
    // As installed, it lacks these files and nothing else.
    const lacking = check(at(`${examples}/${profile}`));
    assert.equal(lacking.code, 2);
    const lines = lacking.out.trimEnd().split('\n');
    for (const line of lines) assert.ok(/is not allowed; allowed is a readable PEM file/.test(line) && files.some((file) => line.includes(`"${file}"`)), line);
    assert.ok(lines.length > 10);
  }
  assert.equal(run(at('bin/trouped'), ['--check-config', '--gateway.port=no']).code, 2);
});

test('documents and examples are there, readable by all, the package\'s own parts are not', () => {
  for (const path of ['deployment.md', 'README.md', 'examples/gateway.conf', 'examples/systemd/troupe.service',
    'examples/systemd/troupe.service.d/credentials.conf', 'examples/container/Containerfile', 'examples/kubernetes/troupe.yaml'])
    assert.equal(statSync(at(`share/doc/troupe/${path}`)).mode & 0o777, 0o644, path);
  assert.ok(!existsSync(at(`${examples}/debian`)));
});

test('the unit starts the programs that are installed with it', () => {
  const unit = readFileSync(at('lib/systemd/system/troupe.service'), 'utf8');
  const commands = [...unit.matchAll(/^Exec\w+=(\S+)/gm)].map(([, program]) => program);
  assert.deepEqual([...new Set(commands)].sort(), ['/bin/kill', '/usr/local/bin/trouped']);
  assert.match(unit, /^Documentation=file:\/usr\/local\/share\/doc\/troupe\/deployment\.md$/m);
});

test('bash completes troupectl\'s commands by the installed file', () => {
  const script = `. ${at('share/bash-completion/completions/troupectl')}
    COMP_WORDS=(troupectl bot ad) COMP_CWORD=2; _troupectl; echo "\${COMPREPLY[@]}"`;
  assert.equal(must('bash', ['-c', script]), 'add\n');
});
